"""Streams answers of the base and of edited versions of it, as rows of one batch.

The prompt is prefilled once with each row's own edits; after that every row decodes plainly from the cache, at the
base model's speed. No row can touch another: an edit is a list of token indices of its own row. Of an encoder-decoder
the encoder reads the prompt, once, with the edits; the decoder writes plainly.
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
    """A piece of text that one column has grown by; ``ended`` with the column's last piece."""

    column: int
    text: str
    ended: bool = False


Prompt = str | Sequence[Message | Mapping[str, str] | int]
"""A user's text, a conversation that ends with the user's turn, or token ids exactly as the model shall read them."""


def _read(base: Base, prompt: Prompt, rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """The prompt of each column, as its rule edits it; all have the same token ids."""
    if isinstance(prompt, str):
        return _asked(base, [Message("user", prompt)], rules)
    parts: list[Any] = list(prompt) if isinstance(prompt, Sequence) and not isinstance(prompt, bytes | bytearray) else [None]
    if not parts:
        raise _empty_prompt()
    if all(type(part) is int for part in parts):
        return _as_they_are(base, parts, rules)
    messages = [Message(part["role"], part["content"]) if _is_turn(part) else part for part in parts]
    if not all(isinstance(message, Message) for message in messages):
        raise ConfigError(
            "A prompt is a text, a list of messages with role and content, or a list of token ids.", "prompt", kind="generation.prompt"
        )
    return _asked(base, messages, rules)


def _empty_prompt() -> ConfigError:
    return ConfigError("The prompt is empty, so there is nothing to answer.", "prompt", kind="generation.prompt_empty")


def _asked(base: Base, messages: Sequence[Message], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    read = read_prompts(base, messages, rules)
    if not messages[-1].content.strip():
        raise _empty_prompt()
    if messages[-1].role == "assistant":
        raise ConfigError(
            "The conversation ends with an answer, so there is nothing to answer. End it with what the user says.",
            "prompt",
            kind="generation.prompt_answered",
        )
    return read


def _is_turn(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("role") in ("system", "user", "assistant") and isinstance(part.get("content"), str)


def _as_they_are(base: Base, ids: Sequence[Any], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    if any(rule is not None and rule.reads_text for rule in rules):
        raise ConfigError("Token ids carry no marks; give the prompt as text.", "prompt", kind="generation.marks")
    known = blocks.vocabulary_size(base.model)
    if not all(0 <= token < known for token in ids):
        raise ConfigError("The prompt holds token ids that this base model does not have.", "prompt", kind="generation.token_ids")
    return [EncodedPrompt(tuple(ids), edited_tokens(rule, len(ids))) for rule in rules]


def _row_edits(
    edits: Sequence[ReftModel | None], asked: Sequence[EncodedPrompt], strength: float, device: torch.device
) -> tuple[dict[int, blocks.Edit], int]:
    """What acts on the rows, and the first column where anything does."""
    width = len(asked[0].ids)
    prompts = Prompts([(row, 0) for row in range(len(edits))], [prompt.edited for prompt in asked], len(edits), width)
    models = {id(model): model for model in edits if model is not None}
    chains, first = [], width
    for model in models.values():
        plan = model.plan_of(prompts, [row for row, other in enumerate(edits) if other is model], device)
        chains.append(model.edits(plan, model.factors(), strength))
        first = min(first, plan.begin if chains[-1] else first)
    return combine(chains), first


class _Sampler:
    """Picks the next token; greedy at temperature 0. Every row draws the same random numbers, so that columns compare."""

    def __init__(self, temperature: float, top_p: float, seed: int, rows: int) -> None:
        checks.check_temperature(temperature)
        checks.check_top_p(top_p)
        self.temperature, self.top_p = temperature, top_p
        self.generators = [torch.Generator().manual_seed(checks.seed_of(seed)) for _ in range(rows)]

    def __call__(self, logits_BV: Tensor) -> Tensor:
        if self.temperature == 0:
            return logits_BV.argmax(dim=-1)
        # A row whose edit overflowed samples from what is left of it; the other rows must not fail with it.
        shares = torch.softmax((logits_BV.float() / self.temperature).nan_to_num(), dim=-1).cpu()
        ordered, order = shares.sort(dim=-1, descending=True)
        left_out = ordered.cumsum(dim=-1) - ordered >= self.top_p
        left_out[:, 0] = False  # however small the share is
        ordered[left_out] = 0
        picks = [order[row, torch.multinomial(ordered[row], 1, generator=generator)] for row, generator in enumerate(self.generators)]
        return torch.cat(picks).to(logits_BV.device)


class _Column:
    """The text of one row so far. Holds back bytes of a character that is not complete yet (an emoji, say)."""

    def __init__(self, base: Base) -> None:
        self.tokenizer, self.ids, self.shown = base.tokenizer, list[int](), ""

    def push(self, token: int) -> str:
        self.ids.append(token)
        text: str = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        if text.endswith("\ufffd") or not text.startswith(self.shown):
            return ""
        fresh, self.shown = text[len(self.shown) :], text
        return fresh

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
    """Answer one prompt once per entry of ``edits``, all at the same time; None is the bare base model.

    Args:
        base: the frozen base model.
        prompt: a user's text, a whole conversation that ends with the user's turn, or token ids.
        edits: one column each.
        max_new_tokens: per column, 1 or more; an answer ends at the latest where the base model's context does.
        temperature: 0 takes the likeliest token always, else 1e-6 or more.
        top_p: share of probability that is sampled from.
        seed: of the sampling, 0 to 2**63 - 1; the same for every column.
        strength: factor on the edits; 1 as trained, 0 the base model.
        should_stop: asked before every token.
        memory: of what this base model has read before, so that a chat's next turn reads only what is new.

    Raises:
        ConfigError: the prompt is none or empty, ends with an answer or does not fit the base model's context; there is no column; a
            setting is out of range; or the base model or an edit classifies and writes no text.
        DataError: the prompt holds what is no text, the base model's template refuses it, or an edit's positions want
            marks that it lacks.
    """
    checks.check_base(base)
    most = checks.whole_number(max_new_tokens, "max_new_tokens", 1)
    _check_edits(base, edits)
    checks.check_strength(strength)
    asked = _read(base, prompt, [model.positions if isinstance(model, ReftModel) else None for model in edits])
    parts = []
    for columns, runner in _passes(base, edits, strength):
        room = _room(base, len(asked[0].ids) + runner.virtual_tokens)
        pick = _Sampler(temperature, top_p, seed, len(columns))
        prompts, cache = [asked[column] for column in columns], memory if runner.shared else None
        streamed = _streamed(runner.base, prompts, runner.edits, min(most, room), pick, strength, should_stop, cache)
        parts.append((columns, streamed))
    return _side_by_side(parts)


@dataclass(frozen=True, slots=True)
class _Runner:
    """What answers some columns in one batch; ``shared`` where it is the base model itself, with edits of rows."""

    base: Base
    edits: Sequence[ReftModel | None]
    virtual_tokens: int = 0
    shared: bool = True


def _passes(base: Base, edits: Sequence[Trainable | None], strength: float) -> Iterator[tuple[list[int], _Runner]]:
    """The columns that are answered together: the base model's and all edits' in one batch, any other trained model's by itself."""
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


def _side_by_side(parts: Sequence[tuple[list[int], Generator[Delta, None, None]]]) -> Iterator[Delta]:
    """What all parts stream, a piece of each in turn, under the columns' own numbers."""
    going = list(parts)
    with ExitStack() as ends:
        for _, streamed in parts:
            ends.callback(streamed.close)
        while going:
            for part in list(going):
                columns, streamed = part
                delta = next(streamed, None)
                if delta is None:
                    going.remove(part)
                else:
                    yield replace(delta, column=columns[delta.column])


def _streamed(
    base: Base, asked: Sequence[EncodedPrompt], edits: Sequence[ReftModel | None], most: int, pick: _Sampler, strength: float,
    should_stop: Callable[[], bool], memory: kv_cache.PromptCache | None,
) -> Generator[Delta, None, None]:  # fmt: skip
    columns = [_Column(base) for _ in edits]
    logits_BV, ahead = _prefill(base, asked, edits, strength, memory)
    token_B = pick(logits_BV)
    try:
        yield from _answer(base, token_B, ahead, columns, most, pick, should_stop)
    finally:
        if memory and None in edits and base.kind == "decoder":
            row = edits.index(None)
            memory.remember([*asked[row].ids, *columns[row].ids], ahead["past_key_values"], row)


def _answer(
    base: Base, token_B: Tensor, ahead: dict[str, Any], columns: "Sequence[_Column]", most: int, pick: _Sampler,
    should_stop: Callable[[], bool],
) -> Iterator[Delta]:  # fmt: skip
    """Decode plainly, from the first token on, until each column has ended."""
    ends, alive = _ends(base), set(range(len(columns)))
    for count in range(most):
        for column in sorted(alive):
            token = int(token_B[column])
            over = token in ends or count + 1 == most
            fresh = "" if token in ends else columns[column].push(token)
            if over:
                alive.discard(column)
                yield Delta(column, fresh + columns[column].rest(), ended=True)
            elif fresh:
                yield Delta(column, fresh)
        if not alive or should_stop():
            break
        token_B = pick(_next_logits(base, token_B, ahead))
    for column in sorted(alive):
        yield Delta(column, columns[column].rest(), ended=True)


def _room(base: Base, length: int) -> int:
    """How many tokens an answer to a prompt of so many may have. Raises ConfigError."""
    if not length:
        raise _empty_prompt()
    # A decoder writes behind its prompt; an encoder-decoder writes in rows of their own.
    most = base.context - 1 if base.kind == "decoder" else base.context
    if length > most:
        raise ConfigError(
            "The prompt has {tokens} tokens; this base model reads at most {limit}.",
            "prompt",
            kind="generation.prompt_length",
            tokens=length,
            limit=most,
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


def _ends(base: Base) -> set[int]:
    """Tokens that end an answer: the template's, the tokenizer's, and those that the model's makers list."""
    named = getattr(getattr(base.model, "generation_config", None), "eos_token_id", None)
    # A single number is often a default of the architecture that nobody chose; a list is somebody's.
    listed = named if isinstance(named, list) else []
    return {token for token in (*end_ids(base)[-1:], base.tokenizer.eos_token_id, *listed) if token is not None}


@torch.no_grad()
def _prefill(
    base: Base, asked: Sequence[EncodedPrompt], edits: Sequence[ReftModel | None], strength: float, memory: kv_cache.PromptCache | None
) -> tuple[Tensor, dict[str, Any]]:
    """Logits of the first answer token, (B, V), and what the passes after it are given."""
    input_ids = torch.tensor([prompt.ids for prompt in asked], device=base.device)
    mask = torch.ones_like(input_ids)
    ahead: dict[str, Any] = {"use_cache": True}
    acting, first = _row_edits(edits, asked, strength, base.device)
    if cache := _read_before(base, input_ids, first, memory):
        ahead["past_key_values"] = cache
    read = cache.get_seq_length() if cache else 0
    inputs: dict[str, Any] = {"input_ids": input_ids[:, read:], "attention_mask": mask, "logits_to_keep": 1}
    with blocks.editing(acting):
        if base.kind == "encoder_decoder":
            ahead["encoder_outputs"] = base.model.get_encoder()(input_ids=input_ids, attention_mask=mask)
            ahead["attention_mask"] = mask
            inputs = {"decoder_input_ids": torch.full((len(edits), 1), blocks.decoder_start_token(base.model), device=base.device)}
        output = base.model(**inputs, **ahead)
    ahead["past_key_values"] = getattr(output, "past_key_values", None)
    if ahead["past_key_values"] is None:
        raise ConfigError(
            "{base} keeps no key-value cache, as answering needs it. Choose another base model.",
            "base",
            kind="generation.cache",
            base=base.name,
        )
    return output.logits[:, -1], ahead


def _read_before(base: Base, ids_BT: Tensor, first: int, memory: kv_cache.PromptCache | None) -> Any:
    """A cache of the tokens before the first that any row edits, read once for all rows; None if it is not worth it."""
    rows, length = ids_BT.shape
    limit = min(first, length - 1)  # the last token gives the logits of the answer's first
    if base.kind != "decoder" or not kv_cache.worth(limit):
        return None
    cache = memory.recall(ids_BT[0].tolist(), limit) if memory else None
    read = cache.get_seq_length() if cache else 0
    if read < limit and rows > 1:
        none = torch.empty(0, dtype=torch.int64, device=ids_BT.device)
        given = {"input_ids": ids_BT[:1, read:limit], "attention_mask": torch.ones_like(ids_BT[:1, :limit]), "past_key_values": cache}
        with blocks.editing({}, none, (1, limit - read)):
            cache = base.model(**given, use_cache=True).past_key_values
    return kv_cache.repeated(cache, rows) if cache else None


@torch.no_grad()
def _next_logits(base: Base, token_B: Tensor, ahead: dict[str, Any]) -> Tensor:
    name = "decoder_input_ids" if base.kind == "encoder_decoder" else "input_ids"
    # Virtual tokens, where there are any, are in the cache already.
    logits: Tensor = blocks.without_peft(base.model)(**{name: token_B.unsqueeze(1)}, **ahead).logits[:, -1]
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
