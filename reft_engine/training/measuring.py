"""Measures held-out rows while a run goes on, remembers the best edit, and lets the rows score the one that is kept."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import isfinite, sqrt

import torch
from torch import Tensor

from reft_engine.base.loading import Base
from reft_engine.data import Example, Preference
from reft_engine.inference.classification import classify
from reft_engine.inference.generation import generate
from reft_engine.tokens.batches import in_batches
from reft_engine.tokens.examples import EncodedRow
from reft_engine.trainable import Trainable
from reft_engine.training.events import HeldOutEvent, Phase, PhaseEvent, SampleEvent, TrainEvent
from reft_engine.training.loop import RunState
from reft_engine.training.objectives import RowResult, mean_loss
from reft_engine.training.rows import ReadRow, encoded_of
from reft_engine.training.schedule import MEASURED_AT_ONCE, MIN_MEASUREMENTS, SAMPLE_TOKENS, plan_measuring
from reft_engine.training.verdict import Score

Exclusive = Callable[[], AbstractContextManager[object]]
"""Entered around every piece of work on the base model."""


@dataclass(slots=True)
class Best:
    """The best edit so far; ``waited`` counts the measurements since. Step 0, where nothing is learned yet, is never the best."""

    step: int | None = None
    loss: float | None = None
    waited: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def look(self, step: int, loss: float, state: dict[str, Tensor]) -> None:
        """Take a measurement into account."""
        if isfinite(loss) and (self.loss is None or loss < self.loss):
            self.step, self.loss, self.waited = step, loss, 0
            self.tensors = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        else:
            self.waited += 1


def score(base: Sequence[RowResult], tuned: Sequence[RowResult]) -> Score:
    """What held-out rows say, row by row, of base and tuned."""
    gains = torch.tensor([before.mean - after.mean for before, after in zip(base, tuned, strict=True)], dtype=torch.float64)
    pairs = list(zip(base, tuned, strict=True))
    return Score(
        rows=len(pairs), base=mean_loss(base), tuned=mean_loss(tuned),
        right_base=sum(row.right for row in base), right_tuned=sum(row.right for row in tuned),
        gained=sum(after.right and not before.right for before, after in pairs),
        lost=sum(before.right and not after.right for before, after in pairs),
        better=int((gains > 0).sum()), worse=int((gains < 0).sum()),
        gain=float(gains.mean()), gain_error=float(gains.std()) / sqrt(len(pairs)) if len(pairs) > 1 else 0.0,
    )  # fmt: skip


class Watch:
    """Measures held-out loss at step 0 and as the schedule says, shows a sample then, and lets the kept edit be scored at the end."""

    def __init__(self, loop: RunState, held: Sequence[ReadRow], best: Best, on_event: Callable[[TrainEvent], None]) -> None:
        self.loop, self.on_event, self.best = loop, on_event, best
        self.exclusive: Exclusive = nullcontext
        self.last: HeldOutEvent | None = None
        self._sample = held[0].example if held else None
        self._base: list[RowResult] | None = None
        rows = encoded_of(held)
        # A classifier's base model is read by the very head that is being trained, so it must be measured anew each time.
        self._passes = 2 if loop.reft.head else 1
        settings, objective = loop.settings, loop.objective
        self.schedule = plan_measuring(
            [objective.length([row]) for row in rows], settings.epochs * objective.length(loop.rows),
            loop.total_steps, objective.base.parameters, objective.base.device.type, self._passes,
        )  # fmt: skip
        self.choosing = [rows[index] for index in self.schedule.choosing] if rows else []
        self._scoring = [rows[index] for index in self.schedule.scoring] if rows else []
        every = -(-len(self.schedule.steps) // MIN_MEASUREMENTS)
        self._sampled = {0, loop.total_steps, *self.schedule.steps[every - 1 :: every]}

    def look_when_due(self) -> None:
        """Measure if the schedule says so."""
        if self.loop.step in self.schedule.steps:
            self.look()

    def look_at_the_end(self) -> None:
        """Measure after the last step, if a run that was stopped ends between two measurements."""
        if self.last is None or self.last.step != self.loop.step:
            self.look()

    def look(self) -> None:
        """Measure the rows that choose."""
        if (example := self._sample) is None:
            return
        loop, step = self.loop, self.loop.step
        tuned = self._measured(self.choosing, "measure")
        if self._base is None or self._passes == 2:
            self._base = self._measured(self.choosing, "measure", edited=False)
        loss = mean_loss(tuned)
        if step:
            self.best.look(step, loss, loop.reft.state_dict())
        self.last = HeldOutEvent(
            step, loss, mean_loss(self._base), len(tuned), sum(row.right for row in tuned), sum(row.right for row in self._base),
            self.best.step,
        )  # fmt: skip
        self.on_event(self.last)
        if step in self._sampled or step not in self.schedule.steps:
            with self.exclusive():
                loop.reft.eval()
                base, answered = _answers(loop.objective.base, loop.reft, example)
            expected = example.answer if isinstance(example, Example) else example.chosen
            self.on_event(SampleEvent(step, example.messages[-1].content, expected, base, answered))

    def score(self) -> Score | None:
        """Base and tuned on the rows that score; None where nothing was held out."""
        if not self._scoring:
            return None
        tuned = self._measured(self._scoring, "score")
        return score(self._measured(self._scoring, "score", edited=False), tuned)

    def _measured(self, rows: Sequence[EncodedRow], phase: Phase, *, edited: bool = True) -> list[RowResult]:
        """How the rows are answered now, each forward pass inside `exclusive`."""
        found: list[RowResult] = []
        for part in in_batches(rows, MEASURED_AT_ONCE):
            self.on_event(PhaseEvent(self.loop.step, phase, len(found), len(rows)))
            with self.exclusive():
                self.loop.reft.eval()
                found += self.loop.objective.measure(part, self.loop.reft, edited)
        return found


def _answers(base: Base, reft: Trainable, example: Example | Preference) -> tuple[str, str]:
    """What base and tuned say to one row now."""
    if reft.method_config.labels:
        bare, tuned = (next(iter(classify(base, reft, [example.messages], edited=edited)[0])) for edited in (False, True))
        return bare, tuned
    answers = generate(base, example.messages, [None, reft], max_new_tokens=SAMPLE_TOKENS)
    return answers[0], answers[1]
