// The picker of the Train page: tokens of a row from left to right, layers from bottom to top, each crossing a dot. What is chosen is kept
// here from the moment it is chosen, and goes to the fields of the form; the server is asked only for the row, and for what it costs.
// Texts of rows are set as text, never as markup.
(() => {
  const { el, button, keepingFocus } = studio.parts;
  const text = words.picker;
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  // Positions and layers: the rules of reft_engine/positions.py and reft_engine/spec.py

  const NOTHING = { first: 0, last: 0, all: false, marked: false };

  // What a rule such as f7+l7 says; null for what is none.
  const readRule = (written) => {
    const rule = written.trim().toLowerCase().replaceAll(" ", "");
    if (rule === "all" || rule === "marked") return { ...NOTHING, [rule]: true };
    const match = rule && rule.match(/^(?:f(\d{1,4}))?(?:(?<=\d)\+(?=l))?(?:l(\d{1,4}))?$/);
    const [first, last] = match ? [Number(match[1] ?? 0), Number(match[2] ?? 0)] : [0, 0];
    return first + last ? { ...NOTHING, first, last } : null;
  };
  const writeRule = ({ first, last, all, marked }) =>
    all ? "all" : marked ? "marked" : [first && `f${first}`, last && `l${last}`].filter(Boolean).join("+");

  // The most tokens that each end of a prompt can have: neither goes past its middle, and a single token is the last one.
  const reaches = (prompt) => [prompt >> 1, prompt > 1 ? prompt >> 1 : prompt];

  // How many tokens of a prompt are edited from its start, and how many from its end.
  const ends = (rule, prompt) => {
    if (rule.all) return [prompt, 0];
    const [first, last] = reaches(prompt);
    return [Math.min(rule.first, first), Math.min(rule.last, last)];
  };

  // The group of a token: "first", "last", or nothing where it is not edited.
  const groupOf = (rule, prompt, token, marked) => {
    if (rule.marked) return marked.includes(token) ? "first" : "";
    const [first, last] = ends(rule, prompt);
    return token < first ? "first" : token >= prompt - last ? "last" : "";
  };

  // Layers as they are written, such as 0-2;5; null for what is no list of layers. Layers that the base model lacks are beyond.
  const readLayers = (written, count) => {
    const list = written.trim().toLowerCase().replaceAll(",", ";").replaceAll(" ", "");
    if (list === "all") return { layers: range(0, count - 1), beyond: false };
    const layers = new Set();
    let highest = -1;
    for (const item of list.split(";").filter(Boolean)) {
      const match = item.match(/^(\d{1,4})(?:-(\d{1,4}))?$/);
      if (!match) return null;
      const [low, high] = [Number(match[1]), Number(match[2] ?? match[1])];
      if (low <= high) highest = Math.max(highest, high);
      for (let layer = low; layer <= Math.min(high, count - 1); layer += 1) layers.add(layer);
    }
    return highest < 0 ? null : { layers: sorted(layers), beyond: highest >= count };
  };
  const writeLayers = (layers, count) => {
    if (layers.length === count) return "all";
    const runs = [];
    for (const layer of layers)
      if (runs.at(-1)?.[1] === layer - 1) runs.at(-1)[1] = layer;
      else runs.push([layer, layer]);
    return runs.map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(";");
  };
  const range = (low, high) => Array.from({ length: Math.max(0, high - low + 1) }, (_, index) => low + index);
  const sorted = (numbers) => [...new Set(numbers)].sort((a, b) => a - b);

  // Layers that are often chosen, of a base model with so many.
  const LAYERS = {
    all_layers: (count) => range(0, count - 1),
    last_half: (count) => range(count >> 1, count - 1),
    middle_third: (count) => range(Math.round(count / 3), Math.max(Math.round(count / 3), Math.round((2 * count) / 3) - 1)),
    every_fourth: (count) => range(0, count - 1).filter((layer) => layer % 4 === Math.min(3, count - 1)),
    // 3, 9, 18 and 24 of the 32 layers of LLaMA-7B.
    paper: (count) => sorted([3, 9, 18, 24].map((layer) => Math.min(count - 1, Math.round((layer * count) / 32)))),
  };
  const RULES = { rule_l1: "l1", rule_l7: "l7", rule_f3: "f3", rule_f5: "f5+l5", rule_f7: "f7+l7", rule_all: "all" };
  const MOST = 9999;
  // Widths in pixels, as in studio.css: the numbers of the layers, a token of the answer, the folded middle, the end of the last label.
  const [HEAD, ANSWER, FOLD, SLANT] = [30, 15, 92, 56];

  // The smallest rule that covers these tokens; what goes across the middle is covered by every token alone.
  const covering = (from, to, prompt) => {
    const [first, last] = reaches(prompt);
    if (from <= 0 && to >= prompt - 1 && prompt > 1) return { ...NOTHING, all: true };
    if (to < first) return { ...NOTHING, first: to + 1 };
    if (from >= prompt - last) return { ...NOTHING, last: prompt - from };
    return { ...NOTHING, all: true };
  };

  // The rule after a click on a token: its side then reaches to it, or ends before it if it was the last that the side reached.
  const reaching = (rule, prompt, token) => {
    const sided = rule.all || rule.marked ? NOTHING : rule;
    const [first, last] = ends(sided, prompt);
    const [mostFirst, mostLast] = reaches(prompt);
    if (token < mostFirst) return { ...sided, first: first === token + 1 ? token : token + 1 };
    if (token >= prompt - mostLast) return { ...sided, last: last === prompt - token ? last - 1 : prompt - token };
    return { ...NOTHING, all: true };
  };

  // The rule without a token that it edits, and so without those that lie farther from the end.
  const without = (rule, prompt, token) => {
    const [mostFirst, mostLast] = reaches(prompt);
    const sided = rule.all || rule.marked ? { ...NOTHING, first: mostFirst, last: mostLast } : rule;
    return token < mostFirst ? { ...sided, first: token } : { ...sided, last: Math.max(0, prompt - 1 - token) };
  };

  // What is known

  let view = null; // the row that the server has answered last
  let cost = null; // what it has answered of what is chosen
  let field = { layers: "all", positions: "f7+l7", tied: true }; // what stands in the fields of what is chosen here
  let others = null; // what stands in the others: those that decide the row, and all
  let rule = readRule(field.positions);
  let layers = null; // the chosen ones; null while the base model's are not known
  let unread = false; // whether a field holds what cannot be read
  let place = { at: null, dataset: undefined };
  let sent = 0;
  let marksAsked = false; // whether the row was last asked for with its marks
  let mine = []; // what was chosen here and has not come back from the fields
  let heard = ""; // the text of the layers that the fields held last
  let tells = false; // whether a person waits for what their choice has brought
  let fire = null;
  let redraw = () => {};
  let repaint = () => {};
  let say = () => {};

  const keyOf = (values) => JSON.stringify([values.layers, values.positions, values.tied]);
  const drawable = () => !cost || cost.edits; // a baseline has nothing to choose

  const read = () => {
    const now = readRule(field.positions);
    const listed = view?.layers ? readLayers(field.layers, view.layers) : null;
    unread = !now || (Boolean(view?.layers) && !listed);
    rule = now ?? rule;
    layers = listed?.layers ?? layers;
    if (view?.layers && !layers) layers = range(0, view.layers - 1);
  };

  // What stands in the fields now. The marks themselves are no tokens where they mark what is edited, so the row is another one then.
  const typed = (written, positions, tied, dataset, base, labels, length, ...more) => {
    const values = { layers: String(written ?? ""), positions: String(positions ?? ""), tied: Boolean(tied) };
    const known = mine.indexOf(keyOf(values));
    mine.splice(0, known + 1);
    if (known >= 0 && mine.length) return; // what was chosen since is on its way to the fields
    if (keyOf(values) !== keyOf(field)) {
      field = values;
      read();
      redraw();
    }
    if (known >= 0 && values.layers === heard) fire?.taken();
    heard = values.layers;
    const now = { row: JSON.stringify([dataset, base, labels, length]), all: JSON.stringify([values, dataset, base, labels, length, more]) };
    const before = others;
    others = now;
    if (before?.row !== now.row || marksAsked !== rule.marked) fire?.asks();
    if (before?.all !== now.all) fire?.costs();
  };

  // A choice of rule and layers; what chooses nothing is not taken.
  const choose = (change) => {
    if (!drawable()) return;
    const next = { rule, layers, tied: field.tied, ...change };
    const positions = writeRule(next.rule);
    if (!positions || next.layers?.length === 0) return say(text.keep_one);
    const written = next.layers && view?.layers ? writeLayers(next.layers, view.layers) : field.layers;
    // What cannot be read, or names layers that are not there, stays until layers are chosen here.
    const values = { layers: change.layers ? written : field.layers, positions, tied: next.tied };
    [rule, layers] = [next.rule, next.layers];
    if (keyOf(values) === keyOf(field)) return;
    field = values;
    read();
    mine.push(keyOf(values));
    tells = true;
    studio.parts.notePositions(positions);
    fire.told();
    redraw();
    say("");
  };

  const toggleLayer = (layer) =>
    choose({ layers: layers.includes(layer) ? layers.filter((each) => each !== layer) : sorted([...layers, layer]) });
  const toggleToken = (column) => choose({ rule: column.fold ? { ...NOTHING, all: true } : reaching(rule, view.prompt, column.from) });
  const toggle = (layer, column) => {
    const edited = stateOf(column) === "edited";
    if (!layers.includes(layer) || !edited) {
      const now = edited ? rule : column.fold ? { ...NOTHING, all: true } : reaching(rule, view.prompt, column.from);
      return choose({ layers: sorted([...layers, layer]), rule: now });
    }
    if (layers.length > 1) return choose({ layers: layers.filter((each) => each !== layer) });
    choose({ rule: without(rule, view.prompt, column.from) });
  };
  const take = ({ low, high, from, to }, adds) => {
    const covers = covering(from, to, view.prompt);
    const both = { ...NOTHING, all: covers.all || rule.all, first: Math.max(covers.first, rule.first), last: Math.max(covers.last, rule.last) };
    choose({ layers: sorted([...range(low, high), ...(adds ? layers : [])]), rule: adds && !rule.marked ? both : covers });
  };

  // The columns: tokens of the prompt, those in the middle of a long one as one, then the answer

  const visible = (token) => token.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣") || "…";
  const columnsOf = (room) => {
    const { prompt, head, tail, answer, answers } = view;
    const token = (index) => (index < head.length ? head[index] : tail[index - (prompt - tail.length)]);
    const single = (index) => ({ key: `t${index}`, from: index, to: index, text: token(index) });
    const most = Math.max(16, room);
    const known = head.length + tail.length; // the texts of more are not here
    const [first, last] = rule.all || rule.marked ? [0, 0] : ends(rule, prompt);
    const before = Math.min(Math.max(most >> 1, first + 2), head.length, Math.ceil(prompt / 2));
    const behind = Math.min(Math.max(most >> 1, last + 2), known < prompt ? tail.length : prompt, prompt >> 1);
    const whole = known >= prompt && (prompt <= most || before + behind >= prompt - 1);
    const tokens = whole
      ? range(0, prompt - 1).map(single)
      : [
          ...range(0, before - 1).map(single),
          { key: "fold", fold: true, from: before, to: prompt - 1 - behind },
          ...range(prompt - behind, prompt - 1).map(single),
        ];
    const few = answer.slice(0, 5);
    const after = few.map((each, index) => ({ key: `a${index}`, answer: true, text: each }));
    if (answers > few.length) after.push({ key: "after", answer: true, more: answers - few.length });
    return [tokens, after];
  };

  // How much of a column is edited, in a chosen layer: "edited", "partly" or nothing.
  const stateOf = (column) => {
    if (!column.fold) return groupOf(rule, view.prompt, column.from, view.marked) ? "edited" : "";
    const marked = rule.marked ? view.marked.filter((token) => token >= column.from && token <= column.to).length : 0;
    const [first, last] = ends(rule, view.prompt);
    const before = Math.max(0, Math.min(first, column.to + 1) - column.from);
    const behind = Math.max(0, column.to + 1 - Math.max(view.prompt - last, column.from));
    const count = rule.marked ? marked : before + behind;
    return count > column.to - column.from ? "edited" : count ? "partly" : "";
  };
  const sideOf = (column) => (column.fold ? "first" : groupOf(rule, view.prompt, column.from, view.marked));

  // The page's part

  const draw = (element, props, watch, events) => {
    const root = element.querySelector("div") ?? element;
    root.classList.add("rs-picker");
    fire = events;
    let tokens = [];
    let after = [];
    let built = "";
    let current = { layer: 0, column: 0 }; // what has the focus; -1 for the heads
    let anchor = null; // where a rectangle begins
    let band = null; // the rectangle: two corners
    let dragged = false;

    const quiet = (label, key, act, title = "") => {
      const made = button(label, key, act);
      if (title) made.title = title;
      return made;
    };
    const group = (label, ...inside) => el("div", { role: "group", "aria-label": label, class: "rs-picker-group-of" }, el("span", {}, label), ...inside);

    // Which row
    const jumps = ["shortest", "typical", "longest"].map((name) => quiet(text[name], `row ${name}`, () => ask(jumpTo(name))));
    const shorter = quiet("‹", "shorter", () => ask(view.at - 1), text.shorter);
    const longer = quiet("›", "longer", () => ask(view.at + 1), text.longer);
    shorter.setAttribute("aria-label", text.shorter);
    longer.setAttribute("aria-label", text.longer);
    const where = el("span", { class: "rs-picker-where" });
    const rowsGroup = el("div", { role: "group", "aria-label": text.rows, class: "rs-picker-rows" }, ...jumps, el("span", {}, shorter, where, longer));
    const jumpTo = (name) => ({ shortest: 0, typical: Math.floor(view.rows / 2), longest: view.rows - 1 })[name];
    const ask = (at) => {
      place.at = Math.max(0, Math.min(at, view.rows - 1));
      fire.asks();
    };

    // Positions
    const rules = Object.entries(RULES).map(([name, written]) => {
      const made = quiet(text[name], name, () => choose({ rule: readRule(written) }), text[`${name}_title`] ?? written);
      made.dataset.rule = written;
      return made;
    });
    const stepper = (side, label) => {
      const number = el("input", { type: "number", min: 0, max: MOST, step: 1, inputmode: "numeric", "data-key": `${side} count`, "aria-label": label });
      const set = (count) => {
        const sided = rule.all || rule.marked ? NOTHING : rule;
        choose({ rule: { ...sided, [side]: Math.max(0, Math.min(MOST, Math.floor(count) || 0)) } });
        number.value = rule[side];
      };
      number.onchange = () => set(Number(number.value));
      const less = quiet("−", `${side} less`, () => set(rule[side] - 1));
      const more = quiet("+", `${side} more`, () => set(rule[side] + 1));
      less.setAttribute("aria-label", `${label}: ${text.less}`);
      more.setAttribute("aria-label", `${label}: ${text.more}`);
      return { number, less, more, shown: el("span", { class: "rs-stepper", title: label }, el("i", {}, side === "first" ? "f" : "l"), less, number, more) };
    };
    const steps = { first: stepper("first", text.first_token), last: stepper("last", text.last_token) };
    const tied = quiet("", "tied", () => choose({ tied: !field.tied }));
    const positions = group(text.positions, ...rules, steps.first.shown, steps.last.shown, tied);

    // Layers
    const often = Object.entries(LAYERS).map(([name, of]) => quiet(text[name], name, () => choose({ layers: of(view.layers) })));
    const layerGroup = group(text.layers, ...often);
    layerGroup.classList.add("rs-picker-layers");

    const body = el("tbody");
    const table = el("table", { role: "grid", "aria-label": text.grid, "aria-multiselectable": "true" }, body);
    const scroller = el("div", { class: "rs-picker-scroll" }, el("div", {}, table));
    const hint = el("p", { class: "rs-picker-hint" });
    const told = el("div", { class: "rs-unseen", "aria-live": "polite", "aria-atomic": "true" });
    const key = (kind, label) => el("span", { class: "rs-picker-key" }, el("i", { class: kind }), label);
    const keys = el("div", { class: "rs-picker-keys" });
    const head = el("div", { class: "rs-picker-top" }, el("div", {}, el("h2", {}, text.title), el("p", {}, text.line)), rowsGroup);
    const fade = () => scroller.classList.toggle("more", scroller.scrollLeft + scroller.clientWidth < scroller.scrollWidth - 8);
    scroller.addEventListener("scroll", fade, { passive: true });
    const grid = el("div", { class: "rs-picker-main" }, layerGroup, scroller);
    const retry = quiet(text.retry, "retry", () => fire.asks());
    const why = el("p", {});
    const empty = el("div", { class: "rs-picker-empty" }, why, retry);

    say = (sentence) => {
      if (sentence) tells = false; // an answer to what was chosen before comes too late to be read out
      told.textContent = sentence;
      hint.textContent = sentence || hintNow();
    };
    const hintNow = () => {
      if (!drawable()) return text.no_grid;
      if (!view?.layers) return "";
      if (unread) return text.unread;
      if (readLayers(field.layers, view.layers)?.beyond) return fill(text.beyond, { last: view.layers - 1 });
      if (band && !dragged) return text.drawn;
      if (rule.all || rule.marked) return "";
      const count = ends(rule, view.prompt).reduce((sum, each) => sum + each, 0);
      return count < rule.first + rule.last ? fill(text.clamped, { rule: writeRule(rule), count }) : "";
    };
    told.id = "train-picker-heard";
    studio.picker.heard = (sentence) => {
      told.textContent = sentence;
    };

    // The grid

    const cellAt = (layer, column) => table.querySelector(`[data-layer="${layer}"][data-column="${column}"]`);
    const build = () => {
      const width = scroller.clientWidth || 560;
      [tokens, after] = columnsOf(Math.floor((width - HEAD - SLANT - FOLD - ANSWER * Math.min(6, view.answers)) / 22));
      table.style.width = `${widthOf(width)}px`;
      const signature = JSON.stringify([view.count, view.layers, tokens.map((each) => each.key), after.length]);
      if (signature === built) return;
      built = signature;
      current = { layer: Math.min(current.layer, view.layers - 1), column: Math.min(current.column, tokens.length - 1) };
      anchor = band = null;
      table.dataset.size = view.layers <= 10 ? "large" : view.layers <= 20 ? "medium" : view.layers <= 34 ? "small" : "tiny";
      body.replaceChildren(...range(0, view.layers - 1).reverse().map(rowOf), feet());
    };
    // Columns are as wide as there is room for; with less than their least width the table is scrolled.
    const widthOf = (room) => {
      const folds = tokens.filter((column) => column.fold).length;
      const others = HEAD + ANSWER * after.length + FOLD * folds;
      const single = tokens.length - folds;
      return others + single * Math.max(22, Math.min(38, Math.floor((room - others - SLANT) / Math.max(1, single))));
    };
    const rowOf = (layer) => {
      const line = el("tr", {}, el("th", { role: "rowheader", "data-layer": layer, "data-column": -1, "data-key": `cell ${layer} -1`, tabindex: -1 }, String(layer)));
      tokens.forEach((column, index) => {
        const cell = el("td", { role: "gridcell", "data-layer": layer, "data-column": index, "data-key": `cell ${layer} ${column.key}`, tabindex: -1 });
        if (column.fold) cell.classList.add("fold");
        line.append(cell);
      });
      for (const column of after) line.append(el("td", { "aria-hidden": "true", class: column.more ? "answer more" : "answer" }));
      return line;
    };
    const feet = () => {
      const line = el("tr", { class: "rs-picker-tokens" }, el("td", { "aria-hidden": "true", class: "corner" }));
      tokens.forEach((column, index) => {
        const label = el("span", {});
        label.textContent = column.fold ? fill(text.fold, { count: (column.to - column.from + 1).toLocaleString("en") }) : visible(column.text);
        const cell = el("th", { role: "columnheader", "data-layer": -1, "data-column": index, "data-key": `cell -1 ${column.key}`, tabindex: -1 }, label);
        cell.setAttribute("aria-label", headOf(column));
        if (column.fold) cell.classList.add("fold");
        else cell.title = column.text;
        line.append(cell);
      });
      for (const column of after) {
        const label = el("span", {});
        label.textContent = column.more ? `+${column.more.toLocaleString("en")}` : visible(column.text);
        line.append(el("th", { "aria-hidden": "true", class: "answer" }, label));
      }
      return line;
    };
    const named = (column) => ({ token: column.from + 1, text: column.text?.trim() ? column.text : visible(column.text ?? ""), first: column.from + 1, last: column.to + 1 });
    const headOf = (column) => fill(column.fold ? text.fold_head : text.token, named(column));
    const nameOf = (column, layer) => fill(column.fold ? text.fold_cell : text.token_cell, { ...named(column), layer });

    const paint = () => {
      paintRules();
      if (view?.layers && built) paintGrid();
      hint.textContent = hintNow();
    };
    const paintRules = () => {
      for (const made of rules) made.setAttribute("aria-pressed", String(made.dataset.rule === writeRule(rule)));
      for (const side of ["first", "last"]) {
        const { number, less } = steps[side];
        const count = rule.all || rule.marked ? 0 : rule[side];
        if (document.activeElement !== number) number.value = count;
        less.disabled = !count;
      }
      tied.hidden = !(rule.first && rule.last);
      tied.textContent = field.tied ? text.tied : text.untied;
      tied.setAttribute("aria-pressed", String(!field.tied));
    };
    const paintGrid = () => {
      const chosen = new Set(layers);
      const states = tokens.map((column) => [stateOf(column), sideOf(column)]);
      const lowest = cost?.depth ? layers[0] : -1;
      const edited = tokens.findIndex((_, index) => states[index][0]);
      const begin = cost?.time && edited >= 0 ? edited : 0;
      const reused = cost && (cost.depth || cost.time);
      const apart = !field.tied && rule.first > 0 && rule.last > 0;
      table.classList.toggle("apart", apart);
      table.classList.toggle("unread", unread);
      for (const line of body.children) {
        for (const cell of line.children) {
          const layer = Number(cell.dataset.layer ?? -2);
          const at = Number(cell.dataset.column ?? -2);
          const [state, side] = states[at] ?? ["", ""];
          const on = layer >= 0 && at >= 0 && chosen.has(layer) ? state : "";
          const live = reused && layer > lowest && at >= begin;
          cell.classList.toggle("edited", on === "edited" || (at === -1 && chosen.has(layer)) || (layer === -1 && state === "edited"));
          cell.classList.toggle("partly", on === "partly");
          cell.classList.toggle("last", side === "last" && at >= 0);
          if (layer >= 0 && at >= 0) {
            cell.classList.toggle("live", Boolean(live));
            cell.classList.toggle("band", inBand(layer, at));
            cell.setAttribute("aria-selected", String(on === "edited"));
            cell.setAttribute("aria-label", `${nameOf(tokens[at], layer)}, ${on ? text[on] : text.unedited}`);
          } else if (at === -1) {
            cell.setAttribute("aria-selected", String(chosen.has(layer)));
            cell.setAttribute("aria-label", `${fill(text.layer, { layer })}, ${chosen.has(layer) ? text.edited : text.unedited}`);
          } else if (layer === -1) cell.setAttribute("aria-selected", String(state === "edited"));
          cell.tabIndex = layer === current.layer && at === current.column ? 0 : -1;
        }
        const height = Number(line.firstChild.dataset.layer ?? -1);
        for (const cell of line.querySelectorAll("td.answer")) cell.classList.toggle("live", Boolean(reused && height > lowest));
      }
      often.forEach((made, index) => {
        const same = Object.values(LAYERS)[index](view.layers).join() === layers.join();
        made.setAttribute("aria-pressed", String(same));
      });
      jumps.forEach((made, index) => made.setAttribute("aria-pressed", String(jumpTo(["shortest", "typical", "longest"][index]) === view.at)));
      const legend = apart ? [key("first", text.key_first), key("last", text.key_last)] : [key("first", text.key_edited)];
      if (reused) legend.push(key("live", text.key_live));
      if (view.answers) legend.push(key("answer", text.key_answer));
      keys.replaceChildren(...legend);
    };
    const inBand = (layer, at) => {
      if (!band) return false;
      const box = boxOf(band);
      return layer >= box.low && layer <= box.high && at >= box.left && at <= box.right;
    };
    const boxOf = ([one, other]) => {
      const [low, high] = [one.layer, other.layer].sort((a, b) => a - b);
      const [left, right] = [one.column, other.column].sort((a, b) => a - b);
      return { low, high, left, right, from: tokens[left].from, to: tokens[right].to };
    };

    // By mouse and finger

    const spot = (target) => {
      const cell = target?.closest?.("[data-layer]");
      return cell && table.contains(cell) ? { layer: Number(cell.dataset.layer), column: Number(cell.dataset.column) } : null;
    };
    table.addEventListener("pointerdown", (event) => {
      const at = spot(event.target);
      dragged = false;
      anchor = band = null;
      // A finger scrolls instead.
      if (at && at.layer >= 0 && at.column >= 0 && event.button === 0 && event.pointerType !== "touch") anchor = at;
    });
    table.addEventListener("pointermove", (event) => {
      if (!anchor || !(event.buttons & 1)) return;
      const at = spot(document.elementFromPoint(event.clientX, event.clientY));
      if (!at || at.layer < 0 || at.column < 0) return;
      if (!dragged && at.layer === anchor.layer && at.column === anchor.column) return;
      dragged = true;
      band = [anchor, at];
      paint();
    });
    document.addEventListener("pointerup", (event) => {
      if (dragged && band) {
        const box = boxOf(band);
        current = { ...band[1] };
        anchor = band = null;
        take(box, event.shiftKey);
        paint();
      }
      anchor = null;
    });
    table.addEventListener("click", (event) => {
      const at = spot(event.target);
      if (!at || dragged) return (dragged = false);
      current = at;
      act(at);
      focus();
    });
    table.addEventListener("dragstart", (event) => event.preventDefault());
    table.addEventListener("pointerover", (event) => {
      const at = spot(event.target);
      for (const cell of table.querySelectorAll(".near")) cell.classList.remove("near");
      if (!at) return;
      const same = [`[data-layer="${at.layer}"][data-column="-1"]`, `[data-layer="-1"][data-column="${at.column}"]`];
      for (const cell of table.querySelectorAll(same.join())) cell.classList.add("near");
    });
    table.addEventListener("pointerleave", () => {
      for (const cell of table.querySelectorAll(".near")) cell.classList.remove("near");
    });
    const act = ({ layer, column }) => {
      if (layer < 0) toggleToken(tokens[column]);
      else if (column < 0) toggleLayer(layer);
      else toggle(layer, tokens[column]);
    };

    // By keyboard

    const focus = () => {
      paint();
      const cell = cellAt(current.layer, current.column);
      cell?.focus({ preventScroll: true });
      cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
    };
    const MOVES = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const limited = (value, low, high) => Math.max(low, Math.min(high, value));
    table.addEventListener("keydown", (event) => {
      const at = spot(event.target);
      if (!at || event.altKey || event.metaKey) return;
      const lowest = at.column < 0 ? 0 : -1; // nothing stands in the corner
      const move = MOVES[event.key];
      if (move) {
        const next = { layer: limited(at.layer + move[0], lowest, view.layers - 1), column: limited(at.column + move[1], at.layer < 0 ? 0 : -1, tokens.length - 1) };
        if (event.shiftKey && at.layer >= 0 && at.column >= 0) {
          anchor ??= at;
          band = [anchor, { layer: Math.max(0, next.layer), column: Math.max(0, next.column) }];
          current = { ...band[1] };
        } else {
          anchor = band = null;
          current = next;
        }
      } else if (event.key === "Home" || event.key === "End") {
        const end = event.key === "End";
        current = event.ctrlKey ? { ...at, layer: end ? lowest : view.layers - 1 } : { ...at, column: end ? tokens.length - 1 : at.layer < 0 ? 0 : -1 };
        anchor = band = null;
      } else if (event.key === " " || event.key === "Enter") {
        if (band) {
          const box = boxOf(band);
          anchor = band = null;
          take(box, false);
        } else act(at);
      } else if (event.key === "Escape" && band) {
        anchor = band = null;
      } else return;
      event.preventDefault();
      event.stopPropagation();
      focus();
      if (band) say(text.drawn);
    });
    table.addEventListener("focusin", (event) => {
      const at = spot(event.target);
      if (at) current = at;
    });

    repaint = paint;
    redraw = () => keepingFocus(root, drawn);
    const drawn = () => {
      if (!view) {
        why.textContent = `${text.loading} ...`;
        rowsGroup.hidden = retry.hidden = true;
        return root.replaceChildren(head, empty, told);
      }
      const away = Boolean(view.problem);
      why.textContent = view.problem;
      retry.hidden = !view.again;
      rowsGroup.hidden = !view.rows;
      shorter.disabled = view.at <= 0;
      longer.disabled = view.at >= view.rows - 1;
      where.textContent = fill(text.row, { row: (view.at + 1).toLocaleString("en"), rows: view.rows.toLocaleString("en") });
      where.title = fill(text.size, { prompt: view.prompt, answer: view.answers });
      if (away) {
        built = "";
        root.replaceChildren(head, positions, empty, hint, told);
        return paint();
      }
      if (!root.contains(grid)) root.replaceChildren(head, positions, grid, keys, hint, told);
      build();
      paint();
      fade();
    };

    const answer = () => {
      const value = props.value;
      if (value && value.count < sent) return; // a newer answer is on its way
      view = value ?? null;
      if (view?.rows) place.at = view.at;
      if (!view?.layers) layers = null;
      if (view?.layers) read();
      redraw();
    };
    new ResizeObserver(() => view?.layers && root.contains(grid) && redraw()).observe(root);
    answer();
    watch("value", answer);
    if (others) setTimeout(() => [fire.asks(), fire.costs()]); // the fields have spoken first
  };

  // What is chosen, in words and figures

  const figures = (element, props, watch) => {
    const root = element.querySelector("div") ?? element;
    root.classList.add("rs-picker-figures");
    const said = el("p", {});
    const facts = el("dl", {});
    const show = () => {
      const value = props.value;
      if (value && keyOf({ layers: value.of[0], positions: value.of[1], tied: value.of[2] }) !== keyOf(field)) return; // a newer one comes
      cost = value ?? null;
      if (!value) return root.replaceChildren();
      said.textContent = value.said;
      facts.replaceChildren(...value.facts.map(({ name, value: figure, meaning }) => el("div", {}, el("dt", {}, name), el("dd", {}, el("b", {}, figure), el("small", {}, meaning)))));
      root.replaceChildren(said, facts);
      repaint();
      if (tells && !mine.length) studio.picker.heard?.(value.said);
      tells = tells && mine.length > 0;
    };
    show();
    watch("value", show);
  };

  studio.picker = {
    draw,
    figures,
    typed,
    picked: () => [field.layers, field.positions, field.tied],
    asked: (dataset) => {
      if (place.dataset !== dataset) place = { at: null, dataset };
      marksAsked = rule.marked;
      return JSON.stringify({ at: place.at, count: ++sent });
    },
    // For tests: the rules as they are applied here.
    rules: { readRule, writeRule, ends, groupOf, readLayers, writeLayers, covering, reaching, presets: LAYERS },
  };
})();
