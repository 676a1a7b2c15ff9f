"""The base models that may be used here: what is known of each, whether it fits this machine, and how it reads a dataset's rows."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Literal

from app.bases.cache import Cached, cached_models, find_cached
from app.bases.catalog import catalogue
from app.bases.facts import BaseFacts, facts_of_folder
from app.errors import StudioError
from app.services import Services
from app.settings import Settings
from app.words import say
from reft_engine import Setting, available_precisions, free_memory, rough_memory, suited_precision
from reft_engine.data import RowCheck

STARTER = "starter"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_TIGHT = 0.8
"""Share of the free memory above which a base model fits only just: the figure is rough."""
_MICRO_BATCH = {"cpu": 2_048, "cuda": 4_096}
"""Tokens of the largest micro-batch of the default settings: 8 rows of at most 512 tokens, on a CPU in two halves."""
_MOST_LOOKED = 200
_LOOKED: dict[str, BaseFacts] = {}
"""Facts of the latest Hub ids that were looked up since the studio began."""
_NOT_READ = ("too_long", "refused", "partly", "cut", "letters")
"""Findings of rows that a base model does not read whole."""

Level = Literal["fits", "tight", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What base models are loaded on: ``device`` is ``cpu`` or ``cuda``; ``free`` bytes of its memory, None if unknown."""

    device: str
    name: str
    free: int | None


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a base model can be trained on here: bytes that it needs, roughly, and that are free; None is unknown."""

    level: Level
    needed: int | None = None
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A base model as the page shows it; ``bytes_here`` and ``bytes_partly`` are those in the Hub's cache."""

    facts: BaseFacts
    fit: Fit
    is_here: bool
    bytes_here: int = 0
    bytes_partly: int = 0


def base_models(settings: Settings) -> list[str]:
    """Base models that are offered."""
    return list(dict.fromkeys([STARTER, *settings.models]))


def offered(row: Setting) -> list[tuple[str, str]]:
    """The choices of a setting, with their titles, that this machine has."""
    there = available_precisions()
    return [(title, value) for title, value in row.choices if row.name != "precision" or value in there]


def check_base(settings: Settings, name: str) -> str:
    """Check that a base model may be loaded here: an offered one, or on a laptop any Hub id. Raises StudioError."""
    name = name.strip()
    if not name:
        raise StudioError(say("bases.choose"))
    if name in base_models(settings):
        return name
    if not settings.local:
        raise StudioError(say("bases.not_offered"))
    if len(name) > 200 or ".." in name or not _HUB_ID.fullmatch(name) or Path(name).exists():
        raise StudioError(say("bases.no_name"))
    return name


def machine(services: Services) -> Machine:
    """What base models are loaded on here, as the worker says; while it is away, the memory of this machine."""
    found = services.worker.machine()
    return Machine(**found) if found else Machine("cpu", "", free_memory())


def fit(facts: BaseFacts, here: Machine, precision: str = "") -> Fit:
    """Whether a base model fits the memory of this machine, with the default settings, roughly; see `reft_engine.rough_memory`."""
    if not (facts.parameters and facts.layers and facts.hidden_size):
        return Fit("unknown", None, here.free)
    weight = facts.bytes_per_weight(precision or suited_precision(here.device))
    tokens = _MICRO_BATCH.get(here.device, _MICRO_BATCH["cpu"])
    needed = rough_memory(facts.parameters, facts.layers, facts.hidden_size, weight, tokens, vocabulary=facts.vocabulary or 0)
    if here.free is None:
        return Fit("unknown", needed)
    return Fit("no" if needed > here.free else "tight" if needed > _TIGHT * here.free else "fits", needed, here.free)


def cards(services: Services, precision: str = "", chosen: str = "", arriving: Sequence[str] = ()) -> list[Card]:
    """The cards of the page; see `cards_on`."""
    return cards_on(services.settings, machine(services), precision, chosen, arriving)


