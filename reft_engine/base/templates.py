"""Renders conversations with a base model's own chat template, which comes with the model and is not trusted."""

import json
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.errors import DataError

_RENDER_SECONDS = 10.0
_RENDER_CHARACTERS = 1_000_000
"""What a template may write of its own."""


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


def render(base: Base, messages: Sequence[Message], generation_prompt: bool) -> str:
    """Write a conversation as the base model's template does, where asked up to where the assistant begins to answer.

    Raises:
        DataError: the template refuses the conversation, or does not come to an end.
    """
    tokenizer = base.tokenizer
    specials = {name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        pieces = _compiled(base.template).generate(messages=turns, add_generation_prompt=generation_prompt, **specials)
        return _joined(pieces, 4 * sum(len(message.content) for message in messages) + _RENDER_CHARACTERS)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        said = str(error)[:200]
        raise DataError(f"The chat template of {base.name} refuses this conversation: {said}", kind="template", detail=said) from error


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
