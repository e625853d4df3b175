/* For whoever records in a page. wav: any sound that this browser can decode, as a Blob of 16 kHz, mono, 16-bit WAV.
   record: the first click of a button records, the next one (or a minute) ends it and gives the WAV to `done`. What
   goes wrong is said by the button. */
const wav = async sound => {
  const heard = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(await sound.arrayBuffer()),
    n = heard.length, many = heard.numberOfChannels, file = new DataView(new ArrayBuffer(44 + 2 * n)),
    tag = (at, text) => [...text].forEach((c, i) => file.setUint8(at + i, c.charCodeAt(0)));
  tag(0, 'RIFF'); tag(8, 'WAVEfmt '); tag(36, 'data');
  [[4, 36 + 2 * n], [16, 16], [24, 16000], [28, 32000], [40, 2 * n]].forEach(([at, v]) => file.setUint32(at, v, true));
  [[20, 1], [22, 1], [32, 2], [34, 16]].forEach(([at, v]) => file.setUint16(at, v, true));
  const channels = [...Array(many).keys()].map(c => heard.getChannelData(c));
  for (let i = 0; i < n; i++) {
    const mean = channels.reduce((sum, c) => sum + c[i], 0) / many;
    file.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(32768 * mean))), true)
  }
  return new Blob([file], { type: 'audio/wav' })
},
record = async (button, done) => {
  if (button.recorder) { button.recorder.stop(); return }
  const label = button.dataset.label ||= button.textContent, parts = [],
    fail = error => { button.textContent = label + ' (' + error.message + ')' };
  try {
    if (!navigator.mediaDevices) throw new Error('no microphone: browsers give it to localhost and https only');
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }),
      recorder = button.recorder = new MediaRecorder(stream),
      end = setTimeout(() => recorder.stop(), 60000);
    recorder.ondataavailable = event => parts.push(event.data);
    recorder.onstop = async () => {
      clearTimeout(end); delete button.recorder; button.textContent = label;
      stream.getTracks().forEach(track => track.stop());
      try { done(await wav(new Blob(parts))) } catch (error) { fail(error) }
    };
    recorder.start();
    button.textContent = '■ stop'
  } catch (error) { fail(error) }
};
