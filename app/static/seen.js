// What is looked at in the Playground: the proof of separation, the heat map, the logit lens and the tints of an answer. Each function
// draws plain data into an element. Tokens are what models and people wrote, so they are set as text, never as markup.
(() => {
  const { el, filled } = studio.parts;
  const text = window.words.seen;
  const LANGUAGE = window.words.language;
  const SMALL = 0.001; // probabilities below are said to be less
  const MOVED = 0.01; // a probability that moved by less is not tinted
  const AWAY = 150; // milliseconds in which a pointer may move from a token to what it shows

  const percent = (value, digits = 0) => (value === null ? text.no_number : value.toLocaleString(LANGUAGE, { style: "percent", maximumFractionDigits: digits }));
  const chance = (value) => (value !== null && value > 0 && value < SMALL ? `< ${percent(SMALL, 1)}` : percent(value, 1));
  const short = (value) => (value === null ? text.no_number : value.toLocaleString(LANGUAGE, { maximumSignificantDigits: 3 }));

  // One of many things has the tab stop, and arrow keys move it. `places` gives for a key and a place the next place, or none.
  const roving = (root, selector, places) => {
    const all = () => [...root.querySelectorAll(selector)];
    const enter = (each, focus = true) => {
      for (const other of all()) other.tabIndex = other === each ? 0 : -1;
      if (focus) each.focus();
    };
    root.addEventListener("keydown", (event) => {
      const each = event.target.closest?.(selector);
      const next = each && !event.altKey && !event.metaKey ? places(event, each) : null;
      if (!next) return;
      event.preventDefault();
      enter(next);
    });
    root.addEventListener("focusin", (event) => {
      const each = event.target.closest?.(selector);
      if (each) enter(each, false);
    });
    const [first] = all();
    if (first) enter(first, false);
  };

  // The proof: what it says, and on how much.
  const proof = (element, found) => {
    const kind = found.proven ? "good" : found.separate ? "soft" : "bad";
    const rest = el("small", {}, found.rest);
    element.replaceChildren(el("div", { class: `rs-notice ${kind}`, "data-proven": String(found.proven) }, el("p", {}, found.sentence), rest));
  };

  // The heat map: a row for each layer, a column for each token. `press(layer, place)` is told of a cell that is chosen.
  const heatMap = (element, map, press = () => {}) => {
    const most = Math.max(0, ...map.share.flat().filter((share) => share !== null));
    const half = map.gap ? map.tokens.length / 2 : map.tokens.length;
    const columns = map.tokens.map((token, at) => ({ token, at }));
    const strongest = (cells) => cells.reduce((best, cell) => (cell.share > best.share ? cell : best), cells[0]);

    const sized = (share) => (most && share ? share / most : 0);
    const shown = (share, token) => (share === null ? "!" : token.edited && share ? (100 * share).toLocaleString(LANGUAGE, { maximumSignificantDigits: 2, useGrouping: false }) : "");
    const cell = (layer, row, { token, at }) => {
      const share = map.share[row][at];
      const values = { layer, place: token.place + 1, token: token.text, share: percent(share, 1) };
      const label = filled(share === 0 || (!token.edited && share !== null) ? text.cell_unedited : text.cell, values);
      const made = el("button", { type: "button", tabindex: -1, "aria-label": label, title: label, "data-row": row, "data-column": at }, shown(share, token));
      made.style.setProperty("--strength", sized(share).toFixed(3));
      made.onclick = () => choose(row, at);
      return el("td", { role: "gridcell", "aria-selected": "false" }, made);
    };
    // Where the middle of a long prompt is left out.
    const withGap = (parts, gap) => (map.gap ? [...parts.slice(0, half), gap(), ...parts.slice(half)] : parts);
    const none = () => el("td", { role: "gridcell", class: "gap" });
    const chosen = (cells) => () => {
      const { row, at } = strongest(cells);
      cellAt(row, at).focus();
      choose(row, at);
    };
    const cellsOf = (row) => columns.map(({ at }) => ({ row, at, share: map.share[row][at] ?? -1 }));
    const heads = columns.map(({ token, at }) => {
      const name = filled(text.token, { place: token.place + 1, token: token.text });
      const made = el("button", { type: "button", tabindex: -1, "aria-label": name, title: name, "data-row": -1, "data-column": at }, el("bdi", {}, token.text));
      made.onclick = chosen(map.layers.map((_, row) => ({ row, at, share: map.share[row][at] ?? -1 })));
      return el("th", { scope: "col", class: token.edited ? "edited" : null }, made);
    });
    const gapHead = () => el("th", { scope: "col", class: "gap" }, el("span", {}, filled(text.gap, { count: map.gap })));
    const rows = map.layers.map((layer, row) => {
      const name = filled(text.layer, { layer });
      const made = el("button", { type: "button", tabindex: -1, "aria-label": name, "data-row": row, "data-column": -1 }, String(layer));
      made.onclick = chosen(cellsOf(row));
      return el("tr", {}, el("th", { scope: "row" }, made), ...withGap(columns.map((column) => cell(layer, row, column)), none));
    });
    const corner = el("th", { scope: "col", class: "corner" }, text.layers);
    const table = el("table", { role: "grid", class: "rs-heat", "aria-label": text.table }, el("thead", {}, el("tr", {}, corner, ...withGap(heads, gapHead))), el("tbody", {}, ...rows));
    const cellAt = (row, column) => table.querySelector(`button[data-row="${row}"][data-column="${column}"]`);
    const figures = el("p", { class: "rs-facts rs-heat-figures", role: "status" });
    const choose = (row, at) => {
      for (const each of table.querySelectorAll("[aria-selected=true]")) each.setAttribute("aria-selected", "false");
      cellAt(row, at).closest("td").setAttribute("aria-selected", "true");
      const values = { layer: map.layers[row], place: map.tokens[at].place + 1, token: map.tokens[at].text };
      const where = filled(text.cell, { ...values, share: percent(map.share[row][at], 1) });
      figures.textContent = `${where}. ${filled(text.figures, { change: short(map.change[row][at]), hidden: short(map.hidden[row][at]), share: percent(map.share[row][at], 1) })}.`;
      press(map.layers[row], map.tokens[at].place);
    };
    const legend = el("p", { class: "rs-facts rs-heat-scale" }, el("span", {}, text.scale), el("span", {}, "0"), el("i", { "aria-hidden": "true" }), el("span", {}, percent(most, 1)));
    const scroller = el("div", { class: "rs-heat-scroll" }, table);
    element.replaceChildren(
      el("p", { class: "rs-facts" }, [map.sentence, map.left_out].filter(Boolean).join(" ")), scroller, figures, legend, el("p", { class: "rs-facts" }, text.keys),
    );
    roving(table, "button", (event, each) => {
      const [row, column] = [Number(each.dataset.row), Number(each.dataset.column)];
      const last = [map.layers.length - 1, map.tokens.length - 1];
      const moves = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
        Home: [event.ctrlKey ? 0 : row, row < 0 ? 0 : -1], End: [event.ctrlKey ? last[0] : row, last[1]],
      };
      const next = moves[event.key];
      return next ? cellAt(...next) : null;
    });
    const first = columns.length && map.layers.length ? strongest(map.layers.flatMap((_, row) => cellsOf(row))) : null;
    if (first) for (const each of table.querySelectorAll("button")) each.tabIndex = each === cellAt(first.row, first.at) ? 0 : -1;
  };

  const likely = (caption, tokens) => {
    const rows = tokens.map((token) => {
      const bar = el("i");
      bar.style.width = `${(100 * (token.probability ?? 0)).toFixed(1)}%`;
      return el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, token.text)), el("td", {}, el("div", { "aria-hidden": "true" }, bar)), el("td", {}, chance(token.probability)));
    });
    const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, text.likely), el("th", { scope: "col", colspan: 2 }, text.probability)));
    return el("table", { class: "rs-bars rs-likely" }, el("caption", {}, caption), head, el("tbody", {}, ...rows));
  };

  // What a hidden state says before and after its edit.
  const lens = (element, found) => {
    const both = el("div", { class: "rs-lens" }, likely(text.before, found.before), likely(text.after, found.after));
    element.replaceChildren(el("p", { class: "rs-facts" }, found.sentence), both);
  };

  // An answer whose tokens are tinted. Its text is the answer's, character by character; signs for what has no text are drawn by the style.
  const tints = (element, found) => {
    const answer = el("div", { class: "rs-tints", dir: "auto", role: "group", "aria-label": text.answer });
    const card = el("div", { class: "rs-tint-card", role: "tooltip", id: `tint-${(made += 1)}`, hidden: "" });
    const box = el("div", { class: "rs-tints-box" }, answer, card);
    let open = null;
    let leaving = null;

    const named = (token) => filled(text.tint, { token: token.shown, base: chance(token.base_probability), tuned: chance(token.tuned_probability) });
    const hide = () => {
      clearTimeout(leaving);
      open?.removeAttribute("aria-describedby");
      open = null;
      card.hidden = true;
    };
    const leave = () => {
      clearTimeout(leaving);
      leaving = setTimeout(() => open && open !== document.activeElement && hide(), AWAY);
    };
    const show = (part, token) => {
      clearTimeout(leaving);
      if (open === part) return;
      hide();
      open = part;
      card.replaceChildren(el("p", {}, el("bdi", {}, named(token))), likely(text.alternatives, token.base_alternatives));
      card.hidden = false;
      part.setAttribute("aria-describedby", card.id);
      const [inside, where] = [box.getBoundingClientRect(), part.getClientRects()[0] ?? part.getBoundingClientRect()];
      card.style.left = `${Math.max(0, Math.min(where.left - inside.left, inside.width - card.offsetWidth))}px`;
      card.style.top = `${where.bottom - inside.top}px`;
    };
    for (const token of found.tokens) {
      const known = token.tuned_probability !== null && token.base_probability !== null;
      const delta = known ? token.tuned_probability - token.base_probability : 0;
      const kind = Math.abs(delta) < MOVED ? "" : delta > 0 ? "likelier" : "unlikelier";
      const part = el("span", { class: "rs-tint", role: "button", tabindex: -1, "aria-label": named(token), "data-kind": kind, "data-id": token.id }, token.text);
      part.style.setProperty("--strength", Math.min(1, Math.abs(delta)).toFixed(3));
      if (!token.text) part.dataset.sign = token.shown;
      if (token.text.includes("\n")) part.dataset.sign = "⏎";
      part.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show(part, token));
      part.addEventListener("pointerleave", leave);
      part.addEventListener("focus", () => show(part, token));
      part.addEventListener("blur", leave);
      part.addEventListener("click", () => (part.focus(), show(part, token)));
      answer.append(part);
    }
    card.addEventListener("pointerenter", () => clearTimeout(leaving));
    card.addEventListener("pointerleave", leave);
    box.addEventListener("keydown", (event) => event.key === "Escape" && !card.hidden && (event.stopPropagation(), hide()));
    const key = (kind, name) => el("span", { class: "rs-tint-key" }, el("i", { class: "rs-tint", "data-kind": kind, "aria-hidden": "true" }), name);
    const keys = el("p", { class: "rs-facts rs-tint-keys" }, key("likelier", text.likelier), key("unlikelier", text.unlikelier));
    const told = el("p", { class: "rs-facts" }, [found.sentence, found.left_out].filter(Boolean).join(" "));
    element.replaceChildren(told, box, keys, el("p", { class: "rs-facts" }, text.answer_keys));
    roving(answer, ".rs-tint", (event, each) => {
      const all = [...answer.children];
      const at = all.indexOf(each);
      const forward = getComputedStyle(answer).direction === "rtl" ? -1 : 1;
      const moves = { ArrowRight: at + forward, ArrowLeft: at - forward, ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
      return all[moves[event.key]] ?? null;
    });
  };
  let made = 0;

  studio.seen = { proof, heatMap, lens, tints };
})();
