"""A canary: a prompt with what an edited model answers, by which a loader proves that it reproduces the model."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.edits.edited import EditedModel
from reft_engine.edits.precision import exact
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.adapter import CANARY_LOGITS, CANARY_TOKENS, CONFIG_NAME

_TOLERANCE, _HALF_TOLERANCE = 2e-3, 5e-2
"""How far a canary's logits may be off, as a share of the largest: in float32, and where either side rounds to half precision."""


Run = Callable[[Tensor], Tensor]
"""Takes the token ids of one row, (1, T); gives what the trained model answers, with logits, or what stands in for them, last."""


def take(base: nn.Module, run: Run) -> dict[str, Any]:
    """Prompt token ids, and the largest logits that they are answered with by what is trained beside ``base``."""
    ids = _canary_ids(base)
    logits = _canary_logits(base, run, ids)
    top = logits.topk(min(CANARY_LOGITS, len(logits)))
    return {
        "prompt_ids": ids,
        "token_ids": top.indices.tolist(),
        "logits": [round(value, 6) for value in top.values.tolist()],
        "dtype": _precision(base),
    }


def _canary_ids(base: nn.Module) -> list[int]:
    vocabulary = blocks.vocabulary(base)
    # No token twice, and of the vocabulary's middle: models may count padding by a token of theirs.
    ids = [(7 + 31 * index) % vocabulary for index in range(CANARY_TOKENS)]
    end = getattr(base.config, "eos_token_id", None)
    if blocks.is_encoder_decoder(base) and not blocks.writes(base) and isinstance(end, int) and 0 <= end < vocabulary:
        ids[-1] = end  # of which encoder-decoders that classify read their answer (BART, T5)
    return ids


def _precision(base: nn.Module) -> str:
    return str(next(base.parameters()).dtype).removeprefix("torch.")


@torch.no_grad()
def _canary_logits(base: nn.Module, run: Run, ids: list[int]) -> Tensor:
    """What the prompt is answered with: logits of the next token, (V,), or of a classifier's labels, (C,).

    Of a model without a head that writes they are what it gives: logits of its own labels, or of the last token, or the numbers of the
    last hidden state, (D,).
    """
    ids_BT = torch.tensor([ids], device=next(base.parameters()).device)
    with exact(ids_BT.device):  # what is saved under autocast is also loaded without
        found = run(ids_BT)
    return found.reshape(-1, found.shape[-1])[-1].float().cpu()


def given(reft: EditedModel, ids_BT: Tensor) -> Tensor:
    """What an edited model answers; a `Run`."""
    reft.eval()
    marked = [list(range(ids_BT.shape[1]))] if reft.positions.marked else None
    if reft.head is None and not blocks.writes(reft.base):
        return _of_other_heads(reft, ids_BT, marked)
    start = {}
    if reft.head is None and blocks.is_encoder_decoder(reft.base):
        start = {"decoder_input_ids": torch.full_like(ids_BT[:, :1], blocks.decoder_start(reft.base))}
    return _numbers(reft(ids_BT, marked=marked, **start))


def _of_other_heads(reft: EditedModel, ids_BT: Tensor, marked: list[list[int]] | None) -> Tensor:
    """What a model that writes no text gives; the last hidden states where its head wants more than a row of tokens (multiple choice)."""
    ways: list[dict[str, Tensor]] = [{}]
    if blocks.takes(reft.base, "decoder_input_ids"):
        ways.append({"decoder_input_ids": ids_BT})
    for extra in ways:
        try:
            return _numbers(reft(ids_BT, marked=marked, **extra))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError):
            continue  # each family refuses what it cannot use in its own way
    plan = reft.plan(torch.ones_like(ids_BT), marked=marked)
    with blocks.editing(reft.edits(plan, reft.factors())):
        return blocks.last_hidden(reft.base, {"input_ids": ids_BT, "attention_mask": torch.ones_like(ids_BT)})


def _numbers(output: Any) -> Tensor:
    found: Tensor = output.logits if "logits" in output else output[0]
    return found


def replay(canary: dict[str, Any], base: nn.Module, run: Run) -> float:
    """Answer a canary's prompt again.

    Returns:
        The largest difference of a logit.

    Raises:
        AdapterError: the answer is another one, or there are no such tokens.
    """
    read, tokens = canary["prompt_ids"], canary["token_ids"]
    try:
        answered = _canary_logits(base, run, read) if max(read) < blocks.vocabulary(base) else torch.empty(0)
    except ConfigError as error:
        raise AdapterError(f"The canary of {CONFIG_NAME} cannot be replayed: {error}") from error
    # A head may know fewer tokens than the embeddings, or more.
    if max(tokens) >= len(answered) or len(tokens) != len(canary["logits"]):
        raise AdapterError(f"The canary of {CONFIG_NAME} names tokens that this base model does not have, or lacks their logits.")
    logits = answered[tokens]
    difference = float((logits - torch.tensor(canary["logits"])).abs().max())
    allowed = _TOLERANCE if {canary.get("dtype", "float32"), _precision(base)} == {"float32"} else _HALF_TOLERANCE
    if not math.isfinite(difference) or difference > allowed * max(1.0, float(logits.abs().max())):
        raise AdapterError(
            f"The adapter does not give the answers that it was saved with (a logit differs by {difference:.3g}): "
            "the base model is another one, another revision or in fewer bits, or the file was changed."
        )
    return difference
