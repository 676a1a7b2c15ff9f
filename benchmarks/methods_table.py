"""The page of `benchmarks.methods`: its tables, and what they bear, made of the results alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.training import wilson


@dataclass(frozen=True, slots=True)
class Measured:
    """The result of one run: losses in nats per answer token; ``chosen_by`` is the loss on rows of the training file, None if it diverged.

    Attributes:
        cpu_seconds: of training with its measurements, on one thread.
        memory: bytes that training added at most to what the process used before, None where that cannot be measured.
        bytes: of the adapter folder.
    """

    task: str
    kind: str
    name: str
    rate: float
    spec: dict[str, Any]
    chosen_by: float | None
    choosing_rows: int
    trained_rows: int
    steps: int
    loss: float | None
    loss_base: float | None
    right: int
    right_base: int
    rows: int
    parameters: int
    bytes: int | None
    cpu_seconds: float
    memory: int | None


def best_of(found: Iterable[Measured]) -> Measured | None:
    """The run at the best rate."""
    return min((each for each in found if each.chosen_by is not None), key=lambda each: each.chosen_by or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds for all runs: titles of the methods by name, share of a sample's epochs, held-out share, seed, PEFT's version, blocks.

    ``missing`` are the samples that are not measured.
    """

    titles: Mapping[str, str]
    epochs_share: float
    held_out: float
    seed: int
    peft: str
    layers: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Best:
    """A method, or a line of the ablation, on one task: all runs at its rates, and the best of these."""

    found: tuple[Measured, ...]
    best: Measured | None

    @property
    def right(self) -> int:
        """Rows answered exactly right; none if it diverged at every rate."""
        return self.best.right if self.best else 0

    @property
    def rows(self) -> int:
        """Rows that score."""
        return self.found[0].rows

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share of right answers."""
        return wilson(self.right, self.rows)


_INTRO = """# ReFT beside LoRA, DoRA, (IA)3, prefix and prompt tuning

Made by `python -m benchmarks.methods --out docs/methods.md`; nothing here is typed. What each run gave is in
`benchmarks/results/methods.json`.

{samples} ({rows} held-out rows in all) on the bundled starter, {layers} blocks. Every method has the same rows, the same order
of batches and the same rule for the step that is kept, and acts on all {layers} blocks where it has layers at all; the runs of the
baselines are those that "Compare with these" on the Runs page queues (`app/handlers/baselines.py`). One seed ({seed}).

- **Epochs**: {epochs} of each sample's own, rounded up, for all methods alike, so that the command takes less than an hour of one
  CPU core. What the full number gives is in [samples.md](samples.md).
- **Rates**: three for each method, a factor of five apart, ReFT's around that of its sample; while the best is the lowest or the highest
  of them, one more beyond it, at most two. {share} of a sample's training file is held out of training; as many of these as the engine
  measures during a run choose both the step that is kept and the rate. That is few, for emoji {few}, and the choice is the less certain
  for it; the table says by how many rows. The sample's held-out file scores, and chooses nothing.
- **Sizes**: LoReFT of rank 4 at `f7+l7`; LoRA and DoRA of rank 8 on queries and values; 20 virtual tokens; (IA)3 has no size. PEFT
  {peft}.
- **Exactly right**: the greedy answer is the expected one to the letter. **Loss**: nats per answer token. **CPU s**: processor time of
  training with its measurements, on one thread. **MB**: what training added at most to the memory of the process. **kB**: the adapter
  folder.
- The starter is small, and knows the styles of the samples before it is trained ([samples.md](samples.md)): the figures say which method
  switches them on, and nothing about large models or new knowledge.
- Two results are **told apart** where the 95 % intervals (Wilson) of their shares of right answers do not overlap. That treats them as
  unrelated although the rows are the same, so it errs on the side of calling a tie.
