/* onkeydown of whatever holds a player: the arrow keys go from word to word, as the text runs. */
const words = [...this.querySelectorAll('button[data-start]')], here = words.indexOf(event.target),
  way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
if (way && here >= 0) {
  const next = words[here + (getComputedStyle(event.target).direction === 'rtl' ? -way : way)];
  event.preventDefault(); event.stopPropagation();
  if (next) { event.target.tabIndex = -1; next.tabIndex = 0; next.focus() }
}
