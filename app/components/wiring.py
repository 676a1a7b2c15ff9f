"""Binds the events of the pages: an error becomes a sentence beside the control that caused it."""

import functools
import inspect
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.components import html
from app.errors import READABLE, NoAnswerError, StoppedError
from app.incidents import SCOPE, failed, new_number, number, numbered
from app.people.asking import asked_by
from app.people.gate import person_of
from app.people.visitor import visited_by
from app.services import Services
from app.words import LANGUAGES, language_of, said_in, say_error, speaking

_log = logging.getLogger("reft_studio.pages")

Shown = dict[str, Any]
"""New values or updates of a page's parts, by the parts' names; a part that is not named stays as it is."""

HIDDEN: dict[str, Any] = gr.update(visible=False)
"""The update that hides a part."""

_EVENT: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
"""Of every event: not listed as an API (which protects nothing; handlers check), no veil over what is being read.

Outside Gradio's queue, whose stream to the page may close; only what streams goes through it. See docs/decisions.md.
"""
_LIVE = '<div class="rs-live" aria-live="polite" aria-atomic="true">${value}</div>'
_COUNT = itertools.count()

# Numbers have a range for the browser. Handlers refuse others in a sentence, where Gradio would end the request with an error. Of the
# class, because a field whose help is updated is made anew for that visitor.
gr.Number.raise_if_out_of_bounds = staticmethod(lambda num, minimum, maximum: None)


def live(elem_id: str, *, uploads: bool = False) -> gr.HTML:
    """A live region for a sentence; its element stays in the page also while it is empty.

    With ``uploads`` it also reports files that did not arrive, which no event notices.
    """
    listens = "studio.uploads(props)" if uploads else None
    return gr.HTML("", html_template=_LIVE, elem_id=elem_id, elem_classes="rs-noted", js_on_load=listens)


def opening() -> Any:
    """The event of opening a page; call it within the page's layout."""
    return gr.context.Context.root_block.load


class Page:
    """Binds the events of one page.

    An event names its note, the place where its sentence is shown, and what becomes of the page when it was refused. Errors are values:
    for Gradio such an event has succeeded, so what must only follow success is given to `on` as well. What fails before or after the
    handler (Gradio's own checks, the way to the server) is told in the same note by the page itself; see app/static/requests.js.
    """

    def __init__(self, services: Services, parts: Mapping[str, Any]) -> None:
        self._services, self._parts = services, dict(parts)

    def on(
        self, triggers: Any, act: Callable[..., Any], *, note: gr.HTML, given: Sequence[Any] = (), inputs: Sequence[str] = (),
        shows: Sequence[str] = (), refused: Shown | None = None, stopped: Shown | None = None, clears: Sequence[gr.HTML] = (),
        leads_to: str = "", carrying: str = "", again: bool = True, **options: Any,
    ) -> Any:  # fmt: skip
        """Bind an event; a generator streams through Gradio's queue, all else is a plain request.

        Args:
            triggers: Gradio's event or events.
            act: Takes the services, what is ``given``, and the values of ``inputs``; returns or yields `Shown`.
            note: Where the sentence of a refusal stands; emptied when the event succeeds.
            given: Arguments that are known when the page is built.
            inputs: Names of parts.
            shows: Names of the parts that ``act`` may change.
            refused: What the page's parts become on a refusal.
            stopped: What they become when a person has ended the event; by default they stay as they are.
            clears: Other notes, whose sentences are no longer about what is shown.
            leads_to: Page to go to, only if the event was not refused.
            carrying: Name of the part whose value is appended to ``leads_to``.
            again: Whether the same sentence is read out anew each time; not for what happens by itself.
            options: Of Gradio's event.
        """
        refused = refused or {}
        outputs = {name: self._parts[name] for name in dict.fromkeys([*shows, *refused, *(stopped or {})])}
        without = _Without({**refused}, {**(stopped or {})}, follows=bool(leads_to))
        edge = _edge(functools.partial(act, self._services, *given), outputs, note, without, list(clears), again)
        settings = {**_EVENT, "queue": inspect.isgeneratorfunction(edge), **options}
        bind = functools.partial(gr.on, triggers) if isinstance(triggers, list) else triggers
        bound = bind(edge, [self._parts[name] for name in inputs], [*outputs.values(), note, *clears], **settings)
        if leads_to:
            sources = [note, *([self._parts[carrying]] if carrying else [])]
            go = f"(refused, value = '') => {{ if (!refused) location.href = {json.dumps(leads_to)} + encodeURIComponent(value); }}"
            bound.success(None, sources, None, js=go, **_EVENT)
        # What only the server holds cannot be set from the page.
        there = {name: value for name, value in refused.items() if not isinstance(self._parts[name], gr.State)}
        arguments = ", ".join(json.dumps(value) for value in (list(there.values()), settings["queue"], again))
        bound.failure(None, None, [note, *(self._parts[name] for name in there)], js=f"() => studio.failed({arguments})", **_EVENT)
        return bound

    def put(self, trigger: Any, source: str, target: str, js: str = "(value) => value") -> Any:
        """Copy the value of a part to another, in the browser, or what ``js`` makes of it."""
        return trigger(None, self._parts[source], self._parts[target], js=js, **_EVENT)

    def tell(self, trigger: Any, target: str, js: str) -> None:
        """Give a part what a function of the browser returns."""
        trigger(None, None, self._parts[target], js=js, **_EVENT)

    def newest(self, trigger: Any, source: str, asked: str, targets: Sequence[str]) -> None:
        """Show an answer in the browser if nothing newer has been asked since.

        Args:
            trigger: Gradio's event.
            source: the part that holds the answer: JSON with what it was ``asked`` and the ``shown`` values of the targets.
            asked: the part that holds what was asked last.
            targets: names of parts.
        """
        go = f"(...given)=>studio.newest({len(targets)},...given)"
        parts = [self._parts[name] for name in targets]
        trigger(None, [self._parts[source], self._parts[asked]], parts, js=go, **_EVENT)

    def ask_again(self, trigger: Any, source: str, asked: str) -> None:
        """Ask anew after a while where an answer says ``again``, because the engine could not say all yet; ``source`` as in `newest`."""
        parts = [self._parts[source], self._parts[asked]]
        trigger(None, parts, parts[1:], js="(...given)=>studio.askAgain(...given)", **_EVENT)

    def run(self, triggers: Any, script: str, *, inputs: Sequence[str] = (), shows: Sequence[str] = ()) -> Any:
        """Run a function of the page's own scripts, in the browser, because it cannot be refused.

        It takes the values of ``inputs`` and returns a list of those of ``shows``.
        """
        bind = functools.partial(gr.on, triggers) if isinstance(triggers, list) else triggers
        return bind(None, [self._parts[name] for name in inputs], [self._parts[name] for name in shows], js=script, **_EVENT)

    def show(self, trigger: Any, shown: Shown, *, clears: Sequence[gr.HTML] = ()) -> None:
        """Show what is always the same, in the browser, because it cannot be refused; ``clears`` as in `on`."""
        values = [*shown.values(), *("" for _ in clears)]
        trigger(None, None, [*(self._parts[name] for name in shown), *clears], js=f"() => {json.dumps(values)}", **_EVENT)

    def stop(self, trigger: Any, events: list[Any], shown: Callable[[], Shown]) -> None:
        """End streaming events and show ``shown``, in the browser, because it cannot be refused."""
        values = {language: list(said_in(language, shown).values()) for language in LANGUAGES}
        go = f"() => studio.stopped({json.dumps(values)}[words.language])"
        trigger(None, None, [self._parts[name] for name in shown()], js=go, cancels=events, **_EVENT)


