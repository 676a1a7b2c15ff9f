"""Streams answers of base and edited models to one prompt, as rows of one batch: strength of edits, sampling and seed, length.

The batch is prefilled and decoded by `decoding`. In an encoder-decoder the encoder reads the prompt once, with the edits; the
decoder is not edited.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.edits.edited import check_writes
from reft_engine.edits.model import ReftModel
from reft_engine.errors import ConfigError
from reft_engine.inference import kv_cache
from reft_engine.inference.decoding import Column, Delta, decode, empty_prompt, prefill, room
from reft_engine.positions import PositionSpec, edited_tokens
from reft_engine.tokens.prompts import EncodedPrompt, read_prompts
from reft_engine.trainable import Trainable

__all__ = ["Delta", "Prompt", "check_writers", "column_prompts", "generate", "stream"]

Prompt = str | Sequence[Message | Mapping[str, str] | int]
"""A user's text, a conversation that ends with a user's message, or token ids, which the model reads unchanged."""


def column_prompts(base: Base, prompt: Prompt, rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """The prompt of each column, with the tokens that its rule edits; all have the same token ids."""
    if isinstance(prompt, str):
        return _read_messages(base, [Message("user", prompt)], rules)
    items: list[Any] = list(prompt) if isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray) else [None]
    if not items:
        raise empty_prompt()
    if all(type(item) is int for item in items):
        return _read_token_ids(base, items, rules)
    messages = [Message(item["role"], item["content"]) if _is_message(item) else item for item in items]
    if not all(isinstance(message, Message) for message in messages):
        raise ConfigError(
            "A prompt is a text, a list of messages with role and content, or a list of token ids.", "prompt", kind="generation.prompt"
        )
    return _read_messages(base, messages, rules)


def _read_messages(base: Base, messages: Sequence[Message], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    prompts = read_prompts(base, messages, rules)
    if not messages[-1].content.strip():
        raise empty_prompt()
    if messages[-1].role == "assistant":
        raise ConfigError(
            "The conversation ends with an answer, so there is nothing to answer. End it with what the user says.",
            "prompt",
            kind="generation.prompt_answered",
        )
    return prompts


def _is_message(item: object) -> bool:
    return isinstance(item, Mapping) and item.get("role") in ("system", "user", "assistant") and isinstance(item.get("content"), str)


def _read_token_ids(base: Base, ids: Sequence[Any], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    if any(rule is not None and rule.reads_text for rule in rules):
        raise ConfigError("Token ids carry no marks; give the prompt as text.", "prompt", kind="generation.marks")
    vocabulary = blocks.vocabulary_size(base.model)
    if not all(0 <= token < vocabulary for token in ids):
        raise ConfigError("The prompt holds token ids that this base model does not have.", "prompt", kind="generation.token_ids")
    return [EncodedPrompt(tuple(ids), edited_tokens(rule, len(ids))) for rule in rules]


class _Sampler:
    """Picks the next token; greedy at temperature 0. All rows draw the same random numbers, so that columns can be compared."""

    def __init__(self, temperature: float, top_p: float, seed: int, rows: int) -> None:
        checks.check_temperature(temperature)
        checks.check_top_p(top_p)
        self.temperature, self.top_p = temperature, top_p
        self.generators = [torch.Generator().manual_seed(checks.seed_of(seed)) for _ in range(rows)]

    def __call__(self, logits_BV: Tensor) -> Tensor:
        if self.temperature == 0:
            return logits_BV.argmax(dim=-1)
        # A row with NaN or infinite logits from its edit still samples, so that the other rows do not fail.
        probabilities = torch.softmax((logits_BV.float() / self.temperature).nan_to_num(), dim=-1).cpu()
        ordered, order = probabilities.sort(dim=-1, descending=True)
        left_out = ordered.cumsum(dim=-1) - ordered >= self.top_p
        left_out[:, 0] = False  # however small its probability
        ordered[left_out] = 0
        picks = [order[row, torch.multinomial(ordered[row], 1, generator=generator)] for row, generator in enumerate(self.generators)]
        return torch.cat(picks).to(logits_BV.device)


def stream(
    base: Base,
    prompt: Prompt,
    edits: Sequence[Trainable | None],
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 0.95,
    seed: int = 0,
    strength: float = 1.0,
    should_stop: Callable[[], bool] = lambda: False,
    memory: kv_cache.PromptCache | None = None,
) -> Iterator[Delta]:
    """Answer one prompt once per entry of ``edits``, all at the same time; None is the base model alone.

    Args:
        base: the frozen base model.
        prompt: a user's text, a conversation that ends with a user's message, or token ids.
        edits: one column each.
        max_new_tokens: for each column, at least 1; an answer also ends where the base model's context ends.
        temperature: 0 always takes the likeliest token; otherwise at least 1e-6.
        top_p: the likeliest tokens with this total probability are sampled from.
        seed: of the sampling, 0 to 2**63 - 1; the same for every column.
        strength: factor on the edits; 1 as trained, 0 the base model.
        should_stop: called before every token.
        memory: KV cache of earlier conversations with this base model, so that a chat's next message computes only new tokens.

    Raises:
        ConfigError: the prompt is invalid or empty, ends with an answer or does not fit the base model's context; there is no column;
            a setting is out of range; or the base model or an edit classifies and writes no text.
        DataError: a message is no text, the base model's template refuses the prompt, or it lacks the marks that an edit's positions
            need.
    """
    checks.check_base(base)
    limit = checks.whole_number(max_new_tokens, "max_new_tokens", 1)
    check_writers(base, edits)
    checks.check_strength(strength)
    prompts = column_prompts(base, prompt, [model.positions if isinstance(model, ReftModel) else None for model in edits])
    streams = []
    for columns, runner in _runners(base, edits, strength):
        most = min(limit, room(base, len(prompts[0].ids) + runner.virtual_tokens))
        pick = _Sampler(temperature, top_p, seed, len(columns))
        own_prompts, cache = [prompts[column] for column in columns], memory if runner.shared else None
        deltas = _stream_columns(runner.base, own_prompts, runner.edits, most, pick, strength, should_stop, cache)
        streams.append((columns, deltas))
    return _interleave(streams)


@dataclass(frozen=True, slots=True)
class _Runner:
    """Answers some columns in one batch; ``shared`` if its base model is the frozen one, with edits of rows."""

    base: Base
    edits: Sequence[ReftModel | None]
    virtual_tokens: int = 0
    shared: bool = True


def _runners(base: Base, edits: Sequence[Trainable | None], strength: float) -> Iterator[tuple[list[int], _Runner]]:
    """Columns that are answered together: the base model and all edits in one batch, each other trained model alone."""
    edited = {column: model for column, model in enumerate(edits) if model is None or isinstance(model, ReftModel)}
    if edited:
        yield list(edited), _Runner(base, list(edited.values()))
    for column, model in enumerate(edits):
        if model is None or isinstance(model, ReftModel):
            continue
        if strength != 1:
            raise ConfigError("Only an edit of hidden states has a strength; leave it at 1 here.", "strength", kind="generation.strength")
        acting = model.acting()
        yield [column], _Runner(replace(base, model=acting.model), [None], acting.virtual_tokens, shared=False)


def _interleave(streams: Sequence[tuple[list[int], Generator[Delta, None, None]]]) -> Iterator[Delta]:
    """Merge streams, one delta of each in turn, numbered by their columns."""
    active = list(streams)
    with ExitStack() as stack:
        for _, deltas in streams:
            stack.callback(deltas.close)
        while active:
            for source in list(active):
                columns, deltas = source
                delta = next(deltas, None)
                if delta is None:
                    active.remove(source)
                else:
                    yield replace(delta, column=columns[delta.column])


def _stream_columns(
    base: Base, prompts: Sequence[EncodedPrompt], edits: Sequence[ReftModel | None], limit: int, pick: _Sampler, strength: float,
    should_stop: Callable[[], bool], memory: kv_cache.PromptCache | None,
) -> Generator[Delta, None, None]:  # fmt: skip
    columns = [Column(base) for _ in edits]
    logits_BV, decoding = prefill(base, prompts, edits, strength, memory)
    try:
        yield from decode(base, logits_BV, decoding, columns, [limit] * len(columns), pick, should_stop)
    finally:
        if memory and None in edits and base.kind == "decoder":
            row = edits.index(None)
            memory.remember([*prompts[row].ids, *columns[row].ids], decoding.cache, row)


def check_writers(base: Base, edits: Sequence[Trainable | None]) -> None:
    """Raises ConfigError unless each of ``edits`` is None or a `Trainable` that writes text with this base model."""
    if not isinstance(edits, Sequence) or not edits or not all(model is None or isinstance(model, Trainable) for model in edits):
        raise ConfigError(
            "edits must be a list of edits, one for each answer; None stands for the base model alone.", "edits", kind="generation.edits"
        )
    check_writes(base.model, edits)
    if any(model is not None and model.base is not base.model for model in edits):
        raise ConfigError("An edit is of another base model than the one that is to answer.", "edits", kind="generation.other_base")


def generate(
    base: Base,
    prompt: Prompt,
    edits: Sequence[Trainable | None] | Trainable = (None,),
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 0.95,
    seed: int = 0,
    strength: float = 1.0,
) -> list[str]:
    """Answer one prompt once per entry of ``edits`` and return the texts; arguments as in `stream`."""
    columns = [edits] if isinstance(edits, Trainable) else edits
    deltas = stream(
        base, prompt, columns, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed, strength=strength
    )
    answers = [""] * len(columns)
    for delta in deltas:
        answers[delta.column] += delta.text
    return answers
