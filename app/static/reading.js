// How far a file is read, while an event of the page waits for that, and the button that ends it. Which file an event is about stands in
// what it sends: the token of the upload.
(() => {
  const PATIENCE = 500; // milliseconds, below which nobody has to be told
  const PAUSE = 300;
  const ask = window.fetch;
  const waiting = new Map(); // by token the events under way, the newest last
  let session = "";
  let timer = null;
  let shown = null; // the token whose reading is shown
  let silent = 0; // looks in a row that found nothing
  let draw = () => {};

  const hide = () => {
    shown = null;
    draw(null);
  };
  const look = async () => {
    timer = null;
    let found = null;
    for (const token of [...waiting.keys()].reverse()) {
      try {
        found = await (await ask(`uploads/${token}/reading`, { cache: "no-store" })).json();
      } catch {
        // not reached, which the event itself tells
      }
      if (found?.share !== undefined) {
        shown = token;
        break;
      }
      found = null;
    }
    silent = found ? 0 : silent + 1; // between two readings of the same event there is none
    if (found && waiting.has(shown)) draw(found);
    else if (silent > 1) hide();
    if (waiting.size) timer ??= setTimeout(look, PAUSE);
  };
  const begin = (token) => {
    const count = waiting.get(token) ?? 0;
    waiting.delete(token);
    waiting.set(token, count + 1);
    timer ??= setTimeout(look, PATIENCE);
  };
  const end = (token) => {
    const count = waiting.get(token) - 1;
    if (count) return waiting.set(token, count);
    waiting.delete(token);
    if (token === shown) hide();
    if (waiting.size) return;
    clearTimeout(timer);
    timer = null;
  };

  window.fetch = async (target, options) => {
    const path = String(target instanceof Request ? target.url : target);
    const body = /\/gradio_api\/run(\/|$)/.test(path) && typeof options?.body === "string" ? options.body : "";
    const token = body.match(/\\"token\\": ?\\"([0-9a-f]{32})\\"/)?.[1];
    if (!token) return ask(target, options);
    session = body.match(/"session_hash": ?"(\w+)"/)?.[1] ?? "";
    begin(token);
    try {
      return await ask(target, options);
    } finally {
      end(token);
    }
  };

  const stop = (token, asked = "") => ask(`uploads/${token}/stop${asked}`, { method: "POST" }).catch(() => {});

  Object.assign(studio, {
    // What is newer than all that is under way for the same upload.
    newer: (said) => {
      if (waiting.has(said.token)) stop(said.token, `?session=${session}&before=${said.count}`);
    },
    reading: (element) => {
      const root = element.querySelector("div") ?? element;
      const made = document.createElement("div");
      made.className = "rs-reading";
      made.innerHTML =
        '<span role="status"></span><div class="rs-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"><i></i></div>' +
        '<b aria-hidden="true"></b><button type="button" class="rs-quiet"></button>';
      const [title, bar, percent, cancel] = made.children;
      bar.setAttribute("aria-label", words.reading.title);
      cancel.textContent = words.reading.cancel;
      cancel.onclick = () => {
        if (!shown) return;
        stop(shown);
        document.dispatchEvent(new CustomEvent("reading-cancelled", { detail: shown }));
      };
      draw = (found) => {
        if (!found) {
          // Whoever has pressed the button goes on where another file is brought.
          if (made.contains(document.activeElement)) document.querySelector('#dataset-entry [role="tab"][aria-selected="true"]')?.focus({ preventScroll: true });
          return root.replaceChildren();
        }
        const share = Math.floor(100 * found.share);
        const text = found.waits ? words.reading.waits : words.reading.title;
        if (!root.contains(made)) root.replaceChildren(made);
        if (title.textContent !== text) title.textContent = text; // read out once
        bar.setAttribute("aria-valuenow", share);
        bar.firstChild.style.width = `${share}%`;
        percent.textContent = `${share} %`;
      };
    },
  });
})();
