// The cards of the base models: chosen by pointer or arrow keys, in step with the field beside them; downloads are followed by themselves.
(() => {
  const PAUSE = 500; // milliseconds between two looks at downloads
  const SETTLES = 250; // so that arrow keys do not ask the server at each card
  const FOLDED = 3; // cards of the catalogue that are shown at first
  const said = { chosen: "", asked: "" };
  const wantsLook = new Set(); // names that the Hub has been asked about already

  const bases = (element, props, watch, events) => {
    const { el, after, button, keepingFocus } = studio.parts;
    const root = element.querySelector("div") ?? element;
    const live = el("p", { class: "rs-hidden", role: "status" });
    const body = el("div", {});
    root.replaceChildren(body, live);
    let value = null;
    let reads = {};
    let downloads = {};
    let opened = false;
    let sure = null; // the card whose deletion is asked about
    let timer = null;
    const parts = new Map(); // by name: what is changed without drawing anew

    const all = () => (value?.groups ?? []).flatMap((group) => group.cards);
    const running = () => Object.values(downloads).some((each) => each.state === "running");
    const settled = after(SETTLES, events.chosen);
    const ask = (act, name) => {
      // Until the answer, which draws the card anew.
      for (const each of parts.get(name)?.box.querySelectorAll("button") ?? []) each.setAttribute("aria-disabled", "true");
      said.asked = JSON.stringify({ act, name });
      events.asked();
    };
    const folded = (group) => {
      if (group.key !== "catalog" || opened) return group.cards;
      const fitting = group.cards.filter((card) => ["fits", "tight"].includes(card.badge.level));
      const first = (fitting.length ? fitting : group.cards).slice(0, FOLDED);
      const chosen = group.cards.find((card) => card.name === said.chosen);
      return chosen && !first.includes(chosen) ? [...first, chosen] : first;
    };

    const choose = (name, told = true) => {
      if (said.chosen === name && told) return;
      said.chosen = name;
      mark();
      if (told) settled();
    };
    const mark = () => {
      const names = [...parts.keys()];
      const reached = names.includes(said.chosen) ? said.chosen : names[0];
      for (const [name, { radio, box }] of parts) {
        radio.setAttribute("aria-checked", String(name === said.chosen));
        radio.tabIndex = name === reached ? 0 : -1;
        box.classList.toggle("chosen", name === said.chosen);
      }
    };
    const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
    const keyed = (event, name) => {
      const names = [...parts.keys()];
      const at = names.indexOf(name);
      const to =
        event.key in STEPS ? (at + STEPS[event.key] + names.length) % names.length
        : event.key === "Home" ? 0
        : event.key === "End" ? names.length - 1
        : [" ", "Enter"].includes(event.key) ? at
        : null;
      if (to === null) return;
      event.preventDefault();
      parts.get(names[to]).radio.focus();
      choose(names[to]);
    };

    const progress = (box, name) => {
      const each = downloads[name];
      const bar = box.querySelector(".rs-bar");
      box.hidden = !each || each.state === "done";
      if (box.hidden) return;
      const share = each.share === null ? null : Math.floor(100 * each.share);
      bar.firstChild.style.width = `${share ?? 0}%`;
      if (share === null) bar.removeAttribute("aria-valuenow");
      else bar.setAttribute("aria-valuenow", share);
      box.querySelector("span").textContent = each.problem || each.text;
      box.classList.toggle("bad", Boolean(each.problem));
    };
    const actions = (card) => {
      const state = downloads[card.name]?.state;
      const found = [];
      if (state === "running") found.push(button(words.bases.cancel, `cancel ${card.name}`, () => ask("stop", card.name)));
      else if (card.can_fetch && card.can_look) found.push(button(words.bases.look, `look ${card.name}`, () => ask("look", card.name)));
      else if (card.can_fetch) {
        const text = state === "stopped" || state === "failed" ? words.bases.resume : words.bases.get;
        found.push(button(text, `fetch ${card.name}`, () => ask("fetch", card.name)));
      }
      if (card.can_delete && state !== "running") {
        if (sure === card.name) {
          found.push(el("span", { class: "rs-base-sure" }, card.sure));
          found.push(button(words.bases.remove_yes, `yes ${card.name}`, () => ((sure = null), ask("delete", card.name))));
          found.push(button(words.bases.remove_no, `remove ${card.name}`, () => ((sure = null), draw())));
        } else found.push(button(words.bases.remove, `remove ${card.name}`, () => ((sure = card.name), draw())));
      }
      for (const each of found) if (each.tagName === "BUTTON") each.setAttribute("aria-label", `${each.textContent}: ${card.name}`);
      if (card.page) found.push(el("a", { href: card.page, target: "_blank", rel: "noreferrer", "aria-label": `${words.bases.page_of}: ${card.name}` }, words.bases.page_of));
      return found;
    };
    const drawn = (card) => {
      const badge = el("span", { class: `rs-pill ${{ fits: "good", tight: "warn", no: "bad" }[card.badge.level] ?? ""}` }, card.badge.text);
      const chips = el("span", { class: "rs-base-chips" }, badge);
      if (card.is_here && card.page) chips.append(el("span", { class: "rs-pill live" }, words.bases.is_here));
      if (card.unchecked) chips.append(el("span", { class: "rs-pill", title: words.bases.unchecked_why }, words.bases.unchecked));
      const told = el("span", { class: "rs-pill live rs-base-reads", title: words.bases.reads_why, hidden: "" });
      chips.append(told);
      const title = el("span", { class: "rs-base-title" }, el("b", {}, card.title));
      if (card.owner) title.append(el("small", {}, card.owner));
      const radio = el(
        "div", { role: "radio", class: "rs-base-radio", "aria-checked": "false", "data-key": `base ${card.name}`, "data-name": card.name },
        title, chips, el("span", { class: "rs-base-facts" }, card.facts.join(" · ")), el("span", { class: "rs-base-why" }, card.problem || card.badge.why),
      );
      radio.onclick = () => choose(card.name);
      radio.onkeydown = (event) => keyed(event, card.name);
      const bar = el("div", { class: "rs-bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": words.bases.arriving.replace("{name}", () => card.name) }, el("i"));
      const arriving = el("div", { class: "rs-base-progress", hidden: "" }, bar, el("span"));
      const box = el("div", { class: `rs-base${card.problem ? " bad" : ""}` }, radio, arriving, el("div", { class: "rs-base-actions" }, ...actions(card)));
      parts.set(card.name, { radio, box, arriving, told });
      progress(arriving, card.name);
      return box;
    };
    const readings = () => {
      for (const [name, { told }] of parts) {
        told.textContent = reads[name] ?? "";
        told.hidden = !reads[name];
      }
    };
    const draw = () =>
      keepingFocus(root, () => {
        parts.clear();
        const group = (each) => {
          const cards = folded(each);
          const caption = el("p", { class: "rs-caption" }, each.title);
          const found = [caption, el("div", { class: "rs-base-grid" }, ...cards.map(drawn))];
          if (each.key === "catalog" && each.cards.length > FOLDED) {
            const text = opened ? words.bases.fewer : words.bases.more.replace("{count}", () => each.cards.length);
            const more = button(text, "more bases", () => ((opened = !opened), draw()));
            more.setAttribute("aria-expanded", String(opened));
            found.push(more);
          }
          return found;
        };
        const machine = el("p", { class: "rs-base-machine" }, value.machine);
        body.replaceChildren(machine, el("div", { role: "radiogroup", "aria-label": words.bases.title }, ...value.groups.flatMap(group)));
        mark();
        readings();
      });

    const look = async () => {
      timer = null;
      if (!element.isConnected) return;
      try {
        const found = await (await fetch("bases/downloads", { cache: "no-store" })).json();
        const ended = Object.keys(downloads).filter((name) => downloads[name].state === "running" && found[name]?.state !== "running");
        downloads = found;
        for (const [name, { arriving }] of parts) progress(arriving, name);
        if (ended.length) {
          const done = ended.filter((name) => found[name]?.state === "done");
          live.textContent = done.length ? words.bases.arrived.replace("{name}", () => done[0]) : "";
          ask("arrived", ended[0]);
        }
      } catch {
        // not reached, which other parts of the page tell
      }
      if (running()) timer ??= setTimeout(look, PAUSE);
    };

    const take = () => {
      const found = props.value;
      if (!found) return;
      if (found.refused) {
        props.value = value; // so that another refusal is a change again
        return value && draw();
      }
      if (found.reads) reads = found.reads;
      if (!found.groups) return readings();
      value = found;
      downloads = found.downloads;
      said.chosen = found.chosen;
      draw();
      if (running()) timer ??= setTimeout(look, PAUSE);
      const unknown = all().find((card) => card.name === said.chosen && card.can_look && !wantsLook.has(card.name));
      if (unknown) {
        wantsLook.add(unknown.name);
        ask("look", unknown.name);
      }
    };
    take();
    watch("value", take);
  };

  Object.assign(studio, { bases, chosenBase: () => said.chosen, askedOfBase: () => said.asked });
})();
