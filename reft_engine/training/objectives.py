"""What a row is trained for: its answer, its label, or the better of two answers; says how rows are encoded, weighed and compared.

An objective says how rows are encoded, what they weigh, and what their loss is. The loss of a batch is a sum, so that the
micro-batches of a step add up; people see it divided by the weight. Rows of several runs can share one forward pass of the
base model: each run is a `RunRows` of the batch, with its own edits on its own rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.data import Example, Preference
from reft_engine.edits.edited import combine
from reft_engine.errors import ConfigError, DataError
from reft_engine.inference.classification import head_logits
from reft_engine.spec import MethodConfig, PeftConfig, TrainConfig, reading
from reft_engine.tokens.batches import Batch, collate, in_batches
from reft_engine.tokens.examples import (
    EncodedExample,
    EncodedLabel,
    EncodedPreference,
    EncodedRow,
    encode_examples,
    encode_labels,
    encode_preferences,
    text_of,
)
from reft_engine.tokens.together import only
from reft_engine.trainable import Acting, Trainable
from reft_engine.training.losses import answer_losses
from reft_engine.training.reuse.plan import Reuse
from reft_engine.training.schedule import MEASURED_AT_ONCE

Row = TypeVar("Row", bound=EncodedRow)


@dataclass(frozen=True, slots=True)
class RowResult:
    """Result of one row: its loss in nats (a sum), its weight, and whether the answer is exactly right.

    A written answer is right when each of its tokens and its end token is the likeliest, as greedy decoding would write it; a
    label when it is the likeliest; a preference pair when the preferred answer is the likelier one.
    """

    loss: float
    weight: int
    right: bool

    @property
    def mean(self) -> float:
        """Loss per answer token, label or pair."""
        return self.loss / max(self.weight, 1)


class Objective(Generic[Row]):
    """Base class of objectives: a base model, what is trained on it, and how.

    Methods that run the base model take ``reuse``, the activations that need not be computed again.
    """

    def __init__(self, base: Base, config: MethodConfig, train_config: TrainConfig) -> None:
        self.base, self.config, self.train_config = base, config, train_config
        self.reading = reading(config)

    @property
    def max_length(self) -> int:
        """Maximum sequence length; virtual tokens take up context of the base model too."""
        virtual = self.config.tokens_before if isinstance(self.config, PeftConfig) else 0
        return min(self.train_config.max_length, self.base.context - virtual)

    def learned(self, example: Example | Preference) -> Example | Preference:
        """A row as it is learned here."""
        return example

    def encode(self, example: Any) -> Row:
        """Encode one row. Raises DataError."""
        return only(self.encode_all([example]))

    def encode_all(self, examples: Sequence[Any]) -> list[Row | DataError]:
        """Encode rows, whose texts are tokenised together; a row that cannot be used is its error."""
        raise NotImplementedError

    def rows_without_reference(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """Rows that still need `prepare`, in batches of one forward pass each."""
        return []

    def prepare(self, rows: Sequence[Row], reuse: Reuse | None = None) -> None:
        """Compute what depends on the frozen base model alone; must run before `losses`, on the same rows in the same order."""

    def weight(self, rows: Sequence[Row]) -> int:
        """The number by which the loss of these rows is divided."""
        return len(rows)

    def sequences(self, rows: Sequence[Row]) -> list[EncodedExample]:
        """The sequences of rows: prompts, with answers where any are written."""
        raise NotImplementedError

    def length(self, rows: Sequence[Row]) -> int:
        """Tokens of all sequences of the rows."""
        return sum(sequence.length for sequence in self.sequences(rows))

    def tokens(self, row: Row, reuse: Reuse | None = None) -> int:
        """Tokens of a row that a step computes, its sequences padded to equal length."""
        # Dropout draws anew for each micro-batch, so with dropout the micro-batches must not depend on reuse.
        first = reuse.first if reuse and not self.config.dropout else lambda sequence: 0
        sequences = self.sequences([row])
        return len(sequences) * max(sequence.length - first(sequence) for sequence in sequences)

    def losses(self, runs: "Sequence[RunRows[Row]]", reuse: Reuse | None = None) -> list[Tensor]:
        """For each run the sum of its rows' losses in nats, a scalar, from one forward pass of the base model."""
        raise NotImplementedError

    def loss(self, rows: Sequence[Row], reft: Trainable, acting: Acting | None) -> Tensor:
        """Sum of the rows' losses in nats, a scalar; without ``acting`` that of the unedited base model."""
        return self.losses([RunRows(self, rows, reft, acting)])[0]

    @torch.no_grad()
    def measure(self, rows: Sequence[Row], reft: Trainable, edited: bool = True, *, reuse: Reuse | None = None) -> list[RowResult]:
        """Result of each row, edited or not, without dropout; each forward pass has `MEASURED_AT_ONCE` rows."""
        self.prepare(rows, reuse)
        acting = reft.acting() if edited else None
        return [
            result
            for batch in in_batches(rows, MEASURED_AT_ONCE)
            for result in self.results(RunRows(self, batch, reft, acting), reuse)
        ]  # fmt: skip

    def results(self, run: "RunRows[Row]", reuse: Reuse | None = None) -> list[RowResult]:
        """Result of each row of a run, from one forward pass of the base model."""
        raise NotImplementedError

    def mean(self, rows: Sequence[Row], reft: Trainable, edited: bool = True) -> float:
        """Loss per unit of weight; see `measure`."""
        return mean_loss(self.measure(rows, reft, edited))

    @torch.no_grad()
    def outputs(self, sequences: Sequence[EncodedExample], reft: Trainable, acting: Acting, reuse: Reuse | None = None) -> Tensor:
        """Per-token losses of each sequence's answer, concatenated."""
        run = RunRows(self, (), reft, acting)
        return torch.cat(self._answer_losses(self._collate(sequences, reuse), [(run, len(sequences))]))

    def _collate(self, sequences: Sequence[EncodedExample], reuse: Reuse | None) -> Batch:
        return collate(self.base, sequences, reuse)

    def _answer_losses(self, batch: Batch, runs: "RowCounts", *, greedy: bool = False) -> list[Tensor]:
        """For each sequence the losses of its answer's tokens, edited by its run; with ``greedy`` as in `answer_losses`."""
        before = max((run.acting.virtual_logits for run, _ in runs if run.acting), default=0)
        checkpointed = self.train_config.gradient_checkpointing
        with acting_on(self.base, batch, runs) as (base, edits):
            losses = answer_losses(base, batch, edits, checkpointed=checkpointed, greedy=greedy, before=before)
        return list(losses.split(list(batch.counts), dim=-1))


