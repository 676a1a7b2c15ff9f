"""What a training step costs beside others, and beside the least it can cost: ``python -m benchmarks.train``.

Contenders are processes that build the same random model and are given the same batches of 8 rows: prompts of one length,
answers of 1/8, 2/8, ... 8/8 of the longest. They take turns, a step each; a round is an epoch. Counted are medians of the
rounds' mean step, of a run's first epoch and of its later ones apart, and how much memory a step adds, at its highest, to
what was resident before it. A step is forward, backward, clipping and AdamW. Of the engine it is all that
`reft_engine.train` does from one step to the next; pyreft, adapters and LoRA run a bare loop over ready batches, without a
trainer's overhead. See benchmarks/README.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.speed.options import Asked, parser, show
from benchmarks.speed.table import Column, Results, Target, result
from benchmarks.speed.turns import Found, measure, said
from benchmarks.speed.work import ROWS, SEED, Contender, Job, Shape, Work, upper_quarter

_PYREFT, _ADAPTERS = ("pyreft", "pyvene"), ("adapters",)
CONTENDERS = {
    each.key: each
    for each in (
        Contender("forward", "floor: forward", "floor:forward"),
        Contender("backward", "floor: forward, backward to the lowest edited block", "floor:backward"),
        Contender("ours", "ours", "ours:train"),
        Contender("ours-depth", "ours, nothing kept along the row (reuse=depth)", "ours:train", {"train": {"reuse": "depth"}}),
        Contender("ours-time", "ours, nothing kept up the blocks (reuse=time)", "ours:train", {"train": {"reuse": "time"}}),
        Contender("ours-none", "ours, nothing kept (reuse=none)", "ours:train", {"train": {"reuse": "none"}}),
        Contender("ours-padded", "ours, rows padded to one length (packing=False)", "ours:train", {"train": {"packing": False}}),
        Contender("ours-parts", "ours, a batch in passes of 512 tokens (pass_tokens=512)", "ours:train", {"train": {"pass_tokens": 512}}),
        Contender("pyreft", "pyreft", "pyreft_model:train", needs=_PYREFT, home="pyreft"),
        Contender("adapters", "adapters (suffix at the row's end)", "adapters_model:train", needs=_ADAPTERS, home="adapters"),
        Contender("lora", "PEFT LoRA r8 on q, v of all blocks", "lora:train", needs=("peft",)),
        Contender("lora-same", "PEFT LoRA r8 on q, v of the same blocks", "lora:train", {"same_layers": True}, needs=("peft",)),
        Contender("in-turn", "runs one after another", "ours:runs", {"at_once": False}),
        Contender("at-once", "runs at once", "ours:runs", {"at_once": True}),
    )
}
_OURS = ("forward", "backward", "ours", "ours-padded", "ours-depth", "ours-time", "ours-none")
_RIVALS = ("pyreft", "adapters", "lora")

_COLUMNS = (
    Column("trained", "trained"),
    Column("ms, first epoch", "ms", "first", form=".1f"),
    Column("ms, later", "ms", form=".1f"),
    Column("of the floor", "ms", beside="backward", form=".2f"),
    Column("of ours", "ms", beside="ours", form=".2f"),
    Column("MB more, first epoch", "mb", "first"),
    Column("MB more, later", "mb"),
    Column("of LoRA's", "mb", beside="lora", form=".2f"),
)
_SEVERAL_COLUMNS = (Column("trained", "trained"), Column("ms, all runs", "ms"), Column("MB more", "mb"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """Rows and edits, who takes part, and what is asked of them."""

    key: str
    title: str
    work: Callable[[Shape], Work]
    contenders: Sequence[str]
    targets: Sequence[Target]


def _every(shape: Shape) -> tuple[int, ...]:
    return tuple(range(shape.layers))


_NO_DEARER = Target("first epoch: ours / ours that keeps nothing", "ours", "ours-none", 1.05, "at most", phase="first")
SCENARIOS = (
    Scenario(
        "all-r4", "f7+l7 in all blocks, rank 4", lambda shape: Work(96, 32, "f7+l7", _every(shape)),
        ("forward", "backward", "ours", "ours-padded", "ours-parts", *_RIVALS),
        (
            Target("ours / floor", "ours", "backward", 1.05, "at most"),
            Target("pyreft / ours", "pyreft", "ours", 1.5, "at least", gpu=3.0),
            Target("LoRA / ours", "lora", "ours", 1.35, "at least"),
            Target("memory of a step: ours / LoRA", "ours", "lora", 0.6, "at most", value="mb"),
        ),
    ),
    Scenario(
        "all-r32", "f7+l7 in all blocks, rank 32", lambda shape: Work(96, 32, "f7+l7", _every(shape), rank=32),
        ("forward", "backward", "ours", "ours-padded", *_RIVALS),
        (Target("pyreft / ours", "pyreft", "ours", 2.0, "at least", gpu=4.0),),
    ),
    Scenario(
        "l7", "l7 in all blocks", lambda shape: Work(96, 32, "l7", _every(shape), batches=2), (*_OURS, *_RIVALS),
        (Target("ours that keeps nothing / ours", "ours-none", "ours", 3.0, "at least"),),
    ),
    Scenario(
        "l1", "l1 in all blocks, long prompt", lambda shape: Work(480, 8, "l1", _every(shape)), (*_OURS, *_RIVALS),
        (Target("LoRA / ours", "lora", "ours", 15.0, "at least"),),
    ),
    Scenario(
        "upper", "f7+l7 in the upper quarter of the blocks", lambda shape: Work(96, 32, "f7+l7", upper_quarter(shape.layers), batches=2),
        (*_OURS, *_RIVALS, "lora-same"),
        (Target("ours / ours that keeps nothing", "ours", "ours-none", 0.45, "at most"),),
    ),
    Scenario(
        "upper-l7", "l7 in the upper quarter of the blocks", lambda shape: Work(96, 32, "l7", upper_quarter(shape.layers), batches=2),
        (*_OURS, *_RIVALS, "lora-same"),
        (Target("LoRA / ours", "lora", "ours", 8.0, "at least"),),
    ),
    Scenario(
        "first", "l7 in the upper quarter of the blocks, an epoch of 128 rows",
        lambda shape: Work(96, 32, "l7", upper_quarter(shape.layers), batches=16), ("ours", "ours-none"), (_NO_DEARER,),
    ),
)  # fmt: skip
SEVERAL = {"several-1": 1, "several-2": 2}
"""Scenarios of 8 runs, and how many rows each run's batches have."""
_RUNS, _RUN_STEPS = 8, 8
_TABLES: dict[str, Sequence[Column]] = {
    **{scenario.key: _COLUMNS for scenario in SCENARIOS},
    **dict.fromkeys(SEVERAL, _SEVERAL_COLUMNS),
    "padding": (Column("padding", "share", form=".1%"),),
}
_ORDER = tuple(_TABLES)


