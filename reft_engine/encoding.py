"""From an example to token ids: the template's prompt, then the answer, joined at a border that is kept.

Prompt and answer are tokenised apart and their ids joined, in training and in generation alike, so that no merge
across the border can shift the label mask or the edited positions. Control tokens inside a message (``<|im_end|>``
typed by a person) are encoded as text, never as control tokens.
"""

import json
from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and of the answer with its end-of-turn token; ``line`` of its file; whether it was cut."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    line: int
    cut: bool = False


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Compile with what transformers offers to chat templates."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

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
        text: str = _compiled(base.template).render(messages=turns, add_generation_prompt=generation_prompt, **specials)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise DataError(f"The chat template of {base.name} refuses this conversation: {str(error)[:200]}") from error
    return text


def _control_tokens(tokenizer: Any) -> list[str]:
    return sorted({token.content for token in tokenizer.added_tokens_decoder.values() if token.special}, key=len, reverse=True)


def prompt_ids(base: Base, messages: Sequence[Message]) -> tuple[int, ...]:
    """Token ids of a conversation rendered up to where the assistant begins to answer."""
    control = _control_tokens(base.tokenizer)
    guarded = [Message(message.role, _guard(message.content, control)) for message in messages]
    pieces: list[int] = []
    for index, part in enumerate(_render(base, guarded, True).split("\ue000")):
        number, mark, rest = part.partition("\ue001")
        if index and mark and number.isdigit() and int(number) < len(control):
            pieces += _text_ids(base, control[int(number)])
            part = rest
        pieces += base.tokenizer(part, add_special_tokens=False)["input_ids"]
    return tuple(pieces)


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
    ids = base.tokenizer(text.rpartition(probe)[2], add_special_tokens=False)["input_ids"]
    special = set(base.tokenizer.all_special_ids)
    first = next((index for index, token in enumerate(ids) if token in special), None)
    if first is not None:
        return tuple(ids[: first + 1])
    return (int(base.tokenizer.eos_token_id),) if base.tokenizer.eos_token_id is not None else ()


def encode(base: Base, example: Example, max_length: int) -> EncodedExample:
    """Encode one example; an answer that does not fit is cut at its end.

    Raises:
        DataError: the prompt alone leaves no room for an answer token.
    """
    prompt = prompt_ids(base, example.messages)
    limit = min(max_length, base.context)
    if len(prompt) >= limit:
        raise DataError(
            f"Line {example.line}: the prompt has {len(prompt)} tokens, and only {limit} fit. "
            "Shorten it or choose a base model with a longer context."
        )
    space = "" if base.tokenizer.chat_template else " "
    answer = (*_text_ids(base, space + example.answer), *end_ids(base))
    room = limit - len(prompt)
    return EncodedExample(prompt, answer[:room], example.line, cut=len(answer) > room)