@dataclass(frozen=True, slots=True)
class RunRows(Generic[Row]):
    """Rows of one run in a batch, with what acts on them; without ``acting`` the unedited base model reads them."""

    objective: Objective[Row]
    rows: Sequence[Row]
    reft: Trainable
    acting: Acting | None


RowCounts = Sequence[tuple[RunRows[Any], int]]
"""The runs of a batch, each with its number of sequences in it (or of rows, where rows are placed)."""


def mean_loss(results: Sequence[RowResult]) -> float:
    """Loss per unit of weight over all rows; 0 without rows."""
    return sum(result.loss for result in results) / max(sum(result.weight for result in results), 1)


@contextmanager
def acting_on(base: Base, batch: Batch, runs: RowCounts) -> Iterator[tuple[Base, dict[int, blocks.Edit]]]:
    """Yield the model that runs a batch (the base model, or the one that replaces it) and the edits of all runs."""
    acting = [(run.acting, rows) for run, rows in _row_ranges(runs) if run.acting]
    edits = combine([each.edits(batch.prompts, rows, batch.device) for each, rows in acting])
    models = {id(each.model): each for each, _ in acting}
    with ExitStack() as contexts:
        for each in models.values():
            contexts.enter_context(each.drawing())
        yield next((replace(base, model=each.model) for each in models.values()), base), edits


def _row_ranges(runs: Iterable[tuple[RunRows[Any], int]]) -> Iterator[tuple[RunRows[Any], range]]:
    """Each run with the range of its rows in the batch."""
    begin = 0
    for run, count in runs:
        yield run, range(begin, begin + count)
        begin += count


