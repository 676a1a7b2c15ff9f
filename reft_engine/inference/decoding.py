"""Prefills prompts as rows of one batch and decodes an answer to each: padding, edits of each row, KV cache, end tokens, room.

Prompts are prefilled once, each row with its own edits; then every row decodes from the KV cache without edits, at the base
model's speed. Rows cannot affect each other, since an edit acts on token indices of its own row.

Legend: B rows, T tokens (padded), V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.edits.edited import combine
from reft_engine.edits.model import ReftModel
from reft_engine.edits.plan import Prompts
from reft_engine.errors import ConfigError
from reft_engine.inference import kv_cache
from reft_engine.tokens.batches import Batch, Cached, lay_out
from reft_engine.tokens.examples import EncodedExample
from reft_engine.tokens.prompts import EncodedPrompt, end_ids


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of one column; ``ended`` is True for the column's last piece."""

    column: int
    text: str
    ended: bool = False


class Column:
    """The text of one row so far; bytes of an incomplete character (such as an emoji) are held back."""

    def __init__(self, base: Base) -> None:
        self.tokenizer, self.ids, self.shown = base.tokenizer, list[int](), ""

    def push(self, token: int) -> str:
        """Add a token; returns the new text."""
        self.ids.append(token)
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd") or not text.startswith(self.shown):
            return ""
        new_text, self.shown = text[len(self.shown) :], text
        return new_text

    def rest(self) -> str:
        """The text that was held back."""
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return text[len(self.shown) :]


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


@torch.no_grad()
def prefill(
    base: Base,
    prompts: Sequence[EncodedPrompt],
    edits: Sequence[ReftModel | None],
    strength: float = 1.0,
    memory: kv_cache.PromptCache | None = None,
) -> tuple[Tensor, Decoding]:
    """Logits (B, V) of the first answer token of each prompt, and what the later passes take.

    Args:
        base: the base model; for prompts of different lengths an encoder-decoder, or a decoder that `takes_positions`.
        prompts: one for each row.
        edits: the edits of each row; None is the base model alone.
        strength: factor on the edits.
        memory: KV cache of earlier conversations.
    """
    batch = _batch(base, prompts)
    acting, first = _row_edits(edits, batch.prompts, strength, base.device)
    decoding = Decoding({"use_cache": True})
    with blocks.editing(acting):
        if base.kind == "encoder_decoder":
            inputs = _encoded(base, batch, decoding)
        else:
            inputs = _remaining(base, prompts, batch, first, memory, decoding)
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


def _batch(base: Base, prompts: Sequence[EncodedPrompt]) -> Batch:
    """Prompts as a batch, padded where the answer does not follow: a decoder writes after its prompt."""
    differ = len({len(prompt.ids) for prompt in prompts}) > 1
    rows = [EncodedExample(prompt.ids, (), 0, edited=prompt.edited) for prompt in prompts]
    return lay_out(base, rows, Cached("left" if differ and base.kind == "decoder" else "right"))


def _row_edits(
    edits: Sequence[ReftModel | None], prompts: Prompts, strength: float, device: torch.device
) -> tuple[dict[int, blocks.Edit], int]:
    """The edits of all rows, and the first column that any of them edits."""
    models = {id(model): model for model in edits if model is not None}
    chains, first = [], prompts.width
    for model in models.values():
        plan = model.plan_of(prompts, [row for row, other in enumerate(edits) if other is model], device)
        chains.append(model.edits(plan, model.factors(), strength))
        first = min(first, plan.begin if chains[-1] else first)
    return combine(chains), first


def _encoded(base: Base, batch: Batch, decoding: Decoding) -> dict[str, Any]:
    """Run the encoder, with the edits; the inputs of the decoder's first pass."""
    read = {name: batch.inputs[name] for name in ("input_ids", "attention_mask")}
    decoding.inputs |= {"encoder_outputs": base.model.get_encoder()(**read), "attention_mask": read["attention_mask"]}
    return {"decoder_input_ids": torch.full((batch.shape[0], 1), blocks.decoder_start_token(base.model), device=base.device)}


def _remaining(
    base: Base, prompts: Sequence[EncodedPrompt], batch: Batch, first: int, memory: kv_cache.PromptCache | None, decoding: Decoding
) -> dict[str, Any]:
    """The inputs of a decoder's first pass: the prompts' tokens after those in the cache."""
    inputs = {**batch.inputs, "logits_to_keep": 1}
    if all(prompt.ids == prompts[0].ids for prompt in prompts) and (cache := _cached_prefix(base, inputs["input_ids"], first, memory)):
        decoding.inputs["past_key_values"] = cache
        inputs["input_ids"] = inputs["input_ids"][:, cache.get_seq_length() :]
    return inputs


def _cached_prefix(base: Base, ids_BT: Tensor, first: int, memory: kv_cache.PromptCache | None) -> Any:
    """A KV cache of the tokens before the first one that any row edits, computed once for all rows; None for too few tokens."""
    rows, length = ids_BT.shape
    limit = min(first, length - 1)  # the last token predicts the answer's first
    if not kv_cache.is_worth_caching(limit):
        return None
    cache = memory.recall(ids_BT[0].tolist(), limit) if memory else None
    cached = cache.get_seq_length() if cache else 0
    if cached < limit and rows > 1:
        no_tokens = torch.empty(0, dtype=torch.int64, device=ids_BT.device)
        inputs = {"input_ids": ids_BT[:1, cached:limit], "attention_mask": torch.ones_like(ids_BT[:1, :limit]), "past_key_values": cache}
        with blocks.editing({}, no_tokens, (1, limit - cached)):
            cache = base.model(**inputs, use_cache=True).past_key_values
    return kv_cache.repeat_rows(cache, rows) if cache else None


def decode(
    base: Base,
    logits_BV: Tensor,
    decoding: Decoding,
    columns: Sequence[Column],
    limits: Sequence[int],
    pick: Callable[[Tensor], Tensor],
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Delta]:
    """Decode without edits until each column has ended, by an end token or after ``limits`` tokens.

    Args:
        base: the base model.
        logits_BV: of the first tokens; see `prefill`.
        decoding: as `prefill` returns it.
        columns: the text of each row.
        limits: maximum tokens of each row.
        pick: chooses the next tokens (B,) by their logits (B, V).
        should_stop: called before every token.
    """
    ends, active = end_tokens(base), set(range(len(columns)))
    token_B = pick(logits_BV)
    for count in range(max(limits)):
        tokens = token_B.tolist()
        for column in sorted(active):
            is_last = tokens[column] in ends or count + 1 == limits[column]
            text = "" if tokens[column] in ends else columns[column].push(tokens[column])
            if is_last:
                active.discard(column)
                yield Delta(column, text + columns[column].rest(), ended=True)
            elif text:
                yield Delta(column, text)
        if not active or should_stop():
            break
        token_B = pick(_next_logits(base, token_B, decoding))
    for column in sorted(active):
        yield Delta(column, columns[column].rest(), ended=True)


@torch.no_grad()
def _next_logits(base: Base, token_B: Tensor, decoding: Decoding) -> Tensor:
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
