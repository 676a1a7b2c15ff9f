// The columns of the Playground: what they are called, which can be added, and what can be set of each in a field of its own: its strength,
// how many rows stand in its prompt, how much the rows that it looks up count. The column answers again with it, and no other one does.
(() => {
  const { el, button, filled } = studio.parts;
  const text = words.play;
  const between = (low, high) => (value) => Number.isFinite(value) && value >= low && value <= high;
  const whole = (low, high) => (value) => Number.isInteger(value) && between(low, high)(value);
  const { strength, shots, seed } = text.bounds;
  const FIELDS = {
    strength: { bounds: { min: strength[0], max: strength[1], step: 0.1 }, fits: between(...strength), label: text.strength, of: text.strength_of, refused: text.no_strength },
    seed: { bounds: { min: seed[0], max: seed[1], step: 1 }, fits: whole(...seed), label: text.row_seed, of: text.row_seed_of, refused: text.no_row_seed },
    shots: { bounds: { min: shots[0], max: shots[1], step: 1 }, fits: whole(...shots), label: text.shots, of: text.shots_of, refused: text.no_shots },
    blend: { bounds: { min: 0, max: 1, step: 0.05, placeholder: text.best }, fits: between(0, 1), label: text.blend, of: text.blend_of, refused: text.no_blend, optional: true },
  };

  const SHOTS = [1, 4, 8]; // rows in the prompt that are offered; the field takes any number

  const runOf = ({ run }, runs) => runs.find((each) => each.id === run);
  const nameOf = (column, runs) => {
    if (column.kind === "base") return text.base;
    if (column.kind === "mix") return filled(text.mix, { parts: studio.mixName(column.parts, (run) => runOf({ run }, runs)?.name ?? text.gone) });
    const name = runOf(column, runs)?.name ?? text.gone;
    if (column.kind === "few_shot") return filled(column.shots === 1 ? text.one_shot : text.few_shot, { name, shots: column.shots });
    if (column.kind === "instant") return filled(text.instant, { name });
    return column.step === null ? name : filled(text.at_step, { name, step: column.step });
  };
  // Whether it answers with an edit, which has a strength; a run can also be a baseline.
  const edits = (column, runs) => column.kind === "mix" || (column.kind === "run" && runOf(column, runs)?.edits !== false);

  // What can be added: the results of runs, and what those that are shown had learned earlier.
  const addable = () => {
    const now = studio.play.now();
    const runs = now.runs();
    const shown = now.columns();
    const isShown = (run, step) => shown.some((each) => each.kind === "run" && each.run === run.id && each.step === step);
    const results = runs.filter((run) => !isShown(run, null)).map((run) => [run.label, { run: run.id }]);
    const earlier = runs.filter((run) => shown.some((each) => each.run === run.id)).map((run) => {
      const steps = run.steps.filter((step) => !isShown(run, step));
      return [filled(text.earlier, { name: run.name }), steps.map((step) => [filled(text.step, { step }), { run: run.id, step }])];
    });
    return [[text.runs, results], ...earlier, [text.untrained, untrained(shown)]].filter(([, options]) => options.length);
  };
  // Columns that answer from rows of the run's dataset, without training.
  const untrained = (shown) => {
    const now = studio.play.now();
    const run = runOf(now.document().columns[1], now.runs());
    if (!run) return [];
    const kinds = [...SHOTS.map((shots) => ({ kind: "few_shot", run: run.id, shots })), { kind: "instant", run: run.id, shots: 0 }];
    return kinds.filter(({ kind, shots }) => !shown.some((each) => each.kind === kind && each.shots === shots)).map((each) => [now.name(each), each]);
  };
  const chooser = () => {
    const now = studio.play.now();
    const groups = addable();
    if (!groups.length || !now.hasRoom()) return [];
    const choose = el("select", { "aria-label": text.add, "data-key": "add" }, el("option", { value: "" }, text.add));
    for (const [title, options] of groups)
      choose.append(el("optgroup", { label: title }, ...options.map(([name, values]) => el("option", { value: JSON.stringify(values) }, name))));
    choose.onchange = () => choose.value && now.add(JSON.parse(choose.value));
    return [choose];
  };
  // The columns beside the first two, each with its fields and a way to remove it; what can be added; which layers and tokens act.
  const strip = () => {
    const now = studio.play.now();
    const more = now.shown().slice(2).map((at) => {
      const column = now.document().columns[at];
      const away = button("×", `away ${at}`, () => now.remove(at));
      away.setAttribute("aria-label", filled(text.remove, { name: now.name(column) }));
      return el("span", { class: "rs-play-column" }, el("b", { dir: "auto" }, now.name(column)), ...fieldsOf(at), away);
    });
    return [...more, ...chooser(), ...studio.play.switches()];
  };

  const drawn = new Map(); // by column and name: the field that was drawn last, and the conversation that it is of
  const field = (at, name) => {
    const now = studio.play.now();
    const column = now.document().columns[at];
    const { bounds, fits, label, of, refused, optional } = FIELDS[name];
    const key = `${name} ${at}`;
    const last = drawn.get(key);
    // What is being typed stays while all around it is drawn anew.
    if (last?.of === now.document() && last.made === document.activeElement) return [el("span", {}, label), last.made];
    const shown = () => String(column[name] ?? "");
    const made = el("input", { type: "number", ...bounds, value: shown(), "data-key": key, "aria-label": filled(of, { name: now.name(column) }) });
    made.onchange = () => {
      const empty = optional && !made.value.trim() && !made.validity.badInput;
      const value = empty ? null : made.value.trim() ? Number(made.value) : NaN;
      if (!empty && !fits(value)) {
        made.value = shown();
        return now.refuse(refused);
      }
      now.refuse("");
      if (column[name] !== value) now.change(at, { [name]: value });
    };
    drawn.set(key, { of: now.document(), made });
    return [el("span", {}, label), made];
  };

  // The fields of a column, by what its answers depend on.
  const fieldsOf = (at) => {
    const now = studio.play.now();
    const column = now.document().columns[at];
    if (column.kind === "few_shot") return [...field(at, "shots"), ...field(at, "seed")];
    if (column.kind === "instant") return field(at, "blend");
    return now.edits(column) ? field(at, "strength") : [];
  };

  // Which layers and groups of tokens act, where not all of them do.
  const acting = ({ layers, groups }) => {
    const said = [];
    if (layers) said.push(layers.length ? filled(text.only_layers, { layers: layers.join(", ") }) : text.no_layers);
    if (groups) said.push(text.only_groups[groups[0] ?? "none"]);
    return said;
  };

  Object.assign(studio.play, { nameOf, edits, strip, acting });
})();
