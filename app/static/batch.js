// Many prompts on the Playground: every column answers each of them, in the background. What people and models write is set as text.
(() => {
  const KEPT = "studio.batch"; // in this tab, so that a reload brings prompts and answers back
  const SEEDS = 2 ** 31;
  const FORMULA = /^[=+\-@\t\r]/; // what a spreadsheet takes for the beginning of a formula
  let current = null;

  const typed = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean)
    .map((line) => ({ prompt: line, messages: [{ role: "user", content: line }], expected: null }));
  const whole = (prompt, system) =>
    system && prompt.messages.every((each) => each.role !== "system") ? [{ role: "system", content: system }, ...prompt.messages] : prompt.messages;

  // In which order rows stand; rows of the same rank stay as they were asked.
  const base = (found) => found.columns.findIndex((each) => each.kind === "base");
  const ranks = {
    order: () => 0,
    different: (row) => Math.max(-1, ...row.cells.map((cell) => cell?.differs ?? -1)),
    wrong: (row, found) => row.cells.filter((cell, at) => at !== base(found) && cell?.right === false).length,
    right: (row, found) => row.cells.filter((cell, at) => at !== base(found) && cell?.right === true).length,
  };
  const sorted = (found, by) => {
    const ranked = found.rows.map((row) => [ranks[by](row, found), row]);
    return ranked.sort(([one, first], [other, second]) => other - one || first.number - second.number).map(([, row]) => row);
  };

  // Files of what is shown: RFC 4180, and no text of it is taken for a formula.
  const inCsv = (value) => {
    const text = String(value ?? "");
    const safe = FORMULA.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const expects = (found) => found.rows.some((row) => row.expected !== null);
  const csv = (found, rows) => {
    const heads = found.names.flatMap((name, at) => [
      name,
      ...(expects(found) ? [`${name}: right`] : []),
      ...(base(found) !== -1 && at !== base(found) ? [`${name}: difference`] : []),
    ]);
    const line = (row) => row.cells.flatMap((cell, at) => [
      cell?.text,
      ...(expects(found) ? [cell?.right] : []),
      ...(base(found) !== -1 && at !== base(found) ? [cell?.differs] : []),
    ]);
    const all = [["row", "prompt", "expected", ...heads], ...rows.map((row) => [row.number, row.prompt, row.expected, ...line(row)])];
    return "\ufeff" + all.map((each) => each.map(inCsv).join(",") + "\r\n").join(""); // the mark tells Excel that it is UTF-8
  };
  // With all that is needed to ask the same again.
  const jsonl = (found, rows) => rows.map((row) => {
    const answers = row.cells.map((cell, at) => ({ column: found.names[at], asked: found.columns[at], text: cell?.text ?? null, right: cell?.right ?? null, difference: cell?.differs ?? null }));
    return JSON.stringify({ row: row.number, prompt: row.prompt, messages: row.messages, expected: row.expected, settings: found.settings, answers }) + "\n";
  }).join("");
  // Runs of one name are told apart by what they are found by.
  const apart = (names, columns) => names.map((name, at) => (names.filter((each) => each === name).length > 1 ? `${name} (${columns[at].run ?? at + 1})` : name));
  const save = (name, type, text) => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    Object.assign(link, { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  // `given`: what the page shows (`columns` and their `names`), what its fields say (`settings` of their values), the key of the `page`,
  // and `ask`, which has the page hand over the values of its fields.
  const lay = (element, given) => {
    const { el, button, choice, filled, folded, labelled } = studio.parts;
    const text = words.batch;
    const root = element.querySelector("div") ?? element;
    root.classList.add("rs-batch");
    let loaded = null; // prompts of a file or of held-out rows, in place of the field
    let found = null; // what is asked, with the answers so far
    let going = null; // ends the answers
    let reading = 0;
    let taking = null; // prompts that are on their way

    const field = el("textarea", { rows: 4, dir: "auto", maxlength: 1000000, id: "batch-prompts" });
    const file = el("input", { type: "file", id: "batch-file", accept: ".csv,.tsv,.txt,.md,.json,.jsonl,.ndjson,.xlsx,.xls,.ods,.parquet,.arrow,.gz" });
    const count = el("input", { type: "number", min: 1, max: text.most, step: 1, value: 20, id: "batch-count" });
    const held = button(text.held_out, "held out", () => takeHeldOut());
    const source = el("div", { class: "rs-batch-source", id: "batch-source", role: "status" });
    const go = button(text.start, "start", () => given.ask());
    const halt = button(text.stop, "stop", () => going?.abort());
    const bar = el("progress", { "aria-label": text.progress, hidden: "" });
    const seen = el("span", { class: "rs-facts", "aria-hidden": "true" });
    const told = el("p", { class: "rs-hidden", role: "status" });
    const note = el("div", { id: "batch-note", class: "rs-live", role: "alert" });
    const overflow = el("p", { class: "rs-notice soft", role: "status" }, text.not_kept);
    const order = choice(text.orders);
    const tools = el("div", { class: "rs-tools" }, labelled(text.order, order),
      button(text.csv, "csv", () => save("answers.csv", "text/csv;charset=utf-8", csv(found, sorted(found, order.value)))),
      button(text.jsonl, "jsonl", () => save("answers.jsonl", "application/x-ndjson", jsonl(found, sorted(found, order.value)))));
    const head = el("thead");
    const body = el("tbody");
    const table = el("div", { class: "rs-sweep rs-grid", tabindex: 0, role: "region", "aria-label": text.title }, el("table", {}, head, body));
    go.id = "batch-start";
    halt.id = "batch-stop";
    order.id = "batch-order";
    go.classList.add("rs-batch-go");
    root.replaceChildren(
      el("p", { class: "rs-facts" }, text.line), labelled(text.prompts, field),
      el("div", { class: "rs-tools" }, labelled(text.file, file), labelled(text.count, count), held), source,
      el("div", { class: "rs-tools rs-batch-run" }, go, halt, bar, seen), told, note, tools, table,
    );

    const refuse = (sentence) => note.replaceChildren(...(sentence ? [el("div", { class: "rs-notice bad" }, sentence)] : []));
    const keep = () => {
      try {
        sessionStorage.setItem(KEPT, JSON.stringify({ typed: field.value, loaded, found, order: order.value }));
      } catch {
        sessionStorage.removeItem(KEPT); // else a reload would show those before
        if (found?.ended) source.after(overflow);
        return;
      }
      overflow.remove();
    };
    addEventListener("pagehide", keep); // also in the middle of the answers

    // Where the prompts come from

    const drawSource = () => {
      source.replaceChildren();
      if (!loaded) return;
      const name = el("b", { dir: "auto" }, loaded.name);
      const line = el("p", {}, name, " ", loaded.told, " ");
      if (loaded.unseen) line.append(el("span", { class: "rs-pill good" }, text.unseen), " ");
      line.append(button(text.field_instead, "field", () => ((loaded = null), drawSource(), keep(), field.focus())));
      source.append(line);
      if (loaded.left_out.length) source.append(el("ul", {}, ...loaded.left_out.map((why) => el("li", { dir: "auto" }, why))));
    };
    const take = (name, ask) => (taking = fetched(name, ask));
    const fetched = async (name, ask) => {
      const mine = (reading += 1);
      refuse("");
      source.textContent = text.reading;
      try {
        const response = await ask();
        const answer = await response.json().catch(() => ({}));
        if (mine !== reading) return;
        if (response.ok) loaded = { ...answer, name };
        else refuse(answer.error ?? filled(words.refused, { reload: words.reload }));
      } catch {
        if (mine === reading) refuse(words.away);
      }
      drawSource();
      keep();
    };
    const takeFile = () => {
      const chosen = file.files[0];
      if (!chosen) return;
      file.value = ""; // so that the same file, changed, can be chosen again
      const query = new URLSearchParams({ name: chosen.name.slice(-200) });
      return take(chosen.name, () => fetch(`play/prompts?${query}`, { method: "POST", body: chosen }));
    };
    const takeHeldOut = () => {
      const runs = new Set(given.columns().flatMap((each) => [each.run, ...(each.parts ?? []).map((part) => part.run)]).filter(Boolean));
      const query = new URLSearchParams([["count", String(Math.trunc(Number(count.value)) || 0)], ...[...runs].map((run) => ["run", run])]);
      return take(text.held_out_name, () => fetch(`play/prompts/held-out?${query}`, { cache: "no-store" }));
    };
    file.onchange = takeFile;
    field.oninput = () => ((loaded = null), (reading += 1), drawSource(), keep());

    // The table

    const cellOf = (row, at) => {
      const cell = row.cells[at];
      const made = el("td", {});
      if (!cell) return made.append(el("span", { "aria-hidden": "true" }, found.ended ? "" : "…")), made;
      if (cell.problem) return made.append(el("em", {}, cell.problem)), made;
      if (cell.right !== undefined) {
        const sign = el("span", { "aria-hidden": "true" }, cell.right ? "✓" : "✗");
        made.append(el("span", { class: `rs-mark ${cell.right ? "right" : "wrong"}` }, sign, ` ${cell.right ? text.is_right : text.is_wrong}`));
      }
      if (cell.text.trim()) made.append(...folded(cell.text, `${row.number} ${at}`));
      else made.append(el("em", {}, text.nothing));
      if (cell.differs !== undefined) made.append(el("small", { class: "rs-batch-differs" }, filled(text.differs, { share: Math.round(100 * cell.differs) })));
      return made;
    };
    const drawn = new Map(); // row -> its line in the table
    const lineOf = (row) => {
      const prompt = el("th", { scope: "row" }, ...folded(row.prompt, `prompt ${row.number}`));
      const expected = expects(found) ? [el("td", {}, ...(row.expected === null ? [] : folded(row.expected, `expected ${row.number}`)))] : [];
      return el("tr", {}, prompt, ...expected, ...row.cells.map((_, at) => cellOf(row, at)));
    };
    const redrawn = (row, at) => {
      const line = drawn.get(row);
      line.cells[line.cells.length - row.cells.length + at].replaceWith(cellOf(row, at));
    };
    const drawHead = () => {
      const columns = found.names.map((name, at) => {
        const made = el("th", { scope: "col", dir: "auto" }, name);
        if (found.counts[at]) made.append(el("small", {}, filled(text.right_of, { right: found.counts[at] })));
        return made;
      });
      const expected = expects(found) ? [el("th", { scope: "col" }, text.expected)] : [];
      head.replaceChildren(el("tr", {}, el("th", { scope: "col" }, text.prompt), ...expected, ...columns));
    };
    const drawButtons = () => {
      halt.disabled = !going;
      go.disabled = Boolean(going);
    };
    const draw = () => {
      tools.hidden = table.hidden = !found;
      drawButtons();
      if (!found) return;
      for (const option of order.options)
        option.disabled = option.value === "different" ? base(found) === -1 || found.names.length < 2 : option.value !== "order" && !expects(found);
      drawn.clear();
      for (const row of found.rows) drawn.set(row, lineOf(row));
      drawHead();
      arrange();
    };
    const arrange = () => body.replaceChildren(...sorted(found, order.selectedOptions[0]?.disabled ? "order" : order.value).map((row) => drawn.get(row)));
    order.onchange = () => (arrange(), keep());

    // Asking

    const start = async (values) => {
      await taking;
      if (going) return;
      refuse("");
      const settings = given.settings(values);
      if (!settings) return refuse(text.settings);
      const prompts = loaded ? loaded.prompts : typed(field.value);
      if (!prompts.length) return refuse(text.no_prompt);
      if (prompts.length > text.most) return refuse(filled(text.too_many, { count: prompts.length }));
      const columns = given.columns();
      if (columns.some((each) => each.kind === "run" && !each.run)) return refuse(words.play.none_chosen);
      const { system, seed, ...sampling } = settings;
      const rows = prompts.map((each, at) => ({ ...each, messages: whole(each, system.trim()), number: at + 1, cells: columns.map(() => null) }));
      const drawn = { ...sampling, seed: seed ?? Math.floor(Math.random() * SEEDS) };
      found = { columns, names: apart(given.names(), columns), rows, settings: drawn, counts: [], ended: false };
      order.value = "order";
      const asked = {
        ...drawn, columns, page: given.page,
        prompts: rows.map((row) => ({ messages: row.messages, expected: row.expected })),
      };
      await follow(asked, (going = new AbortController()));
    };
    const follow = async (asked, ends) => {
      const pressed = document.activeElement === go;
      draw();
      if (pressed) halt.focus();
      const total = found.rows.length * found.columns.length;
      let done = 0;
      let failed = "";
      const tell = () => {
        bar.value = done;
        seen.textContent = filled(text.done, { done, total });
        if (Math.floor((4 * done) / total) > Math.floor((4 * (done - 1)) / total)) told.textContent = seen.textContent; // each quarter
      };
      bar.max = total;
      bar.hidden = false;
      bar.value = 0;
      seen.textContent = filled(text.done, { done, total });
      told.textContent = filled(text.begun, { total });
      try {
        for await (const line of studio.server.stream("play/batch", asked, ends.signal)) {
          if (line.starting) seen.textContent = text.starting;
          else if (line.counts) (found.counts = line.counts), drawHead();
          else {
            const row = found.rows[line.prompt];
            if (row.cells[line.column] === null) done += 1;
            row.cells[line.column] = { ...row.cells[line.column], ...line };
            redrawn(row, line.column);
            tell();
          }
        }
      } catch (error) {
        if (error.name !== "AbortError") failed = error.message;
      }
      const stopped = ends.signal.aborted;
      const held = document.activeElement === halt;
      going = null;
      found.ended = true;
      bar.hidden = true;
      for (const row of found.rows) row.cells.forEach((cell, at) => cell || redrawn(row, at)); // what does not come is not waited for
      if (order.value !== "order") arrange();
      drawButtons();
      if (held) go.focus();
      refuse(failed);
      told.textContent = seen.textContent = stopped ? filled(text.stopped, { done, total }) : failed ? "" : filled(text.ended, { total });
      keep();
    };

    const restored = () => {
      try {
        return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
      } catch {
        return {};
      }
    };
    const before = restored();
    field.value = before.typed ?? "";
    loaded = before.loaded ?? null;
    found = before.found ?? null;
    if (found) found.ended = true;
    order.value = before.order ?? "order";
    current = { start };
    drawSource();
    draw();
  };

  Object.assign(studio, { batch: { lay, start: (...values) => (current?.start(values), []), csv, jsonl, sorted } });
})();