class NextToken(Objective[EncodedExample]):
    """Cross-entropy of the answer's tokens; weighs answer tokens. Source: arXiv 2404.03592, equation 4."""

    def learned(self, example: Example | Preference) -> Example:
        """A row with its answer; of a preference pair the preferred one."""
        return example if isinstance(example, Example) else example.preferred

    def encode_all(self, examples: Sequence[Example]) -> list[EncodedExample | DataError]:
        """See `tokens.examples.encode`."""
        return encode_examples(self.base, examples, self.max_length, self.reading, self.train_config.answer_tokens)

    def weight(self, rows: Sequence[EncodedExample]) -> int:
        """Count answer tokens."""
        return sum(len(row.answer_ids) for row in rows)

    def sequences(self, rows: Sequence[EncodedExample]) -> list[EncodedExample]:
        """See `Objective.sequences`."""
        return list(rows)

    def losses(self, runs: Sequence[RunRows[EncodedExample]], reuse: Reuse | None = None) -> list[Tensor]:
        """See `Objective.losses`."""
        batch = self._collate([row for run in runs for row in run.rows], reuse)
        counts = [(run, len(run.rows)) for run in runs]
        losses = self._answer_losses(batch, counts)
        return [torch.cat(losses[rows.start : rows.stop]).sum() for _, rows in _row_ranges(counts)]

    def results(self, run: RunRows[EncodedExample], reuse: Reuse | None = None) -> list[RowResult]:
        """See `Objective.results`. A truncated answer has no end token, so it is never right."""
        losses = self._answer_losses(self._collate(run.rows, reuse), [(run, len(run.rows))], greedy=True)
        return [
            RowResult(float(each[0].sum()), each.shape[1], bool(each[1].all()) and not row.cut)
            for row, each in zip(run.rows, losses, strict=True)
        ]


class Preferring(Objective[EncodedPreference]):
    """Direct preference optimisation; weighs pairs. The reference is the same base model with the edits off: no second copy.

    -log sigmoid(beta * ((log p(chosen) - log p0(chosen)) - (log p(rejected) - log p0(rejected)))).
    Source: arXiv 2305.18290, equation 7.
    """

    def __init__(self, base: Base, config: MethodConfig, train_config: TrainConfig) -> None:
        super().__init__(base, config, train_config)
        self._reference: dict[EncodedPreference, float] = {}

    def encode_all(self, examples: Sequence[Preference]) -> list[EncodedPreference | DataError]:
        """See `tokens.examples.encode_preferences`."""
        return encode_preferences(self.base, examples, self.max_length, self.reading, self.train_config.answer_tokens)

    def rows_without_reference(self, rows: Sequence[EncodedPreference]) -> list[Sequence[EncodedPreference]]:
        """See `Objective.rows_without_reference`."""
        return list(in_batches([row for row in dict.fromkeys(rows) if row not in self._reference], MEASURED_AT_ONCE))

    @torch.no_grad()
    def prepare(self, rows: Sequence[EncodedPreference], reuse: Reuse | None = None) -> None:
        """Compute how much likelier each chosen answer is for the unedited base model."""
        for pairs in self.rows_without_reference(rows):
            margins = self._margins(self._collate(self.sequences(pairs), reuse), [])
            self._reference |= zip(pairs, map(float, margins), strict=True)

    def sequences(self, rows: Sequence[EncodedPreference]) -> list[EncodedExample]:
        """See `Objective.sequences`."""
        return [side for row in rows for side in (row.chosen, row.rejected)]

    def losses(self, runs: Sequence[RunRows[EncodedPreference]], reuse: Reuse | None = None) -> list[Tensor]:
        """See `Objective.losses`; for the unedited base model it is log 2 per pair."""
        batch = self._collate([side for run in runs for side in self.sequences(run.rows)], reuse)
        margins = self._margins(batch, [(run, 2 * len(run.rows)) for run in runs])
        ranges = _row_ranges((run, len(run.rows)) for run in runs)
        return [_preference_losses(run, margins[pairs.start : pairs.stop]).sum() for run, pairs in ranges]

    def results(self, run: RunRows[EncodedPreference], reuse: Reuse | None = None) -> list[RowResult]:
        """See `Objective.results`."""
        batch = self._collate(self.sequences(run.rows), reuse)
        margins = self._margins(batch, [(run, 2 * len(run.rows))])
        losses = _preference_losses(run, margins)
        return [RowResult(float(loss), 1, float(margin) > 0) for loss, margin in zip(losses, margins, strict=True)]

    def reference(self, row: EncodedPreference) -> float:
        """The margin of a row for the unedited base model, as `prepare` computed it."""
        return self._reference[row]

    def _margins(self, batch: Batch, runs: RowCounts) -> Tensor:
        """For each pair log p(chosen) - log p(rejected), sums over answer tokens; ``batch`` holds two sequences for each pair."""
        # Adding up the losses in place would follow no fixed order on a GPU.
        sums = torch.stack([losses.sum() for losses in self._answer_losses(batch, runs)])
        return sums[1::2] - sums[::2]