@dataclass(frozen=True, slots=True)
class _Without:
    """What the page's parts become without the event's answer: when it was refused, and when a person has ended it."""

    refused: Shown
    stopped: Shown
    follows: bool
    """Whether something follows the event's success, which only a sentence in its note holds up."""


def _edge(
    inner: Callable[..., Any], outputs: Mapping[str, Any], note: gr.HTML, without: _Without, clears: list[gr.HTML], again: bool
) -> Callable[..., Any]:
    """The function that Gradio calls. Its attribute ``inner`` is the function that it calls, looked up each time; ``note`` is another."""

    def placed(shown: Shown) -> dict[Any, Any]:
        # Gradio takes updates apart, so that each has to be a copy: a page may show the same one twice.
        values = {outputs[name]: dict(value) if isinstance(value, dict) else value for name, value in shown.items()}
        return values | dict.fromkeys([note, *clears], "")

    def refusal(error: Exception) -> dict[Any, Any]:
        if isinstance(error, NoAnswerError) and not without.follows:
            return {part: gr.skip() for part in (*outputs.values(), note, *clears)}
        is_wanted = isinstance(error, StoppedError)  # by the person themselves, who need not be warned
        sentence = html.refusal(_sentence(edge.__name__, error), next(_COUNT) if again else 0, "soft" if is_wanted else "bad")
        return placed(without.stopped if is_wanted else without.refused) | {note: sentence}

    def call(*args: Any) -> dict[Any, Any]:
        with _asked_by():
            try:
                return placed(edge.inner(*args))  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
                return refusal(error)

    def stream(*args: Any) -> Iterator[dict[Any, Any]]:
        states = _lazily(edge, args)
        while True:
            with _asked_by():  # anew for each state: Gradio takes each of them in a context of its own
                try:
                    shown = placed(next(states))
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001 (the edge: a page must never show a traceback, nor nothing)
                    shown, states = refusal(error), iter(())
            yield shown

    edge: Callable[..., Any] = stream if inspect.isgeneratorfunction(inner) else call
    functools.update_wrapper(edge, inner.func if isinstance(inner, functools.partial) else inner)
    # Gradio counts parameters and finds `gr.Request` by the signature, which must not include the bound arguments.
    edge.__dict__.update(inner=inner, note=note, __signature__=inspect.signature(inner))
    return edge


def _lazily(edge: Any, args: tuple[Any, ...]) -> Iterator[Shown]:
    yield from edge.inner(*args)


@contextmanager
def _asked_by() -> Iterator[None]:
    """Speak the language of the event's browser, and know its page by its session."""
    request = gr.context.LocalContext.request.get(None)
    language = language_of(request.headers.get("accept-language") if request else None)
    with ExitStack() as meanwhile:
        meanwhile.enter_context(speaking(language))
        meanwhile.enter_context(visited_by(str(request.session_hash or "") if request else ""))
        # What goes through Gradio's queue is done outside the request that asked for it.
        scope = request.request.scope if request and request.request else {}
        meanwhile.enter_context(numbered(scope.get(SCOPE) or number() or new_number()))
        if person := person_of(scope):
            meanwhile.enter_context(asked_by(person))
        yield


def _sentence(event: str, error: Exception) -> str:
    """The sentence for a person; an error that is not meant for people goes to the log."""
    if isinstance(error, READABLE):
        return say_error(error)
    _log.error("the page's event %s failed", event, exc_info=error)
    return failed()
