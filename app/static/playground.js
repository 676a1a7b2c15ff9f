// The Playground: a conversation whose prompts are answered in several columns at once. What models write is set as text, never as markup.
(() => {
  const KEPT = "studio.playground."; // in this tab, for each run, so that a reload and Back bring everything back
  const SEEDS = 2 ** 31;
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
  const { fresh, column, id, turnOf, path, answerOf, messages, cost } = studio.conversation;

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
    const streams = new Set(); // of answers that are being written: { turn, coming, ends }
    let waits = null; // what was asked before its run or its conversation was there: { run, act }
    const moved = new Set(); // columns that have changed and are about to answer anew
    let moving = null; // when they do
    const cameFrom = new Map(); // by turn: what was shown before it was asked
    const reasons = new Map(); // by turn and column: the rows behind an answer, kept in this tab alone
    let left = false; // the page is going away, and what fails for that is no news

    const strip = el("div", { class: "rs-play-strip" });
    const turns = el("div", { class: "rs-play-turns" });
    const note = el("div", { id: "playground-note", class: "rs-live", role: "alert" });
    const told = el("p", { id: "playground-told", class: "rs-facts", role: "status" });
    const after = el("div", { class: "rs-play-after" });
    const chips = el("div", { class: "rs-play-chips" });
    root.replaceChildren(strip, turns, el("div", { class: "rs-play-said" }, told, after), note, chips);
    root.classList.add("rs-play");

    const refuse = (sentence) => note.replaceChildren(...(sentence ? [el("div", { class: "rs-notice bad" }, sentence)] : []));
    const tell = (sentence) => (told.textContent = sentence);
    const keep = () => {
      if (left || !doc.columns[1].run) return; // nothing is known yet
      const rows = [...reasons].filter(([answer]) => turnOf(doc, answer.split(" ")[0]));
      for (const more of [{ rows }, {}]) {
        try {
          return sessionStorage.setItem(KEPT + doc.columns[1].run, JSON.stringify({ ...doc, fields, ...more }));
        } catch {
          // a full store costs the rows behind the answers, then the reload alone
        }
      }
    };

    // The columns

    const add = (values) => {
      if (!current.hasRoom()) return false;
      const at = placeFor(column(values.kind ?? "run", values));
      doc.shown.push(at);
      const last = turnOf(doc, doc.leaf);
      if (last && !answerOf(last, at)) answer(last, [at]);
      else draw();
      return true;
    };
    // One that was removed comes back with its answers; one that has answered nothing is replaced.
    const placeFor = (made) => {
      const hidden = (at) => at > 1 && !doc.shown.includes(at);
      const same = doc.columns.findIndex((each, at) => hidden(at) && JSON.stringify(each) === JSON.stringify(made));
      if (same !== -1) return same;
      const silent = doc.columns.findIndex((_, at) => hidden(at) && !doc.turns.some((turn) => answerOf(turn, at)));
      const at = silent === -1 ? doc.columns.length : silent;
      doc.columns[at] = made;
      return at;
    };
    const remove = (at) => {
      const place = doc.shown.indexOf(at);
      doc.shown = doc.shown.filter((each) => each !== at);
      draw();
      const next = doc.shown[place] ?? doc.shown[place - 1];
      current.focus(next > 1 ? `away ${next}` : "add");
    };
    const setStrength = (at, value) => {
      if (Number.isFinite(value) && doc.columns[at]?.strength !== value) change(at, { strength: value });
    };
    // Another strength, other layers, more rows: the column answers again, and nobody else.
    const change = (at, values) => {
      Object.assign(doc.columns[at], values);
      if (values.shots !== undefined) studio.parts.keepingFocus(root, drawStrip); // its name says how many
      keep();
      moved.add(at);
      clearTimeout(moving);
      moving = setTimeout(() => {
        const last = turnOf(doc, doc.leaf);
        const isAsked = (each) => JSON.stringify(answerOf(last, each)?.made_by) === JSON.stringify(doc.columns[each]);
        const anew = last?.answers.length ? doc.shown.filter((each) => moved.has(each) && !isAsked(each)) : [];
        moved.clear();
        if (anew.length) answer(last, anew);
      }, MOVED);
    };

    const drawChips = () => {
      const group = (title, prompts, name) => {
        if (!prompts.length) return [];
        const made = prompts.map((prompt, at) => {
          const chip = button(prompt, `${name} ${at}`, () => onceThere(offered.chosen, () => ask(prompt, doc.leaf)));
          chip.id = `${name}-${at}`;
          chip.disabled = streams.size > 0;
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
      studio.parts.keepingFocus(root, () => {
        drawStrip();
        turns.replaceChildren(...studio.play.turns.drawn(shown, doc.shown));
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
    const ask = (prompt, parent) => {
      if (streams.size) return refuse(text.busy), false;
      if (fields && !read(fields)) return false;
      if (offered.runs.length && isGone()) return refuse(text.run_gone), false;
      refuse("");
      const seed = doc.settings.seed ?? Math.floor(Math.random() * SEEDS);
      const turn = { id: id(), parent: parent ?? null, prompt: prompt.trim(), seed, answers: [], settings: null };
      cameFrom.set(turn.id, doc.leaf);
      doc.turns.push(turn);
      doc.leaf = turn.id;
      answer(turn, doc.shown);
      toEnd(); // since they have asked, wherever they were
      return true;
    };
    // Answers of some columns, each in the place of the one before. What is being written of the others goes on.
    const answer = async (turn, columns) => {
      for (const act of parts.answering) act(turn, columns, doc.shown);
      for (const stream of [...streams]) leave(stream, columns);
      const before = turn.answers.filter((each) => columns.includes(each.column) && each.ended);
      const coming = columns.map((at) => ({ column: at, text: "", ids: [], strength: doc.columns[at].strength, ended: null, tokens: 0, seconds: 0, told: "", made_by: { ...doc.columns[at] } }));
      turn.answers = [...turn.answers.filter((each) => !columns.includes(each.column)), ...coming];
      const stream = { turn, coming, ends: new AbortController() };
      streams.add(stream);
      used = turn.seed;
      tell("");
      told.classList.remove("rs-halted");
      after.replaceChildren();
      refuse("");
      fire.busy(true);
      draw();
      const begun = performance.now();
      const failed = await streamed(stream);
      if (!streams.delete(stream)) return; // others are written in their place, or on another page
      for (const each of stream.coming) each.ended ??= failed ? "error" : "stopped";
      if (stream.coming.every((each) => !each.text && each.ended === "error")) putBack(turn, stream.coming, before);
      if (failed) refuse(failed);
      if (!streams.size) {
        tell("");
        if (!failed) tellEnd(turn, stream.coming, performance.now() - begun);
        fire.busy(false);
      }
      draw();
      for (const act of parts.answered) act(turn, failed);
    };
    // These columns answer anew; a stream that writes nothing else ends.
    const leave = (stream, columns) => {
      stream.coming = stream.coming.filter((each) => !columns.includes(each.column));
      if (stream.coming.length) return;
      streams.delete(stream);
      stream.ends.abort();
    };
    // Writes the answers as they come. Returns why some did not, or "".
    const streamed = async (stream) => {
      const { turn, ends } = stream;
      const asked = stream.coming;
      const settings = turn.settings ?? doc.settings;
      const body = {
        columns: asked.map(({ column: at }) => ({ ...doc.columns[at], messages: messages(doc, turn, at) })),
        max_new_tokens: settings.max_new_tokens, temperature: settings.temperature, top_p: settings.top_p,
        top_k: settings.top_k, repetition_penalty: settings.repetition_penalty, stop: settings.stop, seed: turn.seed, page: PAGE,
      };
      try {
        for await (const line of studio.server.stream("play/chat", body, ends.signal)) {
          if (line.starting) tell(text.starting);
          else if (line.of) tell(filled(text.reading, { done: line.reading, of: line.of }));
          else if (line.place !== undefined) tell(line.place ? filled(text.place, { count: line.place }) : ""); // 0: it has begun
          else if (stream.coming.includes(asked[line.column])) written(turn, asked[line.column], line);
        }
        return stream.coming.some((each) => each.ended === null) ? words.away : "";
      } catch (error) {
        return error.name === "AbortError" ? "" : error.message;
      }
    };
    // Nothing came: what stood there before stands there again, or the prompt goes back to its field.
    const putBack = (turn, coming, before) => {
      const others = turn.answers.filter((each) => !coming.includes(each));
      if (before.length) turn.answers = [...others, ...before.filter((each) => coming.some(({ column }) => column === each.column))];
      else if (!others.length && doc.turns.includes(turn)) giveUp(turn);
    };
    const tellEnd = (turn, coming, milliseconds) => {
      const sampled = (turn.settings ?? doc.settings).temperature > 0;
      const stopped = coming.some((each) => each.ended === "stopped");
      const kind = `${["one", "both"][coming.length - 1] ?? "all"}_answered${sampled ? "_with_seed" : ""}`;
      tell(stopped ? text.stopped : filled(text[kind], { seconds: (milliseconds / 1000).toFixed(2), seed: turn.seed }));
      if (stopped) told.classList.add("rs-halted");
      else if (sampled && doc.settings.seed === null) offerSeed();
    };
    // At once, since another conversation comes in the place of this one.
    const halt = () => {
      clearTimeout(moving);
      moved.clear();
      if (!streams.size) return;
      const [{ turn }] = streams;
      for (const { coming, ends } of streams) {
        ends.abort();
        for (const each of coming) each.ended ??= "stopped";
      }
      streams.clear();
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
      const follows = nearEnd();
      if (studio.play.turns.written(turn, found) && follows) toEnd();
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
      doc.columns[1].strength = current.edits(doc.columns[1]) ? strength : 1; // else its slider is not for it
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
        const { fields: held, rows, ...document } = kept ?? {};
        for (const [answer, its] of rows ?? []) reasons.set(answer, its);
        const typed = columns[1].run ? "" : fields?.[1]; // while the page was opening
        doc = kept ? document : { ...fresh(run), settings };
        if (!kept && current.edits(doc.columns[1])) doc.columns[1].strength = columns[1].strength;
        if (held) fill([run, typed || held[1], ...held.slice(2)]);
        const address = new URL(location);
        if (run) address.searchParams.set("run", run); // a reload shows it again
        history.replaceState(history.state, "", address);
      }
      for (const turn of doc.turns) for (const each of turn.answers) if (!streams.size) each.ended ??= "stopped";
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

    const drawStrip = () => strip.replaceChildren(...studio.play.strip());
    const titleOf = (each) => (current.edits(each) ? `${current.name(each)} · ${filled(text.at_strength, { strength: each.strength })}` : current.name(each));

    current = {
      sent,
      noted,
      fields: () => given.map((value, at) => (at === 1 ? fields[1] || value : value)).slice(1), // a prompt that is typed by now stays
      columns: () => doc.shown.map((at) => ({ ...doc.columns[at] })),
      names: () => doc.shown.map((at) => titleOf(doc.columns[at])),
      settings: (values) => (read(values) ? { ...doc.settings } : null),
      stops: (turn) => (turn.settings ?? doc.settings).stop, // the texts that ended its answers
      system: () => fields?.[3] ?? doc.settings.system, // by now, also where nothing was asked with it yet
      strength: (value) => current.edits(doc.columns[1]) && setStrength(1, value),
      stop: () => streams.forEach(({ ends }) => ends.abort()),
      halt: () => (halt(), draw()),
      resume,
      draft: () => draft ?? "",
      seed: () => String(used ?? ""),
      going: () => streams.size > 0,
      hasRoom: () => doc.shown.length <= offered.most,
      add,
      remove,
      change,
      ask,
      show: (turn) => ((doc.leaf = turn.id), keep(), draw()),
      reasons: ({ turn, at }) => reasons.get(`${turn.id} ${at}`) ?? [],
      edited: (turn) => doc.shown.map((at, place) => studio.play.turns.contextOf(turn, at, place)).filter((each) => each.edits && each.answer?.ids.length),
      focus: (key) => [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key)?.focus(),
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
      name: (each) => studio.play.nameOf(each, offered.runs),
      edits: (each) => studio.play.edits(each, offered.runs),
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