def _preference_losses(run: RunRows[EncodedPreference], margins: Tensor) -> Tensor:
    """The loss of each pair, (B,)."""
    objective = run.objective
    assert isinstance(objective, Preferring)
    reference = torch.tensor([objective.reference(row) for row in run.rows], device=margins.device)
    return -F.logsigmoid(objective.train_config.preference_beta * (margins - reference))


class Labelling(Objective[EncodedLabel]):
    """Cross-entropy of the label under the head; weighs rows. Source: arXiv 2404.03592, equations 5 and 6."""

    def encode_all(self, examples: Sequence[Example]) -> list[EncodedLabel | DataError]:
        """See `tokens.examples.encode_labels`."""
        return encode_labels(self.base, examples, self.max_length, self.reading)

    def sequences(self, rows: Sequence[EncodedLabel]) -> list[EncodedExample]:
        """See `Objective.sequences`."""
        return [text_of(row.prompt, row.line) for row in rows]

    def losses(self, runs: Sequence[RunRows[EncodedLabel]], reuse: Reuse | None = None) -> list[Tensor]:
        """See `Objective.losses`; without edits the head reads the base model's own hidden states."""
        all_logits = self.logits(runs, [self.sequences(run.rows) for run in runs], reuse)
        return [
            F.cross_entropy(logits, _labels(run, logits), reduction="sum")
            for run, logits in zip(runs, all_logits, strict=True)
        ]  # fmt: skip

    def results(self, run: RunRows[EncodedLabel], reuse: Reuse | None = None) -> list[RowResult]:
        """See `Objective.results`."""
        logits = self.logits([run], [self.sequences(run.rows)], reuse)[0]
        labels = _labels(run, logits)
        losses = F.cross_entropy(logits, labels, reduction="none")
        hits = logits.argmax(dim=-1) == labels
        return [RowResult(float(loss), 1, bool(hit)) for loss, hit in zip(losses, hits, strict=True)]

    def logits(
        self, runs: Sequence[RunRows[Any]], sequences: Sequence[Sequence[EncodedExample]], reuse: Reuse | None = None
    ) -> list[Tensor]:  # fmt: skip
        """For each run the logits (B, C) of its sequences, float32."""
        batch = self._collate([sequence for each in sequences for sequence in each], reuse)
        counts = list(zip(runs, map(len, sequences), strict=True))
        heads = [(run.reft, rows) for run, rows in _row_ranges(counts)]
        with acting_on(self.base, batch, counts) as (base, edits):
            return head_logits(base, batch, edits, heads, checkpointed=self.train_config.gradient_checkpointing)

    @torch.no_grad()
    def outputs(self, sequences: Sequence[EncodedExample], reft: Trainable, acting: Acting, reuse: Reuse | None = None) -> Tensor:
        """The logits (B, C) of the sequences."""
        return self.logits([RunRows(self, (), reft, acting)], [sequences], reuse)[0]


def _labels(run: RunRows[EncodedLabel], logits: Tensor) -> Tensor:
    """The label of each row, (B,), on the device of the logits."""
    return torch.tensor([row.label for row in run.rows], device=logits.device)


def objective_for(base: Base, config: MethodConfig, settings: TrainConfig, examples: Sequence[Example | Preference]) -> Objective[Any]:
    """The objective for these rows and this config: labels train a classifier, pairs a preference if both answers are compared.

    Raises:
        ConfigError: the base model cannot be trained so.
        DataError: the rows are of two kinds, or preference pairs have labels.
    """
    pairs = sum(isinstance(example, Preference) for example in examples)
    compares = pairs > 0 and settings.pairs == "compare"
    if (compares and pairs < len(examples)) or (pairs and config.labels):
        raise DataError("Preference pairs cannot be mixed with other rows or given labels.", kind="objective.mixed_rows")
    if config.labels:
        return Labelling(base, config, settings)
    if base.kind == "encoder":
        raise ConfigError(
            "{base} is an encoder: it writes no answers, but it can be trained to classify with labels.", "base",
            kind="objective.encoder", base=base.name,
        )  # fmt: skip
    if not blocks.generates_text(base.model):
        raise ConfigError(
            "{base} ({architecture}) has no head that writes: it writes no answers, but it can be trained to classify with labels.", "base",
            kind="objective.no_head", base=base.name, architecture=type(blocks.without_peft(base.model)).__name__,
        )  # fmt: skip
    return Preferring(base, config, settings) if compares else NextToken(base, config, settings)
