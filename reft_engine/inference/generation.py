"""Streams answers of base and edited models as rows of one batch: strength of edits, sampling and seed, length, stop strings, end.

The prompt is prefilled once, each row with its own edits; then every row decodes from the KV cache without edits, at the base
model's speed. Rows cannot affect each other, since an edit acts on token indices of its own row. In an encoder-decoder the
encoder reads the prompt once, with the edits; the decoder is not edited.
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
from reft_engine.edits.edited import check_writes, combine
from reft_engine.edits.model import ReftModel
from reft_engine.edits.plan import Prompts
from reft_engine.errors import ConfigError
from reft_engine.inference import kv_cache
from reft_engine.positions import PositionSpec, edited_tokens
from reft_engine.tokens.prompts import EncodedPrompt, end_ids, read_prompts
from reft_engine.trainable import Trainable


@dataclass(frozen=True, slots=True)
class Delta:
    """New text of one column; ``ended`` is True for the column's last piece."""

    column: int
    text: str
    ended: bool = False


Prompt = str | Sequence[Message | Mapping[str, str] | int]
"""A user's text, a conversation that ends with a user's message, or token ids, which the model reads unchanged."""


def _read(base: Base, prompt: Prompt, rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """The prompt of each column, with the tokens that its rule edits; all have the same token ids."""
    if isinstance(prompt, str):
        return _read_messages(base, [Message("user", prompt)], rules)
    items: list[Any] = list(prompt) if isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray) else [None]
    if not items:
        raise _empty_prompt()
    if all(type(item) is int for item in items):
        return _read_token_ids(base, items, rules)
    messages = [Message(item["role"], item["content"]) if _is_message(item) else item for item in items]
    if not all(isinstance(message, Message) for message in messages):
        raise ConfigError(
            "A prompt is a text, a list of messages with role and content, or a list of token ids.", "prompt", kind="generation.prompt"
        )
    return _read_messages(base, messages, rules)


def _empty_prompt() -> ConfigError:
    return ConfigError("The prompt is empty, so there is nothing to answer.", "prompt", kind="generation.prompt_empty")


