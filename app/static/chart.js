// The chart of a run: what was measured, over steps, epochs or time, to look into by pointer and keyboard; and the same as a table.
(() => {
  const HEIGHT = 260;
  const LEFT = 52;
  const RIGHT = 10;
  const TOP = 10;
  const BOTTOM = 26;
  const MOST = 1500; // points of a line that are drawn
  const ROWS = 40; // of the table
  // What can be looked at: each a list of lines, which have a name, a class of their own for colour and dash, and perhaps raw values behind.
  const VIEWS = {
    loss: [
      { name: "loss", line: "train", smooth: true },
      { name: "held_out", line: "tuned", dots: true },
      { name: "held_out_base", line: "base" },
    ],
    right: [
      { name: "held_out_right", line: "tuned", dots: true, share: true },
      { name: "held_out_right_base", line: "base", share: true },
    ],
    learning_rate: [{ name: "learning_rate", line: "train" }],
    gradient_norm: [{ name: "gradient_norm", line: "train", smooth: true }],
    tokens_per_second: [{ name: "tokens_per_second", line: "train", smooth: true }],
    memory: [{ name: "memory", line: "train", scale: 1e-9 }],
  };
  const SVG = "http://www.w3.org/2000/svg";
  const mark = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const short = (value) => {
    if (!Number.isFinite(value)) return "";
    const size = Math.abs(value);
    if (value === 0) return "0";
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
    return size < 1e-3 ? value.toExponential(1).replace("e", "e") : String(+value.toPrecision(4));
  };
  const clock = (seconds) => {
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const rest = `${hours ? two(Math.floor((whole % 3600) / 60)) : Math.floor(whole / 60)}:${two(whole % 60)}`;
    return hours ? `${hours}:${rest}` : rest;
  };
  const ticks = (low, high, count) => {
    const span = high - low || 1;
    const raw = span / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw) ?? raw;
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
    return found;
  };
  const powers = (low, high) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1)
      for (const each of [1, 2, 5]) if (each * 10 ** power >= low && each * 10 ** power <= high) found.push(each * 10 ** power);
    return found.length > 8 ? found.filter((each) => /^1e|^10*$|^0\.0*1$/.test(String(each))) : found;
  };
  const thinned = (points) => {
    const every = Math.ceil(points.length / MOST);
    return every <= 1 ? points : points.filter((_, at) => at % every === 0 || at === points.length - 1);
  };

  // The seconds after which a step was made, between those that are known.
  const seconds = (known, step) => {
    if (!known?.length) return 0;
    let low = 0;
    let high = known.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (known[middle][0] < step) low = middle + 1;
      else high = middle;
    }
    if (low >= known.length) return known[known.length - 1][1];
    const [after, until] = known[low];
    const [before, from] = low ? known[low - 1] : [0, 0];
    return after === before ? until : from + ((until - from) * (step - before)) / (after - before);
  };
  // Where a step stands on an axis; the facts of a run are how many steps and epochs it has.
  const placeOf = (axis, step, points, facts) =>
    axis === "epoch" ? (facts.total ? (step / facts.total) * facts.epochs : 0) : axis === "time" ? seconds(points.seconds, step) : step;

  const chart = (root) => {
    const { el, choice, labelled } = studio.parts;
    const text = words.chart;
    let points = {};
    let facts = { total: 0, epochs: 1 };
    let view = "loss";
    let axis = "step";
    let log = false;
    let chosen = null; // how much is smoothed, once a person has said so
    let zoom = null; // the part of the axis that is shown
    let cursor = null; // a place on the axis
    let waiting = false;

    const views = choice(Object.fromEntries(Object.keys(VIEWS).map((name) => [name, text[name]])));
    const axes = choice({ step: text.step, epoch: text.epoch, time: text.time });
    const smoothing = el("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0.9" });
    const logged = el("input", { type: "checkbox" });
    const whole = el("button", { type: "button", class: "rs-quiet", hidden: "" }, text.whole);
    const tools = el(
      "div", { class: "rs-chart-tools" },
      labelled(text.shows, views), labelled(text.over, axes), labelled(text.smoothing, smoothing),
      el("label", { class: "rs-chart-log" }, logged, el("span", {}, text.log)), whole,
    );
    const drawing = mark("svg", { role: "img", tabindex: "0", height: HEIGHT, class: "rs-chart" });
    const legend = el("p", { class: "rs-chart-legend" });
    const readout = el("p", { class: "rs-chart-readout", "aria-live": "off" });
    const table = el("details", { class: "rs-chart-table" }, el("summary", {}, text.table));
    root.replaceChildren(tools, drawing, legend, readout, table);

    // By default over a tenth of what there is, because losses of single batches fluctuate too much.
    const smoothness = (count) => chosen ?? Math.round(50 * Math.max(0, Math.min(0.96, 1 - 10 / Math.max(1, count)))) / 50;
    const smoothed = (found) => {
      const smooth = smoothness(found.length);
      let mean = null;
      return found.map(([at, value]) => [at, (mean = mean === null ? value : smooth * mean + (1 - smooth) * value)]);
    };
    const place = (step) => placeOf(axis, step, points, facts);
    const written = (at) => (axis === "time" ? clock(at) : short(at));

    const lines = () =>
      VIEWS[view].flatMap((line) => {
        let found = (points[line.name] ?? []).map(([step, value]) => [step, value * (line.scale ?? 1)]);
        if (line.share) {
          const rows = new Map(points.held_out_rows ?? []);
          found = found.map(([step, value]) => [step, rows.get(step) ? (100 * value) / rows.get(step) : 0]);
        }
        if (!found.length) return [];
        const placed = (values) => thinned(values).map(([step, value]) => [place(step), value, step]);
        const soft = line.smooth && smoothness(found.length) > 0 && found.length > 2;
        if (line.smooth && chosen === null) smoothing.value = smoothness(found.length);
        const shown = [{ ...line, values: placed(soft ? smoothed(found) : found) }];
        return soft ? [{ ...line, raw: true, line: `${line.line} raw`, values: placed(found), dots: false }, ...shown] : shown;
      });
    const named = (line) => text[`line_${line.name}`] ?? text[line.name];

    const draw = () => {
      waiting = false;
      if (!root.isConnected) return;
      const width = Math.max(280, root.clientWidth);
      const found = lines();
      const all = found.flatMap((line) => line.values);
      const positive = !log || all.some(([, value]) => value > 0);
      let [from, to] = zoom ?? [Math.min(0, ...all.map(([at]) => at)), Math.max(...all.map(([at]) => at), axis === "step" ? 1 : 1e-9)];
      if (!zoom && view === "loss" && axis !== "time" && facts.total) to = Math.max(to, place(facts.total));
      const inside = all.filter(([at, value]) => at >= from && at <= to && (!log || value > 0)).map(([, value]) => value);
      drawing.setAttribute("width", width);
      drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      if (!inside.length || !positive) {
        drawing.replaceChildren(mark("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle", class: "rs-chart-none" }, text.nothing));
        drawing.setAttribute("aria-label", text.nothing);
        legend.replaceChildren();
        readout.textContent = "";
        tabled([]);
        return;
      }
      let [low, high] = [Math.min(...inside), Math.max(...inside)];
      if (view === "loss" && !log) low = Math.min(0, low);
      if (view === "right") [low, high] = [0, Math.max(high, 10)];
      if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - Math.abs(low || 1) / 2, high + Math.abs(high || 1) / 2];
      const lift = log ? Math.log10 : (value) => value;
      const x = (at) => LEFT + ((at - from) / (to - from || 1)) * (width - LEFT - RIGHT);
      const y = (value) => HEIGHT - BOTTOM - ((lift(value) - lift(low)) / (lift(high) - lift(low) || 1)) * (HEIGHT - TOP - BOTTOM);
      const parts = [];
      for (const value of log ? powers(low, high) : ticks(low, high, 5)) {
        parts.push(mark("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "rs-chart-grid" }));
        parts.push(mark("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
      }
      for (const at of ticks(from, to, Math.max(2, Math.floor(width / 110))))
        parts.push(mark("text", { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, written(at)));
      for (const line of found) {
        const shown = line.values.filter(([at, value]) => at >= from && at <= to && (!log || value > 0));
        const path = shown.map(([at, value], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
        parts.push(mark("path", { d: path, class: `rs-line-${line.line.replace(" ", " rs-line-")}` }));
        if (line.dots && shown.length <= 60)
          for (const [at, value] of shown) parts.push(mark("circle", { cx: x(at), cy: y(value), r: 2.6, class: `rs-dot-${line.line}` }));
      }
      if (cursor !== null && cursor >= from && cursor <= to)
        parts.push(mark("line", { x1: x(cursor), x2: x(cursor), y1: TOP, y2: HEIGHT - BOTTOM, class: "rs-chart-cursor" }));
      drawing.replaceChildren(...parts);
      drawing.place = (pixels) => from + ((pixels - LEFT) / (width - LEFT - RIGHT)) * (to - from);
      drawing.range = [from, to];
      told(found.filter((line) => !line.raw));
    };
    const nearest = (line, at) => line.values.reduce((best, each) => (Math.abs(each[0] - at) < Math.abs(best[0] - at) ? each : best));
    const told = (found) => {
      legend.replaceChildren(...found.map((line) => el("span", { class: `rs-key-${line.line}` }, named(line))));
      const ends = found.map((line) => {
        const [first, last] = [line.values[0], line.values[line.values.length - 1]];
        return text.sentence.replace("{name}", () => named(line)).replace("{first}", () => short(first[1])).replace("{last}", () => short(last[1]));
      });
      drawing.setAttribute("aria-label", ends.join(" "));
      if (cursor === null) readout.textContent = text.hint;
      else {
        const values = found.map((line) => `${named(line)} ${short(nearest(line, cursor)[1])}`);
        readout.textContent = `${text[axis]} ${written(nearest(found[0], cursor)[0])}: ${values.join(" · ")}`;
      }
      tabled(found);
    };
    const tabled = (found) => {
      if (!table.open || !found.length) return;
      const steps = [...new Set(found.flatMap((line) => line.values.map((each) => each[2])))].sort((a, b) => a - b);
      const every = Math.ceil(steps.length / ROWS);
      const chosen = steps.filter((_, at) => at % every === 0 || at === steps.length - 1);
      const values = found.map((line) => new Map(line.values.map(([, value, step]) => [step, value])));
      const head = el("tr", {}, el("th", { scope: "col" }, text.step), ...found.map((line) => el("th", { scope: "col" }, named(line))));
      const row = (step) => el("tr", {}, el("th", { scope: "row" }, String(step)), ...values.map((each) => el("td", {}, short(each.get(step)))));
      const made = el("table", {}, el("thead", {}, head), el("tbody", {}, ...chosen.map(row)));
      table.replaceChildren(table.firstElementChild, el("div", { tabindex: "0", role: "region", "aria-label": text.table }, made));
    };
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(draw);
    };

    views.onchange = () => ((view = views.value), later());
    axes.onchange = () => ((axis = axes.value), (zoom = cursor = null), (whole.hidden = true), later());
    smoothing.oninput = () => ((chosen = Number(smoothing.value)), later());
    logged.onchange = () => ((log = logged.checked), later());
    table.ontoggle = later;
    whole.onclick = () => ((zoom = null), (whole.hidden = true), drawing.focus(), later());
    const at = (event) => drawing.place?.(event.clientX - drawing.getBoundingClientRect().left);
    let pressed = null;
    drawing.onpointerdown = (event) => ((pressed = at(event)), drawing.setPointerCapture(event.pointerId));
    drawing.onpointermove = (event) => ((cursor = at(event) ?? null), later());
    drawing.onpointerleave = () => pressed === null && ((cursor = null), later());
    drawing.onpointerup = (event) => {
      const released = at(event);
      const [from, to] = drawing.range ?? [0, 1];
      if (pressed !== null && Math.abs(released - pressed) > (to - from) / 50) look(Math.min(pressed, released), Math.max(pressed, released));
      pressed = null;
    };
    drawing.ondblclick = () => whole.onclick();
    const look = (from, to) => ((zoom = [from, to]), (whole.hidden = false), later());
    drawing.onkeydown = (event) => {
      const [from, to] = drawing.range ?? [0, 1];
      const span = to - from;
      const middle = cursor ?? (from + to) / 2;
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
        cursor = Math.min(to, Math.max(from, middle + (event.key === "ArrowLeft" ? -span : span) / 40));
        readout.setAttribute("aria-live", "polite");
      } else if (event.key === "+" || event.key === "=") look(middle - span / 4, middle + span / 4);
      else if (event.key === "-" || event.key === "Escape") whole.onclick();
      else return;
      event.preventDefault();
      later();
    };
    drawing.onblur = () => readout.setAttribute("aria-live", "off");
    new ResizeObserver(later).observe(root);

    return {
      // All that is known, or what is new of it; a step that is told again takes the place of what was known of it.
      take: (found, whole, about) => {
        facts = about;
        if (whole) {
          points = found;
          zoom = cursor = null;
        } else
          for (const [name, added] of Object.entries(found)) {
            const known = points[name] ?? [];
            const first = added[0][0];
            let end = known.length;
            while (end && known[end - 1][0] >= first) end -= 1;
            points[name] = [...known.slice(0, end), ...added];
          }
        later();
      },
      last: (name) => points[name]?.at(-1)?.[1],
      step: () => Math.max(-1, ...Object.values(points).map((each) => each.at(-1)?.[0] ?? -1)),
    };
  };
  Object.assign(studio, { chart, clock, drawing: { mark, short, ticks, powers, placeOf } });
})();
