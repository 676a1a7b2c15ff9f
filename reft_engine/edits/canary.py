"""A canary: a prompt with the logits of an edited model, by which a loader proves that it reproduces the model."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.base.loading import precision_of
from reft_engine.edits.edited import EditedModel
from reft_engine.edits.precision import exact
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.adapter import CANARY_LOGITS, CANARY_TOKENS, CONFIG_NAME

_TOLERANCE, _HALF_TOLERANCE = 2e-3, 5e-2
"""Allowed difference of a logit as a share of the largest: in float32, and where either side runs in half precision."""


Run = Callable[[Tensor], Tensor]
"""Takes the token ids of one row (1, T); gives the output of the trained model, whose last dimension is that of the logits."""


def record(base: nn.Module, run: Run) -> dict[str, Any]:
    """Make a canary: prompt token ids, and the largest logits for them of what is trained beside ``base``."""
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
    vocabulary = blocks.vocabulary_size(base)
    # Distinct tokens, mostly no special ones: some models find padding by its token id.
    ids = [(7 + 31 * index) % vocabulary for index in range(CANARY_TOKENS)]
    end = getattr(base.config, "eos_token_id", None)
    if blocks.is_encoder_decoder(base) and not blocks.generates_text(base) and isinstance(end, int) and 0 <= end < vocabulary:
        ids[-1] = end  # encoder-decoders that classify pool at this token (BART, T5)
    return ids


def _precision(base: nn.Module) -> str:
    return str(next(base.parameters()).dtype).removeprefix("torch.")


@torch.no_grad()
def _canary_logits(base: nn.Module, run: Run, ids: list[int]) -> Tensor:
    """Logits of the next token (V,), or of a classifier's labels (C,).

    For a base model that generates no text: its own output (logits of its labels or of the last token), or the last token's hidden
    state (D,).
    """
    ids_BT = torch.tensor([ids], device=next(base.parameters()).device)
    with exact(ids_BT.device):  # an adapter saved under autocast must also load without it
        output = run(ids_BT)
    return output.reshape(-1, output.shape[-1])[-1].float().cpu()


def run_edited(reft: EditedModel, ids_BT: Tensor) -> Tensor:
    """The output of the edited model: logits where there are any, else the first tensor; a `Run`."""
    reft.eval()
    marked = [list(range(ids_BT.shape[1]))] if reft.positions.reads_text else None
    if reft.head is None and not blocks.generates_text(reft.base):
        return _run_other_head(reft, ids_BT, marked)
    start = {}
    if reft.head is None and blocks.is_encoder_decoder(reft.base):
        start = {"decoder_input_ids": torch.full_like(ids_BT[:, :1], blocks.decoder_start_token(reft.base))}
    return _first_output(reft(ids_BT, marked=marked, **start))


def _run_other_head(reft: EditedModel, ids_BT: Tensor, marked: list[list[int]] | None) -> Tensor:
    """The output of a model that generates no text; the last hidden states where its head needs other inputs (multiple choice)."""
    attempts: list[dict[str, Tensor]] = [{}]
    if blocks.accepts_argument(reft.base, "decoder_input_ids"):
        attempts.append({"decoder_input_ids": ids_BT})
    for extra in attempts:
        try:
            return _first_output(reft(ids_BT, marked=marked, **extra))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError):
            continue  # each family raises errors of its own for inputs that it cannot use
    plan = reft.plan(torch.ones_like(ids_BT), marked=marked)
    with blocks.editing(reft.edits(plan, reft.factors())):
        return blocks.last_hidden_states(reft.base, {"input_ids": ids_BT, "attention_mask": torch.ones_like(ids_BT)})


def _first_output(output: Any) -> Tensor:
    first: Tensor = output.logits if "logits" in output else output[0]
    return first


def replay(canary: dict[str, Any], base: nn.Module, run: Run, trained_in: str | None = None) -> float:
    """Compute a canary's logits again and compare them; ``trained_in`` is the precision of the base model when it was recorded.

    Returns:
        The largest absolute difference of a logit.

    Raises:
        AdapterError: the logits differ too much, or the base model does not have these tokens.
    """
    prompt_ids, token_ids = canary["prompt_ids"], canary["token_ids"]
    try:
        output = _canary_logits(base, run, prompt_ids) if max(prompt_ids) < blocks.vocabulary_size(base) else torch.empty(0)
    except ConfigError as error:
        raise AdapterError(
            "The canary of {name} cannot be replayed: {reason}", kind="canary.replay", name=CONFIG_NAME, reason=str(error)
        ) from error
    # A head may have fewer tokens than the embeddings, or more.
    if max(token_ids) >= len(output) or len(token_ids) != len(canary["logits"]):
        raise AdapterError(
            "The canary of {name} names tokens that this base model does not have, or lacks their logits.",
            kind="canary.tokens",
            name=CONFIG_NAME,
        )
    logits = output[token_ids]
    difference = float((logits - torch.tensor(canary["logits"], dtype=torch.float32)).abs().max())
    allowed = _TOLERANCE if {canary.get("dtype", "float32"), _precision(base)} == {"float32"} else _HALF_TOLERANCE
    if not math.isfinite(difference) or difference > allowed * max(1.0, float(logits.abs().max())):
        if trained_in not in (None, precision_of(base)):
            sentence = (
                "The adapter was trained on a base model in {trained}, and does not give the same answers on one in {loaded} "
                "(a logit differs by {difference:.3g}): load the base model in {trained}."
            )
            raise AdapterError(
                sentence, kind="canary.precision", trained=trained_in, loaded=precision_of(base), difference=difference
            )  # fmt: skip
        raise AdapterError(
            "The adapter does not give the answers that it was saved with (a logit differs by {difference:.3g}): the base model is "
            "another one, another revision or in fewer bits, or the file was changed.",
            kind="canary.logits",
            difference=difference,
        )
    return difference
