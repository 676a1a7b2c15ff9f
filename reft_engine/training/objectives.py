"""What training makes smaller: the loss of answers, of labels, or of preferring one answer to another.

An objective says how rows are encoded, what they weigh, and what they cost. The loss of a batch is a sum, so that
micro-batches of a step add up; divided by the weight it is what people are shown. Rows of several runs can share one pass
of the base model: each run is a `RunRows` of the batch, with its own edits on its own rows.
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
    encode,
    encode_label,
    encode_preference,
    text_of,
)
from reft_engine.trainable import Acting, Trainable
from reft_engine.training.losses import answer_losses
from reft_engine.training.reuse.plan import Reuse
from reft_engine.training.schedule import MEASURED_AT_ONCE

Row = TypeVar("Row", bound=EncodedRow)


@dataclass(frozen=True, slots=True)
class RowResult:
    """How one row was answered: its loss in nats (a sum), what it weighs, and whether the answer is exactly right.

    A written answer is right when every token of it and its end token is the likeliest one, as greedy decoding would write it;
    a label when it is the likeliest; a preference pair when the preferred answer is the likelier one.
    """

    loss: float
    weight: int
    right: bool

    @property
    def mean(self) -> float:
        """Loss per answer token, label or pair."""
        return self.loss / max(self.weight, 1)


class Objective(Generic[Row]):
    """What all objectives share: a base model, what was asked for, and what is kept between steps."""

    def __init__(self, base: Base, config: MethodConfig, settings: TrainConfig) -> None:
        self.base, self.config, self.settings = base, config, settings
        self.reading = reading(config)
        self.reuse: Reuse | None = None

    @property
    def max_length(self) -> int:
        """Tokens of the longest row; virtual tokens take room in the base model's context too."""
        return min(self.settings.max_length, self.base.context - (self.config.tokens_before if isinstance(self.config, PeftConfig) else 0))

    def encode(self, example: Any) -> Row:
        """Encode one row. Raises DataError."""
        raise NotImplementedError

    def unprepared(self, rows: Sequence[Row]) -> list[Sequence[Row]]:
        """The rows that need `prepare`, in parts of one forward pass each."""
        return []

    def prepare(self, rows: Sequence[Row]) -> None:
        """Compute what depends on the frozen base model alone; must be done before `loss`, in one order always."""

    def weight(self, rows: Sequence[Row]) -> int:
        """What the loss of these rows is divided by."""
        return len(rows)

    def texts(self, rows: Sequence[Row]) -> list[EncodedExample]:
        """What is read of the rows: prompts, with answers where any are written."""
        raise NotImplementedError

    def length(self, rows: Sequence[Row]) -> int:
        """Tokens of all texts of the rows."""
        return sum(text.length for text in self.texts(rows))

    def tokens(self, row: Row) -> int:
        """How many tokens of a row a step computes, as many times as it is read."""
        # Dropout draws pass by pass, so with it the passes must be the same whatever is reused.
        known = self.reuse.first if self.reuse and not self.config.dropout else lambda text: 0
        texts = self.texts([row])
        return len(texts) * max(text.length - known(text) for text in texts)

    def losses(self, parts: "Sequence[RunRows[Row]]") -> list[Tensor]:
        """Of each part the sum of its rows' losses in nats, a number, from one pass of the base model."""
        raise NotImplementedError

    def loss(self, rows: Sequence[Row], reft: Trainable, acting: Acting | None) -> Tensor:
        """Sum of the rows' losses in nats, a number; without ``acting`` that of the unedited base model."""
        return self.losses([RunRows(self, rows, reft, acting)])[0]

    @torch.no_grad()
    def measure(self, rows: Sequence[Row], reft: Trainable, edited: bool = True) -> list[RowResult]:
        """Of each row how it is answered, edited or not, without dropout: one forward pass of `MEASURED_AT_ONCE` rows each."""
        self.prepare(rows)
        acting = reft.acting() if edited else None
        return [
            result
            for part in in_batches(rows, MEASURED_AT_ONCE)
            for result in self.results(RunRows(self, part, reft, acting))
        ]  # fmt: skip

    def results(self, part: "RunRows[Row]") -> list[RowResult]:
        """How each row of a part is answered, from one pass of the base model."""
        raise NotImplementedError

    def mean(self, rows: Sequence[Row], reft: Trainable, edited: bool = True) -> float:
        """Loss per unit of weight; see `measure`."""
        return mean_loss(self.measure(rows, reft, edited))

    @torch.no_grad()
    def numbers(self, texts: Sequence[EncodedExample], reft: Trainable, acting: Acting) -> Tensor:
        """What losses are made of: numbers of each text, one text after another."""
        return torch.cat(self._answer_losses(self._collate(texts), [(RunRows(self, (), reft, acting), len(texts))]))

    def _collate(self, texts: Sequence[EncodedExample]) -> Batch:
        return collate(self.base, texts, self.reuse)

    def _answer_losses(self, batch: Batch, parts: "Sized", *, greedy: bool = False) -> list[Tensor]:
        """Of each row the losses of its answer's tokens, with what acts on the parts; with ``greedy`` as `answer_losses` says."""
        before = max((part.acting.virtual_logits for part, _ in parts if part.acting), default=0)
        checkpointed = self.settings.gradient_checkpointing
        with acting_on(self.base, batch, parts) as (base, edits):
            losses = answer_losses(base, batch, edits, checkpointed=checkpointed, greedy=greedy, before=before)
        return list(losses.split(list(batch.counts), dim=-1))


