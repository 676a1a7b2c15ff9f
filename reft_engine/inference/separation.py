"""The proof that a row of the base model beside an edited row is the base model's own: bit for bit, on a real conversation.

Legend: B rows (the base model's, then the edited one), S last tokens, V vocabulary.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.baselines.mixed import MixedWeights, can_mix
from reft_engine.baselines.peft import PeftBaseline
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import Switches
from reft_engine.errors import ConfigError
from reft_engine.inference.decoding import takes_positions
from reft_engine.inference.looking import Exclusive, check_answer, read_row
from reft_engine.inference.passes import Reading, plan_edits
from reft_engine.inference.prompts import Answerer, Prompt
from reft_engine.inference.row_cache import keeps_all
from reft_engine.tokens.batches import Cached, lay_out
from reft_engine.tokens.examples import EncodedExample

_MOST_LOGITS = 2**23
"""Logits of a row that are compared: some hundred megabytes for three passes of two rows."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Logits of one row in two passes of the same shape: how many there are, how many differ in any bit, and by how much at most.

    ``largest`` is None if a difference is no number.
    """

    logits: int
    different: int
    largest: float | None


@dataclass(frozen=True, slots=True)
class Separation:
    """What three passes of the same two rows show: one without edits, one with the second row edited, one with its edit times 0.

    Attributes:
        tokens: number of tokens of each row.
        compared: number of last tokens after which logits are compared.
        base: the first row beside the edited one, against the pass without edits; nothing may differ.
        edited: the second row with its edit; something must differ, or the edit does nothing here and the proof shows nothing.
        zero: the second row with its edit's arithmetic computed and multiplied by 0; nothing may differ. None for a baseline, whose
            weights have no strength.
    """

    tokens: int
    compared: int
    base: Compared
    edited: Compared
    zero: Compared | None

    @property
    def acts(self) -> bool:
        """Whether the edit changes its own row."""
        return self.edited.different > 0

    @property
    def separate(self) -> bool:
        """Whether neither the base row beside an edit nor an edit times 0 differs in a single bit."""
        return self.base.different == 0 and (self.zero is None or self.zero.different == 0)

    @property
    def proven(self) -> bool:
        """Whether the rows are separate although the edit acts."""
        return self.separate and self.acts

    def to_dict(self) -> dict[str, Any]:
        """The figures and what follows from them, as plain data for JSON."""
        return {**asdict(self), "acts": self.acts, "separate": self.separate, "proven": self.proven}


@torch.no_grad()
def prove_separation(
    base: Base, prompt: Prompt, reft: Answerer, answer_ids: Sequence[int] = (), *, strength: float = 1.0,
    switches: Switches | None = None, exclusive: Exclusive = nullcontext,
) -> Separation:  # fmt: skip
    """Compare the logits of a base row beside an edited row with those of a pass of the same shape without edits, bit for bit.

    The passes are those in which prompts are read for answers. Logits are compared after each token, of long conversations after the
    last ones. An encoder-decoder's encoder reads the prompt with the edits, and its decoder the answer without.

    Args:
        base: the frozen base model.
        prompt: as in `stream`.
        reft: what edits the second row: an edit, a mix of edits, or a baseline that shares passes with the base model (LoRA, (IA)3).
        answer_ids: the answer so far.
        strength: factor on the edits.
        switches: which layers and position groups act; all by default.
        exclusive: entered around every pass, so that others can use the base model in between.

    Raises:
        ConfigError, DataError: as from `stream`; there are more than 4096 tokens, or some that the base model does not have; or the
            baseline is answered in a batch of its own.
    """
    check_answer(base, answer_ids)
    with exclusive():
        edited_row = read_row(base, prompt, reft, strength, switches, more=len(answer_ids))
    edited_row.weights = reft if isinstance(reft, PeftBaseline) else None
    rows = [Reading(edited_row.ids), edited_row]
    _check_shares(base, reft)
    compared = _compared_tokens(base, len(rows[0].ids), len(answer_ids))
    passes = _Passes(base, tuple(answer_ids), compared)
    with exclusive():
        plain = passes.logits([Reading(row.ids) for row in rows])
    with exclusive():
        beside = passes.logits(rows)
    base_row, edited = _compare(plain[0], beside[0]), _compare(plain[1], beside[1])
    del beside
    zero = None
    if edited_row.weights is None:
        at_zero = Reading(edited_row.ids, tuple(replace(edit, strength=0.0) for edit in edited_row.edits))
        with exclusive():
            zero = _compare(plain[1], passes.logits([rows[0], at_zero], compute_zero=True)[1])
    return Separation(len(rows[0].ids) + len(answer_ids), compared, base_row, edited, zero)


def _check_shares(base: Base, reft: Answerer) -> None:
    """Raises ConfigError for a baseline that has no row of the base model beside it."""
    if isinstance(reft, ReftModel | Mix):
        return
    if not (can_mix(reft) and base.kind == "decoder" and takes_positions(base) and keeps_all(base.model)):
        method = reft.method_config.method if isinstance(reft, PeftBaseline) else type(reft).__name__
        raise ConfigError(
            "This baseline ({method}) is answered in a batch of its own, so there is no row of the base model beside it to compare.",
            "reft", kind="separation.own_batch", method=method,
        )  # fmt: skip


def _compared_tokens(base: Base, prompt: int, answer: int) -> int:
    """Number of last tokens after which logits are compared; an encoder-decoder has none after tokens of its prompt."""
    tokens = answer + (1 if base.kind == "encoder_decoder" else prompt)
    return max(1, min(tokens, _MOST_LOGITS // blocks.vocabulary_size(base.model)))


class _Passes:
    """Passes over two rows of the same tokens."""

    def __init__(self, base: Base, answer_ids: tuple[int, ...], compared: int) -> None:
        self._base, self._answer, self._compared = base, answer_ids, compared

    def logits(self, rows: Sequence[Reading], *, compute_zero: bool = False) -> Tensor:
        """Logits (B, S, V) after the last tokens."""
        base, separate = self._base, self._base.kind == "encoder_decoder"
        ids = [tuple(row.ids) + (() if separate else self._answer) for row in rows]
        batch = lay_out(base, [EncodedExample(each, (), 0) for each in ids], Cached())
        inputs: dict[str, Any] = {**batch.inputs, "use_cache": True}
        if separate:
            start = [blocks.decoder_start_token(base.model), *self._answer]
            inputs["decoder_input_ids"] = torch.tensor([start] * len(rows), device=base.device)
        else:
            inputs["logits_to_keep"] = self._compared
        weights = [row.weights for row in rows]
        mixed = MixedWeights(base.model).of_rows(weights) if any(weights) else nullcontext(base.model)
        with blocks.editing(plan_edits(rows, batch.prompts, base.device, compute_zero=compute_zero)), mixed as model:
            logits: Tensor = blocks.without_peft(model)(**inputs).logits
        return logits[:, -self._compared :]


def _compare(one: Tensor, other: Tensor) -> Compared:
    """Compare two tensors of logits bit by bit, so that 0 and -0 differ, and NaN equals itself."""
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[one.element_size()]
    differs = one.contiguous().view(bits) != other.contiguous().view(bits)
    count = int(differs.sum())
    if not count:
        return Compared(one.numel(), 0, 0.0)
    largest = (one[differs].double() - other[differs].double()).abs().max()
    return Compared(one.numel(), count, float(largest) if bool(torch.isfinite(largest)) else None)
