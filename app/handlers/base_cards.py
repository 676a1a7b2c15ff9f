"""The base models as plain data for the cards of the Train page, which the browser draws; every text is in the visitor's language."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.bases.catalog import catalogue
from app.bases.facts import BaseFacts
from app.errors import StudioError
from app.handlers import bases, datasets, downloads
from app.handlers.bases import STARTER, Card, Fit, Machine
from app.services import Services
from app.words import say
from reft_engine import RunSpec

_SHOWN_LANGUAGES = 4
_MOST_READ, _MOST_ROWS = 4, 20_000
"""Base models and rows for which is counted what they read; the worker keeps so many tokenizers."""


class Asked(BaseModel):
    """What a person has asked of a card; the browser sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    act: str = Field(pattern="^(look|fetch|stop|delete|arrived)$")
    name: str = Field(min_length=1, max_length=200)

    @classmethod
    def read(cls, text: str) -> "Asked":
        """Raises StudioError for what the page does not send."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(say("bases.choose")) from error


def act(services: Services, asked: Asked) -> None:
    """Look a base model up, download it, cancel that, or delete it from the cache; nothing for one that has arrived. Raises StudioError."""
    if asked.act == "look":
        bases.look_up(services, asked.name)
    elif asked.act == "fetch":
        downloads.start(services, asked.name)
    elif asked.act == "stop":
        downloads.stop(services, asked.name)
    elif asked.act == "delete":
        downloads.delete(services, asked.name)


def shown(services: Services, chosen: str = "", precision: str = "") -> dict[str, Any]:
    """All cards in their groups, with the chosen one, the machine in words, and the downloads."""
    arriving = [name for name, each in downloads.progress(services).items() if each.state != "done"]
    here, found = bases.machine(services), bases.cards(services, precision, chosen, arriving)
    groups: dict[str, list[Card]] = {}
    for card in found:
        groups.setdefault(_group(services, card), []).append(card)
    groups["catalog"] = bases.in_order(groups.get("catalog", []))
    return {
        "chosen": chosen.strip(), "machine": _machine(here), "downloads": downloads_shown(services),
        "groups": [
            {"key": key, "title": say(f"bases.group.{key}"), "cards": [_shown(services, each) for each in members]}
            for key, members in groups.items() if members
        ],
    }  # fmt: skip


def downloads_shown(services: Services) -> dict[str, dict[str, Any]]:
    """The downloads by the models' names: ``share`` (0 to 1, None if unknown), ``text``, ``state`` and ``problem``."""
    return {
        name: {
            "share": round(each.here / each.total, 4) if each.total else None, "state": each.state, "problem": each.problem,
            "text": say("bases.card.here_of", here=size(each.here), total=size(each.total)),
        }
        for name, each in downloads.progress(services).items()
    }  # fmt: skip


def reads(services: Services, dataset_id: str | None) -> dict[str, str]:
    """How many of a dataset's rows each base model reads whole, in words, by its name; of those on this machine, the first few."""
    if not dataset_id:
        return {}
    dataset = services.storage.datasets.get(dataset_id)
    names = [card.facts.name for card in bases.cards(services) if card.is_here and not card.facts.problem]
    found = {}
    for name in names[:_MOST_READ] if dataset.rows <= _MOST_ROWS else []:
        check = datasets.check_dataset(services, dataset.id, RunSpec(base=name))
        share = bases.share_read(check) if check else None
        if share is not None:
            found[name] = say("bases.card.reads", share=share)
    return found


def _group(services: Services, card: Card) -> str:
    """``ready`` for what is here, offered by the operator, or named by the person; ``catalog`` for the rest."""
    offered = card.is_here or card.facts.name in services.settings.models
    return "ready" if offered or all(card.facts.name != entry.name for entry in catalogue()) else "catalog"


