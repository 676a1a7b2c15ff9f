"""Estimates time and memory of a run: what it computes follows from its rows' lengths, what that costs from some of its own batches.

Imports torch only when it measures.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reft_engine.positions import PositionSpec
from reft_engine.spec import MethodConfig, TrainConfig, reading
from reft_engine.training.costs import Line, line_through
from reft_engine.training.memory import Growth
from reft_engine.training.row_sizes import SizedRow, all_tokens, cut
from reft_engine.training.run_layout import Layout, SizedRun
from reft_engine.training.schedule import MEASURED_AT_ONCE, SAMPLE_ROWS

if TYPE_CHECKING:
    from reft_engine.base.loading import Base
    from reft_engine.data import AnyExample, LooseRow

_WARM_UP_TOKENS = 128
"""Tokens of the first batch that is timed; its speed says how many the others may have."""
_STEP_SECONDS, _PEAK_SECONDS = 0.6, 2.5
"""Seconds that a timed step, and the pass whose memory is measured, may take; longer ones are cut, and the rest is extrapolated."""
_TYPICAL = 3
"""Batches that are timed."""
_EPOCHS_LAID_OUT = 3
"""Epochs that are laid out to find the largest pass."""

_CHANGING = 0.25
"""Share of the measurements at which a sample answer changes: 32 of 140 in runs of the studio's samples, with their own settings."""

