// The Playground: a conversation whose prompts are answered in several columns at once. What models write is set as text, never as markup.
(() => {
  const KEPT = "studio.playground."; // in this tab, for each run, so that a reload and Back bring everything back
  const SEEDS = 2 ** 31;
  const SHOTS = [1, 4, 8];
  const NEAR = 60; // pixels below the prompt's field within which the page follows the end of what is written
  const MOVED = 350; // milliseconds after the last move of a slider until it is answered anew
  const SETTLES = 300; // milliseconds after the last change of a field until it is kept
  let current = null;
  // What other scripts add: tools of an answer, bars below a turn, and what they do before answers are written, once they have come, and
  // once the page has its runs. `veil(turn, shown)` says how a turn's columns stand: null as always, or { order, hidden }, where they are
  // in another order under letters, and nothing says which is which while it is hidden; then only bars that are `blind` are shown.
  // `comes()` says that another conversation is on its way to the page: nothing is asked before it is there. `isMine(run)`: whether what
  // this tab has kept of a run is what its address asks for.
  const parts = { tools: [], bars: [], answering: [], answered: [], taken: [], veil: () => null, comes: () => false, isMine: () => true };

  const { filled } = studio.parts;
  const { fresh, column, id, turnOf, path, branches, newestBelow, answerOf, messages, lines, facts, cost } = studio.conversation;

  const playground = (element, props, watch, fire) => {
    const { el, button } = studio.parts;
    const text = words.play;
    const root = element.querySelector("div") ?? element;
    let offered = { runs: [], chosen: null, unseen: [], trained: [] };
    let doc = fresh(null);
    let fields = null; // what the page's fields hold, once one of them has changed
    let given = []; // what they are to hold again; meanwhile they may tell of what they were opened with
    let draft = null; // what goes back into the prompt's field
    let used = null; // the seed of the newest turn
    let going = null; // ends the answers that are being written
    let waits = null; // what was asked before its run or its conversation was there: { run, act }
    let editing = null; // the prompt that is being edited: { turn, box }; the box moves from drawing to drawing, with what is typed
    let moving = null;
    const cameFrom = new Map(); // by turn: what was shown before it was asked
    const reasons = new Map(); // by turn and column: the rows behind an answer, not kept with the conversation
    let left = false; // the page is going away, and what fails for that is no news
    let boxes = new Map(); // where the answers of the turns on the page stand; no attribute of theirs may say it

    const strip = el("div", { class: "rs-play-strip" });
    const turns = el("div", { class: "rs-play-turns" });
    const note = el("div", { id: "playground-note", class: "rs-live", role: "alert" });
    const told = el("p", { id: "playground-told", class: "rs-facts", role: "status" });
    const after = el("div", { class: "rs-play-after" });
    const chips = el("div", { class: "rs-play-chips" });
    root.replaceChildren(strip, turns, el("div", { class: "rs-play-said" }, told, after), note, chips);
    root.classList.add("rs-play");

    const runOf = (each) => offered.runs.find((run) => run.id === each.run);
    const nameOf = (each) => {
      if (each.kind === "base") return text.base;
      if (each.kind === "mix") return filled(text.mix, { parts: studio.mixName(each.parts, (run) => runOf({ run })?.name ?? text.gone) });
      const name = runOf(each)?.name ?? text.gone;
      if (each.kind === "few_shot") return filled(each.shots === 1 ? text.one_shot : text.few_shot, { name, shots: each.shots });
      if (each.kind === "instant") return filled(text.instant, { name });
      return each.step === null ? name : filled(text.at_step, { name, step: each.step });
    };
    const idOf = (place) => ["answer-base", "answer-tuned"][place] ?? `answer-${place}`;
    const refuse = (sentence) => note.replaceChildren(...(sentence ? [el("div", { class: "rs-notice bad" }, sentence)] : []));
    const tell = (sentence) => (told.textContent = sentence);
    const keep = () => {
      if (left || !doc.columns[1].run) return; // nothing is known yet
      try {
        sessionStorage.setItem(KEPT + doc.columns[1].run, JSON.stringify({ ...doc, fields }));
      } catch {
        // a full store costs the reload alone
      }
    };

    // The columns

    const isShown = (run, step) => doc.shown.some((at) => doc.columns[at].kind === "run" && doc.columns[at].run === run.id && doc.columns[at].step === step);
    // What can be added: the results of runs, and what those that are shown had learned earlier.
    const addable = () => {
      const results = offered.runs.filter((run) => !isShown(run, null)).map((run) => [run.label, { run: run.id }]);
      const earlier = offered.runs.filter((run) => doc.shown.some((at) => doc.columns[at].run === run.id)).map((run) => {
        const steps = run.steps.filter((step) => !isShown(run, step));
        return [filled(text.earlier, { name: run.name }), steps.map((step) => [filled(text.step, { step }), { run: run.id, step }])];
      });
      const main = runOf(doc.columns[1]);
      const shown = (kind, shots) => doc.shown.some((at) => doc.columns[at].kind === kind && doc.columns[at].shots === shots);
      const shots = SHOTS.filter((count) => !shown("few_shot", count)).map((count) => [filled(count === 1 ? text.one_shot : text.few_shot, { name: main?.name, shots: count }), { kind: "few_shot", run: main?.id, shots: count }]);
      const store = shown("instant", 0) ? [] : [[filled(text.instant, { name: main?.name }), { kind: "instant", run: main?.id }]];
      return [[text.runs, results], ...earlier, [text.untrained, main ? [...shots, ...store] : []]].filter(([, options]) => options.length);
    };
    const add = (values) => {
      if (doc.shown.length > offered.most) return false;
      doc.columns.push(column(values.kind ?? "run", values));
      doc.shown.push(doc.columns.length - 1);
      draw();
      const last = turnOf(doc, doc.leaf);
      if (last && !going) answer(last, [doc.columns.length - 1]);
      return true;
    };
    const remove = (at) => {
      doc.shown = doc.shown.filter((each) => each !== at);
      draw();
    };
    const drawStrip = () => {
      const more = doc.shown.slice(2).map((at) => {
        const away = button("×", `away ${at}`, () => remove(at));
        away.setAttribute("aria-label", filled(text.remove, { name: nameOf(doc.columns[at]) }));
        const each = doc.columns[at];
        const fields = current ? studio.play.fieldsOf(at, each.kind === "run" && runOf(each)?.edits) : [];
        return el("span", { class: "rs-play-column" }, el("b", { dir: "auto" }, nameOf(each)), ...fields, away);
      });
      const groups = addable();
      const choose = el("select", { "aria-label": text.add, "data-key": "add" }, el("option", { value: "" }, text.add));
      for (const [title, options] of groups)
        choose.append(el("optgroup", { label: title }, ...options.map(([name, values]) => el("option", { value: JSON.stringify(values) }, name))));
      choose.onchange = () => choose.value && add(JSON.parse(choose.value));
      choose.disabled = going !== null; // it could not be answered beside those
      strip.replaceChildren(...more, ...(groups.length && doc.shown.length < 1 + offered.most ? [choose] : []), ...(current ? studio.play.switches() : []));
    };
    const setStrength = (at, value) => {
      if (Number.isFinite(value) && doc.columns[at]?.strength !== value) change(at, { strength: value });
    };
    // Another strength, other layers, more rows: the column answers again, and nobody else.
    const change = (at, values) => {
      Object.assign(doc.columns[at], values);
      if (values.shots !== undefined) studio.parts.keepingFocus(root, drawStrip); // its name says how many
      keep();
      clearTimeout(moving);
      moving = setTimeout(() => {
        const last = turnOf(doc, doc.leaf);
        const made = last && answerOf(last, at)?.made_by;
        if (last?.answers.length && doc.shown.includes(at) && JSON.stringify(made) !== JSON.stringify(doc.columns[at])) answer(last, [at]); // else it was asked so
      }, MOVED);
    };

    // Turns and answers

    const edit = (turn) => {
      const field = el("textarea", { class: "rs-play-editing", "data-key": `editing ${turn.id}`, rows: Math.min(10, turn.prompt.split("\n").length + 1), "aria-label": text.edit_label });
      field.value = turn.prompt;
      const close = () => ((editing = null), draw());
      const send = () => {
        const held = editing;
        editing = null;
        if (!field.value.trim() || !ask(field.value, turn.parent, turn.settings)) editing = held;
      };
      field.onkeydown = (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) event.preventDefault(), send();
        if (event.key === "Escape") close();
      };
      const deeds = el("div", { class: "rs-play-tools" }, button(text.send_edited, `send ${turn.id}`, send), button(text.cancel, `cancel ${turn.id}`, close));
      editing = { turn: turn.id, box: el("div", { class: "rs-play-prompt" }, field, deeds) };
      draw();
      field.focus();
    };
    const drawPrompt = (turn) => {
      if (editing?.turn === turn.id) return editing.box;
      const box = el("div", { class: "rs-play-prompt" }, el("div", { class: "rs-play-said-text", dir: "auto" }, turn.prompt));
      const tools = el("div", { class: "rs-play-tools" });
      const alike = branches(doc, turn);
      if (alike.length > 1) {
        const at = alike.indexOf(turn);
        const go = (to, name, sign) => {
          const made = button(sign, `${name} ${turn.id}`, () => ((doc.leaf = newestBelow(doc, alike[to]).id), keep(), draw()));
          made.setAttribute("aria-label", text[name]);
          made.disabled = !alike[to] || going !== null;
          return made;
        };
        tools.append(go(at - 1, "branch_before", "‹"), el("span", {}, filled(text.branch, { at: at + 1, of: alike.length })), go(at + 1, "branch_after", "›"));
      }
      const edits = button(text.edit, `edit ${turn.id}`, () => edit(turn));
      const again = button(text.again, `again ${turn.id}`, () => ask(turn.prompt, turn.parent, turn.settings));
      edits.disabled = again.disabled = going !== null;
      tools.append(edits, again);
      box.append(tools);
      return box;
    };
    const keyOf = (turn, at) => `${turn?.id} ${at}`;
    const drawHidden = (turn, at, letter) => {
      const found = answerOf(turn, at);
      const name = filled(text.answer_letter, { letter });
      const said = el("div", { class: "rs-answer-text", dir: "auto" }, document.createTextNode(found?.text ?? ""));
      if (found && found.ended === null) said.append(el("span", { class: "rs-caret" }));
      boxes.set(keyOf(turn, at), said);
      return el("section", { class: "rs-pane", "aria-label": name, tabindex: 0 }, el("div", { class: "rs-pane-title" }, name), said);
    };
    const drawAnswer = (turn, at, place, last, letter = "") => {
      const each = doc.columns[at];
      const found = turn && answerOf(turn, at);
      const made = found?.made_by ?? each;
      const strength = found?.strength ?? each.strength;
      const title = el("div", { class: "rs-pane-title", dir: "auto" }, `${letter && `${letter} · `}${nameOf(made)}`);
      if (made.kind === "mix" || (made.kind === "run" && runOf(made)?.edits !== false)) title.append(el("small", {}, ` · ${[filled(text.at_strength, { strength }), ...studio.play.acting(made)].join(" · ")}`));
      const said = el("div", { class: "rs-answer-text", dir: "auto", "data-column": at });
      if (last) said.id = idOf(place);
      boxes.set(keyOf(turn, at), said);
      said.append(document.createTextNode(found?.text ?? ""));
      if (found && found.ended === null) said.append(el("span", { class: "rs-caret" }));
      const pane = el("section", { class: `rs-pane${place ? " tuned" : ""}`, "aria-label": nameOf(made), tabindex: 0 }, title, said, el("p", { class: "rs-facts", "data-facts": at }, facts(found)), el("p", { class: "rs-facts", "data-told": at }, found?.told ?? ""));
      const tools = found && found.ended !== null ? parts.tools.flatMap((make) => make(contextOf(turn, at, place), pane) ?? []) : [];
      if (tools.length) pane.append(el("div", { class: "rs-play-tools" }, ...tools));
      return pane;
    };
    // An answer as other scripts see it; `column` is as it was when it answered.
    const contextOf = (turn, at, place) => {
      const found = answerOf(turn, at);
      const made = { ...(found?.made_by ?? doc.columns[at]), strength: found?.strength ?? doc.columns[at].strength };
      return { turn, at, place, answer: found, column: made, name: nameOf(made), messages: messages(doc, turn, at), edits: made.kind === "mix" || (made.kind === "run" && runOf(made)?.edits !== false) };
    };
    const drawTurn = (turn, last) => {
      const veil = turn && parts.veil(turn, doc.shown);
      const letter = (place) => (veil ? String.fromCharCode(65 + place) : "");
      const panes = (veil?.order ?? doc.shown).map((at, place) =>
        veil?.hidden ? drawHidden(turn, at, letter(place)) : drawAnswer(turn, at, doc.shown.indexOf(at), last, letter(place)),
      );
      const answers = el("div", { class: "rs-play-answers", style: `--columns: ${panes.length}` }, ...panes);
      const bars = turn && !going ? parts.bars.filter((make) => !veil?.hidden || make.blind).flatMap((make) => make({ turn, last, columns: doc.shown.map((at, place) => contextOf(turn, at, place)) }) ?? []) : [];
      return el("article", { class: "rs-play-turn", "data-turn": turn?.id ?? "" }, ...(turn ? [drawPrompt(turn)] : []), answers, ...bars);
    };
    const drawChips = () => {
      const group = (title, prompts, name) => {
        if (!prompts.length) return [];
        const made = prompts.map((prompt, at) => {
          const chip = button(prompt, `${name} ${at}`, () => onceThere(offered.chosen, () => ask(prompt, doc.leaf)));
          chip.id = `${name}-${at}`;
          return chip;
        });
        return [el("div", { class: "rs-chips", role: "group", "aria-label": title }, el("span", { class: "rs-facts" }, title), ...made)];
      };
      chips.replaceChildren(...group(text.unseen, offered.unseen, "suggestion"), ...group(text.trained, offered.trained, "trained"));
    };
    const draw = studio.parts.onceReleased(root, () => {
      const follows = nearEnd();
      const shown = path(doc);
      const swiped = new Map([...turns.children].map((each) => [each.dataset.turn, each.querySelector(".rs-play-answers").scrollLeft]));
      boxes = new Map();
      studio.parts.keepingFocus(root, () => {
        drawStrip();
        turns.replaceChildren(...(shown.length ? shown.map((turn, at) => drawTurn(turn, at === shown.length - 1)) : [drawTurn(null, true)]));
        drawChips();
      });
      const latest = [...swiped.values()].pop() ?? 0; // a new turn shows the column that was looked at
      for (const each of turns.children) each.querySelector(".rs-play-answers").scrollLeft = swiped.get(each.dataset.turn) ?? latest;
      if (follows && shown.length) toEnd();
      keep();
    });
    // Pixels by which the newest turn reaches below the upper edge of the prompt's field, which sticks to that of the window.
    const covered = () => {
      const edge = document.querySelector(".rs-composer")?.getBoundingClientRect().top ?? Infinity;
      return (turns.lastElementChild?.getBoundingClientRect().bottom ?? 0) - Math.min(edge, window.innerHeight);
    };
    const nearEnd = () => covered() < NEAR;
    const toEnd = () => covered() > 0 && window.scrollBy({ top: covered() });

    // Asking

    // Of a conversation whose run is deleted, or of another base model, the answers can be read.
    const isGone = () => doc.columns[1].run !== offered.chosen;
    // Another run that was chosen, or a conversation that is opened, may still be on its way: what is asked meanwhile is asked then.
    const onceThere = (run, act) => {
      waits = { run: run ?? null, act };
      resume();
      if (waits) tell(text.coming);
    };
    const resume = () => {
      if (!waits || parts.comes() || waits.run !== offered.chosen) return;
      const { act } = waits;
      waits = null;
      tell("");
      act();
    };
    const ask = (prompt, parent, settings = null) => {
      if (going || (fields && !read(fields))) return false;
      if (offered.runs.length && isGone()) return refuse(text.run_gone), false;
      refuse("");
      const seed = doc.settings.seed ?? Math.floor(Math.random() * SEEDS);
      const turn = { id: id(), parent: parent ?? null, prompt: prompt.trim(), seed, answers: [], settings };
      cameFrom.set(turn.id, doc.leaf);
      doc.turns.push(turn);
      doc.leaf = turn.id;
      answer(turn, doc.shown);
      toEnd(); // since they have asked, wherever they were
      return true;
    };
    const answer = async (turn, asked) => {
      going?.abort();
      const ends = (going = Object.assign(new AbortController(), { turn }));
      // What this cuts short is asked for again with it.
      const cut = turn.answers.filter((each) => each.ended === null).map((each) => each.column);
      const columns = [...new Set([...asked, ...cut])].sort((one, other) => one - other);
      for (const act of parts.answering) act(turn, columns, doc.shown);
      const before = columns.map((at) => answerOf(turn, at)).filter((each) => each?.ended);
      turn.answers = turn.answers.filter((each) => !columns.includes(each.column));
      const coming = columns.map((at) => ({ column: at, text: "", ids: [], strength: doc.columns[at].strength, ended: null, tokens: 0, seconds: 0, told: "", made_by: { ...doc.columns[at] } }));
      turn.answers.push(...coming);
      used = turn.seed;
      tell("");
      after.replaceChildren();
      refuse("");
      fire.busy(true);
      draw();
      const begun = performance.now();
      const settings = turn.settings ?? doc.settings;
      const body = {
        columns: columns.map((at) => ({ ...doc.columns[at], messages: messages(doc, turn, at) })),
        max_new_tokens: settings.max_new_tokens, temperature: settings.temperature, top_p: settings.top_p,
        top_k: settings.top_k, repetition_penalty: settings.repetition_penalty, stop: settings.stop, seed: turn.seed, page: PAGE,
      };
      let failed = "";
      try {
        const response = await fetch("play/chat", { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, signal: ends.signal });
        if (!response.ok) {
          const { error } = await response.json().catch(() => ({}));
          throw Object.assign(new Error(error ?? filled(words.refused, { reload: words.reload })), { said: true });
        }
        for await (const line of lines(response)) {
          if (line.error) throw Object.assign(new Error(line.error), { said: true });
          if (line.starting) tell(text.starting);
          else if (line.of) tell(filled(text.reading, { done: line.reading, of: line.of }));
          else if (line.place !== undefined) tell(line.place ? filled(text.place, { count: line.place }) : ""); // 0: it has begun
          else if (line.done) break;
          else written(turn, coming[line.column], line);
        }
        if (coming.some((each) => each.ended === null)) throw new Error(words.away);
      } catch (error) {
        if (error.name !== "AbortError") failed = error.said ? error.message : words.away;
      }
      if (going !== ends) return; // others are being written in their place
      going = null;
      for (const each of coming) each.ended ??= failed ? "error" : "stopped";
      const empty = coming.every((each) => !each.text && each.ended === "error");
      if (empty && before.length) turn.answers = [...turn.answers.filter((each) => !coming.includes(each)), ...before];
      else if (empty && !turn.answers.some((each) => !coming.includes(each)) && doc.turns.includes(turn)) giveUp(turn);
      refuse(failed);
      const stopped = coming.some((each) => each.ended === "stopped");
      const sentence = { seconds: ((performance.now() - begun) / 1000).toFixed(2), seed: turn.seed };
      const kind = `${columns.length === 1 ? "one" : columns.length === 2 ? "both" : "all"}_answered${settings.temperature > 0 ? "_with_seed" : ""}`;
      tell(stopped ? text.stopped : failed ? "" : filled(text[kind], sentence));
      told.classList.toggle("rs-halted", stopped);
      if (!failed && !stopped && settings.temperature > 0 && doc.settings.seed === null) offerSeed();
      fire.busy(false);
      draw();
      for (const act of parts.answered) act(turn, failed);
    };
    // At once, since another conversation comes in the place of this one.
    const halt = () => {
      if (!going) return;
      const { turn } = going;
      going.abort();
      going = null;
      for (const each of turn.answers) each.ended ??= "stopped";
      tell("");
      fire.busy(false);
      for (const act of parts.answered) act(turn, "");
    };
    // Nothing came: the prompt goes back to its field.
    const giveUp = (turn) => {
      doc.turns = doc.turns.filter((each) => each !== turn);
      doc.leaf = cameFrom.get(turn.id) ?? null;
      draft = turn.prompt;
      fire.back();
    };
    const written = (turn, found, line) => {
      if (told.textContent) tell("");
      found.text += line.text;
      found.tokens += line.text || line.ended ? 1 : 0;
      if (line.ended) {
        found.ended = { end: "end", length: "length", stop: "end", cancelled: "stopped" }[line.ending];
        Object.assign(found, { ids: line.ids, tokens: line.ids.length, seconds: line.seconds, told: cost(line) });
        reasons.set(`${turn.id} ${found.column}`, line.store?.why ?? line.shots?.rows ?? []);
      }
      const pane = boxes.get(keyOf(turn, found.column));
      if (!pane) return;
      const follows = nearEnd();
      pane.firstChild.data = found.text;
      if (line.ended) {
        pane.querySelector(".rs-caret")?.remove();
        for (const [name, sentence] of [["facts", facts(found)], ["told", found.told]]) {
          const line = pane.parentElement.querySelector(`[data-${name}]`);
          if (line) line.textContent = sentence;
        }
      }
      if (follows) toEnd();
    };
    const offerSeed = () => {
      const held = button(text.keep_seed, "keep seed", () => (after.replaceChildren(), fire.seed()));
      held.id = "playground-seed-kept";
      after.replaceChildren(held);
    };

    // What the page's fields say, and what they are given

    const read = ([, , strength, system, temperature, top_p, top_k, length, penalty, stop, seed]) => {
      const wanted = String(seed ?? "").trim();
      if (wanted && !(/^\d{1,10}$/.test(wanted) && Number(wanted) < SEEDS)) return refuse(text.no_seed), false;
      const before = doc.settings;
      doc.settings = {
        system: system ?? "", temperature, top_p, top_k, max_new_tokens: length, repetition_penalty: penalty,
        stop: String(stop ?? "").split("\n").filter((line) => line), seed: wanted ? Number(wanted) : null,
      };
      // Turns that were asked with other settings keep them.
      if (JSON.stringify(before) !== JSON.stringify(doc.settings)) for (const turn of doc.turns) turn.settings ??= before;
      doc.columns[1].strength = strength;
      return true;
    };
    // The other way round: what a conversation was held with goes into the fields, and nothing but a restored tab goes there besides.
    const fill = (values) => {
      fields = given = values;
      fire.fields();
    };
    const saidBy = ({ settings, columns: [, { run, strength }] }, prompt) => [
      run, prompt, strength, settings.system, settings.temperature, settings.top_p, settings.top_k, settings.max_new_tokens,
      settings.repetition_penalty, settings.stop.join("\n"), settings.seed === null ? "" : String(settings.seed),
    ];
    const keepSoon = studio.parts.after(SETTLES, keep);
    const noted = (values) => {
      fields = values;
      keepSoon();
    };
    const sent = (values) => {
      const [run, prompt] = values;
      fields = values;
      if (!prompt?.trim()) return refuse(text.no_prompt), prompt;
      if (parts.comes() || (run ?? null) !== offered.chosen) return onceThere(run, () => sendLate(prompt)), prompt;
      if (!doc.columns[1].run) return refuse(text.none_chosen), prompt;
      if (!ask(prompt, doc.leaf)) return prompt;
      fields[1] = "";
      return "";
    };
    // What stands in its field by now is sent; where that is something else, it is still being written.
    const sendLate = (prompt) => {
      if (fields[1] !== prompt || !ask(prompt, doc.leaf)) return;
      fields[1] = draft = "";
      fire.back();
    };

    const take = () => {
      offered = props.value || offered;
      const run = offered.chosen;
      if (doc.columns[1].run !== run) {
        halt();
        keep();
        if (waits && waits.run !== run) (waits = null), tell(""); // yet another one was chosen
        const { settings, columns } = doc;
        const kept = parts.isMine(run) ? restored(run) : null;
        const { fields: held, ...document } = kept ?? {};
        const typed = columns[1].run ? "" : fields?.[1]; // while the page was opening
        doc = kept ? document : { ...fresh(run), settings };
        if (!kept) doc.columns[1].strength = columns[1].strength;
        if (held) fill([run, typed || held[1], ...held.slice(2)]);
        const address = new URL(location);
        if (run) address.searchParams.set("run", run); // a reload shows it again
        history.replaceState(history.state, "", address);
      }
      for (const turn of doc.turns) for (const each of turn.answers) if (!going) each.ended ??= "stopped";
      draw();
      if (props.value) for (const act of parts.taken) act(offered);
      resume();
    };
    const restored = (run) => {
      try {
        const kept = JSON.parse(sessionStorage.getItem(KEPT + run));
        return kept?.format === 1 ? kept : null;
      } catch {
        return null;
      }
    };
    addEventListener("pagehide", () => {
      keep();
      left = true;
    });
    addEventListener("pageshow", () => (left = false));

    const titleOf = (each) => (each.kind === "mix" || (each.kind === "run" && runOf(each)?.edits !== false) ? `${nameOf(each)} · ${filled(text.at_strength, { strength: each.strength })}` : nameOf(each));

    current = {
      sent,
      noted,
      fields: () => given.map((value, at) => (at === 1 ? fields[1] || value : value)).slice(1), // a prompt that is typed by now stays
      columns: () => doc.shown.map((at) => ({ ...doc.columns[at] })),
      names: () => doc.shown.map((at) => titleOf(doc.columns[at])),
      settings: (values) => (read(values) ? { ...doc.settings } : null),
      strength: (value) => setStrength(1, value),
      stop: () => going?.abort(),
      halt: () => (halt(), draw()),
      resume,
      draft: () => draft ?? "",
      seed: () => String(used ?? ""),
      going: () => going !== null,
      add,
      change,
      reasons: ({ turn, at }) => reasons.get(`${turn.id} ${at}`) ?? [],
      edited: (turn) => doc.shown.map((at, place) => contextOf(turn, at, place)).find((each) => each.edits && each.answer?.ids.length),
      document: () => doc,
      open: (document) => {
        halt();
        const before = doc;
        doc = document ?? { ...fresh(offered.chosen), settings: doc.settings };
        // The fields of the conversation that is here already may hold what was typed after it was saved; another one brings its own.
        const typed = fields?.[1] === given[1] ? "" : fields[1];
        if (document && document.turns[0]?.id !== before.turns[0]?.id) fill(saidBy(document, typed));
        tell("");
        refuse(isGone() ? text.run_gone : "");
        draw();
      },
      shown: () => doc.shown,
      name: nameOf,
      runs: () => offered.runs,
      base: () => offered.base ?? "",
      redraw: draw,
      refuse,
    };
    take();
    watch("value", take);
  };

  const PAGE = id();
  Object.assign(studio, { playground, play: {
    // What the page shows and what its fields say, for its other parts.
    columns: () => current?.columns() ?? [],
    names: () => current?.names() ?? [],
    settings: (values) => current?.settings(values) ?? null,
    page: PAGE,
    // The prompt's field: empty once it is sent, and as it was where it is refused.
    send: (...values) => [current ? current.sent(values) : values[1]],
    stop: () => (current?.stop(), []),
    halt: () => [{ __type__: "update", interactive: current?.going() ?? false }],
    noted: (...values) => (current?.noted(values), []),
    fields: () => current?.fields() ?? [],
    moved: (value) => (current?.strength(value), []),
    back: () => [current?.draft() ?? ""],
    seed: () => [current?.seed() ?? ""],
    // For other scripts of this page.
    parts,
    now: () => current,
  } });
})();
