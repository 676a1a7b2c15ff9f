// The rows of a kept dataset: paged, searched, changed and dropped. What is changed stays in the browser, also over a reload, until it is
// saved as a new version.
(() => {
  const { el, after, labelled, button, choice, folded, keepingFocus, positions } = studio.parts;
  const PAGE = 10;
  let asked = null; // what the page has asked for; null without a dataset
  let view = null; // what the server has answered last
  let changes = { texts: {}, dropped: [], remedies: [] };
  let sent = 0;
  let fire = {};
  let redraw = () => {};

  // What is changed

  const key = () => `studio.changes.${view.key}`;
  const remember = (draw = redraw) => {
    if (pending()) sessionStorage.setItem(key(), JSON.stringify(changes));
    else sessionStorage.removeItem(key());
    draw();
  };
  // A press on a button ends the editing of a text; the page must not change under it before it is released.
  let pressed = false;
  addEventListener("pointerdown", () => (pressed = true), true);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => (pressed = false), true);
  const redrawReleased = () => {
    if (pressed) addEventListener("pointerup", () => setTimeout(redraw), { once: true });
    else redraw();
  };
  const recall = () => {
    const known = view.can_change && sessionStorage.getItem(key());
    changes = known ? JSON.parse(known) : { texts: {}, dropped: [], remedies: [] };
  };
  const changed = () => Object.values(changes.texts).reduce((count, texts) => count + Object.keys(texts).length, 0);
  const pending = () => changed() + changes.dropped.length + changes.remedies.length;
  const textOf = (row, text) => changes.texts[row.number]?.[text.name] ?? text.text;
  const setText = (row, text, now, draw) => {
    const texts = { ...changes.texts[row.number] };
    if (now === text.text) delete texts[text.name];
    else texts[text.name] = now;
    const all = { ...changes.texts, [row.number]: texts };
    if (!Object.keys(texts).length) delete all[row.number];
    changes = { ...changes, texts: all };
    remember(draw);
  };
  const drop = (row) => {
    const { dropped } = changes;
    changes = { ...changes, dropped: dropped.includes(row.number) ? dropped.filter((each) => each !== row.number) : [...dropped, row.number] };
    remember();
  };

  // What is asked for

  const turn = (change) => {
    if (!asked) return;
    asked = { ...asked, offset: 0, ...change, count: ++sent };
    fire.turned();
    fire.reads();
  };

  // A row

  const editing = (row, text, cell) => {
    const field = el("textarea", { "aria-label": `${text.word}, ${row.number}`, dir: "auto", rows: Math.min(12, textOf(row, text).split("\n").length + 1), spellcheck: "true" });
    field.value = textOf(row, text);
    let open = true;
    const close = (take) => {
      if (!open) return;
      open = false;
      const now = field.value;
      if (take) setText(row, text, now);
      else redraw();
      document.querySelector(`#kept-table [data-key="edit ${row.number} ${text.name}"]`)?.focus();
    };
    field.onkeydown = (event) => {
      if (event.key === "Escape") close(false);
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) close(true);
    };
    field.onblur = () => {
      if (!open) return;
      open = false;
      setText(row, text, field.value, redrawReleased);
    };
    cell.replaceChildren(field, el("small", {}, words.edit_keys));
    field.focus();
  };

  const textParts = (row, text) => {
    const deeds = el("div", { class: "rs-text-deeds" });
    const inside = el("div", { class: "rs-text" });
    const now = textOf(row, text);
    const own = now !== text.text;
    inside.append(el("div", {}, ...folded(now, `${row.number} ${text.name}`)), deeds);
    if (own) deeds.append(el("span", { class: "rs-chip warn" }, words.changed));
    if (!view.can_change || changes.dropped.includes(row.number)) return inside;
    const edit = button(words.edit, `edit ${row.number} ${text.name}`, () => editing(row, text, inside));
    edit.setAttribute("aria-label", `${words.edit}: ${text.word}, ${row.number}`);
    if (text.whole) deeds.append(edit);
    else deeds.append(el("small", {}, words.too_long_to_edit));
    if (own) deeds.append(button(words.undo, `undo ${row.number} ${text.name}`, () => setText(row, text, text.text)));
    return inside;
  };

  const rowOf = (row) => {
    const gone = changes.dropped.includes(row.number);
    const cells = view.columns
      ? row.texts.map((text) => el("td", { "data-role": text.role }, textParts(row, text)))
      : [el("td", {}, ...row.texts.map((text) => el("div", { class: "rs-turn", "data-role": text.role }, el("b", {}, text.word), textParts(row, text))))];
    if (view.divided) cells.push(el("td", {}, row.side));
    if (view.can_change) {
      const deed = button(gone ? words.put_back : words.drop, `drop ${row.number}`, () => drop(row));
      deed.setAttribute("aria-label", `${gone ? words.put_back : words.drop}: ${row.number}`);
      cells.push(el("td", { class: "rs-deed" }, deed));
    }
    return el("tr", gone ? { class: "rs-gone" } : {}, el("th", { scope: "row", class: "rs-line" }, String(row.number)), ...cells);
  };

  // The table

  const kept = (element, props, watch, events) => {
    const root = element.querySelector("div") ?? element;
    fire = events;
    const search = el("input", { type: "search", "data-key": "search", maxlength: 1000 });
    const order = choice(words.orders);
    order.dataset.key = "order";
    const again = button(words.draw_again, "again", () => turn({ seed: asked.seed + 1 }));
    const all = button(words.all_rows, "all", () => turn({ only: "" }));
    const head = el("thead");
    const body = el("tbody");
    const rows = el("div", { class: "rs-rows", tabindex: 0, role: "region", "aria-label": words.kept_rows }, el("table", {}, head, body));
    const earlier = button(words.earlier, "earlier", () => turn({ offset: Math.max(0, asked.offset - PAGE) }));
    const later = button(words.later, "later", () => turn({ offset: asked.offset + PAGE }));
    const caption = el("span", { role: "status" });
    const waiting = el("span", {});
    const discard = button(words.discard, "discard", () => {
      changes = { texts: {}, dropped: [], remedies: [] };
      remember();
    });
    const bar = el("div", { class: "rs-pending", role: "status" }, waiting, discard);
    const tools = el("div", { class: "rs-tools" }, labelled(words.search, search), labelled(words.order, order), again, all);
    const pager = el("div", { class: "rs-pager" }, earlier, caption, later);
    search.oninput = after(250, () => turn({ search: search.value }));
    order.onchange = () => turn({ order: order.value });

    const drawn = () => {
      if (!root.contains(rows)) root.replaceChildren(tools, rows, pager, bar);
      if (document.activeElement !== search) search.value = asked.search;
      order.value = asked.order;
      again.hidden = asked.order !== "random";
      all.hidden = !asked.only;
      const columns = [...(view.columns ?? [words.turns]), ...(view.divided ? [words.side] : [])].map((name) => el("th", { scope: "col" }, el("span", { class: "rs-column" }, name)));
      if (view.can_change) columns.push(el("td", {}));
      head.replaceChildren(el("tr", {}, el("th", { scope: "col", class: "rs-line" }, words.row), ...columns));
      body.replaceChildren(...view.rows.map(rowOf));
      caption.textContent = view.caption;
      earlier.disabled = !asked.offset;
      later.disabled = !view.later;
      bar.hidden = !pending();
      waiting.textContent = words.pending.replace("{texts}", changed()).replace("{rows}", changes.dropped.length + (changes.remedies.length ? "+" : ""));
      for (const chip of document.querySelectorAll("[data-only]")) chip.setAttribute("aria-pressed", String(chip.dataset.only === asked.only));
      for (const chip of document.querySelectorAll("[data-remedy]")) {
        const taken = changes.remedies.includes(chip.dataset.remedy);
        chip.setAttribute("aria-pressed", String(taken));
        chip.textContent = taken ? words.put_back : words.drop_them;
        chip.hidden = !view.can_change;
      }
    };
    redraw = () => (view && asked ? keepingFocus(root, drawn) : root.replaceChildren());

    const take = () => {
      const value = props.value;
      if (!value?.said) {
        asked = view = null;
        return redraw();
      }
      if (asked && value.said.count < sent) return; // a newer answer is on its way
      const first = view?.key !== value.key;
      [asked, view] = [value.said, value];
      if (first) recall();
      redraw();
      if (first) fire.reads();
    };
    take();
    watch("value", take);
  };

  document.addEventListener("click", (event) => {
    const chip = event.target instanceof Element && event.target.closest("[data-only], [data-remedy]");
    if (!chip || !asked) return;
    const { only, remedy } = chip.dataset;
    if (!remedy) return turn({ only: asked.only === only ? "" : only, search: "" });
    const { remedies } = changes;
    changes = { ...changes, remedies: remedies.includes(remedy) ? remedies.filter((each) => each !== remedy) : [...remedies, remedy] };
    remember();
  });
  addEventListener("beforeunload", () => {
    if (view && !pending()) sessionStorage.removeItem(key());
  });

  Object.assign(studio, {
    kept,
    asked: (known) => (asked ? JSON.stringify({ ...asked, ...changes, positions: positions() }) : (known ?? "")),
  });
})();
