"""Measures held-out rows during a run, remembers the best edit and how long it has been the best, and scores the edit that is saved."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import isfinite, sqrt

import torch
from torch import Tensor

from reft_engine.data import Example
from reft_engine.edits.model import ReftModel
from reft_engine.inference.answering import Answer
from reft_engine.tokens.batches import in_batches
from reft_engine.tokens.examples import EncodedRow
from reft_engine.training.events import HeldOutEvent, Phase, PhaseEvent, SampleEvent, TrainEvent
from reft_engine.training.loop import RunState
from reft_engine.training.objectives import RowResult, mean_loss
from reft_engine.training.rows import ReadRow, encoded_of
from reft_engine.training.samples import sample_answers
from reft_engine.training.schedule import MEASURED_AT_ONCE, SAMPLE_ROWS, plan_measuring
from reft_engine.training.verdict import Score

Exclusive = Callable[[], AbstractContextManager[object]]
"""Entered around every piece of work on the base model."""


@dataclass(slots=True)
class Best:
    """The best edit so far; ``waited`` counts the measurements since. Step 0, before anything is learned, is never the best."""

    step: int | None = None
    loss: float | None = None
    waited: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def update(self, step: int, loss: float, state: dict[str, Tensor]) -> None:
        """Compare a new measurement with the best one; a lower loss replaces it."""
        if isfinite(loss) and (self.loss is None or loss < self.loss):
            self.step, self.loss, self.waited = step, loss, 0
            self.tensors = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        else:
            self.waited += 1


def score(base: Sequence[RowResult], tuned: Sequence[RowResult]) -> Score:
    """Compare the results of base and tuned on held-out rows, row by row."""
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
    """Measures held-out loss and answers some held-out rows at step 0 and at the scheduled steps, and scores the saved edit at the end."""

    def __init__(self, state: RunState, held_out: Sequence[ReadRow], best: Best, on_event: Callable[[TrainEvent], None]) -> None:
        self.state, self.on_event, self.best = state, on_event, best
        self.exclusive: Exclusive = nullcontext
        self.last: HeldOutEvent | None = None
        self._samples = [row.example for row in held_out[:SAMPLE_ROWS]]
        self._base_answers: list[Answer] | None = None
        self._tuned_answers: list[Answer] | None = None
        self._base: list[RowResult] | None = None
        rows = encoded_of(held_out)
        # A classifier's base model is measured through the head that is being trained, so it must be measured again each time.
        self.passes = 2 if state.reft.head else 1
        objective = state.objective
        self.schedule = plan_measuring(
            [objective.length([row]) for row in rows], state.train_config.epochs * objective.length(state.rows),
            state.total_steps, objective.base.parameters, objective.base.device.type, self.passes,
        )  # fmt: skip
        self.choosing = [rows[index] for index in self.schedule.choosing] if rows else []
        self._scoring = [rows[index] for index in self.schedule.scoring] if rows else []

    @property
    def is_due(self) -> bool:
        """Whether a measurement is scheduled after this step."""
        return self.state.step in self.schedule.steps

    def measure_at_end(self) -> None:
        """Measure the last step of a run that was stopped between two measurements."""
        if self.last is None or self.last.step != self.state.step:
            self.measure()
            self.sample()

    def measure(self) -> None:
        """Measure the rows that choose the edit."""
        if not self.choosing:
            return
        state, step = self.state, self.state.step
        tuned = self._results(self.choosing, "measure")
        if self._base is None or self.passes == 2:
            self._base = self._results(self.choosing, "measure", edited=False)
        loss = mean_loss(tuned)
        if step:
            self.best.update(step, loss, state.reft.state_dict())
        self.last = HeldOutEvent(
            step, loss, mean_loss(self._base), len(tuned), sum(row.right for row in tuned), sum(row.right for row in self._base),
            self.best.step,
        )  # fmt: skip
        self.on_event(self.last)

    def sample(self) -> int:
        """Answer the first held-out rows; returns the number of batches that were answered.

        The base model's answers are made once, unless it answers through the head that is being trained.
        """
        if not self._samples:
            return 0
        base, reft, batches = self.state.objective.base, self.state.reft, 1
        # Others may use the base model between two passes; what reads a baseline's own weights meanwhile must find it in training.
        whole, turn = (nullcontext, self.exclusive) if isinstance(reft, ReftModel) else (self.exclusive, nullcontext)
        with whole():
            if self._base_answers is None or self.passes == 2:
                batches = 2
                self._base_answers = sample_answers(base, reft, self._samples, edited=False, exclusive=turn)
            # Answers settle long before a run ends, so most are those of the measurement before.
            guesses = self._tuned_answers or self._base_answers
            self._tuned_answers = sample_answers(base, reft, self._samples, guesses=guesses, exclusive=turn)
        for place, sample in enumerate(zip(self._samples, self._base_answers, self._tuned_answers, strict=True)):
            example, plain, tuned = sample
            expected = example.answer if isinstance(example, Example) else example.chosen
            self.on_event(SampleEvent(self.state.step, example.messages[-1].content, expected, plain.text, tuned.text, place))
        return batches

    def score(self) -> Score | None:
        """Score of base and tuned on the rows that score; None without held-out rows."""
        if not self._scoring:
            return None
        tuned = self._results(self._scoring, "score")
        return score(self._results(self._scoring, "score", edited=False), tuned)

    def _results(self, rows: Sequence[EncodedRow], phase: Phase, *, edited: bool = True) -> list[RowResult]:
        """Results of the rows at this step, each forward pass inside `exclusive`."""
        state = self.state
        results: list[RowResult] = []
        for batch in in_batches(rows, MEASURED_AT_ONCE):
            self.on_event(PhaseEvent(state.step, phase, len(results), len(rows)))
            with self.exclusive():
                state.reft.eval()
                results += state.objective.measure(batch, state.reft, edited, reuse=state.reuse)
        return results
