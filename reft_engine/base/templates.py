"""Renders messages to text with the base model's own chat template, as asked; the template comes with the model and is not trusted."""

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
"""Characters that a template may add to the conversation's own text."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Refuses products and powers of large operands, so that no template can fill the memory at once."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(value) if isinstance(value, (str, list, tuple)) else abs(value) for value in (left, right)]
        if max(sizes) > 64 if operator == "**" else sizes[0] * sizes[1] > 100_000:
            raise TemplateError("it multiplies what is too large")
        return super().call_binop(context, operator, left, right)


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Compile a template with the filters and globals that transformers gives to chat templates."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = as_json
    return environment.from_string(template)


class Renderer:
    """Renders conversations with the chat template of one base model, whose special tokens are looked up once for all of them."""

    def __init__(self, base: Base) -> None:
        self._name, self._template = base.name, base.template
        self._specials = {name: str(value) for name, value in base.tokenizer.special_tokens_map.items() if isinstance(value, str)}

    def __call__(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        """See `render`."""
        chat = [{"role": message.role, "content": message.content} for message in messages]
        try:
            pieces = _compiled(self._template).generate(messages=chat, add_generation_prompt=generation_prompt, **self._specials)
            return _join_pieces(pieces, 4 * sum(len(message.content) for message in messages) + _RENDER_CHARACTERS)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
            reason = str(error)[:200]
            raise DataError(
                "The chat template of {base} refuses this conversation: {reason}", kind="template", detail=reason, base=self._name,
                reason=reason,
            ) from error  # fmt: skip


def render(base: Base, messages: Sequence[Message], generation_prompt: bool) -> str:
    """Render a conversation with the base model's chat template; ``generation_prompt`` adds the header of the assistant's answer.

    Raises:
        DataError: the template refuses the conversation, or does not end.
    """
    return Renderer(base)(messages, generation_prompt)


def _join_pieces(pieces: Iterable[str], limit: int) -> str:
    """Join the rendered text, within ``limit`` characters and `_RENDER_SECONDS`. Raises TemplateError."""
    text: list[str] = []
    length, deadline = 0, time.monotonic() + _RENDER_SECONDS
    for piece in pieces:
        text.append(piece)
        length += len(piece)
        if length > limit or time.monotonic() > deadline:
            raise TemplateError("it does not come to an end")
    return "".join(text)
