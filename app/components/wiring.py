"""Between Gradio's events and the handlers: errors become sentences, nothing is published as an API."""

import functools
import html
import inspect
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.errors import NEUTRAL, READABLE

_log = logging.getLogger("reft_studio.pages")
EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Of every event: not listed as an API (which protects nothing; handlers check), no veil over what is being read.

Outside Gradio's queue, whose stream to the page closes when nothing is pending; see docs/decisions.md.
"""
QUEUED: dict[str, Any] = {**EVENT, "queue": True}
"""Of events that stream, or that must not overlap."""


def _told(error: Exception) -> gr.Error:
    """The toast that a person sees."""
    if isinstance(error, READABLE):
        return gr.Error(html.escape(str(error)), title="That did not work", duration=12, print_exception=False)
    _log.error("a page's event failed", exc_info=error)
    return gr.Error(NEUTRAL, title="That did not work", duration=12, print_exception=False)


def guarded(function: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    """The function with its first arguments given, for a Gradio event.

    It tells a person what went wrong in the errors' own words; what is not meant for people goes to the log.
    """
    signature = inspect.signature(function)
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def stream(*args: Any) -> Any:
            try:
                yield from function(*given, *args)
            except gr.Error:
                raise
            except Exception as error:  # noqa: BLE001 (the edge: a page must never show a traceback)
                raise _told(error) from None

        edge = stream
    else:

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            try:
                return function(*given, *args)
            except gr.Error:
                raise
            except Exception as error:  # noqa: BLE001 (the edge: a page must never show a traceback)
                raise _told(error) from None

        edge = call
    # Gradio counts parameters and finds `gr.Request` by the signature; what is given already is none of its business.
    edge.__signature__ = signature.replace(parameters=list(signature.parameters.values())[len(given) :])  # type: ignore[attr-defined]
    return edge
