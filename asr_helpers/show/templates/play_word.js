/* onclick of whatever holds a player: a click on a word starts the recording at that word. */
const b = event.target.closest('[data-start]');
if (b) {
  const a = this.querySelector('audio'),
    go = () => { a.dataset.end = b.dataset.end; a.currentTime = +b.dataset.start; a.play() };
  a.readyState > 0 ? go() : (a.preload = 'auto', a.addEventListener('loadedmetadata', go, { once: true }), a.load())
}
