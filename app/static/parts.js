// What the scripts of the pages share: elements, texts that are folded, when to act. Texts of files are set as text, never as markup.
(() => {
  const el = (name, attributes = {}, ...inside) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };
  const after = (milliseconds, act) => {
    let waits;
    return (...given) => {
      clearTimeout(waits);
      waits = setTimeout(() => act(...given), milliseconds);
    };
  };
  // A text of the studio with its values in it, where there are some.
  const filled = (text, values) => text.replace(/\{(\w+)(?::[^}]*)?\}/g, (whole, name) => values[name] ?? whole);
  // However often it is called, it acts once, in the next frame.
  const onceAFrame = (act) => {
    let waits = false;
    return () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        act();
      });
    };
  };
  const labelled = (text, control) => el("label", { class: "rs-labelled" }, el("span", {}, text), control);
  const button = (text, key, act) => {
    const made = el("button", { type: "button", class: "rs-quiet", "data-key": key }, text);
    made.onclick = act;
    return made;
  };
  const choice = (texts) => {
    const made = el("select", {});
    for (const [name, word] of Object.entries(texts)) made.append(el("option", { value: name }, word));
    return made;
  };

  // A text of a file; a long one is folded, with a button that opens it.
  const folded = (text, key) => {
    const inside = el("div", { class: "rs-cell", dir: "auto" });
    inside.textContent = text;
    if (text.length <= 180 && text.split("\n").length <= 4) return [inside];
    const open = button(words.whole, `open ${key}`, () => {
      const opened = inside.classList.toggle("open");
      open.textContent = opened ? words.less : words.whole;
      open.setAttribute("aria-expanded", String(opened));
    });
    open.setAttribute("aria-expanded", "false");
    return [inside, open];
  };

  // Redraws, and gives the focus back to the part that had it.
  const awaited = new WeakMap(); // by root: the part that cannot have the focus now, and had it
  const keepingFocus = (root, draw) => {
    const free = document.activeElement === document.body;
    const held = root.contains(document.activeElement) ? document.activeElement.dataset.key : free ? awaited.get(root) : null;
    draw();
    const part = held && [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === held);
    // Of a row of buttons whose end was reached, the next one.
    const able = part?.disabled ? [...part.parentElement.querySelectorAll("button")].find((each) => !each.disabled) : part;
    able?.focus({ preventScroll: true });
    if (part && !able) awaited.set(root, held);
    else awaited.delete(root);
  };

  // Draws, but not while a pointer is down within `root`: what is pressed has to be there when it is released, or the press is lost.
  const onceReleased = (root, draw) => {
    let pressed = false;
    let due = false;
    const act = () => {
      due = false;
      draw();
    };
    const release = () => {
      pressed = false;
      if (due) setTimeout(() => due && !pressed && act()); // after the click
    };
    // The release of a list that unfolds is nobody's to hear of.
    root.addEventListener("pointerdown", (event) => (pressed = !event.target.closest("select")), true);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release, true);
    addEventListener("pointermove", (event) => pressed && !event.buttons && release(), true);
    return () => (pressed ? (due = true) : act());
  };

  // Something has changed that the page has to look at: once the fields hold it, and once for all that changes at the same time.
  const asking = (watch, look) => watch("value", after(60, look));

  // Positions that were chosen on the Train page: rows are shown with them.
  const POSITIONS = "studio.positions";
  const notePositions = (positions) => localStorage.setItem(POSITIONS, positions);
  const note = (event) => {
    if (event.target.closest?.("#train-positions")) notePositions(event.target.value);
  };
  document.addEventListener("change", note);
  document.addEventListener("focusout", note);

  // A time of day, such as 3:00, as the next moment at which clocks here show it; any other text as it is.
  studio.moment = (text) => {
    const found = /^\s*(\d{1,2})[:.](\d{2})\s*$/.exec(text ?? "");
    if (!found || Number(found[1]) > 23 || Number(found[2]) > 59) return text;
    const moment = new Date();
    moment.setHours(Number(found[1]), Number(found[2]), 0, 0);
    if (moment <= new Date()) moment.setDate(moment.getDate() + 1);
    return moment.toISOString().replace("Z", "+00:00");
  };
  studio.asking = asking;
  const positions = () => localStorage.getItem(POSITIONS) ?? "";
  studio.parts = { el, after, onceAFrame, filled, labelled, button, choice, folded, keepingFocus, onceReleased, positions, notePositions };
})();
