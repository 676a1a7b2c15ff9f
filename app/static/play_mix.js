// Mixing in the Playground: runs with weights are chosen, answer beside their mix before anything is saved, and become a column or a run.
// Names of runs, and what models write, are set as text, never as markup.
(() => {
  const { el, button, filled, labelled, keepingFocus, onceReleased } = studio.parts;
  const { ask, stream } = studio.server;
  const [LEAST, MOST] = [-2, 3]; // weights
  const [FEWEST_RUNS, MOST_RUNS, MOST_PROMPTS] = [2, 8, 8];
  const short = (weight) => String(Number(weight.toPrecision(4)));

  // What a mix is called, from the names of its runs.
  const named = (parts, nameOf) => parts.map(({ run, weight }) => filled(words.mixes.part, { weight: short(weight), name: nameOf(run) })).join(" + ");

  const mix = (element, props, watch) => {
    const text = words.mixes;
    const root = element.querySelector("div") ?? element;
    const weights = new Map(); // of the runs that are chosen, in the order in which they were
    let run = ""; // which the page shows
    let base = ""; // and its base model
    let runs = [];
    let taken = ""; // what the page gave last
    let told = ""; // of the list as it is
    let typed = false; // whether a person has changed the prompts
    let looks = 0; // so that the answer to an older question is dropped
    let tried = ""; // the mix whose answers are shown
    let going = null; // ends the answers that are coming
    let saving = false;

    const list = el("ul", { class: "rs-mix-runs", "aria-label": text.runs, tabindex: 0 });
    const chosen = el("div", { class: "rs-mix-weights" });
    const formula = el("p", { class: "rs-mix-formula", dir: "auto", "data-formula": "" });
    const prompts = el("textarea", { rows: 4, dir: "auto" });
    const hint = el("p", { class: "rs-facts" });
    const note = el("div", { class: "rs-live", role: "alert" });
    const status = el("p", { class: "rs-facts", role: "status" });
    const answers = el("div", { class: "rs-mix-answers" });
    const stale = el("p", { class: "rs-notice soft", hidden: "" }, text.stale);
    const why = el("p", { class: "rs-facts" }, text.first);
    const name = el("input", { type: "text", maxlength: 200, dir: "auto" });
    const saved = el("div", { class: "rs-live", role: "status" });

    const runOf = (id) => runs.find((each) => each.id === id);
    const nameOf = (id) => runOf(id)?.name ?? id;
    const parts = () => [...weights].map(([id, weight]) => ({ run: id, weight })).filter((part) => part.weight);
    const key = () => JSON.stringify(parts());
    const refuse = (sentence) => note.replaceChildren(...(sentence ? [el("div", { class: "rs-notice bad", dir: "auto" }, sentence)] : []));
    // Why there is nothing to mix yet; empty if there is.
    const missing = () => (weights.size < FEWEST_RUNS ? text.choose : parts().length ? "" : text.zero);

    // Which runs

    const look = async () => {
      if (!run) return;
      const mine = (looks += 1);
      const { data, error } = await ask("play/mix/choices", { run, chosen: [...weights.keys()] });
      if (mine !== looks) return;
      if (error) return refuse(error);
      runs = data.runs;
      for (const each of runs) if (each.refusal) weights.delete(each.id);
      for (const id of weights.keys()) if (!runOf(id)) weights.delete(id);
      if (!typed) prompts.value = data.prompts.join("\n");
      hint.textContent = data.prompts.length || typed || !weights.size ? text.prompts_unseen : text.prompts_none;
      if (data.told) refuse(data.told); // else what is said there by now is about something newer
      draw();
    };
    const choose = (id, wanted) => {
      refuse("");
      if (wanted) weights.set(id, 1);
      else weights.delete(id);
      if (wanted && weights.size === 2 && [...weights.values()].every((weight) => weight === 1)) equal();
      draw();
      look();
    };
    const choice = (each) => {
      const box = el("input", { type: "checkbox", "data-key": `run ${each.id}` });
      box.checked = weights.has(each.id);
      box.disabled = Boolean(each.refusal) || (!box.checked && weights.size >= MOST_RUNS);
      box.onchange = () => choose(each.id, box.checked);
      const label = el("label", {}, box, el("span", {}, el("b", { dir: "auto" }, each.name), el("small", { dir: "auto" }, ` · ${each.dataset}`)));
      if (!each.refusal) return el("li", {}, label);
      const why = el("p", { class: "rs-facts", dir: "auto", id: `mix-why-${each.id}` }, each.refusal);
      box.setAttribute("aria-describedby", why.id);
      return el("li", { class: "refused" }, label, why);
    };
    const drawRuns = () => {
      // Those that can be mixed come first, each in its order.
      const sorted = [...runs.filter((each) => !each.refusal), ...runs.filter((each) => each.refusal)];
      const few = runs.filter((each) => !each.refusal).length === 1 && !weights.size;
      list.replaceChildren(...sorted.map(choice));
      list.hidden = !runs.length;
      const said = !runs.length ? text.none : few ? text.alone : weights.size >= MOST_RUNS ? text.full : "";
      if (said !== told) status.textContent = told = said;
    };

    // Their weights

    const weigh = (id, value, from) => {
      if (!Number.isFinite(value) || value < LEAST || value > MOST) return refuse(text.no_weight);
      refuse("");
      weights.set(id, value);
      for (const field of chosen.querySelectorAll("input")) if (field.dataset.run === id && field !== from) field.value = short(value);
      drawState();
    };
    const equal = () => {
      for (const id of weights.keys()) weights.set(id, Number((1 / weights.size).toFixed(4)));
    };
    const weight = (id) => {
      const bounds = { min: LEAST, max: MOST, value: short(weights.get(id)), "data-run": id };
      const slider = el("input", { type: "range", step: 0.05, ...bounds, "aria-label": filled(text.slide_of, { name: nameOf(id) }), "data-key": `slide ${id}` });
      const number = el("input", { type: "number", step: "any", ...bounds, "aria-label": filled(text.weight_of, { name: nameOf(id) }), "data-key": `weight ${id}` });
      slider.oninput = () => weigh(id, Number(slider.value), slider);
      number.oninput = () => number.value.trim() && weigh(id, Number(number.value), number);
      number.onchange = () => (number.value = short(weights.get(id)));
      return el("div", { class: "rs-mix-weight" }, el("b", { dir: "auto" }, nameOf(id)), slider, number);
    };
    const drawWeights = () => {
      const all = (label, deed, act) => button(label, deed, () => (act(), refuse(""), draw()));
      const full = () => weights.forEach((_, id) => weights.set(id, 1));
      const buttons = el("div", { class: "rs-votes-deeds" }, all(text.equal, "equal", equal), all(text.full_each, "full", full));
      chosen.replaceChildren(...(weights.size ? [el("span", { class: "rs-caption" }, text.weights), ...[...weights.keys()].map(weight), buttons] : []));
    };

    // Trying it

    const asked = () => prompts.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const pane = (title, answer, mixed) =>
      el("section", { class: `rs-pane${mixed ? " tuned" : ""}`, "aria-label": title, tabindex: 0 }, el("div", { class: "rs-pane-title", dir: "auto" }, title), el("div", { class: "rs-answer-text", dir: "auto" }, answer));
    const drawSample = (sample) => {
      const beside = Object.entries(sample.runs).map(([id, answer]) => pane(nameOf(id), answer, false));
      const panes = [pane(text.base, sample.base, false), ...beside, pane(text.mix, sample.mix, true)];
      const prompt = el("div", { class: "rs-play-prompt" }, el("div", { class: "rs-play-said-text", dir: "auto" }, sample.prompt));
      answers.append(el("article", { class: "rs-play-turn" }, prompt, el("div", { class: "rs-play-answers", style: `--columns: ${panes.length}` }, ...panes)));
    };
    const attempt = async () => {
      if (going) return going.abort();
      const [mine, texts] = [key(), asked()];
      if (missing()) return refuse(missing());
      if (!texts.length || texts.length > MOST_PROMPTS) return refuse(text.no_prompts);
      const ends = (going = new AbortController());
      let done = 0;
      refuse("");
      tried = "";
      answers.replaceChildren();
      saved.replaceChildren();
      drawState();
      const tell = () => (status.textContent = filled(text.answering, { done, total: texts.length }));
      tell();
      try {
        const system = studio.play.now()?.system() ?? "";
        for await (const line of stream("play/mix/samples", { parts: parts(), prompts: texts, system, page: studio.play.page }, ends.signal)) {
          if (line.starting) status.textContent = text.starting;
          else (drawSample(line), (done += 1), tell());
        }
        tried = mine;
      } catch (error) {
        if (error.name !== "AbortError") refuse(error.message);
        status.textContent = error.name === "AbortError" ? text.stopped : "";
      }
      going = null;
      drawState();
    };

    // As a column, and as a run

    const asColumn = () => {
      if (missing()) return refuse(missing());
      const now = studio.play.now();
      if (!now?.add({ kind: "mix", parts: parts() })) return refuse(text.columns_full);
      refuse("");
      status.textContent = text.added;
    };
    const keep = async () => {
      if (saving || !tried || tried !== key()) return;
      saving = true;
      refuse("");
      saved.replaceChildren(text.saving);
      drawState();
      const { data, error } = await ask("play/mix", { parts: parts(), name: name.value.trim(), page: studio.play.page });
      saving = false;
      saved.replaceChildren();
      if (error) refuse(error);
      else {
        const links = [[data.run, text.open_run], [data.play, text.open_play]].flatMap(([address, label]) => [" ", el("a", { href: address }, label)]);
        saved.replaceChildren(el("div", { class: "rs-notice good", dir: "auto" }, data.sentence, ...links));
        name.value = "";
        look();
      }
      drawState();
    };

    const tries = button(text.try, "try", attempt);
    const column = button(text.column, "column", asColumn);
    const save = button(text.save, "save", keep);
    tries.classList.add("rs-strong");
    // What depends on the weights, and is drawn while they move.
    const drawState = () => {
      const now = parts();
      const sum = short(now.reduce((all, part) => all + part.weight, 0));
      const lacks = missing();
      formula.replaceChildren(...(lacks ? [lacks] : [el("b", {}, named(now, nameOf)), el("span", { class: "rs-facts" }, ` ${filled(text.sum, { sum })}`)]));
      const fresh = tried !== "" && tried === key();
      tries.textContent = going ? text.stop : tried ? text.again : text.try;
      tries.disabled = !going && (Boolean(lacks) || saving);
      column.disabled = Boolean(lacks);
      stale.hidden = !tried || fresh;
      save.disabled = !fresh || saving || going !== null;
      why.hidden = fresh || going !== null;
      name.placeholder = lacks ? "" : filled(text.run_name, { parts: named(now, nameOf) });
    };
    const draw = onceReleased(root, () =>
      keepingFocus(root, () => {
        drawRuns();
        drawWeights();
        drawState();
      }),
    );

    prompts.oninput = () => (typed = true);
    const take = () => {
      const given = props.value ?? {};
      if (JSON.stringify(given) === taken) return;
      taken = JSON.stringify(given);
      // Another run of the same base model can be mixed with those that are chosen.
      const goesOn = given.base && given.base === base && !given.chosen?.length;
      [run, base] = [given.run ?? "", given.base ?? ""];
      if (goesOn) return look();
      refuse("");
      going?.abort();
      weights.clear();
      for (const id of given.chosen ?? []) weights.set(id, 1);
      if (weights.size) equal();
      [runs, tried, typed] = [[], "", false];
      answers.replaceChildren();
      saved.replaceChildren();
      look();
      if (weights.size) root.scrollIntoView({ block: "nearest" });
    };
    root.classList.add("rs-mix");
    root.replaceChildren(
      el("p", { class: "rs-mix-intro" }, text.intro), el("span", { class: "rs-caption" }, text.runs), list, chosen, formula,
      labelled(text.prompts, prompts), hint, el("div", { class: "rs-votes-deeds" }, tries, column), note, status, answers, stale,
      el("div", { class: "rs-votes-deeds" }, labelled(text.name, name), save), why, saved,
    );
    drawState();
    take();
    watch("value", take);
  };

  Object.assign(studio, { mix, mixName: named });
})();
