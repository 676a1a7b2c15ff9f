"""Trains a throwaway edit on some batches of a run and measures time and memory: the part of `estimate` that needs torch."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.data import AnyExample
from reft_engine.inference.answering import Answer
from reft_engine.spec import MethodConfig
from reft_engine.tokens.examples import EncodedRow
from reft_engine.training.loop import RunState, reuse_budget, share_reuse, train_step
from reft_engine.training.memory import Growth, Peak
from reft_engine.training.objectives import Objective, objective_for
from reft_engine.training.reuse.plan import Reuse
from reft_engine.training.row_facts import RowFacts
from reft_engine.training.row_sizes import SizedRow, cut
from reft_engine.training.rows import encoded_rows, read_rows
from reft_engine.training.run_layout import Layout, SizedRun
from reft_engine.training.samples import confirm, sample_answers
from reft_engine.training.schedule import SAMPLE_TOKENS

_SAMPLE_BEGINS, _SAMPLE_SECONDS = 8, 2.0
"""Tokens of sample answers that are always generated; of those that take longer no more are."""
clock = time.perf_counter
"""Seconds that pass; a benchmark on a machine that others use counts those of its own process."""


@dataclass(frozen=True, slots=True)
class Times:
    """Measured times: (tokens, seconds) of batches in the first epoch and a later one, and seconds as in `Probe`."""

    layout: Layout
    first: list[tuple[float, float]]
    later: list[tuple[float, float]]
    begin: float
    measure: float
    again: float


class _Throwaway(RunState):
    """A run whose every epoch has the same batches, in this order."""

    def __init__(self, objective: Objective[Any], batches: Sequence[Sequence[EncodedRow]]) -> None:
        self._chosen = [list(batch) for batch in batches]
        super().__init__(objective, [row for batch in batches for row in batch])
        self.steps_per_epoch = len(batches)
        self.total_steps = self.steps_per_epoch * self.train_config.epochs

    def batches_of(self, epoch: int) -> list[list[EncodedRow]]:
        """See `RunState`."""
        return self._chosen


class Prober:
    """Measures pieces of one run on its base model; see `estimate.probe` for the arguments."""

    def __init__(
        self, base: Base, run: SizedRun, load: Callable[[Sequence[int]], Sequence[AnyExample]], config: MethodConfig,
        exclusive: Callable[[], AbstractContextManager[object]],
    ) -> None:  # fmt: skip
        self._load, self._exclusive, self._base = load, exclusive, base
        epochs = min(run.settings.epochs, 2)  # a run of one epoch stores nothing
        self._again = epochs > 1
        # The plan is the run's: batches that are cut, or not the run's, have other padding and other shares of early tokens.
        self._lengths = [[each for row in batch for each in zip(row.tokens, row.firsts, strict=True)] for batch in run.batches(0)]
        settings = run.settings.model_copy(update={"epochs": epochs, "gradient_accumulation": 1, "warmup_ratio": 0.0, "held_out": 0.0})
        first = load([run.batches(0)[0][0].index])
        self._objective = objective_for(base, config, settings, first)
        self._encoded: dict[int, EncodedRow] = {}
        self._examples: dict[int, AnyExample] = {}
        self._reuse: Reuse | None = None
        self._state: RunState | None = None

    @property
    def token_bytes(self) -> float:
        """See `Probe`."""
        if self._base.device.type == "cuda":
            return 0.0
        ids = [row.ids for row in self._objective.sequences(list(self._encoded.values()))]
        return sum(sys.getsizeof(each) + sum(map(sys.getsizeof, each)) for each in ids) / sum(map(len, ids))

    @property
    def budget(self) -> int:
        """See `Probe`."""
        return self._room.memory

    @property
    def room(self) -> int:
        """See `Probe`."""
        return self._room.memory + self._room.disk

    def reading(self, batches: Sequence[Sequence[SizedRow]]) -> float:
        """Seconds for reading one row: encoding it, and what is found out about it."""
        for batch in batches:
            self._rows(batch)
        examples = list(self._examples.values())
        return _seconds(lambda: RowFacts(self._objective, encoded_rows(self._objective, examples))) / len(examples)

    def speed(self, batch: Sequence[SizedRow], tokens: int) -> float:
        """Tokens of a step in one second, roughly; the step warms everything up."""
        rows = cut(batch, tokens)
        state = _Throwaway(self._objective, [self._rows(rows)])
        self._room = reuse_budget(state, None)
        with self._exclusive():
            self._objective.prepare(state.rows)
            train_step([state])
            seconds = _seconds(lambda: train_step([state]))
        return sum(row.all_tokens for row in rows) / max(seconds, 1e-6)

    def times(self, batches: Sequence[Sequence[SizedRow]], measured: Sequence[SizedRow]) -> Times:
        """Times of batches, in the first epoch and in a second one, and of measuring some rows."""
        state = _Throwaway(self._objective, [self._rows(batch) for batch in batches])
        held_out = self._rows(measured)
        with self._exclusive():
            begin = _seconds(lambda: share_reuse([state], [held_out], None, self._lengths))
        self._state, self._reuse = state, state.reuse
        layout = self._layout(state)
        with self._exclusive():
            self._objective.prepare(state.rows, state.reuse)
            state.reft.eval()
            measure, again = (_seconds(lambda: self._objective.measure(held_out, state.reft, reuse=state.reuse)) for _ in range(2))
        first: list[tuple[float, float]] = []
        later: list[tuple[float, float]] = []
        for epoch in range(2):
            for batch in batches:
                state.reft.train()
                with self._exclusive():
                    seconds = _seconds(lambda: train_step([state]))
                if epoch == 0 or not layout.stored:
                    first.append((layout.batch_tokens(batch), seconds))
                if epoch:
                    later.append((layout.batch_tokens(batch, later=layout.stored), seconds))
        return Times(
            layout, first, later, begin, measure / layout.tokens(measured),
            again / layout.tokens(measured, later=layout.stored),
        )  # fmt: skip

    def sample(self, rows: Sequence[SizedRow]) -> tuple[float, float]:
        """Seconds of one batch of sample answers, as long as the throwaway edit makes them, and of confirming them.

        Where that takes long, it is extrapolated from its beginning. Labels are not confirmed.
        """
        if self._state is None:
            return 0.0, 0.0
        self._rows(rows)
        examples, reft = [self._examples[row.index] for row in rows], self._state.reft
        if reft.head:
            with self._exclusive():
                return _seconds(lambda: sample_answers(self._base, reft, examples)), 0.0
        # Once it has learned, it answers as the rows do.
        sequences = [self._objective.sequences([self._encoded[row.index]])[0] for row in rows]
        answers = [Answer("", each.answer_ids[:SAMPLE_TOKENS]) for each in sequences]
        with self._exclusive():
            confirming = _seconds(lambda: confirm(self._base, reft, examples, answers, edited=True))
        seconds: list[float] = []
        for tokens in (1, _SAMPLE_BEGINS, SAMPLE_TOKENS):
            with self._exclusive():
                seconds.append(_seconds(lambda: sample_answers(self._base, reft, examples, tokens=tokens)))  # noqa: B023
            each = max(0.0, seconds[-1] - seconds[0]) / max(1, tokens - 1)
            if (whole := seconds[0] + each * (SAMPLE_TOKENS - 1)) > _SAMPLE_SECONDS and tokens > 1:
                return whole, confirming
        return seconds[-1], confirming

    def step_memory(self, rows: Sequence[SizedRow]) -> Growth | None:
        """Memory of a step on one micro-batch in the first epoch, without what it stores."""
        self._state = None
        encoded = self._rows(rows)
        state = _Throwaway(self._objective, [encoded])
        stored = self._new_store(state)
        with self._exclusive():
            self._objective.prepare(encoded)
            peak = Peak(self._base.device.type)
            peak.begin()
            train_step([state])
            growth = peak.end()
        return growth and Growth(growth.before, max(0, growth.added - stored))

    def measure_memory(self, rows: Sequence[SizedRow]) -> Growth | None:
        """Memory of measuring rows in one pass, without what it stores."""
        encoded = self._rows(rows)
        state = _Throwaway(self._objective, [encoded])
        stored = self._new_store(state)
        state.reft.eval()
        with self._exclusive():
            peak = Peak(self._base.device.type)
            peak.begin()
            self._objective.measure(encoded, state.reft, reuse=state.reuse)
            growth = peak.end()
        return growth and Growth(growth.before, max(0, growth.added - stored))

    def _new_store(self, state: RunState) -> int:
        """Let a state reuse as the run does, in memory, with nothing stored yet; the bytes that it will store."""
        if self._reuse is None:
            return 0
        from reft_engine.training.reuse.store import Budget

        state.reuse = Reuse(self._base, self._reuse.plan, Budget(1 << 50))
        sequences = self._objective.sequences(state.rows)
        if self._again:
            state.reuse.register([sequences])
        return state.reuse.bytes_of(sequences) if self._again else 0

    def _layout(self, state: RunState) -> Layout:
        if state.reuse is None:
            return Layout(state.pass_tokens)
        plan, (early, late) = state.reuse.plan, state.reuse.token_bytes
        stored = self._again and (plan.depth or plan.time)
        by_late = plan.time and not self._objective.config.dropout
        return Layout(state.pass_tokens, plan.packed, stored, plan.time and stored, by_late, early, late)

    def _rows(self, rows: Sequence[SizedRow]) -> list[EncodedRow]:
        """The encoded rows."""
        if missing := [row.index for row in rows if row.index not in self._encoded]:
            for index, read in zip(missing, read_rows(self._objective, self._load(missing)).usable, strict=True):
                self._examples[index], self._encoded[index] = read.example, read.encoded
        return [self._encoded[row.index] for row in rows]


def _seconds(work: Callable[[], object]) -> float:
    start = clock()
    work()
    return clock() - start
