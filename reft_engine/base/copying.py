"""Finds what a chat template writes around the messages, if it only copies what they say, so that it need not run for each conversation.

The template runs once, on messages whose texts refuse to be looked at: whatever asks for a letter, for a length, or whether there is any
text ends the attempt. What is written then depends on the roles alone, so any other texts may take the place of these. Only templates of
simple expressions are tried: filters, macros and the like make texts that no longer know where they come from.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from secrets import token_hex
from typing import Any

from jinja2 import Environment, TemplateError, nodes

TEMPLATE_ERRORS = (
    TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError,
)  # fmt: skip
"""What a template raises that cannot write a conversation: its own refusal, or whatever its expressions raise."""
_SIMPLE = (
    # statements
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.NSRef, nodes.Break, nodes.Continue,
    # expressions
    nodes.Add, nodes.And, nodes.Compare, nodes.CondExpr, nodes.Const, nodes.Getattr, nodes.Keyword, nodes.List, nodes.Name, nodes.Neg,
    nodes.Not, nodes.Or, nodes.Slice, nodes.Sub, nodes.Tuple,
)  # fmt: skip
_TESTS = frozenset({"defined", "undefined", "none", "string"})
"""Tests whose result is the same for all texts."""
_FUNCTIONS = frozenset({"namespace", "raise_exception"})
_METHODS = frozenset({"capitalize", "lower", "title", "upper"})
"""Methods that are called on roles."""
_MOST_COPIES = 4
"""Copies of a message that may be written without a look at how long that becomes."""


class _InspectedError(Exception):
    """A template asks more of a text than to be copied."""


class _Unread(str):
    """A text that can be copied and put together with others, and nothing else."""

    def __add__(self, other: str) -> str:
        return _Unread(str.__add__(self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> str:
        return _Unread(str.__add__(other, self)) if isinstance(other, str) else NotImplemented

    def __str__(self) -> str:
        return str.__str__(self)

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":  # which isinstance looks at
            return _Unread
        raise _InspectedError


def _inspected(*_: Any, **__: Any) -> Any:
    raise _InspectedError


_ALLOWED = frozenset({"__add__", "__radd__", "__str__", "__getattribute__", "__class__", "__new__", "__init__", "__init_subclass__"})
for _name in {*dir(str), "__bool__", "__reversed__"} - _ALLOWED - {"__subclasshook__", "__doc__", "__dir__"}:
    setattr(_Unread, _name, _inspected)


def only_copies(environment: Environment, source: str) -> bool:
    """Whether a template is made of simple expressions, in which a text cannot be looked at unnoticed. Raises TemplateError."""
    return all(map(_is_simple, environment.parse(source).find_all(nodes.Node)))


def _is_simple(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Test):
        return node.name in _TESTS
    if isinstance(node, nodes.Call):
        if isinstance(node.node, nodes.Getattr):
            return node.node.attr in _METHODS
        return isinstance(node.node, nodes.Name) and node.node.name in _FUNCTIONS
    if isinstance(node, nodes.Operand):
        # What stands on the left would be looked for in a text of the template.
        return node.op not in ("in", "notin") or isinstance(node.expr, nodes.List | nodes.Tuple)
    if isinstance(node, nodes.Getitem):  # a text is no index, but may be the name of something
        return isinstance(node.arg, nodes.Const | nodes.Slice | nodes.Neg | nodes.Sub)
    if isinstance(node, nodes.Mod):  # a number's, not a format's, which would write what stands in a tuple
        return isinstance(node.right, nodes.Const)
    return isinstance(node, _SIMPLE)


def around(write: Callable[[list[dict[str, str]]], str], roles: Sequence[str]) -> list[str | int] | None:
    """What a template that only copies writes for messages of these roles.

    Args:
        write: runs the template on messages.
        roles: the roles of a conversation.

    Returns:
        The template's own texts, and in the place of a message's text the index of the message; None if more than the roles decides.
    """
    marker = token_hex(16)
    try:
        text = write([{"role": role, "content": _Unread(f"<{marker}-{index}>")} for index, role in enumerate(roles)])
    except (_InspectedError, *TEMPLATE_ERRORS):
        return None
    parts = re.split(f"<{marker}-([0-9]+)>", text)
    copied = Counter(parts[1::2])
    if max(copied.values(), default=0) > _MOST_COPIES:
        return None
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
