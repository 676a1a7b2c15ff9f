"""The pages of a studio with every event by name, to be fired as the server fires them: with values in the order of its inputs."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from app.components.labels import I18N
from app.components.wiring import Page
from app.pages import build
from app.services import Services


@dataclass(frozen=True)
class Event:
    """One binding: what the page's handler is called with, by the names of the page's parts."""

    page: str
    act: str
    inputs: tuple[str, ...]
    given: tuple[Any, ...]
    asks: bool
    """Whether it looks at the address that the page was opened with."""
    function: Any
    parts: dict[str, Any] = field(hash=False, compare=False)

    @property
    def keys(self) -> list[tuple[str, str, str]]:
        """One for each thing that it depends on."""
        given = [getattr(value, "__name__", "given").lstrip("_") for value in self.given]
        name = f"{self.act}:{given[0]}" if given and given[0] != "given" else self.act
        found = [*self.inputs, *(["given"] if given and name == self.act else []), *(["address"] if self.asks else [])]
        return [(self.page, name, each) for each in found]


@dataclass(frozen=True)
class Put:
    source: str
    target: str
    function: Any


@dataclass(frozen=True)
class Pages:
    blocks: gr.Blocks
    events: list[Event]
    puts: list[Put]
    stops: list[Any]

    def event(self, page: str, act: str, which: int = 0, **given: Any) -> Event:
        found = [event for event in self.events if (event.page, event.act) == (page, act)]
        return found[which]

    def shown(self, event: Event, address: dict[str, str] | None = None, **changes: Any) -> list[dict[str, Any]]:
        """What the page shows after an event, state by state; every input that is not named has the value that it opens with."""
        assert changes.keys() <= set(event.inputs), changes
        values = [changes.get(name, _opened(event.parts[name])) for name in event.inputs]
        assert [event.parts[name] for name in event.inputs] == list(event.function.inputs)
        asked = [gr.Request(Request(scope(address or {})))] if event.asks else []
        found = event.function.fn(*values, *asked)
        states = list(found) if inspect.isgenerator(found) else [found]
        names = {component: name for name, component in event.parts.items()} | {event.function.fn.note: "note"}
        return [{names.get(component, component): value for component, value in state.items()} for state in states]

    def fire(self, page: str, act: str, which: int = 0, address: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """The last state that an event leaves, which must not be a refusal."""
        last = self.shown(self.event(page, act, which), address, **changes)[-1]
        assert last["note"] == "", last["note"]
        return last


def reads(text: Any) -> str:
    """What a person reads of a text of the layout, in English."""
    return I18N.translations["en"][text.key] if isinstance(text, gr.i18n.I18nData) else text


def _opened(part: Any) -> Any:
    """What the page sends of a part that nobody has touched."""
    return getattr(part, "value", None)


def scope(address: dict[str, str]) -> dict[str, Any]:
    query = "&".join(f"{name}={value}" for name, value in address.items()).encode()
    return {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": [], "server": ("127.0.0.1", 1)}


@contextmanager
def _spied(events: list[Any], puts: list[Any], stops: list[Any]) -> Iterator[None]:
    kept = Page.on, Page.put, Page.stop

    def on(self: Page, triggers: Any, act: Any, **given: Any) -> Any:
        bound = kept[0](self, triggers, act, **given)
        asks = any(parameter.annotation is gr.Request for parameter in inspect.signature(act).parameters.values())
        page = act.__module__.rpartition(".")[2].partition("_")[0]  # a part such as train_spec is one of its page
        events.append((page, act.__name__, tuple(given.get("inputs", ())), tuple(given.get("given", ())), asks, bound, self._parts))
        return bound

    def put(self: Page, trigger: Any, source: str, target: str, **given: Any) -> Any:
        bound = kept[1](self, trigger, source, target, **given)
        puts.append((source, target, bound))
        return bound

    def stop(self: Page, trigger: Any, started: list[Any], shown: Any) -> None:
        kept[2](self, trigger, started, shown)
        stops.append((trigger, started))

    with pytest.MonkeyPatch.context() as patch:
        for name, made in (("on", on), ("put", put), ("stop", stop)):
            patch.setattr(Page, name, made)
        yield


def read(services: Services) -> Pages:
    """The pages as `app.pages.build` makes them."""
    events: list[Any] = []
    puts: list[Any] = []
    stops: list[Any] = []
    with _spied(events, puts, stops):
        blocks = build(services)
    numbers = blocks.fns
    return Pages(
        blocks, [Event(*event[:5], numbers[event[5]["id"]], event[6]) for event in events],
        [Put(source, target, numbers[bound["id"]]) for source, target, bound in puts], stops,
    )  # fmt: skip
