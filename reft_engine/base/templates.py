"""Renders messages to text with the base model's own chat template, as asked; the template comes with the model and is not trusted.

Only this program's own templates run in this process; any other, of the Hub, of a folder or of a person, in one with limits.
"""

import json
from collections.abc import Sequence
from functools import lru_cache

from jinja2 import TemplateError

from reft_engine.base import sandbox
from reft_engine.base.copying import TEMPLATE_ERRORS
from reft_engine.base.loading import PLAIN_TEMPLATE, STARTER_FOLDER, TEXT_TEMPLATE, Base
from reft_engine.base.rendering import RENDERING
from reft_engine.data import Message
from reft_engine.errors import DataError

_RENDER_SECONDS = 10.0
"""Seconds until a template is ended; its process may have to be started meanwhile."""
_RENDER_CHARACTERS = 1_000_000
"""Characters that a template may add to the conversation's own text."""


@lru_cache(maxsize=1)
def _own() -> frozenset[str]:
    """The templates of this program."""
    starter = json.loads((STARTER_FOLDER / "tokenizer_config.json").read_text(encoding="utf-8"))
    return frozenset({PLAIN_TEMPLATE, TEXT_TEMPLATE, starter["chat_template"]})


@lru_cache(maxsize=256)
def _around(
    template: str, specials: tuple[tuple[str, str], ...], roles: tuple[str, ...], generation_prompt: bool
) -> list[str | int] | None:
    """See `sandbox.copied`."""
    if template in _own():
        return sandbox.copied(template, dict(specials), roles, generation_prompt, _RENDER_CHARACTERS)
    request = {
        "template": template, "specials": dict(specials), "roles": roles, "generation_prompt": generation_prompt,
        "limit": _RENDER_CHARACTERS,
    }  # fmt: skip
    try:
        parts: list[str | int] | None = RENDERING.ask(request, _RENDER_SECONDS)["parts"]
    except TemplateError:
        return None
    return parts


def _written(template: str, specials: dict[str, str], messages: Sequence[dict[str, str]], generation_prompt: bool, limit: int) -> str:
    """See `sandbox.written`."""
    if template in _own():
        return sandbox.written(template, specials, messages, generation_prompt, limit)
    request = {
        "template": template, "specials": specials, "messages": messages, "generation_prompt": generation_prompt, "limit": limit,
    }  # fmt: skip
    text: str = RENDERING.ask(request, _RENDER_SECONDS)["text"]
    return text


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
