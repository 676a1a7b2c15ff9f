// A turn of the Playground as it is drawn: its prompt, which can be edited, and its answers beside one another.
(() => {
  const { el, button, filled } = studio.parts;
  const { branches, newestBelow, answerOf, messages, facts } = studio.conversation;
  const text = words.play;
  const { parts } = studio.play;
  const SECOND = 1000;
  const paces = new WeakMap(); // by answer: when its first token came, and when its speed was last told
  let editing = null; // the prompt that is being edited: { turn, box }; the box moves from drawing to drawing, with what is typed
  let boxes = new Map(); // where the answers of the turns on the page stand; no attribute of theirs may say it

  const now = () => studio.play.now();
  const keyOf = (turn, at) => `${turn?.id} ${at}`;
  const idOf = (place) => ["answer-base", "answer-tuned"][place] ?? `answer-${place}`;

  // An answer as other scripts see it; `column` is as it was when it answered.
  const contextOf = (turn, at, place) => {
    const found = turn && answerOf(turn, at);
    const asked = now().document().columns[at];
    const column = { ...(found?.made_by ?? asked), strength: found?.strength ?? asked.strength };
    return { turn, at, place, answer: found, column, name: now().name(column), messages: turn && messages(now().document(), turn, at), edits: now().edits(column) };
  };

  // The prompt

  const edit = (turn) => {
    const field = el("textarea", { class: "rs-play-editing", "data-key": `editing ${turn.id}`, rows: Math.min(10, turn.prompt.split("\n").length + 1), "aria-label": text.edit_label });
    field.value = turn.prompt;
    const close = () => ((editing = null), now().redraw(), now().focus(`edit ${turn.id}`));
    const send = () => {
      const held = editing;
      editing = null;
      if (!field.value.trim() || !now().ask(field.value, turn.parent)) editing = held;
    };
    field.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) event.preventDefault(), send();
      if (event.key === "Escape") close();
    };
    const deeds = el("div", { class: "rs-play-tools" }, button(text.send_edited, `send ${turn.id}`, send), button(text.cancel, `cancel ${turn.id}`, close));
    editing = { turn: turn.id, box: el("div", { class: "rs-play-prompt" }, field, deeds) };
    now().redraw();
    field.focus();
  };
  // Steps to the prompts that were asked in the place of this one.
  const branchesOf = (turn) => {
    const doc = now().document();
    const alike = branches(doc, turn);
    if (alike.length < 2) return [];
    const at = alike.indexOf(turn);
    const go = (to, name, sign) => {
      const made = button(sign, `${name} ${turn.parent}`, () => now().show(newestBelow(doc, alike[to])));
      made.setAttribute("aria-label", text[name]);
      made.disabled = !alike[to] || now().going();
      return made;
    };
    return [go(at - 1, "branch_before", "‹"), el("span", {}, filled(text.branch, { at: at + 1, of: alike.length })), go(at + 1, "branch_after", "›")];
  };
  const drawPrompt = (turn) => {
    if (editing?.turn === turn.id) return editing.box;
    const edits = button(text.edit, `edit ${turn.id}`, () => edit(turn));
    const again = button(text.again, `again ${turn.parent}`, () => now().ask(turn.prompt, turn.parent));
    edits.disabled = again.disabled = now().going();
    const said = el("div", { class: "rs-play-said-text", dir: "auto" }, turn.prompt);
    return el("div", { class: "rs-play-prompt" }, said, el("div", { class: "rs-play-tools" }, ...branchesOf(turn), edits, again));
  };

  // The answers

  // The text of an answer, at whose end more of it comes.
  const drawText = (turn, at, found) => {
    const said = el("div", { class: "rs-answer-text", dir: "auto" }, document.createTextNode(found?.text ?? ""));
    if (found && found.ended === null) said.append(el("span", { class: "rs-caret" }));
    boxes.set(keyOf(turn, at), said);
    return said;
  };
  const drawHidden = (turn, at, letter) => {
    const name = filled(text.answer_letter, { letter });
    return el("section", { class: "rs-pane", "aria-label": name, tabindex: 0 }, el("div", { class: "rs-pane-title" }, name), drawText(turn, at, answerOf(turn, at)));
  };
  const drawAnswer = (context, last, letter) => {
    const { turn, at, place, answer, column, name, edits } = context;
    const title = el("div", { class: "rs-pane-title", dir: "auto" }, `${letter && `${letter} · `}${name}`);
    if (edits) title.append(el("small", {}, ` · ${[filled(text.at_strength, { strength: column.strength }), ...studio.play.acting(column)].join(" · ")}`));
    const said = drawText(turn, at, answer);
    said.dataset.column = at;
    if (last) said.id = idOf(place);
    const told = [["data-facts", facts(answer)], ["data-told", answer?.told ?? ""]].map(([key, sentence]) => el("p", { class: "rs-facts", [key]: at }, sentence));
    const pane = el("section", { class: `rs-pane${place ? " tuned" : ""}`, "aria-label": name, tabindex: 0 }, title, said, ...told);
    const tools = answer && answer.ended !== null ? parts.tools.flatMap((make) => make(context, pane) ?? []) : [];
    if (tools.length) pane.append(el("div", { class: "rs-play-tools" }, ...tools));
    return pane;
  };
  const drawTurn = (turn, last, columns) => {
    const veil = turn && parts.veil(turn, columns);
    const letter = (place) => (veil ? String.fromCharCode(65 + place) : "");
    const contexts = columns.map((at, place) => contextOf(turn, at, place));
    const panes = (veil?.order ?? columns).map((at, place) =>
      veil?.hidden ? drawHidden(turn, at, letter(place)) : drawAnswer(contexts[columns.indexOf(at)], last, letter(place)),
    );
    const answers = el("div", { class: "rs-play-answers", style: `--columns: ${panes.length}` }, ...panes);
    const bars = turn && !now().going() ? parts.bars.filter((make) => !veil?.hidden || make.blind).flatMap((make) => make({ turn, last, columns: contexts }) ?? []) : [];
    return el("article", { class: "rs-play-turn", "data-turn": turn?.id ?? "" }, ...(turn ? [drawPrompt(turn)] : []), answers, ...bars);
  };

  // All turns that are shown, or the empty columns of a conversation that has none.
  const drawn = (shown, columns) => {
    boxes = new Map();
    return shown.length ? shown.map((turn, at) => drawTurn(turn, at === shown.length - 1, columns)) : [drawTurn(null, true, columns)];
  };
  // How fast an answer is being written, once a second; else "".
  const speedOf = (answer) => {
    const moment = performance.now();
    const pace = paces.get(answer) ?? { first: moment, told: moment };
    paces.set(answer, pace);
    if (moment - pace.told < SECOND) return "";
    pace.told = moment;
    return facts({ ...answer, ended: "end", seconds: (moment - pace.first) / SECOND });
  };
  // What has come of an answer goes to where it stands on the page; false where it does not stand there.
  const written = (turn, answer) => {
    const box = boxes.get(keyOf(turn, answer.column));
    if (!box) return false;
    box.firstChild.data = answer.text;
    const say = (name, sentence) => {
      const line = box.parentElement.querySelector(`[data-${name}]`); // not there while nobody may see which is which
      if (line && sentence) line.textContent = sentence;
    };
    if (answer.ended === null) return say("facts", speedOf(answer)), true;
    box.querySelector(".rs-caret")?.remove();
    say("facts", facts(answer));
    say("told", answer.told);
    return true;
  };

  studio.play.turns = { contextOf, drawn, written };
})();