def cards_on(
    settings: Settings, here: Machine, precision: str = "", chosen: str = "", arriving: Sequence[str] = ()
) -> list[Card]:  # fmt: skip
    """The base models that are offered here, in the order of the page.

    First the starter, then the operator's, cached ones, those that are ``arriving``, and the catalogue.

    A Hub id that is ``chosen`` but in none of these comes last, with what is known of it without asking the Hub.
    """
    kept = {each.name: each for each in cached_models()}
    names = base_models(settings)
    if settings.local:
        complete = [name for name, each in kept.items() if each.folder]
        names = list(dict.fromkeys([*names, *complete, *arriving, *(entry.name for entry in catalogue())]))
        with suppress(StudioError):
            names = list(dict.fromkeys([*names, *([check_base(settings, chosen)] if chosen.strip() else [])]))
    return [_card(name, kept.get(name), here, precision) for name in names]


def _card(name: str, kept: Cached | None, here: Machine, precision: str) -> Card:
    facts = facts_of(name, kept)
    is_here = facts.origin in ("starter", "folder") or bool(kept and kept.folder)
    return Card(facts, fit(facts, here, precision), is_here, kept.bytes if kept else 0, kept.partial if kept else 0)


def facts_of(name: str, kept: Cached | None = None) -> BaseFacts:
    """What is known of a base model without asking the Hub."""
    if name == STARTER:
        return replace(facts_of_folder(STARTER, _starter_folder(), "starter"), languages=("en",), licence="apache-2.0")
    if Path(name).is_dir():
        return facts_of_folder(name, Path(name))
    known = looked_up(name) or next((entry for entry in catalogue() if entry.name == name), None)
    kept = kept or find_cached(name)
    if kept and kept.folder:
        facts = replace(facts_of_folder(name, kept.folder, "hub"), source=name)
        return replace(facts, licence=known.licence, languages=known.languages) if known else facts
    return known or BaseFacts(name, "hub")


def to_fetch(facts: BaseFacts) -> int | None:
    """Bytes to download before a base model can be used; 0 if it is here, None if that is unknown."""
    kept = find_cached(facts.name) if facts.origin in ("hub", "catalog") else None
    if facts.origin in ("starter", "folder") or (kept and kept.folder):
        return 0
    return facts.download and max(0, facts.download - (kept.partial if kept else 0))


def _starter_folder() -> Path:
    package = find_spec("reft_engine")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "starter"


def looked_up(name: str) -> BaseFacts | None:
    """The facts of a Hub id that was looked up since the studio began."""
    return _LOOKED.get(name)


def note_facts(facts: BaseFacts) -> None:
    """Keep what the Hub has said of a base model."""
    _LOOKED.pop(facts.name, None)
    _LOOKED[facts.name] = facts
    while len(_LOOKED) > _MOST_LOOKED:
        _LOOKED.pop(next(iter(_LOOKED)), None)


def look_up(services: Services, name: str) -> BaseFacts:
    """Ask the Hub about a base model, for its metadata and its config alone. Raises StudioError."""
    from app.reader.client import look_at_base_in_process

    name = check_base(services.settings, name)
    if not services.settings.local:
        raise StudioError(say("bases.on_laptops_only"))
    facts = look_at_base_in_process(name, services.storage.files.uploads / f"hub-{token_hex(8)}")
    note_facts(facts)
    return facts


def reason(facts: BaseFacts) -> str:
    """Why a base model cannot be used here, in a sentence; empty if nothing is known against it."""
    return {
        "gated": lambda: say("bases.gated", name=facts.name), "missing": lambda: say("bases.missing", name=facts.name),
        "code": lambda: say("bases.code", name=facts.name), "weights": lambda: say("bases.weights", name=facts.name),
        "config": lambda: say("bases.config", name=facts.name),
    }.get(facts.problem, lambda: "")()  # fmt: skip


def runs_with(services: Services, name: str) -> int:
    """Number of runs whose base model this is, and that need it to answer."""
    return services.storage.runs.uses(name)


def share_read(check: RowCheck) -> float | None:
    """Share of a file's readable rows that a base model reads whole: none cut, refused, or with letters that it does not know.

    A row with two of these counts twice, so that the share is never too high. None without rows.
    """
    counts: dict[str, int] = {finding.kind: finding.count for finding in check.findings}
    rows = check.rows - counts.get("unreadable", 0)
    return max(0.0, 1 - sum(counts.get(kind, 0) for kind in _NOT_READ) / rows) if rows > 0 else None


def in_order(found: Sequence[Card]) -> list[Card]:
    """The cards with those that fit first, in their order otherwise."""
    return sorted(found, key=lambda card: ("fits", "tight", "unknown", "no").index(card.fit.level))
