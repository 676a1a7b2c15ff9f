// A run while it learns and afterwards: its status, figures, chart, sample answers and events. What is new is fetched by itself, as long
// as the run goes on; what can be done with the run is drawn by the server, which is asked when something of it has changed.
(() => {
  const PAUSE = 1000; // milliseconds between two looks
  const HIDDEN_PAUSE = 5000; // while the tab is not looked at
  let current = null;
  // The places of the page that are drawn here, by name; each is put into its own part of the page once that is there.
  const places = {};
  const placed = (name) => (places[name] ??= document.createElement("div"));
  const runPart = (name, element) => (element.querySelector("div") ?? element).replaceChildren(placed(name));

  // Makes HTML of the server's part by part what is shown, so that an explanation that is open stays open and bars move.
  const redraw = (place, html) => {
    const made = document.createElement("template");
    made.innerHTML = html;
    children(place, made.content);
  };
  const children = (old, made) => {
    const wanted = [...made.childNodes];
    [...old.childNodes].slice(wanted.length).forEach((each) => each.remove());
    wanted.forEach((each, at) => {
      const there = old.childNodes[at];
      if (!there) old.append(each);
      else if (there.nodeName !== each.nodeName || there.id !== each.id) there.replaceWith(each);
      else if (each.nodeType === Node.ELEMENT_NODE) {
        for (const { name } of [...there.attributes]) if (!each.hasAttribute(name)) there.removeAttribute(name);
        for (const { name, value } of each.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
        children(there, each);
      } else if (there.nodeValue !== each.nodeValue) there.nodeValue = each.nodeValue;
    });
  };

  const runLive = (element, props, watch, moved) => {
    const { el } = studio.parts;
    const status = placed("status");
    const live = el("p", { class: "rs-hidden", role: "status" });
    const figures = el("dl", { class: "rs-live-figures" });
    const drawn = placed("chart");
    drawn.className = "rs-card";
    const samples = placed("samples");
    const events = el("ol", { class: "rs-events" });
    const happened = el("details", { class: "rs-card rs-happened", open: "" }, el("summary", { class: "rs-caption" }, words.live.events), events);
    placed("figures").replaceChildren(live, figures);
    placed("events").replaceChildren(happened);
    const chart = studio.chart(drawn);
    const timeline = studio.timeline(samples);
    let run = null; // what is known of the run that is shown
    let timer = null;
    let asked = 0; // looks that were made, so that the answer to an older one is dropped

    const show = (found, html) => {
      if (html !== undefined) redraw(status, html);
      const gone = !found || found.gone;
      for (const part of [figures, drawn, samples, happened]) part.hidden = gone || (part === drawn && !Object.keys(found.points).length && found.first);
      if (gone) return;
      chart.take(found.points, found.first, { total: found.total, epochs: found.epochs });
      if (found.begins) {
        events.replaceChildren();
        timeline.reset();
      }
      for (const { at, text } of found.events) {
        const time = el("time", { datetime: at }, new Date(at).toLocaleTimeString(words.language, { hour: "2-digit", minute: "2-digit", second: "2-digit" }));
        events.append(el("li", {}, time, text));
      }
      timeline.take(found.samples ?? []);
      if (drawn.hidden && chart.step() >= 0) drawn.hidden = false;
      const values = {
        speed: found.active ? words.live.tokens_per_second.replace("{count}", () => Math.round(chart.last("tokens_per_second") ?? 0).toLocaleString()) : "",
        memory: found.active && chart.last("memory") ? words.live.memory_used.replace("{size}", () => (chart.last("memory") / 1e9).toFixed(1)) : "",
        rate: found.active && chart.last("learning_rate") !== undefined ? chart.last("learning_rate").toExponential(1) : "",
      };
      const known = Object.entries(values).filter(([name, value]) => value && (name !== "speed" || chart.last("tokens_per_second")));
      figures.hidden = !known.length;
      figures.replaceChildren(...known.map(([name, value]) => el("div", {}, el("dt", {}, words.live[name]), el("dd", {}, value))));
    };
    const told = (found) => {
      const said = status.querySelector(".rs-sentence")?.textContent ?? "";
      if (run && run.id === found.id && run.key !== found.key && said !== live.textContent) live.textContent = said;
    };
    const take = () => {
      const value = props.value;
      clearTimeout(timer);
      asked += 1;
      if (!value?.live || value.live.gone) {
        run = null;
        show(null, value?.status ?? "");
        return;
      }
      show(value.live, value.status);
      run = value.live;
      studio.runShown?.(run);
      next();
    };
    // Also of a run that has ended, while others are trained that it is compared with.
    const moves = () => run && (!run.ended || run.follows);
    const next = () => {
      clearTimeout(timer);
      if (moves()) timer = setTimeout(look, document.hidden ? HIDDEN_PAUSE : PAUSE);
    };
    const look = async () => {
      if (!run || !element.isConnected) return;
      const mine = (asked += 1);
      try {
        const since = new URLSearchParams({ step: chart.step(), event: run.event, sample: run.sample ?? 0 });
        const answer = await fetch(`follow/runs/${encodeURIComponent(run.id)}?${since}`, { cache: "no-store" });
        if (mine !== asked) return;
        if (answer.ok) {
          const found = await answer.json();
          if (mine !== asked) return;
          if (found.gone || found.key !== run.key) {
            if (!found.gone) told(found);
            if (!found.gone) show({ ...found, first: found.first }, found.status);
            const changed = run.key;
            run = found.gone ? null : { ...found };
            if (found.gone || changed !== found.key) moved();
          } else {
            show(found, found.status);
            run = found;
          }
        }
      } catch {
        // not reached, which the page says elsewhere
      }
      if (mine === asked) next();
    };
    document.addEventListener("visibilitychange", () => !document.hidden && moves() && look());
    current = { look: (id) => run?.id === id && look(), shown: () => run?.id };
    take();
    watch("value", take);
  };

  // The sample answers of a run, to scrub through: at each measuring the same rows, answered by the base model and by the tuned one.
  const timeline = (root) => {
    const { el } = studio.parts;
    const range = el("input", { type: "range", min: "0", step: "1", "aria-label": words.samples.scrub });
    const caption = el("span", { class: "rs-caption" });
    const rows = el("div", { class: "rs-samples" });
    const head = el("div", { class: "rs-samples-head" }, caption, range);
    const box = el("section", { class: "rs-card", "aria-label": words.samples.title }, head, rows);
    root.replaceChildren(box);
    let known = new Map(); // by step: its rows
    let follows = true; // whether the newest is shown
    const steps = () => [...known.keys()].sort((a, b) => a - b);
    const draw = () => {
      const all = steps();
      box.hidden = !all.length;
      if (!all.length) return;
      range.max = all.length - 1;
      if (follows) range.value = range.max;
      range.hidden = all.length < 2;
      const step = all[Number(range.value)];
      caption.textContent = words.samples.caption.replace("{step}", () => step.toLocaleString());
      range.setAttribute("aria-valuetext", caption.textContent);
      const value = (text, kind) => {
        const made = el("dd", { class: kind, dir: "auto" });
        if (text) made.textContent = text;
        else made.append(el("em", {}, words.samples.nothing));
        return made;
      };
      const row = (sample) => {
        const pairs = [["prompt", sample.prompt], ["expected", sample.expected], ["base", sample.base], ["tuned", sample.tuned]];
        const made = el("dl", { class: `rs-pairs${sample.right ? " right" : ""}` });
        for (const [name, text] of pairs) made.append(el("dt", {}, words.samples[name]), value(text, name === "base" ? "base model" : name));
        return made;
      };
      rows.replaceChildren(...known.get(step).map(row));
    };
    range.oninput = () => ((follows = Number(range.value) === Number(range.max)), draw());
    return {
      reset: () => ((known = new Map()), (follows = true), draw()),
      take: (samples) => {
        const before = {}; // of each place: a text that is left out is the one of the sample before
        for (const sample of samples) {
          const whole = { ...before[sample.place], ...sample };
          before[sample.place] = whole;
          const others = (known.get(sample.step) ?? []).filter((each) => each.place !== sample.place);
          known.set(sample.step, [...others, whole].sort((a, b) => a.place - b.place));
        }
        if (samples.length) draw();
      },
    };
  };
  Object.assign(studio, { redraw, runLive, runPart, placed, timeline, lookAtRun: (id) => current?.look(id) });
})();
