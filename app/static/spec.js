// The run of the form as text: run.yaml, command line, Python. All texts are set as text, never as markup.
(() => {
  const { el, button } = studio.parts;
  const LOOK = 250; // milliseconds between two looks at the form, while the texts are open
  const KINDS = ["command", "code", "yaml"];

  const fields = () => [...document.querySelectorAll('[id^="train-"] input, [id^="train-"] textarea')].filter((each) => !each.closest("#train-spec"));
  const form = () => JSON.stringify(fields().map((each) => (["checkbox", "radio"].includes(each.type) ? each.checked : each.value)));

  const copier = (text) => {
    const made = button(words.spec.copy, "copy", async () => {
      try {
        await navigator.clipboard.writeText(text);
        made.textContent = words.spec.copied;
      } catch {
        made.textContent = words.spec.not_copied; // not over plain HTTP from another machine, where browsers have no clipboard
      }
      setTimeout(() => (made.textContent = words.spec.copy), 2000);
    });
    made.setAttribute("aria-live", "polite");
    return made;
  };
  const download = (text) => {
    const link = el("a", { class: "rs-quiet", download: "run.yaml", href: `data:application/yaml;charset=utf-8,${encodeURIComponent(text)}` });
    link.textContent = words.spec.download;
    return link;
  };
  // A sentence in which {rows} is a link to the rows.
  const sentence = (kind, value) => {
    const [before, after] = words.spec[`${kind}_reads`].split("{rows}");
    const made = el("p", { class: "rs-facts" }, before);
    if (after === undefined) return made;
    const rows = el("a", { href: value.link, download: value.file });
    rows.textContent = value.file;
    made.append(rows, after);
    return made;
  };

  const panel = (kind, value) => {
    const text = el("pre", { tabindex: "0", role: "region", "aria-label": words.spec[kind] });
    text.textContent = value[kind];
    const tools = el("div", { class: "rs-spec-tools" }, copier(value[kind]), ...(kind === "yaml" ? [download(value[kind])] : []));
    return el("div", { role: "tabpanel", id: `train-spec-${kind}`, "aria-labelledby": `train-spec-${kind}-tab` }, sentence(kind, value), tools, text);
  };

  const spec = (root, props, watch, ask) => {
    let [tab, seen, asked] = [KINDS[0], null, null];
    const choose = (kind, focus) => {
      tab = kind;
      draw();
      if (focus) root.querySelector(`#train-spec-${kind}-tab`).focus();
    };
    const head = (kind) => {
      const facts = { role: "tab", id: `train-spec-${kind}-tab`, "aria-selected": String(kind === tab), tabindex: kind === tab ? "0" : "-1" };
      const made = el("button", { type: "button", "data-key": kind, "aria-controls": kind === tab ? `train-spec-${kind}` : null, ...facts }, words.spec[kind]);
      made.onclick = () => choose(kind, true);
      made.onkeydown = (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (by) choose(KINDS[(KINDS.indexOf(kind) + by + KINDS.length) % KINDS.length], true);
      };
      return made;
    };
    const draw = () => {
      if (!props.value) return root.replaceChildren();
      const tabs = el("div", { role: "tablist", class: "rs-spec-tabs", "aria-label": words.spec.title }, ...KINDS.map(head));
      studio.parts.keepingFocus(root, () => root.replaceChildren(el("div", { class: "rs-spec" }, tabs, panel(tab, props.value))));
    };
    // Asked only while it is open, once the form has been left alone for a moment; whatever changes the form is seen.
    const look = () => {
      if (!root.isConnected) return clearInterval(timer);
      if (root.offsetParent === null) return;
      const now = form();
      if (now === seen && now !== asked) {
        asked = now;
        ask();
      }
      seen = now;
    };
    const timer = setInterval(look, LOOK);
    draw();
    watch("value", draw);
  };
  Object.assign(studio, { spec });
})();
