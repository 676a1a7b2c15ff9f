// Blind votes and fixes by example in the Playground. While a turn is blind, its answers stand under letters in an order of its own, and
// nothing on the page says which column wrote which; a vote tells it.
(() => {
  const KEPT = "studio.playground.blind"; // in this tab: { on, turns: { id: { order, hidden, voted } } }
  const { parts } = studio.play;
  let kept = { on: false, turns: {} };
  try {
    kept = { ...kept, ...JSON.parse(sessionStorage.getItem(KEPT)) };
  } catch {
    // nothing readable is kept
  }
  let tally = null;
  let tell = () => {};
  const bars = new Map(); // by turn: drawn once, moved from drawing to drawing

  const now = () => studio.play.now();
  const keep = () => {
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      // a full store costs the letters after a reload
    }
  };
  const shuffled = (places) => {
    const order = [...places];
    for (let at = order.length - 1; at > 0; at -= 1) {
      const other = Math.floor(Math.random() * (at + 1));
      [order[at], order[other]] = [order[other], order[at]];
    }
    return order;
  };

  // Blind turns

  parts.veil = (turn, shown) => {
    const state = kept.turns[turn.id];
    if (!state) return null;
    const order = state.order.filter((at) => shown.includes(at));
    return { order: [...order, ...shown.filter((at) => !order.includes(at))], hidden: state.hidden };
  };
  const reveal = (turn) => {
    const state = kept.turns[turn];
    if (!state?.hidden) return;
    state.hidden = false;
    keep();
  };
  parts.answering.push((turn, columns, shown) => {
    const state = kept.turns[turn.id];
    if (state?.hidden) {
      // Whoever sees one of them change knows whose it is.
      if (columns.length === shown.length) return;
      reveal(turn.id);
      tell(words.blind.known);
    } else if (!state && kept.on && !turn.answers.length && shown.length > 1) {
      kept.turns[turn.id] = { order: shuffled(columns), hidden: true, voted: false };
      keep();
      tell("");
    }
  });
  parts.answered.push((turn, failed) => {
    if (!failed || !kept.turns[turn.id]?.hidden) return;
    reveal(turn.id);
    now().redraw();
  });

  const given = (turn, columns) => {
    const order = parts.veil(turn, columns.map((each) => each.at)).order;
    const found = order.map((at) => columns.find((each) => each.at === at));
    const chat = new URLSearchParams(location.search).get("chat");
    const answers = found.map(({ column, answer, messages }) => ({ column, text: answer.text, messages }));
    return { messages: found[0].messages, answers, base: now().base(), key: `${studio.play.page}-${turn.id}`, ...(chat ? { chat } : {}) };
  };
  const barOf = (turn) => {
    if (bars.has(turn.id)) return bars.get(turn.id);
    const root = studio.parts.el("div", {});
    const made = { root, columns: [] };
    const voted = () => {
      kept.turns[turn.id].voted = true;
      reveal(turn.id);
      const held = root.contains(document.activeElement) ? document.activeElement : null;
      now().redraw();
      held?.focus({ preventScroll: true });
      tally?.refresh();
    };
    const told = () => {
      reveal(turn.id);
      now().redraw();
    };
    const isIn = (element) => Boolean(root.closest("article")?.contains(element)); // also on an answer
    made.bar = studio.votes.bar(root, { given: () => given(turn, made.columns), voted, told, isIn });
    bars.set(turn.id, made);
    return made;
  };
  const voting = ({ turn, columns }) => {
    const state = kept.turns[turn.id];
    if (!state || !(state.hidden || (state.voted && bars.has(turn.id)))) return [];
    const made = barOf(turn);
    made.columns = columns;
    const whole = columns.every(({ answer }) => answer && answer.ended !== null && answer.ended !== "error");
    if (state.hidden && whole && made.asked !== columns.length) made.bar.show((made.asked = columns.length));
    return [made.root];
  };
  voting.blind = true;
  parts.bars.push(voting);

  // Fixes

  const editors = new Map(); // by answer: what is typed stays while all around it is drawn anew
  const fixing = studio.parts.el("div", {});
  let pending = null;
  const keyOf = ({ turn, at }) => `fix ${turn.id} ${at}`;
  const edit = (context) => {
    const key = keyOf(context);
    if (editors.has(key)) return;
    const root = studio.parts.el("div", {});
    editors.set(key, root);
    now().redraw();
    studio.votes.editor(root, {
      run: context.column.run, messages: context.messages, answer: context.answer.text,
      saved: (fix) => {
        pending.add(fix);
        fixing.querySelector("[tabindex]")?.focus();
      },
      closed: () => {
        editors.delete(key);
        now().redraw();
        [...document.querySelectorAll(".rs-play [data-key]")].find((each) => each.dataset.key === key)?.focus();
      },
    });
    root.querySelector("textarea").dataset.key = `${key} text`;
  };
  parts.tools.push((context, pane) => {
    if (!context.edits || context.column.kind !== "run" || context.answer.ended === "error") return [];
    if (!now()?.runs().some((run) => run.id === context.column.run)) return [];
    const open = editors.get(keyOf(context));
    if (open) pane.querySelector(".rs-answer-text").after(open);
    const tool = studio.parts.button(words.blind.correct, keyOf(context), () => edit(context));
    tool.disabled = Boolean(open);
    return [tool];
  });
  parts.bars.push(({ last }) => (last && pending ? [fixing] : []));
  let asked = null;
  parts.taken.push(({ chosen }) => {
    pending ??= studio.votes.pending(fixing, { pageKey: studio.play.page });
    if (chosen !== asked) pending.show((asked = chosen) ?? "");
    now().redraw();
  });

  studio.play.layVotes = (element) => {
    const { el } = studio.parts;
    const box = el("input", { type: "checkbox", id: "playground-blind" });
    box.checked = kept.on;
    const said = el("p", { class: "rs-facts", role: "status" });
    tell = (sentence) => (said.textContent = sentence);
    box.onchange = () => {
      kept.on = box.checked;
      if (!kept.on) for (const id of Object.keys(kept.turns)) reveal(id);
      keep();
      tell(kept.on && now()?.document().turns.length ? words.blind.from_next : "");
      now()?.redraw();
    };
    const counted = el("div", {});
    const fold = el("details", { class: "rs-folded rs-play-fold" }, el("summary", {}, words.blind.tally), counted);
    const label = el("label", { class: "rs-play-blind" }, box, el("b", {}, words.blind.toggle), el("span", { class: "rs-facts" }, words.blind.info));
    (element.querySelector("div") ?? element).replaceChildren(label, said, fold);
    tally = studio.votes.tally(counted);
    tally.refresh();
  };
})();
