"""The batches and passes of a run, laid out from the lengths of its rows as the run itself will lay them out."""

from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.errors import DataError
from reft_engine.spec import TrainConfig
from reft_engine.training.row_sizes import SizedRow, pass_size
from reft_engine.training.schedule import MEASURED_AT_ONCE, Schedule, plan_measuring

PASS_TOKENS_CPU, PASS_TOKENS_ELSEWHERE = 2048, 16_384
"""Tokens of one micro-batch, unless they are set."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a pass are laid out, and what need not be computed.

    Attributes:
        pass_tokens: maximum tokens of a micro-batch, padding included.
        packed: sequences are packed, so that no padding is computed.
        stored: later epochs reuse activations; ``late``: they compute rows from their first edited token on.
        by_late: micro-batches are divided by the tokens from the first edited one on.
        early_bytes, late_bytes: bytes that are stored of a token before a row's first edited one, and of one from there on.
    """

    pass_tokens: int
    packed: bool = False
    stored: bool = False
    late: bool = False
    by_late: bool = False
    early_bytes: int = 0
    late_bytes: int = 0

    def passes(self, batch: Sequence[SizedRow]) -> list[list[SizedRow]]:
        """The micro-batches of a batch."""
        from reft_engine.tokens.batches import in_passes

        return list(in_passes(batch, self.pass_tokens, lambda row: row.padded(self.by_late)))

    def tokens(self, rows: Sequence[SizedRow], *, later: bool = False) -> int:
        """Tokens that one pass over these rows computes, in the first epoch or a later one."""
        return pass_size(rows, later and self.late, self.packed)

    def batch_tokens(self, batch: Sequence[SizedRow], *, later: bool = False) -> int:
        """Tokens that a batch computes."""
        return sum(self.tokens(rows, later=later) for rows in self.passes(batch))

    def bytes_of(self, row: SizedRow) -> int:
        """Bytes that reuse stores of a row."""
        early = sum(row.firsts) if self.late else 0
        return (early * self.early_bytes + (row.all_tokens - early) * self.late_bytes) * self.stored


@dataclass(frozen=True, slots=True)
class SizedRun:
    """A run by the lengths of its rows: those it trains on, and those held out, in the order in which it measures them."""

    trained: Sequence[SizedRow]
    held_out: Sequence[SizedRow]
    settings: TrainConfig

    def batches(self, epoch: int) -> list[list[SizedRow]]:
        """The batches of an epoch. Raises DataError without a row."""
        from reft_engine.tokens.batches import epoch_batches

        if not self.trained:
            raise DataError("There is no row to train on.", kind="training.no_rows")
        return epoch_batches(self.trained, self.settings.batch_size, self.settings.seed, epoch)

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        per_step = self.settings.batch_size * self.settings.gradient_accumulation
        return self.settings.epochs * -(-len(self.trained) // per_step)

    def longest_pass(self, layout: Layout, epochs: int) -> list[SizedRow]:
        """The largest micro-batch of the first epochs; of equal ones that with the longest row."""
        passes = [
            rows for epoch in range(min(epochs, self.settings.epochs)) for batch in self.batches(epoch) for rows in layout.passes(batch)
        ]
        return max(passes, key=lambda rows: (layout.tokens(rows), rows[-1].length))

    def measured_passes(self) -> list[Sequence[SizedRow]]:
        """The held-out rows in the passes that measure them."""
        return [self.held_out[at : at + MEASURED_AT_ONCE] for at in range(0, len(self.held_out), MEASURED_AT_ONCE)]

    def schedule(self, parameters: int, device: str, passes: int) -> Schedule:
        """The run's measurements; see `plan_measuring`."""
        run_tokens = self.settings.epochs * sum(row.all_tokens for row in self.trained)
        held = [row.all_tokens for row in self.held_out]
        return plan_measuring(held, run_tokens, self.steps, parameters, device, passes)
