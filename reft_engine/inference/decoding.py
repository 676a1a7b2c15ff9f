"""What answering needs of a base model: text of tokens, prefill of a batch, KV cache, end tokens, room.

Legend: B rows, T tokens (padded), V vocabulary.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.plan import Prompts
from reft_engine.errors import ConfigError
from reft_engine.tokens.batches import Batch, Cached, lay_out
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.prompts import end_ids


@dataclass(frozen=True, slots=True)
class ChosenToken:
    """A token of an answer: its id, its log-probability before temperature and penalty, and the likeliest ones at its place.

    Where logits are adjusted, it is that of what the adjustment gave, which has the penalty in it.
    """

    id: int
    log_probability: float
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of one column; ``ended`` is True for the column's last piece; ``tokens`` where log-probabilities were asked for."""

    column: int
    text: str
    ended: bool = False
    tokens: tuple[ChosenToken, ...] = ()


class Column:
    """The text of one row so far; bytes of an incomplete character (such as an emoji) are held back, and what may begin a stop text."""

    def __init__(self, base: Base, ids: Sequence[int] = (), stop: Sequence[str] = ()) -> None:
        self.tokenizer, self.ids, self.shown = base.tokenizer, list(ids), ""
        self.end: int | None = None
        self.stopped = False
        self._stop, self._held = tuple(stop), ""

    @property
    def ended_ids(self) -> tuple[int, ...]:
        """The token ids, with the one that ended the text, if one did."""
        return (*self.ids, *(() if self.end is None else (self.end,)))

    def push(self, token: int, ends: Collection[int] = ()) -> str:
        """Add a token, which may be one that ``ends`` the text; returns the new text."""
        if token in ends:
            self.end = token
            return ""
        self.ids.append(token)
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd") or not text.startswith(self.shown):
            return ""
        new_text, self.shown = text[len(self.shown) :], text
        return self._before_stop(new_text)

    def rest(self) -> str:
        """The text that was held back."""
        if self.stopped:
            return ""
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        new_text, self.shown = text[len(self.shown) :], text
        return self._before_stop(new_text) + self._held

    def _before_stop(self, new_text: str) -> str:
        """What may be shown: what is before the first stop text, and no part that may be the beginning of one."""
        if not self._stop:
            return new_text
        text = self._held + new_text
        found = [place for place in map(text.find, self._stop) if place >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        held = max(size for stop in self._stop for size in range(len(stop)) if text.endswith(stop[:size]))
        self._held = text[len(text) - held :]
        return text[: len(text) - held]


@dataclass(slots=True)
class Decoding:
    """The base model's arguments beside the next token, with the KV cache of all tokens before it.

    ``last_position`` is the highest position id that the base model has; 0 for rows of one length, which are given no positions.
    """

    inputs: dict[str, Any]
    last_position: int = 0

    @property
    def cache(self) -> Any:
        """The KV cache."""
        return self.inputs["past_key_values"]

    def advance(self) -> None:
        """Make room for one more token in each row."""
        if self.last_position:
            mask, position_ids = self.inputs["attention_mask"], self.inputs["position_ids"]
            self.inputs["attention_mask"] = F.pad(mask, (0, 1), value=1)
            # A row that has ended goes on beside the others, beyond the base model's context if they are shorter.
            self.inputs["position_ids"] = (position_ids[:, -1:] + 1).clamp(max=self.last_position)


PlanEdits = Callable[[Prompts], Mapping[int, blocks.Edit]]
"""The edits of a batch, by layer, for the places of its prompts."""


@torch.no_grad()
def prefill(base: Base, rows: Sequence[EncodedExample], plan: PlanEdits) -> tuple[Tensor, Decoding]:
    """Logits (B, V) of the first answer token of each row, and what the later passes take.

    Args:
        base: the base model; for prompts of different lengths an encoder-decoder, or a decoder that `takes_positions`.
        rows: prompts without answers.
        plan: gives the edits.

    Raises:
        ConfigError: the base model keeps no KV cache.
    """
    # A decoder writes after its prompt, so shorter prompts are padded before it.
    differ = len({len(row.prompt_ids) for row in rows}) > 1
    batch = lay_out(base, rows, Cached("left" if differ and base.kind == "decoder" else "right"))
    decoding = Decoding({"use_cache": True})
    with blocks.editing(plan(batch.prompts)):
        inputs = _encoded(base, batch, decoding) if base.kind == "encoder_decoder" else {**batch.inputs, "logits_to_keep": 1}
        output = base.model(**inputs, **decoding.inputs)
    decoding.inputs["past_key_values"] = getattr(output, "past_key_values", None)
    if decoding.cache is None:
        raise ConfigError(
            "{base} keeps no key-value cache, as answering needs it. Choose another base model.",
            "base",
            kind="generation.cache",
            base=base.name,
        )
    if "position_ids" in batch.inputs:
        decoding.inputs |= {name: batch.inputs[name] for name in ("attention_mask", "position_ids")}
        decoding.last_position = blocks.first_position(base.model) + base.context - 1
    return output.logits[:, -1], decoding


def takes_positions(base: Base) -> bool:
    """Whether prompts of different lengths can be rows of one batch: a decoder's are padded on the left, and need positions."""
    return base.kind == "encoder_decoder" or blocks.accepts_argument(base.model, "position_ids")


def _encoded(base: Base, batch: Batch, decoding: Decoding) -> dict[str, Any]:
    """Run the encoder, with the edits; the inputs of the decoder's first pass."""
    read = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
    decoding.inputs |= {"encoder_outputs": base.model.get_encoder()(**read), "attention_mask": read["attention_mask"]}
    return {"decoder_input_ids": torch.full((batch.shape[0], 1), blocks.decoder_start_token(base.model), device=base.device)}


@torch.no_grad()
def next_logits(base: Base, token_B: Tensor, decoding: Decoding) -> Tensor:
    """Logits (B, V) after the next token of each row."""
    name = "decoder_input_ids" if base.kind == "encoder_decoder" else "input_ids"
    decoding.advance()
    # Virtual tokens of a baseline are already in the cache.
    logits: Tensor = blocks.without_peft(base.model)(**{name: token_B.unsqueeze(1)}, **decoding.inputs).logits[:, -1]
    return logits


def end_tokens(base: Base) -> set[int]:
    """Tokens that end an answer: the template's, the tokenizer's, and those listed in the model's generation config."""
    named = getattr(getattr(base.model, "generation_config", None), "eos_token_id", None)
    # A single id is often the default of the architecture; a list was chosen by the model's authors.
    listed = named if isinstance(named, list) else []
    return {token for token in (*end_ids(base)[-1:], base.tokenizer.eos_token_id, *listed) if token is not None}


def empty_prompt() -> ConfigError:
    """The error of a prompt without a text."""
    return ConfigError("The prompt is empty, so there is nothing to answer.", "prompt", kind="generation.prompt_empty")


def room(base: Base, length: int) -> int:
    """Maximum tokens of an answer to a prompt of ``length`` tokens. Raises ConfigError."""
    if not length:
        raise empty_prompt()
    # A decoder writes after its prompt; an encoder-decoder writes into separate sequences.
    limit = base.context - 1 if base.kind == "decoder" else base.context
    if length > limit:
        raise ConfigError(
            "The prompt has {tokens} tokens; this base model reads at most {limit}.",
            "prompt",
            kind="generation.prompt_length",
            tokens=length,
            limit=limit,
        )
    return base.context - length if base.kind == "decoder" else base.context
