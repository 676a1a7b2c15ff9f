// Blind votes and fixes by example: bars, the tally and the editor are drawn here and ask the server; a page gives what they are about.
// Answers and names of runs are set as text, never as markup.
(() => {
  const { el, button, filled, labelled } = studio.parts;
  const { ask } = studio.server;
  const TIE = "8";
  const ALL_BAD = "9";
  const letter = (place) => String.fromCharCode(65 + place);
  const counted = (forms, count) => filled(count === 1 ? forms.one : forms.other, { count: count.toLocaleString(words.language) });

  // A place for sentences, read out when they change; a link stands behind the sentence that it belongs to.
  const noting = () => {
    const note = el("p", { class: "rs-votes-note", role: "status", tabindex: "-1" });
    const tell = (text, kind = "", link = null) => {
      note.className = text ? `rs-votes-note rs-notice ${kind}` : "rs-votes-note";
      note.replaceChildren(text, ...(link ? [" ", el("a", { href: link.address }, link.text)] : []));
    };
    return { note, tell };
  };

  // Which answer is better, of answers that stand under letters.
  // given(): { messages, answers: [{ column, text }] in the order of their letters, base, chat, key }; voted(vote, outcome, place) after a vote;
  // told() where somebody wants to see whose they are without one. Digits vote while `isIn` holds for what has the focus.
  const bar = (root, { given, voted = () => {}, told = null, isIn = (element) => root.contains(element) }) => {
    const text = words.votes;
    const { note, tell } = noting();
    const buttons = el("div", { class: "rs-votes-buttons", role: "group", "aria-label": text.question });
    const revealed = el("ul", { class: "rs-votes-names", hidden: "" });
    const back = button(text.take_back, "take back", async () => {
      const { data, error } = await ask(`play/votes/${encodeURIComponent(cast)}/delete`, {});
      if (error) return tell(error, "bad");
      back.hidden = true;
      tell(text.taken_back);
      if (document.activeElement === document.body) note.focus();
      voted(data);
    });
    let cast = ""; // the vote that counts
    let count = 0;
    let open = false;

    const vote = async (outcome, chosen = null) => {
      if (!open) return;
      open = false;
      const held = buttons.contains(document.activeElement);
      for (const each of buttons.children) each.disabled = true;
      tell(text.sending);
      const { data, error } = await ask("play/votes", { ...given(), outcome, chosen });
      if (error) {
        tell(error, "bad");
        open = true;
        for (const each of buttons.children) each.disabled = false;
        return;
      }
      tell(filled(chosen === null ? text[outcome === "tie" ? "said_tie" : "said_bad"] : text.said_better, { letter: chosen === null ? "" : letter(chosen) }), "good");
      revealed.replaceChildren(...data.names.map((name, place) => el("li", { dir: "auto" }, el("b", {}, letter(place)), ` ${name}`)));
      revealed.hidden = back.hidden = false;
      cast = data.id;
      if (held && (document.activeElement === document.body || buttons.contains(document.activeElement))) note.focus(); // a disabled button has none
      voted(data, outcome, chosen);
    };
    const key = (name, label, digit, act) => {
      const made = button(label, name, act);
      made.setAttribute("aria-keyshortcuts", digit);
      made.append(el("kbd", { "aria-hidden": "true" }, digit));
      return made;
    };
    // Ask for a vote on so many answers, or for none with 0.
    const show = (answers) => {
      count = answers;
      open = answers > 1;
      root.hidden = !open;
      revealed.hidden = back.hidden = true;
      tell("");
      const reveal = told ? [button(text.reveal, "reveal", () => ((open = false), (root.hidden = true), told()))] : [];
      const letters = Array.from({ length: answers }, (_, place) => key(`vote ${place}`, filled(text.better, { letter: letter(place) }), String(place + 1), () => vote("chosen", place)));
      buttons.replaceChildren(...letters, key("vote tie", text.tie, TIE, () => vote("tie")), key("vote bad", text.all_bad, ALL_BAD, () => vote("all_bad")), ...reveal);
    };
    document.addEventListener("keydown", (event) => {
      if (!open || root.hidden || !root.isConnected || !isIn(event.target)) return;
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (event.target.closest("input, textarea, select, [contenteditable]")) return;
      const place = Number(event.key) - 1;
      if (event.key === TIE) vote("tie");
      else if (event.key === ALL_BAD) vote("all_bad");
      else if (Number.isInteger(place) && place >= 0 && place < count) vote("chosen", place);
      else return;
      event.preventDefault();
    });
    root.classList.add("rs-votes-bar");
    root.replaceChildren(el("span", { class: "rs-caption" }, text.question), buttons, note, back, revealed);
    show(0);
    return { show };
  };

  // A share with its interval, on a line from 0 to 1 with a mark at a half.
  const interval = (pair) => {
    const line = el("span", { class: "rs-votes-interval", role: "img", "aria-label": filled(words.votes.between, { low: percent(pair.low), high: percent(pair.high) }) });
    const reach = el("i");
    reach.style.insetInlineStart = `${100 * pair.low}%`;
    reach.style.width = `${100 * (pair.high - pair.low)}%`;
    const share = el("b");
    share.style.insetInlineStart = `${100 * pair.share}%`;
    line.append(reach, share);
    return line;
  };
  const percent = (share) => share.toLocaleString(words.language, { style: "percent" });

  // All votes counted, with what can be done with them. made(dataset) after a dataset was made of them.
  const tally = (root, { made = () => {} } = {}) => {
    const text = words.votes;
    const { note, tell } = noting();
    const said = el("p", { class: "rs-facts" });
    const table = el("div", { class: "rs-rows", tabindex: "0", role: "region", "aria-label": text.title });
    const name = el("input", { type: "text", maxlength: "200", value: text.dataset_name });
    const more = el("p", { class: "rs-facts", hidden: "" });
    let cleared = ""; // the moment of what can be undone
    let looks = 0; // so that the answer to an older question is dropped
    const undo = button(text.undo, "undo votes", async () => {
      const { data, error } = await ask("play/votes/restore", { moment: cleared });
      if (error) return tell(error, "bad");
      looks += 1;
      tell("");
      draw(data.tally);
    });
    const file = el("a", { class: "rs-quiet", href: "files/votes.jsonl", download: "votes.jsonl" }, text.download);
    const learn = button(text.make, "make dataset", async () => {
      const { data, error } = await ask("play/votes/dataset", { name: name.value });
      if (error) return tell(error, "bad");
      tell(data.sentence, "good", { address: data.address, text: text.open });
      made(data);
    });
    const clear = button(text.clear, "clear votes", async () => {
      const { data, error } = await ask("play/votes/clear", {});
      if (error) return tell(error, "bad");
      looks += 1;
      tell(counted(text.cleared, data.cleared));
      draw(data.tally);
      undo.focus();
    });
    const deeds = el("div", { class: "rs-votes-deeds" }, file, labelled(text.name, name), learn, clear);

    const row = (pair) => {
      const cells = [pair.wins, pair.losses, pair.ties, pair.bad].map((count) => el("td", { class: "rs-votes-count" }, count.toLocaleString(words.language)));
      const share = el("td", {}, ...(pair.share === null ? [text.none] : [`${percent(pair.share)} `, interval(pair)]));
      const names = el("th", { scope: "row" }, el("span", { dir: "auto" }, pair.name), el("small", { dir: "auto" }, filled(text.against, { name: pair.other_name })));
      return el("tr", {}, names, ...cells, share, el("td", {}, pair.sentence));
    };
    const draw = (found) => {
      said.textContent = found.sentence;
      const heads = ["pair", "wins", "losses", "ties", "bad", "share", "means"].map((each) => el("th", { scope: "col" }, text.head[each]));
      table.replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...found.pairs.map(row))));
      table.hidden = !found.pairs.length;
      deeds.hidden = !found.votes;
      file.hidden = learn.hidden = !found.outcomes.chosen;
      name.closest("label").hidden = !found.outcomes.chosen;
      more.textContent = found.more_sentence;
      more.hidden = !found.more;
      cleared = found.cleared?.moment ?? "";
      undo.hidden = !cleared;
    };
    const refresh = async () => {
      const mine = (looks += 1);
      const { data, error } = await ask("play/votes");
      if (mine !== looks) return;
      if (error) return tell(error, "bad");
      draw(data);
    };
    root.classList.add("rs-votes");
    root.replaceChildren(said, table, more, deeds, note, undo);
    undo.hidden = deeds.hidden = table.hidden = true;
    return { refresh };
  };

  // The editor of an answer, in the answer's place.
  // saved(fix) after it has become a version; closed() once the editor is gone.
  const editor = (root, { run, messages, answer, saved = () => {}, closed = () => {} }) => {
    const text = words.fixes;
    const { note, tell } = noting();
    const area = el("textarea", { rows: String(Math.min(16, Math.max(3, answer.split("\n").length + 1))), dir: "auto" });
    area.value = answer;
    const close = () => {
      root.replaceChildren();
      closed();
    };
    const save = async () => {
      if (keep.disabled) return;
      if (area.value === answer) return tell(text.unchanged, "bad");
      keep.disabled = true;
      tell(text.saving);
      const { data, error } = await ask("play/fix", { run, messages, answer: area.value, instead: answer });
      keep.disabled = false;
      if (error) return tell(error, "bad");
      close();
      saved(data, area.value);
    };
    const keep = button(text.save, "save fix", save);
    area.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
      else return;
      event.preventDefault();
    });
    root.classList.add("rs-fix");
    root.replaceChildren(labelled(text.label, area), el("div", { class: "rs-votes-deeds" }, keep, button(text.cancel, "cancel fix", close)), note);
    area.focus();
    return { close };
  };

  // What was fixed for a run, with the button that trains on it. queued(run) after a run was queued.
  const pending = (root, { pageKey, queued = () => {} }) => {
    const text = words.fixes;
    const { note, tell } = noting();
    let run = "";
    let looks = 0; // so that the answer to an older question is dropped
    const train = button("", "train fixes", async () => {
      train.disabled = true;
      const { data, error } = await ask("play/train_on_fixes", { run, page_key: pageKey });
      train.disabled = false;
      if (error) return tell(error, "bad");
      tell(data.sentence, "good", { address: data.address, text: text.open_run });
      queued(data);
    });
    const draw = (state) => {
      train.hidden = !state?.changed;
      root.hidden = train.hidden && !note.textContent;
      if (!state?.changed) return;
      train.textContent = filled(text.train, { count: state.changed.toLocaleString(words.language) });
      train.disabled = !state.can_train;
      train.title = state.why_not;
      if (!state.can_train) tell(state.why_not, "soft");
    };
    // Show what there is to learn for a run; none with "".
    const show = async (id) => {
      run = id;
      const mine = (looks += 1);
      tell("");
      draw(null);
      if (!id) return;
      const { data } = await ask(`play/fixes?run=${encodeURIComponent(id)}`);
      if (mine === looks) draw(data);
    };
    // A fix was saved.
    const add = (fix) => {
      looks += 1;
      run = fix.state.run;
      tell(fix.sentence, "good", { address: fix.address, text: text.open });
      draw(fix.state);
    };
    root.classList.add("rs-fixes");
    root.replaceChildren(train, note);
    draw(null);
    return { show, add };
  };

  studio.votes = { bar, tally, editor, pending, letter };
})();
