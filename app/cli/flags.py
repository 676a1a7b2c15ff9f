"""Flags made from the settings of the spec, and the spec made from the flags."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from app.cli.output import note
from app.errors import StudioError
from app.run_texts import RunFile, flag_of, read_run_file
from app.words import say, translate
from reft_engine import GROUPS, RunSpec, Setting, all_settings

_OFF = {"tied": "--untied"}
"""A second flag that switches a setting off."""
_NONE = "none"
"""The value that leaves a setting blank that a file has set."""
_MOST_BYTES = 1_000_000


def number(kind: type[int] | type[float]) -> Callable[[str], Any]:
    """A reader of numbers for a flag."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            quoted = repr(text[:40])
            raise argparse.ArgumentTypeError(say("cli.no_integer" if kind is int else "cli.no_number", text=quoted)) from error

    return read


INTEGER, REAL = number(int), number(float)


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting], listed: Sequence[str] = ()) -> None:
    """Add a flag for each setting; those in ``listed`` take several values, separated by commas.

    A missing flag leaves no attribute in the options, to distinguish it from a default.
    """
    rows = list(settings)
    groups = {name: parser.add_argument_group(name) for name in GROUPS if any(row.group == name for row in rows)}
    for row in rows:
        group = groups[row.group]
        shown: dict[str, Any] = {"dest": row.name, "default": argparse.SUPPRESS, "help": _help(row, row.name in listed)}
        if row.kind == "switch":
            group.add_argument(flag_of(row), action=argparse.BooleanOptionalAction, **shown)
            if row.name in _OFF:
                same_as = say("cli.help.same_as", flag=flag_of(row).replace("--", "--no-"))
                group.add_argument(_OFF[row.name], dest=row.name, action="store_false", default=argparse.SUPPRESS, help=same_as)
            continue
        read = _reader(row)
        group.add_argument(flag_of(row), type=_several(read) if row.name in listed else read, metavar=_METAVARS[row.kind], **shown)


_METAVARS = {"integer": "N", "number": "X", "choice": "NAME", "text": "TEXT"}


def _reader(row: Setting) -> Callable[[str], Any]:
    read = {"integer": INTEGER, "number": REAL}.get(row.kind, str)
    return (lambda text: None if text.strip() == _NONE else read(text)) if row.optional else read


def _several(read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    def read_all(text: str) -> list[Any]:
        return list(dict.fromkeys(read(value.strip()) for value in text.split(",") if value.strip()))

    return read_all


def _help(row: Setting, listed: bool) -> str:
    """Help text of a setting, with its range or choices, its unit and its default."""
    names = "" if row.free else ", ".join(value for _, value in row.choices)
    takes = " ".join(text for text in (row.range, row.unit) if text) or names
    sentence = translate(f"settings.{row.name}.help", row.help)
    facts = [takes, say("cli.help.default", value=row.default_text), say("cli.help.several") if listed else ""]
    return f"{sentence[:1].lower()}{sentence[1:].rstrip('.')} [{'; '.join(fact for fact in facts if fact)}]".replace("%", "%%")


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings whose flags are in the options."""
    return {row.name: getattr(options, row.name) for row in all_settings() if hasattr(options, row.name)}


def spec_of(options: argparse.Namespace) -> RunSpec:
    """The spec of ``--spec``, or the defaults, changed by the flags. Raises StudioError, ConfigError."""
    path: Path | None = options.spec
    read = _settings_in(path) if path else {}
    return RunSpec.of_settings({**read, **given_settings(options)})


def _settings_in(path: Path) -> dict[str, Any]:
    """The settings of a description of a run; its rows are left aside, which is said. Raises StudioError."""
    described = run_file(path)
    if described.data:
        note(say("cli.spec.data", path=path))
    return described.spec.settings()


def run_file(path: Path) -> RunFile:
    """The description of a run in a file. Raises StudioError."""
    if not path.is_file():
        raise StudioError(say("cli.no_file", path=path))
    if path.stat().st_size > _MOST_BYTES:
        raise StudioError(say("cli.spec.too_large", path=path))
    try:
        return read_run_file(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise StudioError(say("cli.spec.no_text", path=path)) from error
