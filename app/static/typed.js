// What is typed or chosen in an accordion or a tab that has just been opened stands. Gradio 6.31 gives such fields their stored values once
// more, some frames after it has drawn them (`render_previously_invisible_children`), and so takes back what was typed by then.
(() => {
  const FRAMES = 30; // until a field is left alone
  const FIELDS = ':is([data-testid="accordion-content"], [role="tabpanel"]) :is(textarea, input:not([role], [type="file"]))';
  const known = new WeakSet();
  const young = new Map(); // by field: the frames that are left, and what was typed
  const property = (field) => (["checkbox", "radio"].includes(field.type) ? "checked" : "value");

  const notice = () => {
    for (const field of document.querySelectorAll(FIELDS)) {
      if (known.has(field) || field.closest(".html-container")) continue; // Gradio does not fill what our own scripts draw
      known.add(field);
      if (!young.size) requestAnimationFrame(look);
      young.set(field, { left: FRAMES });
    }
  };
  const putBack = () => {
    for (const [field, { typed }] of young) {
      if (typed === undefined || field[property(field)] === typed) continue;
      if (property(field) === "checked") field.click();
      else {
        field.value = typed;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
  };
  const look = () => {
    putBack();
    for (const [field, each] of young) if ((each.left -= 1) < 0 || !field.isConnected) young.delete(field);
    if (young.size) requestAnimationFrame(look);
  };
  document.addEventListener(
    "input",
    ({ target }) => {
      notice();
      const each = young.get(target);
      if (!each) return;
      if (target.type === "radio") for (const other of target.closest("fieldset")?.querySelectorAll("input") ?? []) delete young.get(other)?.typed;
      each.typed = target[property(target)];
    },
    true,
  );
  // A press sends what was typed; what it changes in the fields is its own affair.
  document.addEventListener(
    "click",
    ({ target }) => {
      if (!target.closest("button")) return;
      putBack();
      for (const each of young.values()) delete each.typed;
    },
    true,
  );
  new MutationObserver(studio.parts.onceAFrame(notice)).observe(document, { childList: true, subtree: true });
})();
