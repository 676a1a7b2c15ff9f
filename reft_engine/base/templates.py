"""Renders messages to text with the base model's own chat template, as asked; the template comes with the model and is not trusted."""

import json
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reft_engine.base.copying import TEMPLATE_ERRORS, around, only_copies
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
    """Compile a template."""
    return _environment().from_string(template)


@lru_cache(maxsize=1)
def _environment() -> _Sandbox:
    """The sandbox of templates, with the filters and globals that transformers gives to chat templates."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = as_json
    return environment


@lru_cache(maxsize=256)
def _around(
    template: str, specials: tuple[tuple[str, str], ...], roles: tuple[str, ...], generation_prompt: bool
) -> list[str | int] | None:
    """See `copying.around`; None as well for a template that may do more than to copy."""

    def write(messages: list[dict[str, str]]) -> str:
        return _written(template, dict(specials), messages, generation_prompt, _RENDER_CHARACTERS)

    try:
        return around(write, roles) if only_copies(_environment(), template) else None
    except TemplateError:
        return None


def _written(template: str, specials: dict[str, str], messages: Sequence[dict[str, str]], generation_prompt: bool, limit: int) -> str:
    """Run a template; it writes ``limit`` characters at most. Raises TemplateError, or whatever else its expressions raise."""
    return _join_pieces(_compiled(template).generate(messages=messages, add_generation_prompt=generation_prompt, **specials), limit)


class Renderer:
    """Renders conversations with the chat template of one base model."""

    def __init__(self, base: Base) -> None:
        self._name, self._template = base.name, base.template
        self._specials = {name: str(value) for name, value in base.tokenizer.special_tokens_map.items() if isinstance(value, str)}
        self._known: dict[tuple[tuple[str, ...], bool], list[str | int] | None] = {}

    def __call__(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        """See `render`."""
        key = tuple(message.role for message in messages), generation_prompt
        if key not in self._known:
            self._known[key] = _around(self._template, tuple(self._specials.items()), *key)
        if (parts := self._known[key]) is not None:
            return "".join([part if isinstance(part, str) else messages[part].content for part in parts])
        chat = [{"role": message.role, "content": message.content} for message in messages]
        limit = 4 * sum(len(message.content) for message in messages) + _RENDER_CHARACTERS
        try:
            return _written(self._template, self._specials, chat, generation_prompt, limit)
        except TEMPLATE_ERRORS as error:
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
