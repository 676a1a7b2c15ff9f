"""What training makes smaller: the loss of answers, of labels, or of preferring one answer to another.

An objective says how rows are encoded, what they weigh, and what they cost. The loss of a batch is a sum, so that
micro-batches of a step add up; divided by the weight it is what people are shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine import blocks
from reft_engine.base_models import Base
from reft_engine.batching import Batch, collate, in_batches, pad
from reft_engine.data import Example, Preference
from reft_engine.encoding import (
    EncodedExample,
    EncodedLabel,
    EncodedPreference,
    EncodedPrompt,
    EncodedRow,
    encode,
    encode_label,
    encode_preference,
)
from reft_engine.errors import ConfigError, DataError
from reft_engine.interventions import Factors
from reft_engine.losses import answer_losses
from reft_engine.model import ReftModel
from reft_engine.spec import ReftConfig, TrainConfig

Row = TypeVar("Row", bound=EncodedRow)
_ROWS = 16


class Objective(Generic[Row]):
    """What all objectives share: a base model, and what was asked for."""

    def __init__(self, base: Base, config: ReftConfig, settings: TrainConfig) -> None:
        self.base, self.config, self.settings = base, config, settings

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

    def loss(self, rows: Sequence[Row], reft: ReftModel, factors: Factors | None, dropout: float = 0.0) -> Tensor:
        """Sum of the rows' losses in nats, a number; without ``factors`` that of the unedited base model."""
        raise NotImplementedError

    @torch.no_grad()
    def mean(self, rows: Sequence[Row], reft: ReftModel, edited: bool = True) -> float:
        """Loss per unit of weight, edited or not, without dropout."""
        self.prepare(rows)
        total, weight = 0.0, 0
        for part in in_batches(rows, _ROWS):
            total += float(self.loss(part, reft, reft.factors() if edited else None))
            weight += self.weight(part)
        return total / max(weight, 1)

    def _collate(self, rows: Sequence[EncodedExample]) -> Batch:
        return collate(rows, self.base.pad_id, self.base.device, apart=self.base.kind == "encoder_decoder")


def batch_edits(batch: Batch, reft: ReftModel, factors: Factors | None, dropout: float = 0.0) -> Mapping[int, blocks.Edit]:
    """The edits of one batch; none without ``factors``."""
    if factors is None:
        return {}
    return reft.edits(reft.plan(batch.attention_mask, batch.prompt_lengths, marked=batch.marked), factors, dropout=dropout)


class NextToken(Objective[EncodedExample]):
    """Cross-entropy of the answer's tokens; weighs answer tokens. Source: arXiv 2404.03592, equation 4."""

    def encode(self, example: Example) -> EncodedExample:
        """See `encoding.encode`."""
        return encode(self.base, example, self.settings.max_length, self.config, self.settings.answer_tokens)

    def weight(self, rows: Sequence[EncodedExample]) -> int:
        """Count answer tokens."""
        return sum(len(row.answer_ids) for row in rows)

    def loss(self, rows: Sequence[EncodedExample], reft: ReftModel, factors: Factors | None, dropout: float = 0.0) -> Tensor:
        """See `Objective.loss`."""
        batch = self._collate(rows)
        return answer_losses(self.base, batch, batch_edits(batch, reft, factors, dropout))[0].sum()


