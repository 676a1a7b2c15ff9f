// A title for each page, and word of a run that has ended while one is elsewhere: in the tab's title, as a mark on the menu, and as a
// notification of the system where the person has allowed it.
(() => {
  const PAUSE = 5000;
  const CURSOR = "studio.ended.cursor";
  const UNSEEN = "studio.ended.unseen";
  const page = () => location.pathname.replace(/\/+$/, "").split("/").pop();
  const unseen = () => JSON.parse(localStorage.getItem(UNSEEN) ?? "[]");
  const base = () => (words.titles[page()] ? `${words.titles[page()]} · ${words.studio}` : words.studio);

  const title = () => {
    const count = unseen().length;
    const wanted = count ? `(${count}) ${words.ended.title} · ${base()}` : base();
    if (document.title !== wanted) document.title = wanted;
    for (const link of document.querySelectorAll('.rs-header nav a[href$="runs"]')) {
      const mark = link.querySelector(".rs-unseen");
      if (!count) mark?.remove();
      else if (!mark) {
        const made = Object.assign(document.createElement("span"), { className: "rs-unseen", textContent: count });
        made.setAttribute("aria-label", words.ended.mark.replace("{count}", () => count));
        link.append(made);
      } else if (mark.textContent !== String(count)) mark.textContent = count;
    }
  };
  const seen = () => {
    if (page() !== "runs" || document.hidden || !unseen().length) return;
    localStorage.setItem(UNSEEN, "[]");
  };
  const notify = (run) => {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const told = new Notification(words.studio, { body: run.text, tag: run.id });
    told.onclick = () => {
      window.focus();
      location.href = `runs?run=${encodeURIComponent(run.id)}`;
    };
  };
  const look = async () => {
    try {
      const cursor = localStorage.getItem(CURSOR) ?? "-1";
      const answer = await fetch(`follow/ended?cursor=${cursor}`, { cache: "no-store" });
      if (answer.ok) {
        const found = await answer.json();
        // Another tab may have told of them already.
        if (localStorage.getItem(CURSOR) === cursor || cursor === "-1") {
          localStorage.setItem(CURSOR, found.cursor);
          const elsewhere = page() !== "runs" || document.hidden;
          if (found.ended.length && elsewhere) {
            localStorage.setItem(UNSEEN, JSON.stringify([...new Set([...unseen(), ...found.ended.map((run) => run.id)])]));
            found.ended.forEach(notify);
          }
        }
      }
    } catch {
      // not reached, which the page says elsewhere
    }
    seen();
    title();
    setTimeout(look, PAUSE);
  };
  // Asked for only by the person: a browser refuses a page that asks by itself.
  const notifications = (element) => {
    const root = element.querySelector("div") ?? element;
    const { el, button } = studio.parts;
    const draw = () => {
      const allowed = "Notification" in window ? Notification.permission : "denied";
      if (allowed === "default") root.replaceChildren(button(words.ended.allow, "notify", async () => (await Notification.requestPermission(), draw())));
      else root.replaceChildren(allowed === "granted" ? el("span", { class: "rs-facts" }, words.ended.allowed) : "");
    };
    draw();
  };
  document.addEventListener("visibilitychange", () => (seen(), title()));
  window.addEventListener("storage", title);
  const begin = () => {
    new MutationObserver(studio.parts.onceAFrame(title)).observe(document, { childList: true, subtree: true });
    title();
    look();
  };
  // The page may be read whole before Gradio runs this.
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
  Object.assign(studio, { notifications });
})();
