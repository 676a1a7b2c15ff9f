// The list of runs: searched, filtered and sorted by the server, which tells what has changed since; runs are chosen here, also several.
(() => {
  const PAUSE = 2000; // milliseconds between two looks at what has changed
  const HIDDEN_PAUSE = 10000;
  const TYPED = 250;
  const PAGE = 40; // runs that are asked for at once, and at most where the list is asked for anew
  const MOST = 400;
  const said = { chosen: "", asked: "" };
  const GROUP = "group:";
  const COMPARE = "compare:"; // before the ids of the runs that are compared
  const COMPARED_AGAIN = 15000; // milliseconds between two looks at runs that are compared while they learn

  const sparkline = (values) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const at = (value, index) => `${index ? "L" : "M"}${(2 + (index * 60) / Math.max(1, values.length - 1)).toFixed(1)} ${(16 - (13 * (value - low)) / (high - low || 1)).toFixed(1)}`;
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", values.map(at).join(""));
    svg.append(path);
    svg.setAttribute("viewBox", "0 0 64 18");
    svg.setAttribute("aria-hidden", "true");
    svg.classList.add("rs-spark");
    return svg;
  };

  const runList = (element, props, watch, events) => {
    const { el, after, button, choice, keepingFocus, labelled } = studio.parts;
    const text = words.runs;
    const root = element.querySelector("div") ?? element;
    const search = el("input", { type: "search", placeholder: text.search, "aria-label": text.search, maxlength: "200" });
    const state = choice(text.states);
    const order = choice(text.orders);
    const queue = el("div", { class: "rs-runs-queue" });
    const several = el("div", { class: "rs-runs-several", hidden: "" });
    const undoing = el("div", { class: "rs-notice rs-runs-undo", hidden: "" });
    const list = el("ul", { role: "list", "aria-label": text.title });
    const none = el("p", { class: "rs-facts", hidden: "" }, text.none_such);
    const more = button(text.more, "more", () => fetchPage(true));
    const failed = el("p", { class: "rs-notice bad", hidden: "", role: "status" });
    const live = el("p", { class: "rs-hidden", role: "status" });
    const fold = el("button", { type: "button", class: "rs-quiet rs-runs-fold", "aria-expanded": "false" }, text.open);
    const tools = el("div", { class: "rs-runs-tools" }, labelled(text.show, state), labelled(text.order, order));
    studio.placed("search").replaceChildren(search);
    const body = el("div", { class: "rs-runs-body" }, tools, queue, undoing, several, failed, list, none, more);
    root.replaceChildren(fold, body, live);
    root.classList.add("rs-runs");
    fold.onclick = () => {
      const opened = root.classList.toggle("open");
      fold.setAttribute("aria-expanded", String(opened));
    };

    let runs = new Map(); // by id, in the order of the list
    let groups = {};
    let opened = new Set(); // groups whose runs are shown
    let ticked = new Set();
    let cursor = 0;
    let facts = { queue: [], waiting: 0, paused: "" };
    let isMore = false;
    let undo = [];
    let sure = false;
    let asked = 0;
    let timer = null;
    let lookedAt = 0; // when what is chosen was asked for
    const elsewhere = new Map(); // the states of runs that were told of

    const ask = (act, ids) => {
      said.asked = JSON.stringify({ act, ids });
      events.acted();
    };
    const choose = (id, push = true) => {
      lookedAt = Date.now();
      if (push) {
        const address = new URL(location);
        address.search = searchOf(id);
        history.pushState({}, "", address);
      }
      said.chosen = id;
      root.classList.remove("open");
      fold.setAttribute("aria-expanded", "false");
      draw();
      chosen();
    };
    const chosen = after(120, () => events.chosen());
    const compared = (id) => (id.startsWith(COMPARE) ? id.slice(COMPARE.length).split(",") : []);
    const searchOf = (id) => {
      if (!id) return "";
      if (id.startsWith(GROUP)) return `?group=${encodeURIComponent(id.slice(GROUP.length))}`;
      return id.startsWith(COMPARE) ? `?compare=${compared(id).map(encodeURIComponent).join(",")}` : `?run=${encodeURIComponent(id)}`;
    };
    const fromAddress = () => {
      const asks = new URL(location).searchParams;
      if (asks.get("compare")) return `${COMPARE}${asks.get("compare")}`;
      return asks.get("group") ? `${GROUP}${asks.get("group")}` : (asks.get("run") ?? "");
    };
    window.addEventListener("popstate", () => {
      const id = fromAddress();
      if (element.isConnected && id && id !== said.chosen) choose(id, false);
    });

    const address = (id) => `runs${searchOf(id)}`;
    const link = (id, ...inside) => {
      const made = el("a", { class: "rs-run-link", href: address(id), "data-key": `run ${id}`, "aria-current": id === said.chosen ? "true" : null }, ...inside);
      made.onclick = (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        choose(id);
      };
      made.onkeydown = (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        const all = [...list.querySelectorAll(".rs-run-link")];
        all[all.indexOf(made) + step]?.focus();
        event.preventDefault();
      };
      return made;
    };
    const word = (run) => {
      const at = facts.queue.indexOf(run.id);
      if (at >= 0 && run.after) return text.starts_at.replace("{time}", () => new Date(run.after).toLocaleString(words.language, { dateStyle: "short", timeStyle: "short" }));
      if (at > 0) return text.place.replace("{place}", () => at + 1);
      if (run.active && run.share !== null && run.status === "training") return `${run.word} ${Math.floor(100 * run.share)} %`;
      return run.word;
    };
    const drawn = (run) => {
      const tick = el("input", { type: "checkbox", "aria-label": text.tick.replace("{name}", () => run.name), "data-key": `tick ${run.id}` });
      tick.checked = ticked.has(run.id);
      tick.onchange = () => (tick.checked ? ticked.add(run.id) : ticked.delete(run.id), drawSeveral());
      const star = el("button", { type: "button", class: "rs-star", "aria-pressed": String(run.starred), "aria-label": text.star.replace("{name}", () => run.name), "data-key": `star ${run.id}` }, run.starred ? "★" : "☆");
      star.onclick = () => {
        run.starred = !run.starred;
        ask(run.starred ? "star" : "unstar", [run.id]);
        draw();
      };
      const pill = el("span", { class: `rs-pill ${text.kinds[run.status]}` }, word(run));
      const top = el("span", { class: "rs-run-top" }, el("b", { dir: "auto" }, run.name), pill);
      const about = el("span", { class: "rs-run-about" }, [run.base, run.dataset, run.method].filter(Boolean).join(" · "));
      const result = el("span", { class: "rs-run-result" });
      if (run.spark.length > 1) result.append(sparkline(run.spark));
      if (run.held_out) result.append(el("span", { class: run.better ? "better" : "" }, run.held_out));
      result.append(el("span", {}, run.left ? text.left.replace("{time}", () => run.left) : [run.time, run.ago].filter(Boolean).join(" · ")));
      const inside = [top, about, result];
      if (run.tags.length) inside.push(el("span", { class: "rs-run-tags" }, ...run.tags.map((tag) => el("span", { class: "rs-chip" }, tag))));
      if (run.notes) inside.push(el("span", { class: "rs-run-notes", dir: "auto" }, run.notes));
      const item = el("li", { class: `rs-run${run.id === said.chosen ? " chosen" : ""}`, "data-id": run.id }, tick, link(run.id, ...inside), star);
      return item;
    };
    const grouped = () => {
      // Runs of one group that stand one after another are one line, which opens.
      if (search.value.trim() || !["newest", "oldest"].includes(order.value)) return [...runs.values()].map(drawn);
      const found = [];
      const all = [...runs.values()];
      for (let at = 0; at < all.length; ) {
        const id = all[at].group;
        let end = at + 1;
        while (id && end < all.length && all[end].group === id) end += 1;
        if (!id) {
          found.push(drawn(all[at]));
          at = end;
          continue;
        }
        const members = all.slice(at, end);
        const isOpen = opened.has(id) || members.some((run) => run.id === said.chosen);
        const key = `${GROUP}${id}`;
        const done = members.filter((run) => run.ended).length;
        const toggle = el("button", { type: "button", class: "rs-quiet", "aria-expanded": String(isOpen), "aria-label": text.members, "data-key": `open ${id}` }, isOpen ? "▾" : "▸");
        toggle.onclick = () => (isOpen ? opened.delete(id) : opened.add(id), draw());
        const title = el("span", { class: "rs-run-top" }, el("b", { dir: "auto" }, groups[id] ?? ""));
        const count = el("span", { class: "rs-run-about" }, text.group.replace("{count}", () => members.length).replace("{done}", () => done));
        found.push(el("li", { class: `rs-run rs-run-group${key === said.chosen ? " chosen" : ""}` }, toggle, link(key, title, count)));
        if (isOpen) found.push(...members.map((run) => ((run = drawn(run)), run.classList.add("member"), run)));
        at = end;
      }
      return found;
    };
    const draw = () =>
      keepingFocus(root, () => {
        list.replaceChildren(...grouped());
        none.hidden = runs.size > 0;
        more.hidden = !isMore;
        const now = runs.get(said.chosen);
        fold.textContent = now ? text.fold.replace("{name}", () => now.name) : text.open;
        drawSeveral();
        drawQueue();
      });
    const drawSeveral = () => {
      const ids = [...ticked].filter((id) => runs.has(id));
      several.hidden = !ids.length;
      if (!ids.length) return several.replaceChildren();
      const binned = state.value === "binned";
      const act = (name) => button(text[name], `several ${name}`, () => (ask(name, ids), ticked.clear(), draw()));
      several.replaceChildren(
        el("span", {}, text.chosen.replace("{count}", () => ids.length)), ...(binned ? [] : comparing(ids)), act(binned ? "restore" : "delete"),
        button(text.choose_none, "several none", () => (ticked.clear(), draw())),
      );
    };
    const comparing = (ids) => {
      if (ids.length < 2) return [];
      if (ids.length > text.most_compared) return [el("span", { class: "rs-facts" }, text.too_many)];
      const mixed = el("a", { class: "rs-quiet", "data-key": "several mix", href: `playground?mix=${ids.map(encodeURIComponent).join(",")}` }, text.mix);
      return [mixed, button(text.compare, "several compare", () => (ticked.clear(), choose(`${COMPARE}${ids.join(",")}`)))];
    };
    const drawQueue = () => {
      const going = [...runs.values()].filter((run) => run.active).length;
      const parts = [];
      if (state.value === "binned") {
        if (runs.size && sure) {
          parts.push(el("span", {}, text.empty_sure), button(text.empty_yes, "empty yes", () => ((sure = false), ask("empty", []))), button(text.empty_no, "empty", () => ((sure = false), draw())));
        } else if (runs.size) parts.push(button(text.empty, "empty", () => ((sure = true), draw())));
        queue.replaceChildren(...parts);
        queue.hidden = !parts.length;
        return;
      }
      if (facts.paused) parts.push(el("span", { class: "rs-pill warn" }, facts.paused), button(text.go_on, "queue", () => ask("continue", [])));
      else if (facts.waiting || going) parts.push(el("span", {}, text.queue.replace("{active}", () => going).replace("{waiting}", () => facts.waiting)), button(text.pause, "queue", () => ask("pause", [])));
      queue.replaceChildren(...parts);
      queue.hidden = !parts.length;
    };
    const drawUndo = (sentence) => {
      undoing.hidden = !sentence;
      const parts = sentence ? [el("span", {}, sentence)] : [];
      if (sentence && undo.length) parts.push(button(text.undo, "undo", () => (ask("restore", undo), (undo = []), drawUndo(""))));
      undoing.replaceChildren(...parts);
      if (sentence) live.textContent = sentence;
    };

    const told = (found) => {
      groups = { ...groups, ...found.groups };
      if (found.queue) facts = { queue: found.queue, waiting: found.waiting, paused: found.paused };
      if (found.cursor) cursor = found.cursor;
    };
    const put = (found) => {
      for (const run of found) if (runs.has(run.id)) runs.set(run.id, run);
    };
    const query = (offset, limit) => new URLSearchParams({ text: search.value, state: state.value, order: order.value, offset, limit });
    // The next page, or the list anew: as much of it as is shown, or its first page where it is another one.
    const fetchPage = async (further = false, another = false) => {
      const mine = (asked += 1);
      let found = null;
      try {
        const asks = further ? query(runs.size, PAGE) : query(0, another ? PAGE : Math.min(MOST, Math.max(PAGE, runs.size)));
        const answer = await fetch(`follow/runs?${asks}`, { cache: "no-store" });
        if (answer.ok) found = await answer.json();
      } catch {
        // not reached
      }
      if (mine !== asked) return;
      failed.hidden = found !== null;
      failed.textContent = found === null ? words.away : "";
      if (found === null) return;
      taken(found, further);
      if (!further) live.textContent = runs.size ? "" : text.none_such;
    };
    const taken = (found, further) => {
      told(found);
      if (!further) runs = new Map();
      for (const run of found.runs) runs.set(run.id, run);
      isMore = found.more;
      draw();
    };
    const look = async () => {
      clearTimeout(timer);
      if (!element.isConnected) return;
      try {
        const answer = await fetch(`follow/runs/changes?cursor=${cursor}`, { cache: "no-store" });
        if (answer.ok) {
          const found = await answer.json();
          const before = JSON.stringify([facts, cursor]);
          // A run that the list does not hold may belong there now: it is new, or has another state than when it was looked for.
          const strange = (run) => !runs.has(run.id) && run.binned === (state.value === "binned") && elsewhere.get(run.id) !== run.status;
          const unknown = found.runs.some(strange);
          const among = new Set(compared(said.chosen));
          const turned = found.runs.some((run) => among.has(run.id) && elsewhere.has(run.id) && elsewhere.get(run.id) !== run.status);
          const learning = found.runs.some((run) => among.has(run.id) && run.active) && Date.now() - lookedAt > COMPARED_AGAIN;
          for (const run of found.runs) elsewhere.set(run.id, run.status);
          const moved = found.runs.some((run) => runs.has(run.id) && runs.get(run.id).binned !== run.binned);
          told(found);
          if (found.stale || unknown || moved) await fetchPage();
          else {
            put(found.runs);
            if (found.runs.length || before !== JSON.stringify([facts, cursor])) draw();
          }
          for (const run of found.runs) if (run.id === said.chosen) studio.lookAtRun(run.id);
          if (turned || learning || found.runs.some((run) => said.chosen === `${GROUP}${run.group}`)) {
            lookedAt = Date.now();
            chosen();
          }
        }
      } catch {
        // not reached, which the page says elsewhere
      }
      timer = setTimeout(look, document.hidden ? HIDDEN_PAUSE : PAUSE);
    };

    const typed = after(TYPED, () => fetchPage(false, true));
    search.oninput = () => {
      ticked.clear();
      root.classList.add("open"); // where the list is folded away
      fold.setAttribute("aria-expanded", "true");
      typed();
    };
    state.onchange = () => (ticked.clear(), (sure = false), fetchPage(false, true));
    order.onchange = () => fetchPage(false, true);

    const take = () => {
      const value = props.value;
      if (!value) return;
      if (value.refused) {
        props.value = null;
        return fetchPage();
      }
      if (value.acted) {
        groups = { ...groups, ...value.groups };
        undo = value.undo;
        if (value.sentence) drawUndo(value.sentence);
        if (!["delete", "restore", "empty", "pause", "continue"].includes(value.acted)) {
          put(value.runs);
          return draw();
        }
        const gone = value.acted === "delete" && value.ids.includes(said.chosen);
        fetchPage().then(() => {
          // A newer look may have overtaken this one, so that the list may still hold what was deleted.
          if (gone) choose([...runs.keys()].find((id) => !value.ids.includes(id)) ?? "");
          else if (value.ids.some((id) => id === said.chosen || compared(said.chosen).includes(id))) chosen();
        });
        return;
      }
      said.chosen = value.chosen ?? "";
      if (!new URL(location).search && said.chosen) history.replaceState({}, "", address(said.chosen).replace(/^runs/, location.pathname));
      taken(value, false);
      clearTimeout(timer);
      timer = setTimeout(look, PAUSE);
    };
    document.addEventListener("visibilitychange", () => !document.hidden && element.isConnected && cursor && look());
    take();
    watch("value", take);
  };
  Object.assign(studio, { runList, chosenRun: () => said.chosen, askedOfRuns: () => said.asked });
})();
