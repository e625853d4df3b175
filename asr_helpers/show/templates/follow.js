/* onplay of a player beside its words: every drawn frame moves the playhead, lights the word that is heard, and stops
   the recording at the end of the word that was clicked. */
const a = this, w = a.closest('.words'), tick = () => {
  const t = a.currentTime, end = +a.dataset.end;
  if (end && t >= end) a.pause();
  const off = a.paused || a.ended;
  if (off) delete a.dataset.end;
  w.querySelectorAll('[data-start]').forEach(b =>
    b.classList.toggle('on', !off && t >= +b.dataset.start && t < +b.dataset.end));
  w.querySelectorAll('.head').forEach(h => h.style.left = 100 * t / a.duration + '%');
  if (!off) requestAnimationFrame(tick)
};
tick()
