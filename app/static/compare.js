// Runs side by side: their curves in one chart, results against size, and tables that can hide what is alike.
(() => {
  const HEIGHT = 280;
  const [LEFT, RIGHT, TOP, BOTTOM] = [52, 14, 12, 26];
  const COLOURS = 6;
  const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
  const SHAPES = 4;

  // A line for each run: colour and dash change together, so that no two of twelve are alike.
  const compare = (element, props, watch) => {
    const { el, choice, labelled } = studio.parts;
    const { mark, short, ticks, powers, placeOf } = studio.drawing;
    const text = words.compare;
    const root = element.querySelector("div") ?? element;
    let runs = [];
    let raised = null; // the run that stands out
    let shown = "held_out";
    let axis = "step";

    const top = el("div");
    const figures = choice({ held_out: text.held_out, loss: text.loss, right: text.right });
    const axes = choice({ step: words.chart.step, epoch: words.chart.epoch, time: words.chart.time });
    const curves = mark("svg", { role: "img", height: HEIGHT, class: "rs-chart rs-compare-curves" });
    const legend = el("div", { class: "rs-compare-legend", role: "group", "aria-label": text.legend });
    const readout = el("p", { class: "rs-chart-readout", role: "status" });
    const tools = el("div", { class: "rs-chart-tools" }, labelled(words.chart.shows, figures), labelled(words.chart.over, axes));
    const drawn = el("section", { class: "rs-card", "aria-label": text.curves }, el("div", { class: "rs-caption" }, text.curves), tools, curves, legend, readout);
    const plot = mark("svg", { role: "img", height: HEIGHT, class: "rs-chart rs-compare-scatter" });
    const scattered = el("section", { class: "rs-card", "aria-label": text.scatter }, el("div", { class: "rs-caption" }, text.scatter), plot, el("p", { class: "rs-facts" }, text.scatter_axes));
    const only = el("input", { type: "checkbox" });
    only.checked = true;
    const differences = el("label", { class: "rs-chart-log rs-compare-only" }, only, el("span", {}, text.only));
    const tables = el("div", { class: "rs-compare-tables" });
    root.replaceChildren(top, drawn, scattered, differences, tables);
    root.classList.add("rs-compare");

    const values = (run) => {
      const points = run.points;
      if (shown !== "right") return points[shown] ?? [];
      const rows = new Map(points.held_out_rows ?? []);
      return (points.held_out_right ?? []).filter(([step]) => rows.get(step)).map(([step, right]) => [step, (100 * right) / rows.get(step)]);
    };
    const lineOf = (run) => values(run).map(([step, value]) => [placeOf(axis, step, run.points, run), value]);
    const kind = (at) => `rs-run-${at % COLOURS}`;
    const dashed = (at) => ({ "stroke-dasharray": DASHES[at % DASHES.length] });
    const name = (run) => (run.name.length > 40 ? `${run.name.slice(0, 39)}…` : run.name);

    const nothing = (drawing, width, sentence) => {
      drawing.replaceChildren(mark("text", { x: width / 2, y: HEIGHT / 2, "text-anchor": "middle", class: "rs-chart-none" }, sentence));
      drawing.setAttribute("aria-label", sentence);
    };
    const sized = (drawing) => {
      const width = Math.max(280, drawing.parentElement.clientWidth - 34);
      drawing.setAttribute("width", width);
      drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      return width;
    };
    const scales = (width, [from, to], [low, high], lift = (value) => value) => ({
      x: (at) => LEFT + ((lift(at) - lift(from)) / (lift(to) - lift(from) || 1)) * (width - LEFT - RIGHT),
      y: (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM),
    });
    const grid = (width, y, found) => found.flatMap((value) => [
      mark("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "rs-chart-grid" }),
      mark("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
    const raise = (at) => {
      if (raised === at) return;
      raised = at;
      for (const each of root.querySelectorAll("[data-run]")) {
        each.classList.toggle("raised", Number(each.dataset.run) === at);
        each.classList.toggle("behind", at !== null && Number(each.dataset.run) !== at);
      }
      const group = at === null ? null : curves.querySelector(`[data-run="${at}"]`);
      if (group) group.parentElement.append(group); // drawn last, so above the others
      readout.textContent = at === null ? text.hint : sentence(runs[at]);
    };
    const sentence = (run) => {
      const found = lineOf(run);
      if (!found.length) return text.none_of.replace("{name}", () => run.name);
      const [first, last] = [found[0][1], found[found.length - 1][1]];
      return text.sentence.replace("{name}", () => run.name).replace("{first}", () => short(first)).replace("{last}", () => short(last));
    };
    const raises = (part, at) => {
      part.dataset.run = at;
      part.addEventListener("pointerenter", () => raise(at));
      part.addEventListener("pointerleave", () => raise(null));
      return part;
    };

    const drawCurves = () => {
      const width = sized(curves);
      const lines = runs.map(lineOf);
      const all = lines.flat();
      if (!all.length) return nothing(curves, width, text.nothing);
      const [from, to] = [Math.min(0, ...all.map(([at]) => at)), Math.max(1e-9, ...all.map(([at]) => at))];
      const inside = all.map(([, value]) => value);
      const [low, high] = shown === "right" ? [0, Math.max(10, ...inside)] : [Math.min(0, ...inside), Math.max(...inside)];
      const { x, y } = scales(width, [from, to], [low, high]);
      const parts = grid(width, y, ticks(low, high, 5));
      for (const at of ticks(from, to, Math.max(2, Math.floor(width / 110))))
        parts.push(mark("text", { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, axis === "time" ? studio.clock(at) : short(at)));
      lines.forEach((line, at) => {
        const d = line.map(([place, value], index) => `${index ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join("");
        const group = raises(mark("g", { class: `rs-compare-line ${kind(at)}` }), at);
        group.append(mark("path", { d, class: "rs-compare-near" }), mark("path", { d, ...dashed(at) }));
        if (line.length === 1) group.append(mark("circle", { cx: x(line[0][0]), cy: y(line[0][1]), r: 3 }));
        parts.push(group);
      });
      curves.replaceChildren(...parts);
      curves.setAttribute("aria-label", runs.map(sentence).join(" "));
    };
    const shape = (at, x, y) => {
      if (at % SHAPES === 0) return mark("circle", { cx: x, cy: y, r: 6 });
      if (at % SHAPES === 1) return mark("rect", { x: x - 5.5, y: y - 5.5, width: 11, height: 11 });
      const points = at % SHAPES === 2 ? [[0, -7], [7, 6], [-7, 6]] : [[0, -8], [8, 0], [0, 8], [-8, 0]];
      return mark("polygon", { points: points.map(([dx, dy]) => `${x + dx},${y + dy}`).join(" ") });
    };
    const drawScatter = () => {
      const width = sized(plot);
      const known = runs.map((run, at) => ({ run, at })).filter(({ run }) => run.parameters > 0 && run.loss !== null);
      if (!known.length) return nothing(plot, width, text.no_scatter);
      const sizes = known.map(({ run }) => run.parameters);
      const losses = known.map(({ run }) => run.loss);
      const [from, to] = [Math.min(...sizes) / 1.6, Math.max(...sizes) * 1.6];
      const margin = (Math.max(...losses) - Math.min(...losses)) * 0.15 || Math.abs(losses[0]) * 0.1 || 0.1;
      const [low, high] = [Math.min(...losses) - margin, Math.max(...losses) + margin];
      const { x, y } = scales(width, [from, to], [low, high], Math.log10);
      const parts = grid(width, y, ticks(low, high, 5));
      for (const at of powers(from, to)) parts.push(mark("text", { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, short(at)));
      // Where shapes and names stand, so that no name covers another one, or a shape.
      const labels = known.map(({ run }) => ({ run, from: x(run.parameters) - 7, to: x(run.parameters) + 7, y: y(run.loss) + 4 }));
      for (const { run, at } of known) {
        const group = raises(mark("g", { class: `rs-compare-point ${kind(at)}` }), at);
        const right = x(run.parameters) > width * 0.7;
        const label = { from: x(run.parameters) + (right ? -11 - 7 * name(run).length : 11), y: y(run.loss) + 4 };
        label.to = label.from + 7 * name(run).length;
        const covers = (other) => other.run !== run && Math.abs(other.y - label.y) < 13 && other.from < label.to && label.from < other.to;
        while (labels.some(covers)) label.y -= 13;
        labels.push(label);
        group.append(shape(at, x(run.parameters), y(run.loss)), mark("text", { x: right ? label.to : label.from, y: label.y, "text-anchor": right ? "end" : "start" }, name(run)));
        parts.push(group);
      }
      plot.replaceChildren(...parts);
      const told = ({ run }) => text.point.replace("{name}", () => run.name).replace("{parameters}", () => run.parameters.toLocaleString(words.language)).replace("{loss}", () => short(run.loss));
      plot.setAttribute("aria-label", known.map(told).join(" "));
    };
    const drawLegend = () => {
      const item = (run, at) => {
        const line = mark("svg", { width: 34, height: 12, "aria-hidden": "true", class: `rs-compare-line ${kind(at)}` });
        line.append(mark("path", { d: "M1 6H33", ...dashed(at) }));
        const made = raises(el("button", { type: "button", class: "rs-quiet" }, line, el("span", { dir: "auto" }, name(run))), at);
        made.onfocus = () => raise(at);
        made.onblur = () => raise(null);
        return made;
      };
      legend.replaceChildren(...runs.map(item));
    };
    const draw = () => {
      if (!root.isConnected || !runs.length || !root.clientWidth) return;
      drawCurves();
      drawScatter();
      raised = undefined;
      raise(null);
    };
    const take = () => {
      const value = props.value;
      root.hidden = !value?.curves;
      if (!value?.curves) return;
      runs = value.curves;
      top.innerHTML = value.top;
      tables.innerHTML = value.tables;
      drawLegend();
      draw();
    };
    figures.onchange = () => ((shown = figures.value), draw());
    axes.onchange = () => ((axis = axes.value), draw());
    only.onchange = () => tables.classList.toggle("whole", !only.checked);
    new ResizeObserver(draw).observe(root);
    take();
    watch("value", take);
  };
  Object.assign(studio, { compare });
})();
