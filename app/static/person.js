// Where people are told apart, the header names whoever is logged in, lets them log out, and leads operators to their page.
(() => {
  const { el } = studio.parts;
  let me = null;

  const leave = () => {
    const form = el("form", { method: "post", action: "logout" }, el("button", { type: "submit" }, words.person.log_out));
    // What the pages keep here is not for whoever logs in next.
    form.addEventListener("submit", () => (localStorage.clear(), sessionStorage.clear()));
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
    if (found.data) me = found.data;
    draw();
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
})();
