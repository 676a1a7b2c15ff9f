// Says so while the studio itself does not answer, and when whoever uses it is not logged in any more.
(() => {
  let bar = null;
  let shown = "";
  const show = (sentence) => {
    if ((bar && shown === sentence) || !document.body) return;
    bar?.remove();
    shown = sentence;
    bar = document.createElement("div");
    bar.id = "studio-away";
    bar.setAttribute("role", "alert");
    bar.innerHTML = sentence; // our own, with a link
    document.body.append(bar);
  };
  const look = async () => {
    let status = 0;
    try {
      status = (await fetch("alive", { cache: "no-store", signal: AbortSignal.timeout(2500) })).status;
    } catch {
      // not reached
    }
    if (status === 401) show(studio.loggedOut);
    else if (status !== 200) show(words.unreachable);
    else if (bar) {
      bar.remove();
      bar = null;
    }
  };
  setInterval(look, 1500);
})();
