// Where people are told apart, the header names whoever is logged in, lets them log out, and leads operators to their page.
(() => {
  const { el } = studio.parts;
  const KEY = "studio.person";
  let me = null;

  // What the pages keep here is not for whoever logs in next; some of it is written as a page is left, which is over then.
  const forget = () => {
    localStorage.clear();
    sessionStorage.clear();
    Storage.prototype.setItem = () => {};
  };
  // After the end of a session somebody else may log in, in another tab as well: then nothing of the one before stays.
  const isKnown = () => {
    const kept = [localStorage, sessionStorage];
    const isOther = kept.some((store) => (store.getItem(KEY) ?? me.name) !== me.name);
    if (isOther) for (const store of kept) store.clear();
    for (const store of kept) store.setItem(KEY, me.name);
    if (isOther) leaveFor();
    return !isOther;
  };
  const leaveFor = () => {
    Storage.prototype.setItem = () => {};
    location.reload();
  };

  const leave = () => {
    const form = el("form", { method: "post", action: "logout" }, el("button", { type: "submit" }, words.person.log_out));
    form.addEventListener("submit", forget);
    return form;
  };
  // Gradio draws the header, at first and whenever it draws the page anew.
  const draw = () => {
    for (const header of me ? document.querySelectorAll(".rs-header:not(:has(.rs-person))") : []) {
      const name = el("span", { class: "rs-person-name", title: me.name }, me.name);
      const theirs = me.operator ? [el("a", { href: "operator" }, words.person.operators)] : [];
      const group = { class: "rs-person", role: "group", "aria-label": words.person.label };
      header.append(el("div", group, name, ...theirs, ...(me.log_out ? [leave()] : [])));
    }
  };
  const begin = async () => {
    new MutationObserver(studio.parts.onceAFrame(draw)).observe(document.body, { childList: true, subtree: true });
    const found = await studio.server.ask("me");
    if (!found.data) return;
    me = found.data;
    if (!isKnown()) return;
    addEventListener("storage", (event) => {
      if (event.key === KEY && event.newValue && event.newValue !== me.name) leaveFor();
    });
    draw();
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
})();