@dataclass(frozen=True, slots=True)
class RunRows(Generic[Row]):
    """Rows of one run, with what acts on them; without ``acting`` they are read by the unedited base model."""

    objective: Objective[Row]
    rows: Sequence[Row]
    reft: Trainable
    acting: Acting | None


Sized = Sequence[tuple[RunRows[Any], int]]
"""Parts of a batch, with the number of its rows that each has."""


def mean_loss(results: Sequence[RowResult]) -> float:
    """Loss per unit of weight over all rows; 0 of none."""
    return sum(result.loss for result in results) / max(sum(result.weight for result in results), 1)


@contextmanager
def acting_on(base: Base, batch: Batch, parts: Sized) -> Iterator[tuple[Base, dict[int, blocks.Edit]]]:
    """What runs a batch inside the ``with``: the base model, or the one that stands in for it, and the edits of all parts."""
    acting = [(part.acting, inside) for part, inside in _placed(parts) if part.acting]
    edits = combine([each.edits(batch.prompts, inside, batch.device) for each, inside in acting])
    models = {id(each.model): each for each, _ in acting}
    with ExitStack() as around:
        for each in models.values():
            around.enter_context(each.drawing())
        yield next((replace(base, model=each.model) for each in models.values()), base), edits


def _placed(parts: Iterable[tuple[RunRows[Any], int]]) -> Iterator[tuple[RunRows[Any], range]]:
    """Each part with the rows that it has in the batch."""
    begin = 0
    for part, count in parts:
        yield part, range(begin, begin + count)
        begin += count


class NextToken(Objective[EncodedExample]):
    """Cross-entropy of the answer's tokens; weighs answer tokens. Source: arXiv 2404.03592, equation 4."""

    def encode(self, example: Example) -> EncodedExample:
        """See `encoding.encode`."""
        return encode(self.base, example, self.max_length, self.reading, self.settings.answer_tokens)

    def weight(self, rows: Sequence[EncodedExample]) -> int:
        """Count answer tokens."""
        return sum(len(row.answer_ids) for row in rows)

    def texts(self, rows: Sequence[EncodedExample]) -> list[EncodedExample]:
        """See `Objective.texts`."""
        return list(rows)

    def losses(self, parts: Sequence[RunRows[EncodedExample]]) -> list[Tensor]:
        """See `Objective.losses`."""
        batch = self._collate([row for part in parts for row in part.rows])
        sizes = [(part, len(part.rows)) for part in parts]
        found = self._answer_losses(batch, sizes)
        return [torch.cat(found[inside.start : inside.stop]).sum() for _, inside in _placed(sizes)]

    def results(self, part: RunRows[EncodedExample]) -> list[RowResult]:
        """See `Objective.results`. An answer that was cut has no end, so it is never right."""
        batch = self._collate(part.rows)
        found = self._answer_losses(batch, [(part, len(part.rows))], greedy=True)
        return [
            RowResult(float(each[0].sum()), each.shape[1], bool(each[1].all()) and not row.cut)
            for row, each in zip(part.rows, found, strict=True)
        ]


