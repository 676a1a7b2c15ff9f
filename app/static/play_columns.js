// What can be set of a column in the Playground, each in a field of its own: its strength, how many rows stand in its prompt, how much the
// rows that it looks up count. The column answers again with it, and no other one does.
(() => {
  const { el, filled } = studio.parts;
  const text = words.play;
  const between = (low, high) => (value) => Number.isFinite(value) && value >= low && value <= high;
  const whole = (low, high) => (value) => Number.isInteger(value) && between(low, high)(value);
  const { strength, shots } = text.bounds;
  const FIELDS = {
    strength: { bounds: { min: strength[0], max: strength[1], step: 0.1 }, fits: between(...strength), label: text.strength, of: text.strength_of, refused: text.no_strength },
    shots: { bounds: { min: shots[0], max: shots[1], step: 1 }, fits: whole(...shots), label: text.shots, of: text.shots_of, refused: text.no_shots },
    blend: { bounds: { min: 0, max: 1, step: 0.05, placeholder: text.best }, fits: between(0, 1), label: text.blend, of: text.blend_of, refused: text.no_blend, optional: true },
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
  studio.play.fieldsOf = (at, edits) => {
    const { kind } = studio.play.now().document().columns[at];
    if (kind === "few_shot") return field(at, "shots");
    if (kind === "instant") return field(at, "blend");
    return kind === "mix" || edits ? field(at, "strength") : [];
  };

  // Which layers and groups of tokens act, where not all of them do.
  studio.play.acting = ({ layers, groups }) => {
    const said = [];
    if (layers) said.push(layers.length ? filled(text.only_layers, { layers: layers.join(", ") }) : text.no_layers);
    if (groups) said.push(text.only_groups[groups[0] ?? "none"]);
    return said;
  };
})();
