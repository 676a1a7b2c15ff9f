// The predictions of a run: as long as they are made, the page asks how far they are; what comes of them is drawn by the server.
(() => {
  let current = null;
  const PAUSE = 500; // milliseconds between two looks
  const predictions = (element, props, watch, ended) => {
    const { el } = studio.parts;
    const shown = el("div");
    const live = el("p", { class: "rs-hidden", role: "status" });
    (element.querySelector("div") ?? element).replaceChildren(shown, live);
    let run = ""; // whose predictions are made; empty where none are
    let timer = null;
    let looks = 0; // so that the answer to an older look is dropped

    const next = () => (timer = setTimeout(look, document.hidden ? 10 * PAUSE : PAUSE));
    const take = () => {
      clearTimeout(timer);
      looks += 1;
      const before = run;
      run = props.value?.follows ?? "";
      shown.innerHTML = props.value?.html ?? ""; // escaped by the server
      if (before && !run) live.textContent = shown.querySelector(".rs-sentence, .rs-notice")?.textContent ?? "";
      if (run) next();
    };
    const look = async () => {
      if (!run || !element.isConnected) return;
      const mine = (looks += 1);
      try {
        const answer = await fetch(`follow/runs/${encodeURIComponent(run)}/predictions`, { cache: "no-store" });
        const found = answer.ok ? await answer.json() : null;
        if (mine !== looks) return;
        if (found && !found.going) return ended();
        if (found) studio.redraw(shown.querySelector(".rs-predicting") ?? shown, found.html);
      } catch {
        // not reached, which the page says elsewhere
      }
      if (mine === looks) next();
    };
    current = { follow: (id) => ((run = id), look()) };
    take();
    watch("value", take);
  };
  Object.assign(studio, { predictions, followPredictions: (id) => current?.follow(id) });
})();
