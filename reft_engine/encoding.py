"""From an example to token ids: the template's prompt, then the answer, joined at a border that is kept.

Prompt and answer are tokenised apart and their ids joined, in training and in generation alike, so that no merge
across the border can shift the label mask or the edited positions. Control tokens inside a message (``<|im_end|>``
typed by a person) are encoded as text, never as control tokens.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reft_engine.base_models import Base
from reft_engine.data import Example, Message
from reft_engine.errors import DataError

_MARK = "\ue000{}\ue001"
"""Stands for a control token in a message while the template is rendered; private-use characters."""


_RENDER_SECONDS = 10.0
_RENDER_CHARACTERS = 1_000_000
"""What a template may write of its own."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and of the answer with its end-of-turn token; ``line`` of its file; whether it was cut."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    line: int
    cut: bool = False


class _Sandbox(ImmutableSandboxedEnvironment):
    """Multiplies small things only, so that no template can fill the memory in one go."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(value) if isinstance(value, (str, list, tuple)) else abs(value) for value in (left, right)]
        if max(sizes) > 64 if operator == "**" else sizes[0] * sizes[1] > 100_000:
            raise TemplateError("it multiplies what is too large")
        return super().call_binop(context, operator, left, right)


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Compile with what transformers offers to chat templates."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = as_json
    return environment.from_string(template)


def _render(base: Base, messages: Sequence[Message], generation_prompt: bool) -> str:
    tokenizer = base.tokenizer
    specials = {name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        pieces = _compiled(base.template).generate(messages=turns, add_generation_prompt=generation_prompt, **specials)
        return _joined(pieces, 4 * sum(len(message.content) for message in messages) + _RENDER_CHARACTERS)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise DataError(f"The chat template of {base.name} refuses this conversation: {str(error)[:200]}") from error


def _joined(pieces: Iterable[str], limit: int) -> str:
    """A rendered text; a template that does not come to an end is stopped where it writes. Raises TemplateError."""
    found: list[str] = []
    length, end = 0, time.monotonic() + _RENDER_SECONDS
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length > limit or time.monotonic() > end:
            raise TemplateError("it does not come to an end")
    return "".join(found)


def _control_tokens(tokenizer: Any) -> list[str]:
    return sorted({token.content for token in tokenizer.added_tokens_decoder.values() if token.special}, key=len, reverse=True)


def prompt_ids(base: Base, messages: Sequence[Message]) -> tuple[int, ...]:
    """Token ids of a conversation rendered up to where the assistant begins to answer."""
    control = _control_tokens(base.tokenizer)
    guarded = [Message(message.role, _guard(message.content, control)) for message in messages]
    pieces = _opening(base)
    for index, part in enumerate(_render(base, guarded, True).split("\ue000")):
        number, mark, rest = part.partition("\ue001")
        if index and mark and number.isdigit() and int(number) < len(control):
            pieces += _text_ids(base, control[int(number)])
            part = rest
        pieces += base.tokenizer(part, add_special_tokens=False)["input_ids"]
    return tuple(pieces)


def _opening(base: Base) -> list[int]:
    """The token that the tokenizer puts before any text, as a base model knows it; chat templates write it themselves."""
    if base.tokenizer.chat_template or base.tokenizer.bos_token_id is None:
        return []
    first: list[int] = base.tokenizer("a")["input_ids"][:1]
    return first if first == [base.tokenizer.bos_token_id] else []


def _guard(text: str, control: Sequence[str]) -> str:
    text = text.replace("\ue000", "").replace("\ue001", "")
    for index, token in enumerate(control):
        text = text.replace(token, _MARK.format(index))
    return text


def _text_ids(base: Base, text: str) -> list[int]:
    ids: list[int] = base.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def end_ids(base: Base) -> tuple[int, ...]:
    """What closes an answer: the template's own end-of-turn token, or the tokenizer's end-of-text."""
    probe = "\ue002"
    text = _render(base, [Message("user", "a"), Message("assistant", probe)], False)
    _, shown, after = text.rpartition(probe)
    ids = base.tokenizer(after, add_special_tokens=False)["input_ids"] if shown else []
    special = {index for index, token in base.tokenizer.added_tokens_decoder.items() if token.special} | set(base.tokenizer.all_special_ids)
    first = next((index for index, token in enumerate(ids) if token in special), None)
    if first is not None:
        return tuple(ids[: first + 1])
    return (int(base.tokenizer.eos_token_id),) if base.tokenizer.eos_token_id is not None else ()


def encode(base: Base, example: Example, max_length: int) -> EncodedExample:
    """Encode one example; an answer that does not fit is cut at its end.

    Raises:
        DataError: the prompt alone leaves no room for an answer token, or the template refuses it; the line is named.
    """
    try:
        prompt = prompt_ids(base, example.messages)
    except DataError as error:
        raise DataError(f"Line {example.line}: {error}") from error
    limit = min(max_length, base.context)
    if len(prompt) >= limit:
        raise DataError(
            f"Line {example.line}: the prompt has {len(prompt)} tokens, and only {limit} fit. "
            "Shorten it or choose a base model with a longer context."
        )
    space = "" if base.tokenizer.chat_template else " "
    answer = (*_text_ids(base, space + example.answer), *end_ids(base))
    if not answer:
        raise DataError(f"Line {example.line}: the answer is empty, so there is nothing to learn from it.")
    room = limit - len(prompt)
    return EncodedExample(prompt, answer[:room], example.line, cut=len(answer) > room)