def _read_messages(base: Base, messages: Sequence[Message], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    prompts = read_prompts(base, messages, rules)
    if not messages[-1].content.strip():
        raise _empty_prompt()
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


def _row_edits(
    edits: Sequence[ReftModel | None], prompts: Sequence[EncodedPrompt], strength: float, device: torch.device
) -> tuple[dict[int, blocks.Edit], int]:
    """The edits of all rows, and the first column that any of them edits."""
    width = len(prompts[0].ids)
    batch_prompts = Prompts([(row, 0) for row in range(len(edits))], [prompt.edited for prompt in prompts], len(edits), width)
    models = {id(model): model for model in edits if model is not None}
    chains, first = [], width
    for model in models.values():
        plan = model.plan_of(batch_prompts, [row for row, other in enumerate(edits) if other is model], device)
        chains.append(model.edits(plan, model.factors(), strength))
        first = min(first, plan.begin if chains[-1] else first)
    return combine(chains), first


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


class _Column:
    """The text of one row so far; bytes of an incomplete character (such as an emoji) are held back."""

    def __init__(self, base: Base) -> None:
        self.tokenizer, self.ids, self.shown = base.tokenizer, list[int](), ""

    def push(self, token: int) -> str:
        self.ids.append(token)
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd") or not text.startswith(self.shown):
            return ""
        new_text, self.shown = text[len(self.shown) :], text
        return new_text

    def rest(self) -> str:
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return text[len(self.shown) :]


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
    _check_edits(base, edits)
    checks.check_strength(strength)
    prompts = _read(base, prompt, [model.positions if isinstance(model, ReftModel) else None for model in edits])
    streams = []
    for columns, runner in _runners(base, edits, strength):
        room = _room(base, len(prompts[0].ids) + runner.virtual_tokens)
        pick = _Sampler(temperature, top_p, seed, len(columns))
        own_prompts, cache = [prompts[column] for column in columns], memory if runner.shared else None
        deltas = _stream_columns(runner.base, own_prompts, runner.edits, min(limit, room), pick, strength, should_stop, cache)
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
    columns = [_Column(base) for _ in edits]
    logits_BV, decode_inputs = _prefill(base, prompts, edits, strength, memory)
    token_B = pick(logits_BV)
    try:
        yield from _decode(base, token_B, decode_inputs, columns, limit, pick, should_stop)
    finally:
        if memory and None in edits and base.kind == "decoder":
            row = edits.index(None)
            memory.remember([*prompts[row].ids, *columns[row].ids], decode_inputs["past_key_values"], row)


def _decode(
    base: Base, token_B: Tensor, decode_inputs: dict[str, Any], columns: Sequence[_Column], limit: int, pick: _Sampler,
    should_stop: Callable[[], bool],
) -> Iterator[Delta]:  # fmt: skip
    """Decode without edits, from the first token on, until each column has ended."""
    ends, active = _end_tokens(base), set(range(len(columns)))
    for count in range(limit):
        for column in sorted(active):
            token = int(token_B[column])
            is_last = token in ends or count + 1 == limit
            text = "" if token in ends else columns[column].push(token)
            if is_last:
                active.discard(column)
                yield Delta(column, text + columns[column].rest(), ended=True)
            elif text:
                yield Delta(column, text)
        if not active or should_stop():
            break
        token_B = pick(_next_logits(base, token_B, decode_inputs))
    for column in sorted(active):
        yield Delta(column, columns[column].rest(), ended=True)


def _room(base: Base, length: int) -> int:
    """Maximum tokens of an answer to a prompt of ``length`` tokens. Raises ConfigError."""
    if not length:
        raise _empty_prompt()
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


def _check_edits(base: Base, edits: Sequence[Trainable | None]) -> None:
    if not isinstance(edits, Sequence) or not edits or not all(model is None or isinstance(model, Trainable) for model in edits):
        raise ConfigError(
            "edits must be a list of edits, one for each answer; None stands for the base model alone.", "edits", kind="generation.edits"
        )
    check_writes(base.model, edits)
    if any(model is not None and model.base is not base.model for model in edits):
        raise ConfigError("An edit is of another base model than the one that is to answer.", "edits", kind="generation.other_base")


def _end_tokens(base: Base) -> set[int]:
    """Tokens that end an answer: the template's, the tokenizer's, and those listed in the model's generation config."""
    named = getattr(getattr(base.model, "generation_config", None), "eos_token_id", None)
    # A single id is often the default of the architecture; a list was chosen by the model's authors.
    listed = named if isinstance(named, list) else []
    return {token for token in (*end_ids(base)[-1:], base.tokenizer.eos_token_id, *listed) if token is not None}


@torch.no_grad()
def _prefill(
    base: Base, prompts: Sequence[EncodedPrompt], edits: Sequence[ReftModel | None], strength: float, memory: kv_cache.PromptCache | None
) -> tuple[Tensor, dict[str, Any]]:
    """Logits (B, V) of the first answer token, and the inputs of all later passes."""
    input_ids = torch.tensor([prompt.ids for prompt in prompts], device=base.device)
    mask = torch.ones_like(input_ids)
    decode_inputs: dict[str, Any] = {"use_cache": True}
    acting, first = _row_edits(edits, prompts, strength, base.device)
    if cache := _cached_prefix(base, input_ids, first, memory):
        decode_inputs["past_key_values"] = cache
    cached = cache.get_seq_length() if cache else 0
    inputs: dict[str, Any] = {"input_ids": input_ids[:, cached:], "attention_mask": mask, "logits_to_keep": 1}
    with blocks.editing(acting):
        if base.kind == "encoder_decoder":
            decode_inputs["encoder_outputs"] = base.model.get_encoder()(input_ids=input_ids, attention_mask=mask)
            decode_inputs["attention_mask"] = mask
            inputs = {"decoder_input_ids": torch.full((len(edits), 1), blocks.decoder_start_token(base.model), device=base.device)}
        output = base.model(**inputs, **decode_inputs)
    decode_inputs["past_key_values"] = getattr(output, "past_key_values", None)
    if decode_inputs["past_key_values"] is None:
        raise ConfigError(
            "{base} keeps no key-value cache, as answering needs it. Choose another base model.",
            "base",
            kind="generation.cache",
            base=base.name,
        )
    return output.logits[:, -1], decode_inputs


def _cached_prefix(base: Base, ids_BT: Tensor, first: int, memory: kv_cache.PromptCache | None) -> Any:
    """A KV cache of the tokens before the first one that any row edits, computed once for all rows; None for too few tokens."""
    rows, length = ids_BT.shape
    limit = min(first, length - 1)  # the last token predicts the answer's first
    if base.kind != "decoder" or not kv_cache.is_worth_caching(limit):
        return None
    cache = memory.recall(ids_BT[0].tolist(), limit) if memory else None
    cached = cache.get_seq_length() if cache else 0
    if cached < limit and rows > 1:
        no_tokens = torch.empty(0, dtype=torch.int64, device=ids_BT.device)
        inputs = {"input_ids": ids_BT[:1, cached:limit], "attention_mask": torch.ones_like(ids_BT[:1, :limit]), "past_key_values": cache}
        with blocks.editing({}, no_tokens, (1, limit - cached)):
            cache = base.model(**inputs, use_cache=True).past_key_values
    return kv_cache.repeat_rows(cache, rows) if cache else None


@torch.no_grad()
def _next_logits(base: Base, token_B: Tensor, decode_inputs: dict[str, Any]) -> Tensor:
    name = "decoder_input_ids" if base.kind == "encoder_decoder" else "input_ids"
    # Virtual tokens of a baseline are already in the cache.
    logits: Tensor = blocks.without_peft(base.model)(**{name: token_B.unsqueeze(1)}, **decode_inputs).logits[:, -1]
    return logits


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
