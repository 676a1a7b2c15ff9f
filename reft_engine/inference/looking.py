"""Conversations that are looked at and not answered: their tokens with what edits them, and tokens that a person is shown."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.baselines.peft import PeftBaseline
from reft_engine.edits.mix import Mix
from reft_engine.edits.model import ReftModel
from reft_engine.edits.switches import Switches
from reft_engine.errors import ConfigError
from reft_engine.inference.columns import strengths_of, switches_of
from reft_engine.inference.decoding import room
from reft_engine.inference.passes import Reading, plan_edits
from reft_engine.inference.prompts import Answerer, Prompt, check_writers, prompts_to_answer, rules_of
from reft_engine.inference.row_edits import PresentFactors, row_edits
from reft_engine.tokens.batches import Cached, lay_out
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.pieces import visible_after

Exclusive = Callable[[], AbstractContextManager[object]]
"""Entered around every pass, so that others can use the base model in between."""
Edits = ReftModel | Mix
"""What edits hidden states, unlike a baseline."""

_MOST_TOKENS = 4096
"""Tokens of a conversation that is looked at: whoever answers or trains waits for its passes."""


@dataclass(frozen=True, slots=True)
class LikelyToken:
    """A token that may come next: its id, its text as people can read it, and its probability (None: it is no number)."""

    id: int
    text: str
    probability: float | None


def check_edits(model: Answerer) -> Edits:
    """What edits hidden states. Raises ConfigError for a baseline."""
    if not isinstance(model, ReftModel | Mix):
        method = model.method_config.method if isinstance(model, PeftBaseline) else type(model).__name__
        raise ConfigError(
            "A baseline ({method}) edits no hidden states, so there is no layer and no token to look at.", "reft",
            kind="looking.baseline", method=method,
        )  # fmt: skip
    return model


def check_answer(base: Base, answer_ids: Sequence[int]) -> None:
    """Raises ConfigError for token ids that the base model does not have."""
    vocabulary = blocks.vocabulary_size(base.model)
    if not all(type(token) is int and 0 <= token < vocabulary for token in answer_ids):
        raise ConfigError("The answer holds token ids that this base model does not have.", "answer_ids", kind="looking.ids")


def read_row(
    base: Base, prompt: Prompt, model: Answerer, strength: float = 1.0, switches: Switches | None = None, *, more: int = 0
) -> Reading:  # fmt: skip
    """A prompt as a row of a pass, with what edits it now.

    Args:
        base: the frozen base model.
        prompt: as in `stream`.
        model: what edits the row; of a baseline, nothing does.
        strength: factor on the edits.
        switches: which layers and position groups act; all by default.
        more: tokens that follow the prompt, for which there must be room too.

    Raises:
        ConfigError, DataError: as from `stream`; or there are more than 4096 tokens.
    """
    checks.check_base(base)
    check_writers(base, [model])
    strengths_of([model], strength)
    (on,) = switches_of([model], [switches])
    prompts = prompts_to_answer(base, prompt, rules_of(model))
    ids = prompts[0].ids
    if room(base, len(ids)) < more or len(ids) + more > _MOST_TOKENS:
        raise ConfigError(
            "Prompt and answer have {tokens} tokens; of this base model at most {limit} are looked at.", "prompt",
            kind="looking.length", tokens=len(ids) + more, limit=min(base.context, _MOST_TOKENS),
        )  # fmt: skip
    return Reading(ids, row_edits(model, prompts, strength, on, PresentFactors()))


def unchanged(h_BTD: Tensor, _past: int) -> Tensor:
    """The edit of a layer where nothing acts."""
    return h_BTD


def edited_pass(base: Base, row: Reading) -> tuple[dict[str, Tensor], dict[int, blocks.Edit]]:
    """The inputs of a pass over one prompt, and its edits by layer; those of strength 0 are left out."""
    batch = lay_out(base, [EncodedExample(tuple(row.ids), (), 0)], Cached())
    return batch.inputs, plan_edits([row], batch.prompts, base.device)


def likeliest(base: Base, logits_V: Tensor, k: int, before: int) -> tuple[LikelyToken, ...]:
    """The ``k`` likeliest tokens of logits (V,), each as it reads after the token ``before``."""
    probabilities = torch.softmax(logits_V.float(), dim=-1)
    top = probabilities.topk(min(k, len(probabilities)))
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return tuple(LikelyToken(token, visible_after(base, before, token), number(value)) for token, value in pairs)


def likely_tokens(base: Base, found: Sequence[tuple[int, float]], before: int) -> tuple[LikelyToken, ...]:
    """Tokens with their log-probabilities, as they read after the token ``before``."""
    return tuple(LikelyToken(token, visible_after(base, before, token), probability(value)) for token, value in found)


def probability(log_probability: float) -> float | None:
    """The probability of a log-probability; None if it is no number."""
    return number(math.exp(log_probability))


def number(value: float) -> float | None:
    """A number that JSON can represent; None for NaN and infinity."""
    return value if math.isfinite(value) else None
