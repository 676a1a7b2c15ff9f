"""``reft-studio models``: the base models that this machine can use, whether they fit, and the catalogue compared with the Hub."""

import argparse
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.output import finish, note, tell
from app.errors import StudioError
from app.words import say, say_error

if TYPE_CHECKING:
    from app.bases.facts import BaseFacts
    from app.handlers.bases import Card


def models(options: argparse.Namespace) -> int:
    """List the base models with their fit; with ``--check``, compare the catalogue with the Hub: 1 if something differs or is unknown."""
    if options.write and not options.check:
        raise StudioError(say("cli.models.write"))
    return _check(options) if options.check else _list(options)


def _list(options: argparse.Namespace) -> int:
    from app.handlers import bases
    from app.handlers.base_cards import count, size
    from app.settings import read_settings
    from app.worker.machine import describe_machine

    here = bases.Machine(**describe_machine(0))
    cards = bases.cards_on(read_settings(), here, options.precision or "")
    for card in cards:
        facts, needed = card.facts, card.fit.needed
        tell(options, say(
            "cli.models.line", name=facts.name, fit=say(f"bases.fit.{card.fit.level}"),
            parameters=count(facts.parameters) if facts.parameters else "?", needed=size(needed) if needed else "?",
            licence=facts.licence or "?", marks=_marks(card),
        ))  # fmt: skip
    finish(options, {"device": here.device, "free": here.free, "models": [_values(card) for card in cards]})
    return 0


def _marks(card: "Card") -> str:
    marks = [say("bases.shown.is_here")] if card.is_here else []
    marks += [say("bases.shown.unchecked")] if card.facts.origin == "catalog" and not card.facts.checked else []
    return ", ".join(marks)


def _values(card: "Card") -> dict[str, Any]:
    return {**asdict(card.facts), "is_here": card.is_here, "fit": card.fit.level, "needed": card.fit.needed}


def _check(options: argparse.Namespace) -> int:
    """Compare each entry of the catalogue with the Hub."""
    from app.bases.catalog import catalogue, corrected, differences, write_catalogue
    from app.handlers.bases import reason
    from app.reader.client import look_at_base_in_process

    day = datetime.now(UTC).date().isoformat()
    entries: list[BaseFacts] = []
    found: dict[str, Any] = {}
    for entry in catalogue():
        try:
            looked = look_at_base_in_process(entry.name, Path(tempfile.mkdtemp(prefix="reft-models-")))
        except StudioError as error:
            found[entry.name] = {"problem": say_error(error)}
            looked = None
        if looked is None or looked.problem in ("missing", "offline"):
            entries.append(entry)
            if looked is not None:
                found[entry.name] = {"problem": reason(looked)}
        else:
            entries.append(corrected(entry, looked, day))
            if others := differences(entry, looked):
                found[entry.name] = {name: {"catalogue": said, "hub": now} for name, (said, now) in others.items()}
        _tell(options, entry.name, found.get(entry.name))
    if options.write:
        options.write.write_text(write_catalogue(entries), encoding="utf-8")
        note(say("cli.models.written", path=options.write))
    finish(options, {"checked": day, "models": len(entries), "differences": found})
    return 1 if found else 0


def _tell(options: argparse.Namespace, name: str, found: dict[str, Any] | None) -> None:
    if found is None:
        tell(options, say("cli.models.same", name=name))
    elif "problem" in found:
        tell(options, f"{name}: {found['problem']}")
    else:
        for fact, values in found.items():
            tell(options, say("cli.models.differs", name=name, fact=fact, said=values["catalogue"], now=values["hub"]))
