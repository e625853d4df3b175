/* The page of `serve`: sends what is recorded or chosen, and shows what comes back, which the program has escaped. */
const result = document.getElementById('result'),
  tell = text => { result.textContent = text },
  send = async (sound, name) => {
    if (sound.size > +result.dataset.limit) {
      tell(name + ' is larger than the program takes: start it with a larger --limit'); return
    }
    tell('listening to ' + name + ' …');
    try {
      const reply = await fetch('hear', { method: 'POST', body: sound, headers: { 'X-Name': encodeURIComponent(name) } }),
        text = await reply.text();
      if (reply.ok) result.innerHTML = text; else tell(text)
    } catch (error) { tell('the program does not answer: is it still running?') }
  };
document.getElementById('record').onclick = event => record(event.currentTarget, sound => send(sound, 'the recording'));
document.getElementById('file').onchange = async event => {
  const [file] = event.target.files;
  event.target.value = '';
  if (file) send(/^audio\/(mp4|x-m4a|aac|webm)|^video\//.test(file.type) ? await wav(file).catch(() => file) : file, file.name)
};