def _shown(services: Services, card: Card) -> dict[str, Any]:
    facts, on_hub = card.facts, card.facts.origin in ("catalog", "hub")
    mine = services.settings.local and on_hub
    runs = bases.runs_with(services, facts.name) if card.bytes_here else 0
    sure = say("bases.card.remove_sure", size=size(card.bytes_here))
    return {
        "name": facts.name, "title": _title(facts), "owner": facts.name.partition("/")[0] if on_hub else "",
        "badge": {"level": card.fit.level, "text": say(f"bases.fit.{card.fit.level}"), "why": _why(card.fit)},
        "facts": _facts(card), "problem": bases.reason(facts), "is_here": card.is_here,
        "unchecked": facts.origin == "catalog" and not facts.checked,
        "page": f"https://huggingface.co/{facts.name}" if on_hub else "",
        "can_fetch": mine and not card.is_here and not facts.problem,
        "can_look": mine and not card.is_here and facts.parameters is None and not facts.commit and not facts.problem,
        "can_delete": mine and card.bytes_here > 0,
        "sure": f"{sure} {say('bases.card.remove_runs', count=runs)}" if runs else sure,
    }  # fmt: skip


def _title(facts: BaseFacts) -> str:
    if facts.name == STARTER:
        return say("bases.card.starter")
    return facts.name.rstrip("/").rpartition("/")[2] or facts.name


def _why(found: Fit) -> str:
    if found.needed is None:
        return say("bases.card.unknown_why")
    needed = size(_rounded(found.needed))
    if found.free is None or found.level == "fits":
        return say("bases.card.needs", needed=needed)
    return say("bases.card.tight_why" if found.level == "tight" else "bases.card.no_why", needed=needed, free=size(found.free))


def _facts(card: Card) -> list[str]:
    facts, found = card.facts, []
    if facts.parameters:
        found.append(say("bases.card.parameters", count=count(facts.parameters)))
    if facts.layers and facts.hidden_size:
        found.append(say("bases.card.layers", layers=facts.layers, hidden=f"{facts.hidden_size:,}"))
    if facts.context:
        found.append(say("bases.card.context", count=facts.context))
    if facts.kind in ("encoder", "encoder_decoder"):
        found.append(say(f"bases.kind.{facts.kind}"))
    return found + _more_facts(card)


def _more_facts(card: Card) -> list[str]:
    """Languages, licence, and what concerns the Hub."""
    facts, found = card.facts, []
    if facts.languages:
        first, more = ", ".join(facts.languages[:_SHOWN_LANGUAGES]), len(facts.languages) - _SHOWN_LANGUAGES
        many = say("bases.card.many_languages", languages=first, count=more)
        found.append(many if more > 0 else say("bases.card.languages", languages=first))
    if facts.licence:
        found.append(say("bases.card.licence", licence=facts.licence))
    if card.is_here and card.bytes_here:
        found.append(say("bases.card.on_disk", size=size(card.bytes_here)))
    if facts.download and not card.is_here:
        found.append(say("bases.card.download", size=size(facts.download)))
    if facts.gated and not facts.problem:
        found.append(say("bases.card.gated"))
    return [*found, *([say("bases.card.checked", day=facts.checked)] if facts.checked else [])]


def _rounded(number: int) -> int:
    """A rough figure without the digits that nobody knows."""
    return int(float(f"{number:.2g}"))


def _machine(here: Machine) -> str:
    device = here.name or say("bases.card.cpu")
    if here.free is None:
        return say("bases.card.machine_unknown", device=device)
    return say("bases.card.machine", device=device, free=size(here.free))


def size(number: int) -> str:
    """Bytes in words."""
    if number < 1_000_000:
        return say("size.kilobytes", count=number / 1000)
    return say("bases.card.megabytes", count=number / 1e6) if number < 1_000_000_000 else say("size.gigabytes", count=number / 1e9)


def count(number: int) -> str:
    """A number of parameters in a few signs: 16M, 1.5B."""
    return f"{number / 1e6:.0f}M" if number < 950_000_000 else f"{number / 1e9:.1f}B"
