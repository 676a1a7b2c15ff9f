// Says so while the studio itself does not answer.
(() => {
  let bar = null;
  const show = () => {
    if (bar || !document.body) return;
    bar = document.createElement("div");
    bar.id = "studio-away";
    bar.setAttribute("role", "alert");
    bar.textContent = words.unreachable;
    document.body.append(bar);
  };
  const look = async () => {
    let up = false;
    try {
      up = (await fetch("alive", { cache: "no-store", signal: AbortSignal.timeout(2500) })).ok;
    } catch {
      // not reached
    }
    if (!up) show();
    else if (bar) {
      bar.remove();
      bar = null;
    }
  };
  setInterval(look, 1500);
})();
