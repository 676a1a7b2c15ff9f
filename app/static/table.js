// The tables of the Data page. What a person says about the rows is kept here from the moment it is said; the server's answers complete
// it. Texts of files are set as text, never as markup.
(() => {
  const { el, after, labelled, button, choice, folded, keepingFocus, positions } = studio.parts;
  let said = null; // what has been said; null without a file
  let view = null; // what the server has answered last
  let sent = 0;
  let fire = {};
  let redraw = () => {};
  let field = {}; // where the template is written

  // What is said

  const tell = (change) => {
    said = { ...said, offset: 0, at: 0, ...change, guessed: false, count: ++sent };
    studio.newer(said);
    redraw();
    fire.told();
    fire.reads();
  };
  const turn = (change) => {
    said = { ...said, ...change, count: ++sent };
    fire.turned();
  };
  const roleOf = (column) => rolesNow().find(([name]) => name === column)?.[1] ?? "ignore";
  const rolesNow = () => said.roles ?? view.columns.map((column) => [column.name, column.role]);
  const prompts = (roles) => ["context", "prompt"].flatMap((role) => roles.filter((pair) => pair[1] === role).map((pair) => pair[0]));
  const joined = (names) => names.map((name) => `{${name}}`).join("\n\n");

  const giveRole = (column, role) => {
    const before = rolesNow();
    // The newer column takes a role that only one can have.
    const alone = view.alone[role] ?? [];
    const roles = before.map(([name, held]) => [name, name === column ? role : alone.includes(held) ? "ignore" : held]);
    let template = said.template;
    if (template) {
      // A template that a person wrote gains and loses the columns that they add and take away.
      for (const name of prompts(roles)) if (!template.includes(`{${name}}`)) template += `\n\n{${name}}`;
      for (const name of prompts(before)) if (!prompts(roles).includes(name)) template = template.replaceAll(`{${name}}`, "");
      template = template.replace(/\n{3,}/g, "\n\n").replace(/^\n+|\n+$/g, "");
      if (template === joined(prompts(roles))) template = "";
    }
    tell({ roles, template });
    field.value = template || joined(prompts(roles)); // also while the cursor stands in it
  };

  // The table

  const cellOf = (row, column, text) => el("td", { "data-role": roleOf(column) }, ...folded(text, `${row.number} ${column}`));

  const headOf = (column) => {
    const role = roleOf(column.name);
    const menu = el("select", { "aria-label": words.role_of.replace("{column}", () => column.name), "data-key": `role ${column.name}` });
    for (const [name, word] of Object.entries(words.roles)) {
      const option = el("option", { value: name }, word);
      option.selected = name === role;
      menu.append(option);
    }
    menu.onchange = () => giveRole(column.name, menu.value);
    const name = el("span", { class: "rs-column", dir: "auto", title: column.name });
    name.textContent = column.name;
    const head = el("th", { scope: "col", "data-role": role }, name, menu);
    if (column.reason && (said.guessed || !said.roles)) head.append(el("small", { title: column.reason }, column.reason));
    return head;
  };

  const rowsOf = (row) => {
    const number = el("th", { scope: "row", class: "rs-line" }, String(row.line));
    const cells = row.cells.map((cell, index) => cellOf(row, view.columns[index].name, cell));
    const shown = [el("tr", row.problem ? { class: "rs-problem" } : {}, number, ...cells)];
    if (row.problem) {
      const why = el("td", { colspan: Math.max(1, view.columns.length) }, row.problem);
      shown.push(el("tr", { class: "rs-why" }, el("td"), why));
    }
    return shown;
  };

  const table = (element, props, watch, events) => {
    const root = element.querySelector("div") ?? element;
    fire = events;
    const search = el("input", { type: "search", "data-key": "search", maxlength: 1000 });
    const all = button(words.all_rows, "all", () => turn({ only: "", offset: 0 }));
    const head = el("thead");
    const body = el("tbody");
    const rows = el("div", { class: "rs-rows", tabindex: 0, role: "region", "aria-label": words.rows }, el("table", {}, head, body));
    const earlier = button(words.earlier, "earlier", () => turn({ offset: Math.max(0, said.offset - 20) }));
    const later = button(words.later, "later", () => turn({ offset: said.offset + 20 }));
    const caption = el("span", { role: "status" });
    const template = el("textarea", { rows: 3, dir: "auto", maxlength: 10000, spellcheck: "false" });
    const first = el("pre", { dir: "auto" });
    field = template;
    const joins = el("div", { class: "rs-joins" }, labelled(words.template, template), el("div", {}, el("span", {}, words.first), first));
    const tools = el("div", { class: "rs-tools" }, labelled(words.search, search), all);
    const pager = el("div", { class: "rs-pager" }, earlier, caption, later);

    search.oninput = after(250, () => turn({ search: search.value, offset: 0 }));
    template.oninput = after(400, () => {
      const own = template.value === joined(prompts(rolesNow())) ? "" : template.value;
      if (own !== said.template) tell({ template: own, roles: rolesNow() });
    });

    redraw = () => {
      if (!view || !said) return root.replaceChildren();
      keepingFocus(root, drawn);
    };

    const drawn = () => {
      const left = rows.scrollLeft;
      if (!root.contains(rows)) root.replaceChildren(tools, rows, pager, joins);
      if (document.activeElement !== search) search.value = said.search;
      all.hidden = !said.only;
      head.replaceChildren(el("tr", { id: "dataset-roles" }, el("th", { scope: "col", class: "rs-line" }, words.line), ...view.columns.map(headOf)));
      body.replaceChildren(...view.rows.flatMap(rowsOf));
      caption.textContent = view.caption;
      earlier.disabled = !said.offset;
      later.disabled = !view.later;
      pager.hidden = !said.offset && !view.later && !said.search && !said.only;
      const names = prompts(rolesNow());
      joins.hidden = names.length < 2 && !said.template;
      if (document.activeElement !== template) template.value = said.template || joined(names);
      first.textContent = view.prompt;
      rows.scrollLeft = left;
      for (const chip of document.querySelectorAll("[data-only]"))
        chip.setAttribute("aria-pressed", String(chip.dataset.only === said.only));
    };

    const take = () => {
      const value = props.value;
      if (!value?.said) {
        said = view = null;
        return redraw();
      }
      if (!value.fresh && value.said.count < sent) return; // a newer answer is on its way
      // What is asked of the rows as they are learned may be newer than this answer.
      const { at, find, order, seed } = (!value.fresh && said) || value.said;
      [said, view] = [{ ...value.said, at, find, order, seed }, value];
      redraw();
      if (!value.fresh) return;
      const address = new URL(location.href);
      address.searchParams.delete("sample");
      address.searchParams.set("upload", said.token);
      history.replaceState(history.state, "", address);
      fire.reads();
    };
    take();
    watch("value", take);
  };

  // The rows as they are learned

  const learned = (element, props, watch, ask) => {
    const root = element.querySelector("div") ?? element;
    const asked = (change) => {
      if (!said) return;
      said = { ...said, at: 0, ...change };
      ask();
    };
    const order = choice(words.orders);
    const find = el("input", { type: "search", maxlength: 1000 });
    const rows = el("div");
    const caption = el("span", { role: "status" });
    const earlier = button(words.earlier, "earlier", () => asked({ at: Math.max(0, props.value.at - 10) }));
    const later = button(words.later, "later", () => asked({ at: props.value.at + 10 }));
    const again = button(words.draw_again, "again", () => asked({ seed: said.seed + 1 }));
    const tools = el("div", { class: "rs-tools" }, labelled(words.order, order), labelled(words.find, find), again);
    order.onchange = () => asked({ order: order.value });
    find.oninput = after(300, () => asked({ find: find.value }));
    const draw = () => {
      const value = props.value;
      if (!value) return root.replaceChildren();
      if (!root.contains(rows)) root.replaceChildren(el("h2", { class: "rs-section" }, words.learned), tools, rows, el("div", { class: "rs-pager" }, earlier, caption, later));
      rows.innerHTML = value.html; // made and escaped by the server, as any other part of a page
      caption.textContent = value.caption;
      order.value = said?.order ?? "file";
      if (document.activeElement !== find) find.value = said?.find ?? "";
      again.hidden = order.value !== "random";
      earlier.disabled = !value.at;
      later.disabled = !value.later;
    };
    draw();
    watch("value", draw);
  };

  // What stands elsewhere on the page

  // The rows stay as they were read before.
  document.addEventListener("reading-cancelled", ({ detail }) => {
    if (!said || detail !== view?.said.token) return;
    said = { ...said, ...view.said, count: said.count };
    field.value = "";
    redraw();
  });
  const toggled = (list, one) => (list.includes(one) ? list.filter((each) => each !== one) : [...list, one]);
  document.addEventListener("click", (event) => {
    const chip = event.target instanceof Element && event.target.closest("[data-only], [data-remedy], [data-include]");
    if (!chip || !said) return;
    const { only, remedy, include } = chip.dataset;
    if (remedy) return tell({ remedies: toggled(said.remedies, remedy) });
    if (include) return tell({ include: toggled(said.include, include) });
    turn({ only: said.only === only ? "" : only, search: "", offset: 0 });
  });
  // What is pasted is read at once, as soon as Gradio knows of it.
  document.addEventListener("input", (event) => {
    if (event.inputType === "insertFromPaste" && event.target.closest("#dataset-paste"))
      setTimeout(() => document.querySelector("#dataset-paste-read")?.click(), 50);
  });

  Object.assign(studio, {
    table,
    learned,
    // Of what is read in another way: said later than all before.
    reread: (known) => {
      if (!said) return known ?? "";
      said = { ...said, count: ++sent };
      studio.newer(said);
      return JSON.stringify(said);
    },
    said: (known) => (said ? JSON.stringify({ ...said, positions: positions() }) : (known ?? "")),
    typed: () =>
      JSON.stringify([...document.querySelectorAll("#dataset-typed tbody tr")].map((row) => [...row.querySelectorAll("textarea")].map((each) => each.value))),
  });
})();
