"""Rows as a reference store reads them: encoded, put into short passes, and the states before each token of their answers.

Legend: B rows of a pass, T tokens, N answer tokens of a pass, D hidden size, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, as_rows
from reft_engine.errors import DataError
from reft_engine.inference.columns import check_linear_head
from reft_engine.inference.prompts import check_writers
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import EncodedExample, encode_examples, with_prompts
from reft_engine.tokens.prompts import without_marks
from reft_engine.tokens.together import go_on

PASS_TOKENS = 1024
"""Most padded tokens of one pass over rows, unless a single row is longer, so that a chat does not wait long."""
LONGEST = 4096
"""Most tokens of a row: whoever chats waits for its pass, and the memory of a pass grows with it."""

Indexed = tuple[int, EncodedExample]
"""A row and its index among those that were given."""


def check_stores(base: Base) -> None:
    """Raises ConfigError for a base model that has no last hidden states whose next token could be stored."""
    checks.check_base(base)
    check_writers(base, [None])
    check_linear_head(base)
    blocks.attach(base.model)  # what its head reads is noted by a hook


class RowReader:
    """Encodes rows and puts them into passes.

    ``refused`` are the indices of those that the base model cannot read, of which ``error`` says why of one; ``too_long`` those of rows of
    more than ``longest`` tokens.
    """

    def __init__(self, base: Base, marked: bool, pass_tokens: int, longest: int) -> None:
        self._base, self._marked = base, marked
        self._pass_tokens, self._longest = pass_tokens, checks.whole_number(longest, "longest", 1)
        self.refused: list[int] = []
        self.too_long: list[int] = []
        self.error: DataError | None = None

    def encoded(self, given: Sequence[LooseRow], begin: int = 0) -> Iterator[Indexed]:
        """Those rows that can be read, with their indices, which count from ``begin``."""
        examples = [row.preferred if isinstance(row, Preference) else row for row in as_rows(given)]
        asking = with_prompts(self._base, [self._plain(row) for row in examples])
        rows = go_on(asking, lambda some: encode_examples(self._base, some, self._base.context))  # type: ignore[arg-type]
        for index, row in enumerate(rows, begin):
            if isinstance(row, DataError):
                self.refused.append(index)
                self.error = row
            elif row.length > self._longest:
                self.too_long.append(index)
            else:
                yield index, row

    def _plain(self, row: Example) -> Example:
        return replace(row, messages=without_marks(row.messages)) if self._marked else row

    def passes(self, rows: Sequence[Indexed]) -> Iterator[list[Indexed]]:
        """Consecutive rows that are read together; their order stays."""
        batch: list[Indexed] = []
        for each in rows:
            longest = max(row.length for _, row in [*batch, each])
            if batch and (len(batch) + 1) * longest > self._pass_tokens:
                yield batch
                batch = []
            batch.append(each)
        if batch:
            yield batch


@dataclass(frozen=True, slots=True)
class ReadAnswers:
    """One pass over rows.

    Attributes:
        hidden: what the output head reads before each token of their answers (N, D), float32, row after row.
    """

    hidden: Tensor
    _base: Base
    _output: blocks.BlockOutput
    """Of the last block, (B, T, D)."""
    _answered: Tensor
    """Flat indices (N,) into (B*T,)."""

    @torch.no_grad()
    def logits(self, begin: int, end: int) -> Tensor:
        """What the base model gives before some of these tokens, (end - begin, V): a few at a time, since a vocabulary is large.

        The model runs as over rows of one token whose blocks are done, so whatever follows these in its family acts as always.
        """
        states_N1D = self._output.hidden.flatten(0, 1)[self._answered[begin:end]].unsqueeze(1)
        ids = torch.zeros(len(states_N1D), 1, dtype=torch.int64, device=states_N1D.device)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "use_cache": False}
        with blocks.editing({}, resume_after=replace(self._output, hidden=states_N1D)):
            logits: Tensor = blocks.without_peft(self._base.model)(**inputs).logits
        return logits[:, -1]


@torch.no_grad()
def read_answers(base: Base, rows: Sequence[EncodedExample]) -> ReadAnswers:
    """Read rows in one pass, without an edit; no logits are computed."""
    batch = collate(base, rows)
    answered = (batch.targets.flatten() != -100).nonzero()[:, 0]
    with (
        blocks.keeping_head_inputs() as kept,
        blocks.editing({}, answered[:0], batch_shape=batch.shape, stop_after=base.layers - 1) as call,
    ):
        blocks.without_peft(base.model)(**{"use_cache": False, **batch.inputs})
    assert call.output is not None
    return ReadAnswers(kept[-1].flatten(0, 1)[answered].float().clone(), base, call.output, answered)