Exclusive = Callable[[], AbstractContextManager[object]]
Load = Callable[[Sequence[int]], "Sequence[AnyExample]"]
"""Reads examples by their places."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What pieces of a run cost on this machine, in seconds and bytes, each measured.

    Attributes:
        layout: what its passes compute.
        first: seconds of a batch in the first epoch by the tokens that are computed; ``later``: in a later one.
        read: seconds for one row; ``begin``: once, before the first step.
        measure: seconds for one token of held-out rows; ``again``: for one that is computed when their activations are stored.
        sample: seconds of one batch of sample answers; ``confirm``: of finding that they are still the same.
        model_bytes: the process with the model; of a GPU what its tensors take. None where memory cannot be measured.
        step_bytes: what the largest pass of a step adds at its highest; ``measure_bytes``: that of a measurement.
        token_bytes: bytes that one token of an encoded row takes in this process; 0 if the model is on a GPU.
        longest: tokens of the largest pass of a step.
        budget: bytes that reuse may store in memory; ``room``: in memory and on disk.
        head: whether the base model is measured again each time, through the head that is trained.
        seconds: what the probe itself took.
    """

    layout: Layout
    first: Line
    later: Line
    read: float
    begin: float
    measure: float
    again: float
    sample: float
    confirm: float
    model_bytes: int | None
    step_bytes: int
    measure_bytes: int
    token_bytes: float
    longest: int
    budget: int
    room: int
    head: bool
    parameters: int
    device: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run will take on this machine. Plain data, for JSON.

    Attributes:
        seconds: from reading the first row to the last measurement: the other seconds together, with every later epoch.
        first_epoch_seconds: the steps of the first epoch; ``later_epoch_seconds``: of each later one.
        reading_seconds, measuring_seconds: before the first step, and for held-out rows and sample answers.
        memory_bytes: at most in all, with the model; of a GPU what its tensors take. None where memory cannot be measured.
        model_bytes: the process with the model; ``pass_bytes``: what the largest pass adds; ``stored_bytes``: what reuse stores in
            memory; ``row_bytes``: the encoded rows.
        longest_pass: tokens of the largest pass of a step.
        steps: optimizer steps.
    """

    seconds: float
    first_epoch_seconds: float
    later_epoch_seconds: float
    reading_seconds: float
    measuring_seconds: float
    memory_bytes: int | None
    model_bytes: int | None
    pass_bytes: int
    stored_bytes: int
    row_bytes: int
    longest_pass: int
    steps: int


def estimate_run(
    base: "Base", examples: "Sequence[LooseRow]", config: MethodConfig, settings: TrainConfig, exclusive: Exclusive = nullcontext
) -> RunEstimate:
    """Estimate a run: count the lengths of its rows, probe some, and add up. For the arguments see `train`.

    Raises:
        DataError: none of the rows can be trained on.
        ConfigError: the base model cannot be trained with these settings.
    """
    from reft_engine.data import as_rows
    from reft_engine.training.row_check import read_checked
    from reft_engine.training.row_facts import Listed

    rows = Listed(as_rows(examples))
    rule = PositionSpec.parse(reading(config).positions)
    sides = read_checked(base, rows, config, settings).sized(settings.held_out, settings.held_out_seed, rule)
    run = SizedRun(*sides, settings)
    return put_together(probe(base, run, rows.at, config, exclusive), run)


def put_together(probe: Probe, run: SizedRun) -> RunEstimate:
    """The estimate of a run from the costs of its pieces. Raises DataError without a row to train on."""
    layout, epochs = probe.layout, run.settings.epochs
    # 1) Steps. What does not fit into the room for reuse costs in every epoch what it costs in the first.
    batches = run.batches(0)
    first = sum(probe.first.at(layout.batch_tokens(batch)) for batch in batches)
    later = sum(probe.later.at(layout.batch_tokens(batch, later=True)) for batch in batches)
    stored = sum(map(layout.bytes_of, run.trained))
    share = min(1.0, probe.room / stored) if stored else 1.0
    later = share * later + (1 - share) * first
    # 2) Everything else.
    measuring = _measuring_seconds(probe, run)
    reading = probe.begin + probe.read * (len(run.trained) + len(run.held_out))
    # 3) Memory.
    pass_bytes, in_memory = max(probe.step_bytes, probe.measure_bytes), min(stored, probe.budget)
    row_bytes = round(probe.token_bytes * sum(row.all_tokens for row in (*run.trained, *run.held_out)))
    memory = None if probe.model_bytes is None else probe.model_bytes + pass_bytes + in_memory + row_bytes
    return RunEstimate(
        reading + first + (epochs - 1) * later + measuring, first, later, reading, measuring, memory, probe.model_bytes, pass_bytes,
        in_memory, row_bytes, probe.longest, run.steps,
    )  # fmt: skip


def _measuring_seconds(probe: Probe, run: SizedRun) -> float:
    """Seconds of all measurements, sample answers and the score at the end."""
    if not run.held_out:
        return 0.0
    schedule = run.schedule(probe.parameters, probe.device, 2 if probe.head else 1)

    def seconds_of(indices: Sequence[int], *, again: bool) -> float:
        rows = [run.held_out[index] for index in indices]
        passes = [rows[at : at + MEASURED_AT_ONCE] for at in range(0, len(rows), MEASURED_AT_ONCE)]
        stored = again and probe.layout.stored
        return sum((probe.again if stored else probe.measure) * probe.layout.tokens(each, later=stored) for each in passes)

    fresh, again = (seconds_of(schedule.choosing, again=stored) for stored in (False, True))
    # Base and tuned at first, then the tuned one, and the base model too where its head is trained.
    measuring = fresh + again + len(schedule.steps) * again * (2 if probe.head else 1)
    scoring = 2 * seconds_of(schedule.scoring, again=not schedule.apart)
    # The tuned model answers at first and at each measurement; the base model once, or as often where its head is trained.
    answered = 1 + len(schedule.steps)
    if probe.head:
        return measuring + scoring + 2 * answered * probe.sample
    return measuring + scoring + (1 + _CHANGING * answered) * probe.sample + answered * probe.confirm


def probe(base: "Base", run: SizedRun, load: Load, config: MethodConfig, exclusive: Exclusive = nullcontext) -> Probe:
    """Train a throwaway edit on some batches of a run, and measure what every kind of work that it does costs.

    Args:
        base: the base model.
        run: the run by the lengths of its rows.
        load: reads examples by the rows' indices.
        config: the edit, or a baseline.
        exclusive: entered around every use of the base model.

    Raises:
        DataError: there is no row to train on.
        ConfigError: the base model cannot be trained with these settings.
    """
    from reft_engine.training.probing import Prober

    begun = time.perf_counter()
    prober = Prober(base, run, load, config, exclusive)
    # 1) Time batches of every size.
    batches = _typical(run.batches(0))
    read = prober.reading(batches)
    limit = max(_WARM_UP_TOKENS, round(prober.speed(batches[len(batches) // 2], _WARM_UP_TOKENS) * _STEP_SECONDS))
    times = prober.times([cut(batch, limit) for batch in batches], cut(run.held_out[:MEASURED_AT_ONCE] or batches[0], limit))
    layout = times.layout
    first, later = line_through(times.first), line_through(times.later)
    sample, confirming = prober.sample(run.held_out[:SAMPLE_ROWS]) if run.held_out else (0.0, 0.0)
    # 2) Measure the memory of the largest passes.
    affordable = max(_WARM_UP_TOKENS, round(_PEAK_SECONDS / max(first.at(1000) / 1000, 1e-9)))
    longest = run.longest_pass(layout, _EPOCHS_LAID_OUT)
    measured = max(run.measured_passes(), key=layout.tokens, default=())
    model, step_bytes = _peak(longest, layout, affordable, prober.step_memory)
    _, measure_bytes = _peak(measured, layout, 3 * affordable, prober.measure_memory) if measured else (None, 0)
    return Probe(
        layout=layout, first=first, later=later, read=read, begin=times.begin, measure=times.measure, again=times.again, sample=sample,
        confirm=confirming, model_bytes=model, step_bytes=step_bytes, measure_bytes=measure_bytes, token_bytes=prober.token_bytes,
        longest=layout.tokens(longest), budget=prober.budget, room=prober.room, head=config.labels is not None,
        parameters=base.parameters, device=base.device.type, seconds=time.perf_counter() - begun,
    )  # fmt: skip


def _typical(batches: Sequence[list[SizedRow]]) -> list[list[SizedRow]]:
    """Batches of different sizes, such that each stands for as many of the run's tokens."""
    ordered = sorted(batches, key=all_tokens)
    total, passed = sum(map(all_tokens, ordered)), 0
    marks = [total * (2 * index + 1) / (2 * _TYPICAL) for index in range(_TYPICAL)]
    typical: list[list[SizedRow]] = []
    for batch in ordered:
        before, passed = passed, passed + all_tokens(batch)
        if any(before <= mark < passed for mark in marks):
            typical.append(batch)
    return typical


def _peak(
    rows: Sequence[SizedRow], layout: Layout, affordable: int, measure: Callable[[Sequence[SizedRow]], Growth | None]
) -> tuple[int | None, int]:
    """Bytes before a pass over the rows, and those that it adds; of a pass that takes too long extrapolated from two shorter ones."""
    size = layout.tokens(rows)
    shorter, longer = (cut(rows, tokens) for tokens in (affordable // 2, affordable))
    if size <= affordable or len(longer) == len(rows) or len(shorter) == len(longer):
        growth = measure(rows if size <= affordable else longer)
        rows = rows if size <= affordable else longer
        return (None, 0) if growth is None else (growth.before, round(growth.added * size / layout.tokens(rows)))
    grown = [measure(shorter), measure(longer)]
    if grown[0] is None or grown[1] is None:
        return None, 0
    sizes = [layout.tokens(shorter), layout.tokens(longer)]
    each = max(0.0, (grown[1].added - grown[0].added) / (sizes[1] - sizes[0]))
    return grown[0].before, round(grown[1].added + each * (size - sizes[1]))
