"""The logit lens: which next token the model would say if a hidden state were its last one.

Source: nostalgebraist, "interpreting GPT: the logit lens", LessWrong 2020. A state between two blocks is read by the model's own final
norm and output head, as if no block followed. What it says of a middle layer is a hint, not what the model thinks there.

Legend: D hidden size, N states, V vocabulary.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.edits.switches import Switches
from reft_engine.errors import ConfigError
from reft_engine.inference.looking import Exclusive, LikelyToken, check_edits, edited_pass, likeliest, read_row, unchanged
from reft_engine.inference.prompts import Answerer, Prompt


@dataclass(frozen=True, slots=True)
class Lens:
    """The likeliest next tokens read off one token's hidden state after a block, ``before`` its edit there and ``after`` it."""

    layer: int
    token: int
    before: tuple[LikelyToken, ...]
    after: tuple[LikelyToken, ...]

    def to_dict(self) -> dict[str, Any]:
        """The lens as plain data for JSON."""
        return asdict(self)


@torch.no_grad()
def logit_lens(
    base: Base, prompt: Prompt, reft: Answerer, layer: int, token: int, *, k: int = 5, strength: float = 1.0,
    switches: Switches | None = None, exclusive: Exclusive = nullcontext,
) -> Lens:  # fmt: skip
    """Read the likeliest next tokens off a hidden state before and after its edit, in two short passes.

    Edits of lower layers act on both; at a layer that is not edited both are the same.

    Args:
        base: the frozen base model, a decoder.
        prompt: as in `stream`.
        reft: an edit or a mix of edits.
        layer: the block after which the state is read, counted from 0.
        token: index of the prompt's token.
        k: number of likeliest tokens.
        strength: factor on the edits.
        switches: which layers and position groups act; all by default.
        exclusive: entered around the passes.

    Raises:
        ConfigError, DataError: as from `map_edit`; the layer or the token does not exist; or the base model is an encoder-decoder, whose
            edits act in the encoder, which no output head reads.
    """
    edits = check_edits(reft)
    if base.kind == "encoder_decoder":
        raise ConfigError(
            "{base} is an encoder-decoder: the edit acts in its encoder, whose hidden states no output head reads.", "base",
            kind="lens.encoder", base=base.name,
        )  # fmt: skip
    checks.whole_number(layer, "layer", 0, base.layers - 1)
    checks.whole_number(k, "k", 1)
    with exclusive():
        row = read_row(base, prompt, edits, strength, switches)
        checks.whole_number(token, "token", 0, len(row.ids) - 1)
        inputs, acting = edited_pass(base, row)
        states: list[Tensor] = []

        def keep(h_BTD: Tensor, past: int) -> Tensor:
            edited = acting.get(layer, unchanged)(h_BTD, past)
            states.extend((h_BTD[0, token], edited[0, token]))
            return edited

        with blocks.editing({**acting, layer: keep}, stop_after=layer):
            blocks.last_hidden_states(base.model, inputs)
        logits = read_states(base, states)
    before, after = (likeliest(base, each, k, row.ids[token]) for each in logits)
    return Lens(layer, token, before, after)


def read_states(base: Base, states: Sequence[Tensor]) -> Tensor:
    """Logits (N, V) that the base model's final norm and head read off hidden states (D,).

    The model itself runs over as many rows of one token, and the last block's output is replaced: whatever follows it in this family
    (norm, narrowing, head, soft caps) acts as always.
    """
    stack_N1D = torch.stack(list(states)).unsqueeze(1)
    ids = torch.zeros(len(states), 1, dtype=torch.int64, device=base.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with blocks.editing({base.layers - 1: lambda h_BTD, _past: stack_N1D.to(h_BTD.dtype)}):
        logits: Tensor = blocks.without_peft(base.model)(**inputs).logits
    return logits[:, -1]
