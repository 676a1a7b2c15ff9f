// A conversation of the Playground as plain data: its columns, the tree of its turns, what each column reads, and what its answers cost.
(() => {
  const { filled } = studio.parts;
  const fresh = (run) => ({
    format: 1,
    columns: [column("base"), column("run", { run })],
    shown: [0, 1],
    settings: { system: "", temperature: 0, top_p: 0.95, top_k: 0, max_new_tokens: 128, repetition_penalty: 1, stop: [], seed: null },
    turns: [],
    leaf: null,
  });
  const column = (kind, values = {}) => ({
    kind, run: null, step: null, strength: 1, layers: null, groups: null, shots: 0, seed: 0, blend: null, parts: [], ...values,
  });
  const id = () => crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36), "t");

  // The tree of turns: an edited prompt and an answer drawn anew stand beside the turn that was there.
  const turnOf = (doc, at) => doc.turns.find((turn) => turn.id === at);
  const path = (doc, leaf = doc.leaf) => {
    const found = [];
    for (let turn = turnOf(doc, leaf); turn; turn = turnOf(doc, turn.parent)) found.unshift(turn);
    return found;
  };
  const branches = (doc, turn) => doc.turns.filter((each) => each.parent === turn.parent);
  const newestBelow = (doc, turn) => {
    const below = doc.turns.filter((each) => each.parent === turn.id);
    return below.length ? newestBelow(doc, below[below.length - 1]) : turn;
  };
  const answerOf = (turn, at) => turn.answers.find((each) => each.column === at);
  // What a column reads: the system message, what was said before with its own answers, the prompt.
  const messages = (doc, turn, at) => {
    const system = (turn.settings ?? doc.settings).system.trim();
    const said = system ? [{ role: "system", content: system }] : [];
    for (const each of path(doc, turn.parent)) {
      const answer = answerOf(each, at);
      if (answer && answer.ended !== "error") said.push({ role: "user", content: each.prompt }, { role: "assistant", content: answer.text });
    }
    return [...said, { role: "user", content: turn.prompt }];
  };

  // Tokens, speed and how it ended, of an answer that has come.
  const facts = (found) => {
    if (!found || found.ended === null) return "";
    const ending = found.ended === "end" ? "" : ` · ${words.play.ended[found.ended]}`;
    const speed = found.seconds > 0 && found.tokens > 1 ? ` · ${filled(words.play.speed, { speed: (found.tokens / found.seconds).toFixed(0) })}` : "";
    return `${filled(words.play.tokens, { tokens: found.tokens })}${speed}${ending}`;
  };
  // What a column without training has cost, in the sentences of the engine.
  const cost = (line) => line.told ?? "";

  studio.conversation = { fresh, column, id, turnOf, path, branches, newestBelow, answerOf, messages, facts, cost };
})();
