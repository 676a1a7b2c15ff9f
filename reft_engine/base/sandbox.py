"""The sandbox that chat templates run in: the filters and globals that transformers gives them, and a limit of what they write.

It keeps a template from the program, not from time and memory: see `rendering`, which runs strangers' templates in a process with limits.
Imports no torch.
"""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reft_engine.base.copying import around, only_copies

ENDLESS = "it does not come to an end"


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
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = as_json
    return environment


def copied(template: str, specials: dict[str, str], roles: Sequence[str], generation_prompt: bool, limit: int) -> list[str | int] | None:
    """See `copying.around`; None as well for a template that may do more than to copy."""

    def write(messages: list[dict[str, str]]) -> str:
        return written(template, specials, messages, generation_prompt, limit)

    try:
        return around(write, roles) if only_copies(_environment(), template) else None
    except TemplateError:
        return None


def written(template: str, specials: dict[str, str], messages: Sequence[dict[str, str]], generation_prompt: bool, limit: int) -> str:
    """Run a template; it writes ``limit`` characters at most. Raises TemplateError, or whatever else its expressions raise."""
    return _join_pieces(_compiled(template).generate(messages=messages, add_generation_prompt=generation_prompt, **specials), limit)


def _join_pieces(pieces: Iterable[str], limit: int) -> str:
    text: list[str] = []
    length = 0
    for piece in pieces:
        text.append(piece)
        length += len(piece)
        if length > limit:
            raise TemplateError(ENDLESS)
    return "".join(text)
