// What can be looked at of an answer in the Playground: which of its tokens an edit moved, where the edit acts, the proof that the base
// model's row is its own; and which layers and tokens an edit may act on.
(() => {
  const { el, button, filled } = studio.parts;
  const text = words.play;
  const { parts, page } = studio.play;
  const opened = new Map(); // by turn and column: what is shown of it, kept while the conversation is drawn anew
  const tinted = new Map(); // likewise, its tokens

  const keyOf = ({ turn, at }) => `${turn.id} ${at}`;
  const named = (column) => {
    const { kind, run, step, strength, layers, groups, parts } = column;
    return { kind, run, step, strength, layers, groups, parts };
  };
  const ask = async (path, body, signal) => {
    const { data, error } = await studio.server.ask(`play/${path}`, body, signal);
    if (error) throw new Error(error);
    return data;
  };

  // A place below a turn for what is looked at; another press closes it.
  const open = (context, kind, id, fill) => {
    const key = keyOf(context);
    if (sectionOf(context) && opened.get(key).kind === kind && opened.get(key).of === context.of) {
      opened.get(key).ends.abort();
      opened.delete(key);
      return studio.play.now().redraw();
    }
    const ends = new AbortController(); // whoever closes it does not want what it waits for
    const body = el("div", {});
    const told = el("p", { class: "rs-facts", role: "status" }, text.looking);
    const close = button(text.close, `close ${key}`, () => (ends.abort(), opened.delete(key), studio.play.now().redraw()));
    const section = el("section", { class: "rs-play-look", "aria-label": `${text[kind]}: ${context.name}` }, el("div", { class: "rs-play-look-head" }, el("b", {}, `${text[kind]}: ${context.name}`), close), told, body);
    section.id = id;
    for (const each of opened.values()) each.ends.abort();
    opened.clear(); // one at a time, since the places have ids
    opened.set(key, { kind, of: context.of, section, answer: context.answer, ends });
    studio.play.now().redraw();
    fill(body, told, ends.signal).catch((error) => (told.textContent = error.name === "AbortError" ? "" : error.message));
  };
  // Of an answer that is not there any more nothing is shown.
  const sectionOf = (context) => {
    const found = opened.get(keyOf(context));
    return found?.answer === context.answer ? found?.section : null;
  };
  const answered = (context) => context.answer?.text && context.answer.ended !== "error";
  const asked = (context, more = {}) => ({ column: named(context.column), messages: context.messages, ...more });

  const showMap = (context) =>
    open(context, "where", "playground-heatmap", async (body, told, signal) => {
      const found = await ask("map", asked(context), signal);
      const map = el("div", {});
      const lens = el("div", { class: "rs-play-lens", "aria-live": "polite" });
      let presses = 0; // so that the answer about an earlier cell is dropped
      told.textContent = "";
      body.replaceChildren(map, el("p", { class: "rs-facts" }, text.press_cell), lens);
      studio.seen.heatMap(map, found, async (layer, token) => {
        const mine = (presses += 1);
        try {
          const read = await ask("lens", asked(context, { layer, token }), signal);
          if (mine !== presses) return;
          const drawn = el("div", {});
          studio.seen.lens(drawn, read);
          lens.replaceChildren(drawn);
        } catch (error) {
          if (mine === presses) lens.textContent = error.message;
        }
      });
    });
  const prove = (context) =>
    open(context, "proof", "playground-proof", async (body, told, signal) => {
      const found = await ask("separation", asked(context, { answer: context.answer.ids }), signal);
      told.textContent = "";
      studio.seen.proof(body, found);
    });
  // That the base model's answer is its own, beside each column whose edit acts in the same batch.
  const proofs = (context) => {
    const edited = studio.play.now().edited(context.turn);
    return edited.map(({ at, column, name }) => {
      const label = edited.length > 1 ? filled(text.prove_beside, { name }) : text.prove;
      return button(label, `prove ${keyOf(context)} ${at}`, () => prove({ ...context, column, name, of: at }));
    });
  };
  // The tinted answer takes the place of the plain one until another press.
  const tintOf = (context) => {
    const found = tinted.get(keyOf(context));
    return found?.answer === context.answer ? found : null;
  };
  const tint = async (context) => {
    const key = keyOf(context);
    const { redraw } = studio.play.now();
    if (tintOf(context)) return tinted.delete(key), redraw();
    const made = { answer: context.answer, whole: false, drawn: el("div", { class: "rs-play-tinted" }, el("p", { class: "rs-facts" }, text.looking)) };
    tinted.set(key, made);
    redraw();
    try {
      const found = await ask("tints", asked(context, { answer: context.answer.ids, owner: page, stop: studio.play.now().stops(context.turn) }));
      const answer = el("div", {});
      studio.seen.tints(answer, found);
      made.drawn.replaceChildren(answer);
      made.whole = true;
    } catch (error) {
      made.drawn.replaceChildren(el("p", { class: "rs-facts", role: "alert" }, error.message));
    }
    if (tinted.get(key) === made) redraw();
  };

  const showRows = (context) =>
    open(context, "rows", "playground-rows", async (body, told) => {
      const rows = studio.play.now().reasons(context);
      told.textContent = text[context.column.kind === "instant" ? "rows_weighed" : "rows_shown"];
      const percent = (weight) => weight.toLocaleString(words.language, { style: "percent", maximumFractionDigits: 1 });
      const head = [text.row, ...(context.column.kind === "instant" ? [text.weight] : []), text.row_prompt, text.row_answer];
      const lines = rows.map((row) => [String(row.number), ...(context.column.kind === "instant" ? [percent(row.weight)] : []), row.prompt, row.answer]);
      const cells = (each) => each.map((value) => el("td", { dir: "auto" }, value));
      const table = el("table", {}, el("thead", {}, el("tr", {}, ...head.map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, ...lines.map((each) => el("tr", {}, ...cells(each)))));
      body.replaceChildren(el("div", { class: "rs-sweep", tabindex: 0, role: "region", "aria-label": text.rows }, table));
    });
  parts.tools.push((context) => {
    const { kind } = context.column;
    if ((kind !== "instant" && kind !== "few_shot") || !studio.play.now().reasons(context).length) return null;
    return [button(text.rows, `rows ${keyOf(context)}`, () => showRows(context))];
  });
  parts.tools.push((context, pane) => {
    if (!answered(context) || !context.answer.ids.length) return null;
    const key = keyOf(context);
    if (context.column.kind === "base") return proofs(context);
    if (context.column.kind !== "run" && context.column.kind !== "mix") return null;
    const held = tintOf(context);
    const plain = pane.querySelector(".rs-answer-text");
    if (held) plain.after(held.drawn);
    plain.hidden = Boolean(held?.whole);
    const press = button(text.changed, `tint ${key}`, () => tint(context));
    press.setAttribute("aria-pressed", String(plain.hidden));
    return [press, ...(context.edits ? [button(text.where, `where ${key}`, () => showMap(context))] : [])];
  });
  parts.bars.push(({ columns }) => columns.map((context) => sectionOf(context)).filter(Boolean));

  // The layers and groups of tokens of a column's edits: of a mix those of all its runs, each of which acts where it has them.
  const placesOf = ({ kind, run, parts }) => {
    const ids = kind === "mix" ? parts.map((part) => part.run) : kind === "run" ? [run] : [];
    const found = ids.map((id) => studio.play.now().runs().find((each) => each.id === id));
    if (!found.length || !found.every((each) => each?.edits && each.layers.length)) return null;
    const layers = [...new Set(found.flatMap((each) => each.layers))].sort((one, other) => one - other);
    return { layers, groups: ["prefix", "suffix"].filter((group) => found.some((each) => each.groups.includes(group))) };
  };
  // Which of them act; the column answers again as they change.
  const switches = (at) => {
    const now = studio.play.now();
    const column = now.document().columns[at];
    const places = placesOf(column);
    if (!places) return null;
    const acting = () => ({ layers: column.layers ?? places.layers, groups: column.groups ?? places.groups });
    const tick = (key, label, on, act) => {
      const box = el("input", { type: "checkbox", "data-key": `${key} ${at}` });
      box.checked = on;
      box.onchange = () => act(box.checked);
      return el("label", { class: "rs-play-switch" }, box, el("span", {}, label));
    };
    const changed = (name, all, value, on) => {
      const chosen = acting()[name].filter((each) => each !== value).concat(on ? [value] : []);
      const sorted = all.filter((each) => chosen.includes(each));
      now.change(at, { [name]: sorted.length === all.length ? null : sorted });
    };
    const layers = places.layers.map((layer) => tick(`layer ${layer}`, String(layer), acting().layers.includes(layer), (on) => changed("layers", places.layers, layer, on)));
    const groups = places.groups.map((group) => tick(`group ${group}`, text.groups[group], acting().groups.includes(group), (on) => changed("groups", places.groups, group, on)));
    const boxes = (title, made) => el("fieldset", { "aria-label": `${now.name(column)}: ${title}` }, el("legend", {}, title), ...made);
    return el("div", {}, el("b", {}, now.name(column)), boxes(text.layers, layers), boxes(text.tokens_edited, groups));
  };
  let unfolded = false;
  studio.play.switches = () => {
    const made = studio.play.now().shown().map(switches).filter(Boolean);
    if (!made.length) return [];
    const folded = el("details", { id: "playground-layers", class: "rs-folded rs-play-layers" }, el("summary", { "data-key": "layers" }, text.switches), ...made);
    folded.open = unfolded;
    folded.ontoggle = () => (unfolded = folded.open);
    return [folded];
  };
})();