"""


def page(found: Sequence[Measured], facts: Facts) -> str:
    """All of docs/methods.md, in Markdown."""
    tasks = list(dict.fromkeys(each.task for each in found))
    by_task = {task: _methods([each for each in found if each.task == task and each.kind != "ablation"]) for task in tasks}
    ablated = {task: _methods([each for each in found if each.task == task and each.kind == "ablation"]) for task in tasks}
    for task in tasks:
        ablated[task] = {"as above": by_task[task]["reft"], **ablated[task]}
    rows = sum(by_task[task]["reft"].rows for task in tasks)
    emoji = by_task.get("emoji", {}).get("reft")
    intro = _INTRO.format(
        samples=f"{len(tasks)} of the bundled samples" if facts.missing else "The eight samples",
        rows=rows, layers=facts.layers, seed=facts.seed, peft=facts.peft, share=f"{facts.held_out:.0%}".replace("%", " %"),
        epochs=_share(facts.epochs_share), few=emoji.found[0].choosing_rows if emoji else "few",
    )  # fmt: skip
    if facts.missing:
        intro += f"\nNot measured yet: {', '.join(facts.missing)}.\n"
    parts = [
        intro, "## All samples together\n", _summary(by_task, facts), _reading(by_task, facts),
        "## Sample by sample\n", _each(by_task, facts), _per_task(by_task, facts),
        "## Ablation of ReFT: layers, positions, rank\n", _ABLATION, _ablation(ablated), _ablation_reading(ablated),
    ]  # fmt: skip
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _methods(found: Sequence[Measured]) -> dict[str, Best]:
    names = dict.fromkeys(each.name for each in found)
    runs = {name: tuple(each for each in found if each.name == name) for name in names}
    return {name: Best(each, best_of(each)) for name, each in runs.items()}


def _share(share: float) -> str:
    return {1.0: "all", 0.5: "half"}.get(share, "a third" if abs(share - 1 / 3) < 1e-6 else f"{share:.0%}".replace("%", " %"))


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _pooled(by_task: Mapping[str, Mapping[str, Best]], name: str) -> list[Best]:
    return [found[name] for found in by_task.values() if name in found]


def _rights(each: Sequence[Best]) -> tuple[int, int]:
    return sum(one.right for one in each), sum(one.rows for one in each)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _interval(right: int, rows: int) -> str:
    low, high = wilson(right, rows)
    return f"{low:.0%} to {high:.0%}".replace("%", " %")


def _summary(by_task: Mapping[str, Mapping[str, Best]], facts: Facts) -> str:
    head = ("method", "exactly right", "share", "interval", "mean loss", "parameters", "kB", "CPU s", "MB", "best at the edge of its rates")
    lines = []
    for name, text in facts.titles.items():
        pooled = _pooled(by_task, name)
        best = [each.best for each in pooled if each.best]
        right, rows = _rights(pooled)
        edges = sum(each.rate in (min(rates), max(rates)) for each, rates in _with_rates(pooled))
        shares = f"{right / rows:.1%}".replace("%", " %"), _interval(right, rows)
        loss, seconds = _mean([each.loss or 0.0 for each in best]), sum(each.cpu_seconds for each in best)
        parameters = max((each.parameters for each in best), default=0)
        costs = f"{parameters:,}", _kilobytes(best), f"{seconds:.0f}", _megabytes(best)
        lines.append((text, f"{right} of {rows}", *shares, f"{loss:.3f}", *costs, f"{edges} of {len(best)}"))
    return _markdown(head, lines)


def _with_rates(pooled: Sequence[Best]) -> list[tuple[Measured, list[float]]]:
    return [(each.best, [run.rate for run in each.found]) for each in pooled if each.best]


def _kilobytes(best: Sequence[Measured]) -> str:
    return f"{_mean([each.bytes / 1000 for each in best if each.bytes]):,.0f}"


def _megabytes(best: Sequence[Measured]) -> str:
    known = [each.memory / 1e6 for each in best if each.memory is not None]
    return f"{max(known):,.0f}" if known else "-"


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] > other[1] or one[1] < other[0]


def _reading(by_task: Mapping[str, Mapping[str, Best]], facts: Facts) -> str:
    """What the sums bear, in sentences."""
    pooled = {name: _rights(_pooled(by_task, name)) for name in facts.titles}
    order = sorted(pooled, key=lambda name: -pooled[name][0])
    first = order[0]
    ties = [name for name in order[1:] if not _apart(wilson(*pooled[name]), wilson(*pooled[first]))]
    behind = [name for name in order[1:] if name not in ties]
    lines = [f"- Most right answers: **{facts.titles[first]}**, {pooled[first][0]} of {pooled[first][1]}."]
    if ties:
        lines.append(f"- Not told apart from it: {_listed(ties, pooled, facts)}.")
    if behind:
        lines.append(f"- Fewer, beyond chance: {_listed(behind, pooled, facts)}.")
    lines += [f"- {sentence}" for sentence in _costs(by_task, facts)]
    return "\n".join(lines) + "\n"


def _listed(names: Sequence[str], pooled: Mapping[str, tuple[int, int]], facts: Facts) -> str:
    return ", ".join(f"{facts.titles[name]} ({pooled[name][0]})" for name in names)


def _costs(by_task: Mapping[str, Mapping[str, Best]], facts: Facts) -> list[str]:
    """Which method costs least."""
    costs: dict[str, Callable[[Measured], float]] = {
        "Fewest trained parameters": lambda each: each.parameters,
        "Least processor time, all samples together": lambda each: each.cpu_seconds,
        "Smallest adapter folder": lambda each: each.bytes or 0,
    }  # fmt: skip
    sentences = []
    for text, of in costs.items():
        learned = {name: [each.best for each in _pooled(by_task, name) if each.best] for name in facts.titles}
        sums = {name: sum(map(of, best)) for name, best in learned.items() if len(best) == len(by_task)}
        if least := min(sums, key=lambda name: sums[name], default=None):
            ratio = f"; ReFT has {sums['reft'] / sums[least]:.1f} times as much" if least != "reft" and "reft" in sums else ""
            sentences.append(f"{text}: {facts.titles[least]}{ratio}.")
    return sentences


def _each(by_task: Mapping[str, Mapping[str, Best]], facts: Facts) -> str:
    head = (
        "sample",
        "method",
        "exactly right",
        "loss",
        "rate",
        "rates tried, with the loss that chose",
        "chosen by",
        "steps",
        "parameters",
        "kB",
        "CPU s",
        "MB",
    )
    lines = []
    for task, found in by_task.items():
        for name, each in found.items():
            tried = ", ".join(f"{run.rate:g}: {_loss(run.chosen_by)}" for run in each.found)
            best = each.best
            if best is None:
                lines.append((task, facts.titles[name], "-", "-", "all diverged", tried, "-", "-", "-", "-", "-", "-"))
                continue
            chosen = f"{best.right} of {best.rows}", _loss(best.loss), f"{best.rate:g}", tried, f"{best.choosing_rows} rows"
            costs = f"{best.parameters:,}", _kilobytes([best]), f"{best.cpu_seconds:.0f}", _megabytes([best])
            lines.append((task, facts.titles[name], *chosen, f"{best.steps:,}", *costs))
    return _markdown(head, lines)


def _loss(loss: float | None) -> str:
    return "diverged" if loss is None else f"{loss:.3g}" if loss < 0.01 else f"{loss:.3f}"


def _per_task(by_task: Mapping[str, Mapping[str, Best]], facts: Facts) -> str:
    lines = []
    for task, found in by_task.items():
        most = max(each.right for each in found.values())
        first = [name for name in found if found[name].right == most]
        apart = [name for name in found if _apart(found[name].interval, found[first[0]].interval)]
        ties = [name for name in found if name not in (*first, *apart)]
        text = f"most right answers by {_named(first, facts)} ({most} of {found[first[0]].rows})"
        text += f"; not told apart from that: {_named(ties, facts)}" if ties else ""
        text += f"; fewer beyond chance: {_named(apart, facts)}" if apart else ""
        lines.append(f"- **{task}**: {text}.")
    return "\n".join(lines) + "\n"


def _named(names: Sequence[str], facts: Facts) -> str:
    return ", ".join(facts.titles[name] for name in names)


_ABLATION = """PEFT's maintainers doubted ReFT because layers and positions had not been ablated. Here one thing is changed at a
time, at the rate that was best for the edit of the same sample; the lines have no rates of their own, which favours the line "as above".
Numbers are rows answered exactly right.
"""


def _ablation(ablated: Mapping[str, Mapping[str, Best]]) -> str:
    names = list(dict.fromkeys(name for found in ablated.values() for name in found))
    head = ("ReFT with", *ablated, "all", "interval", "parameters")
    lines = []
    for name in names:
        pooled = _pooled(ablated, name)
        right, rows = _rights(pooled)
        parameters = max((each.best.parameters for each in pooled if each.best), default=0)
        cells = [f"{found[name].right}" if name in found else "-" for found in ablated.values()]
        lines.append((name, *cells, f"{right} of {rows}", _interval(right, rows), f"{parameters:,}"))
    return _markdown(head, lines)


def _ablation_reading(ablated: Mapping[str, Mapping[str, Best]]) -> str:
    whole = _rights(_pooled(ablated, "as above"))
    told: dict[str, list[str]] = {"More right answers, beyond chance": [], "Fewer, beyond chance": [], "Not told apart": []}
    for name in dict.fromkeys(name for found in ablated.values() for name in found if name != "as above"):
        right, rows = _rights(_pooled(ablated, name))
        kind = "Not told apart"
        if _apart(wilson(right, rows), wilson(*whole)):
            kind = "More right answers, beyond chance" if right / rows > whole[0] / whole[1] else "Fewer, beyond chance"
        told[kind].append(f"{name} ({right})")
    lines = [f"- {kind}: {'; '.join(names)}." for kind, names in told.items() if names]
    return f"Against the edit as above ({whole[0]} of {whole[1]}):\n\n" + "\n".join(lines) + "\n"