class Preferring(Objective[EncodedPreference]):
    """Direct preference optimisation; weighs pairs. The reference is the same base model with the edits off: no second copy.

    -log sigmoid(beta * ((log p(chosen) - log p0(chosen)) - (log p(rejected) - log p0(rejected)))).
    Source: arXiv 2305.18290, equation 7.
    """

    def __init__(self, base: Base, config: MethodConfig, settings: TrainConfig) -> None:
        super().__init__(base, config, settings)
        self._reference: dict[EncodedPreference, float] = {}

    def encode(self, example: Preference) -> EncodedPreference:
        """See `encoding.encode_preference`."""
        return encode_preference(self.base, example, self.max_length, self.reading, self.settings.answer_tokens)

    def unprepared(self, rows: Sequence[EncodedPreference]) -> list[Sequence[EncodedPreference]]:
        """See `Objective.unprepared`."""
        return list(in_batches([row for row in dict.fromkeys(rows) if row not in self._reference], MEASURED_AT_ONCE))

    @torch.no_grad()
    def prepare(self, rows: Sequence[EncodedPreference]) -> None:
        """Compute how much likelier the unedited base model finds each chosen answer."""
        for part in self.unprepared(rows):
            self._reference |= zip(part, map(float, self._margins(self._collate(self.texts(part)), [])), strict=True)

    def texts(self, rows: Sequence[EncodedPreference]) -> list[EncodedExample]:
        """See `Objective.texts`."""
        return [side for row in rows for side in (row.chosen, row.rejected)]

    def losses(self, parts: Sequence[RunRows[EncodedPreference]]) -> list[Tensor]:
        """See `Objective.losses`; the unedited base model's is log 2 a pair."""
        batch = self._collate([side for part in parts for side in self.texts(part.rows)])
        margins = self._margins(batch, [(part, 2 * len(part.rows)) for part in parts])
        placed = _placed((part, len(part.rows)) for part in parts)
        return [_preferences(part, margins[inside.start : inside.stop]).sum() for part, inside in placed]

    def results(self, part: RunRows[EncodedPreference]) -> list[RowResult]:
        """See `Objective.results`."""
        batch = self._collate(self.texts(part.rows))
        margins = self._margins(batch, [(part, 2 * len(part.rows))])
        losses = _preferences(part, margins)
        return [RowResult(float(loss), 1, float(margin) > 0) for loss, margin in zip(losses, margins, strict=True)]

    def reference(self, row: EncodedPreference) -> float:
        """What `prepare` has computed of a row."""
        return self._reference[row]

    def _margins(self, batch: Batch, parts: Sized) -> Tensor:
        """Of each pair log p(chosen) - log p(rejected), sums over answer tokens; ``batch`` holds `texts`, twice the pairs."""
        # Adding the losses up in place would follow no fixed order on a GPU.
        sums = torch.stack([losses.sum() for losses in self._answer_losses(batch, parts)])
        return sums[1::2] - sums[::2]


def _preferences(part: RunRows[EncodedPreference], margins: Tensor) -> Tensor:
    """The loss of each pair, (B,)."""
    objective = part.objective
    assert isinstance(objective, Preferring)
    reference = torch.tensor([objective.reference(row) for row in part.rows], device=margins.device)
    return -F.logsigmoid(objective.settings.preference_beta * (margins - reference))


class Labelling(Objective[EncodedLabel]):
    """Cross-entropy of the label under the head; weighs rows. Source: arXiv 2404.03592, equations 5 and 6."""

    def encode(self, example: Example) -> EncodedLabel:
        """See `encoding.encode_label`."""
        return encode_label(self.base, example, self.max_length, self.reading)

    def texts(self, rows: Sequence[EncodedLabel]) -> list[EncodedExample]:
        """See `Objective.texts`."""
        return [text_of(row.prompt, row.line) for row in rows]

    def losses(self, parts: Sequence[RunRows[EncodedLabel]]) -> list[Tensor]:
        """See `Objective.losses`; unedited, the head reads the base model's own hidden states."""
        found = []
        for part, logits in zip(parts, self.logits(parts, [self.texts(part.rows) for part in parts]), strict=True):
            wanted = torch.tensor([row.label for row in part.rows], device=logits.device)
            found.append(F.cross_entropy(logits, wanted, reduction="sum"))
        return found

    def results(self, part: RunRows[EncodedLabel]) -> list[RowResult]:
        """See `Objective.results`."""
        logits = self.logits([part], [self.texts(part.rows)])[0]
        wanted = torch.tensor([row.label for row in part.rows], device=logits.device)
        losses = F.cross_entropy(logits, wanted, reduction="none")
        right = logits.argmax(dim=-1) == wanted
        return [RowResult(float(loss), 1, bool(hit)) for loss, hit in zip(losses, right, strict=True)]

    def logits(self, parts: Sequence[RunRows[Any]], texts: Sequence[Sequence[EncodedExample]]) -> list[Tensor]:
        """Of each part the logits (B, C) of its texts, float32."""
        batch = self._collate([text for each in texts for text in each])
        sizes = list(zip(parts, map(len, texts), strict=True))
        heads = [(part.reft, inside) for part, inside in _placed(sizes)]
        with acting_on(self.base, batch, sizes) as (base, edits):
            return head_logits(base, batch, edits, heads, checkpointed=self.settings.gradient_checkpointing)

    @torch.no_grad()
    def numbers(self, texts: Sequence[EncodedExample], reft: Trainable, acting: Acting) -> Tensor:
        """See `Objective.numbers`; here the logits."""
        return self.logits([RunRows(self, (), reft, acting)], [texts])[0]


def objective_for(base: Base, config: MethodConfig, settings: TrainConfig, examples: Sequence[Example | Preference]) -> Objective[Any]:
    """The objective that the rows and the settings ask for: labels make a classifier, preference pairs a preference.

    Raises:
        ConfigError: the base model cannot do it.
        DataError: the rows are of two kinds, or pairs are to be labelled.
    """
    pairs = sum(isinstance(example, Preference) for example in examples)
    if pairs and (pairs < len(examples) or config.labels):
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
    return Preferring(base, config, settings) if pairs else NextToken(base, config, settings)
