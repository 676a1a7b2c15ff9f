// Gradio measures at each frame how long an event takes, and goes on for ever where what waited for the event has left the page by then.
// No page shows that time, so it is measured once a second: an open page would cost a tenth of a core and more.
(() => {
  const PAUSE = 1000;
  const frame = window.requestAnimationFrame.bind(window);
  const measures = (act) => /performance\.now\(\) *-/.test(Function.prototype.toString.call(act));
  window.requestAnimationFrame = (act) => (measures(act) ? setTimeout(act, PAUSE, performance.now() + PAUSE) : frame(act));
})();