class Preferring(Objective[EncodedPreference]):
    """Direct preference optimisation; weighs pairs. The reference is the same base model with the edits off: no second copy.

    -log sigmoid(beta * ((log p(chosen) - log p0(chosen)) - (log p(rejected) - log p0(rejected)))).
    Source: arXiv 2305.18290, equation 7.
    """

    def __init__(self, base: Base, config: ReftConfig, settings: TrainConfig) -> None:
        super().__init__(base, config, settings)
        self._reference: dict[EncodedPreference, float] = {}

    def encode(self, example: Preference) -> EncodedPreference:
        """See `encoding.encode_preference`."""
        return encode_preference(self.base, example, self.settings.max_length, self.config, self.settings.answer_tokens)

    def unprepared(self, rows: Sequence[EncodedPreference]) -> list[Sequence[EncodedPreference]]:
        """See `Objective.unprepared`."""
        return list(in_batches([row for row in dict.fromkeys(rows) if row not in self._reference], _ROWS))

    @torch.no_grad()
    def prepare(self, rows: Sequence[EncodedPreference]) -> None:
        """Compute how much likelier the unedited base model finds each chosen answer."""
        for part in self.unprepared(rows):
            self._reference |= zip(part, self._margins(self._collate(self._sides(part)), {}).tolist(), strict=True)

    def loss(self, rows: Sequence[EncodedPreference], reft: ReftModel, factors: Factors | None, dropout: float = 0.0) -> Tensor:
        """See `Objective.loss`; the unedited base model's is log 2 a pair."""
        batch = self._collate(self._sides(rows))
        margins = self._margins(batch, batch_edits(batch, reft, factors, dropout))
        reference = torch.tensor([self._reference[row] for row in rows], device=margins.device)
        return -F.logsigmoid(self.settings.preference_beta * (margins - reference)).sum()

    def _margins(self, batch: Batch, edits: Mapping[int, blocks.Edit]) -> Tensor:
        """Of each pair log p(chosen) - log p(rejected), sums over answer tokens; ``batch`` holds `_sides`, twice the pairs."""
        losses, _ = answer_losses(self.base, batch, edits)
        # Losses come row by row; adding them up in place would follow no fixed order on a GPU.
        counts = (batch.labels != -100).sum(dim=1).tolist()
        sums = torch.stack([part.sum() for part in losses.split(counts)])
        chosen, rejected = sums.chunk(2)
        return rejected - chosen

    @staticmethod
    def _sides(rows: Sequence[EncodedPreference]) -> list[EncodedExample]:
        return [row.chosen for row in rows] + [row.rejected for row in rows]


class Labelling(Objective[EncodedLabel]):
    """Cross-entropy of the label under the head; weighs rows. Source: arXiv 2404.03592, equations 5 and 6."""

    def encode(self, example: Example) -> EncodedLabel:
        """See `encoding.encode_label`."""
        return encode_label(self.base, example, self.settings.max_length, self.config)

    def loss(self, rows: Sequence[EncodedLabel], reft: ReftModel, factors: Factors | None, dropout: float = 0.0) -> Tensor:
        """See `Objective.loss`; unedited, the head reads the base model's own hidden states."""
        logits = label_logits(self.base, [row.prompt for row in rows], reft, factors, dropout)
        return F.cross_entropy(logits, torch.tensor([row.label for row in rows], device=logits.device), reduction="sum")


def label_logits(
    base: Base, prompts: Sequence[EncodedPrompt], reft: ReftModel, factors: Factors | None, dropout: float = 0.0
) -> Tensor:
    """Logits (B, C) of a classifier, float32; without ``factors`` the head reads the base model's own hidden states."""
    ids, mask = pad([prompt.ids for prompt in prompts], base.pad_id, base.device)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if any(prompt.second for prompt in prompts) and "token_type_ids" in base.tokenizer.model_input_names:
        columns = torch.arange(ids.shape[1], device=ids.device)
        seconds = torch.tensor([prompt.second or ids.shape[1] for prompt in prompts], device=ids.device)
        inputs["token_type_ids"] = (columns >= seconds.unsqueeze(1)).to(torch.int64) * mask
    edits: Mapping[int, blocks.Edit] = {}
    if factors is not None:
        lengths = [len(prompt.ids) for prompt in prompts]
        edits = reft.edits(reft.plan(mask, lengths, marked=[prompt.marked for prompt in prompts]), factors, dropout=dropout)
    return reft.label_logits(inputs, edits)


def objective_for(base: Base, config: ReftConfig, settings: TrainConfig, examples: Sequence[Example | Preference]) -> Objective[Any]:
    """The objective that the rows and the settings ask for: labels make a classifier, preference pairs a preference.

    Raises:
        ConfigError: the base model cannot do it.
        DataError: the rows are of two kinds, or pairs are to be labelled.
    """
    pairs = sum(isinstance(example, Preference) for example in examples)
    if pairs and (pairs < len(examples) or config.labels):
        raise DataError("Preference pairs cannot be mixed with other rows or given labels.")
    if config.labels:
        return Labelling(base, config, settings)
    if base.kind == "encoder":
        raise ConfigError(f"{base.name} is an encoder: it writes no answers, but it can be trained to classify with labels.", "base")
    return Preferring(base, config, settings) if pairs else NextToken(base, config, settings)