def scenario_result(asked: Asked, scenario: Scenario) -> dict[str, Any]:
    """Measure one of `SCENARIOS`."""
    work = scenario.work(asked.shape)
    if asked.quick:
        work = replace(work, prompt=max(16, work.prompt // 6), answer=ROWS)
    contenders = asked.taking_part(CONTENDERS, scenario.contenders)
    # In whole runs, so that there is a first epoch and a later one of each.
    rounds = -(-asked.rounds(work.epochs) // work.epochs) * work.epochs
    found = measure(contenders, asked.jobs(contenders, work), asked.homes, rounds=rounds, steps=work.batches, memory=work.epochs)
    setting = {**asked.setting(work), "batches an epoch": work.batches, "rounds": rounds}
    return result(scenario.key, scenario.title, setting, found, scenario.targets, asked.gpu)


def several_result(asked: Asked, key: str, rows: int) -> dict[str, Any]:
    """Measure several runs at once beside the same ones one after another, by the time and memory of all of them."""
    runs, epochs = (2, 2) if asked.quick else (_RUNS, _RUN_STEPS)
    work = Work(96, 32, "f7+l7", _every(asked.shape), epochs=epochs, rows=rows)
    if asked.quick:
        work = replace(work, prompt=16, answer=ROWS)
    contenders = asked.taking_part(CONTENDERS, ("in-turn", "at-once"))
    jobs = asked.jobs(contenders, work, runs=runs)
    found = measure(contenders, jobs, asked.homes, rounds=asked.rounds() // 3 or 1, memory=1)
    targets = [Target("at once / one after another", "at-once", "in-turn", 0.7, "at most", gpu=0.3)]
    setting = {**asked.setting(work), "rows a run and step": rows, "steps a run": epochs}
    return result(key, f"{runs} runs, {rows} rows a step each", setting, found, targets, asked.gpu)


def padding_result(asked: Asked, folder: Path) -> dict[str, Any]:
    """How much of an epoch's batches is padding, on real rows under the starter's tokenizer and a tiny model."""
    tiny = Shape(hidden=16, inner=16, layers=1, heads=2, vocabulary=0, tied=True)
    work = Work(0, 0, "f1+l1", (0,))
    job = Job("ours:padding", tiny, work, threads=asked.options.threads, options={"folder": str(folder.resolve())})
    batches: list[list[int]] = said(job)["lengths"]
    shuffled = [length for batch in batches for length in batch]
    Random(SEED).shuffle(shuffled)
    plain = [shuffled[at : at + ROWS] for at in range(0, len(shuffled), ROWS)]
    found = [
        Found("ours", "the engine's batches of an epoch", rounds=[{"share": _padding(batches)}]),
        Found("shuffled", "the same rows, shuffled", rounds=[{"share": _padding(plain)}]),
    ]
    targets = [Target("padding in the engine's batches", "ours", "", 0.05, "at most", value="share")]
    setting = {"rows": len(shuffled), "tokens": sum(shuffled), "rows a batch": ROWS, "longest row": max(shuffled)}
    return result("padding", "Share of padding in an epoch of real rows", setting, found, targets, asked.gpu)


def _padding(batches: Sequence[Sequence[int]]) -> float:
    return 1 - sum(map(sum, batches)) / sum(len(batch) * max(batch) for batch in batches)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each scenario as soon as it is measured."""
    made = parser(__doc__, _ORDER, list(CONTENDERS), rounds=9)
    made.add_argument("--data", type=Path, help="folder of JSON files of rows with instruction, input and output, for padding")
    options = made.parse_args(arguments)
    asked = Asked(options)
    head = "# Training steps\n\nPrinted by `python -m benchmarks.train`; how to read it: benchmarks/README.md."
    results = Results(asked.results, asked.file("train"), head, _ORDER, _TABLES)
    for scenario in SCENARIOS:
        if scenario.key in options.scenarios:
            show(results.add(scenario_result(asked, scenario)))
    for key, rows in SEVERAL.items():
        if key in options.scenarios:
            show(results.add(several_result(asked, key, rows)))
    if "padding" in options.scenarios:
        show(results.add(padding_result(asked, options.data)) if options.data else "padding: not measured, --data names no folder")


if __name__ == "__main__":
    main()
