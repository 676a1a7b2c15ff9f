"""Flags made from the settings of the spec, and the spec that they make."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from app.errors import StudioError
from reft_engine import GROUPS, ConfigError, RunSpec, Setting, all_settings

_FLAGS = {"learning_rate": "--lr"}
"""Flags that are not called as their setting is."""
_OFF = {"tied": "--untied"}
"""A second name for switching off."""
_NONE = "none"
"""How a setting is left blank that a file has set."""
_MOST_BYTES = 1_000_000


def flag_of(row: Setting) -> str:
    """The flag of a setting, such as ``--batch-size``."""
    return _FLAGS.get(row.name, f"--{row.name.replace('_', '-')}")


def number(kind: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    """Read a number; ``what`` says in words what it has to be."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {what}") from error

    return read


INTEGER, REAL = number(int, "a whole number"), number(float, "a number")


def add_settings(parser: argparse.ArgumentParser, settings: Iterable[Setting], listed: Sequence[str] = ()) -> None:
    """Add a flag for each setting; those that are ``listed`` take several values, with commas between them.

    A flag that is not given leaves nothing in the options, so that a file of settings can be told from a default.
    """
    rows = list(settings)
    groups = {name: parser.add_argument_group(name) for name in GROUPS if any(row.group == name for row in rows)}
    for row in rows:
        group = groups[row.group]
        shown: dict[str, Any] = {"dest": row.name, "default": argparse.SUPPRESS, "help": _help(row, row.name in listed)}
        if row.kind == "switch":
            group.add_argument(flag_of(row), action=argparse.BooleanOptionalAction, **shown)
            if row.name in _OFF:
                again = f"the same as {flag_of(row).replace('--', '--no-')}"
                group.add_argument(_OFF[row.name], dest=row.name, action="store_false", default=argparse.SUPPRESS, help=again)
            continue
        read = _reader(row)
        group.add_argument(flag_of(row), type=_several(read) if row.name in listed else read, metavar=_METAVARS[row.kind], **shown)


_METAVARS = {"integer": "N", "number": "X", "choice": "NAME", "text": "TEXT"}


def _reader(row: Setting) -> Callable[[str], Any]:
    read = {"integer": INTEGER, "number": REAL}.get(row.kind, str)
    return (lambda text: None if text.strip() == _NONE else read(text)) if row.optional else read


def _several(read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    def read_all(text: str) -> list[Any]:
        return list(dict.fromkeys(read(part.strip()) for part in text.split(",") if part.strip()))

    return read_all


def _help(row: Setting, listed: bool) -> str:
    """What a setting does, what it takes and what it is when nothing is said."""
    names = "" if row.free else ", ".join(value for _, value in row.choices)
    takes = " ".join(part for part in (row.range, row.unit) if part) or names
    facts = [takes, f"default: {row.default_text}", "several with commas between them" if listed else ""]
    return f"{row.help[:1].lower()}{row.help[1:].rstrip('.')} [{'; '.join(fact for fact in facts if fact)}]".replace("%", "%%")


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings for which there was a flag."""
    return {row.name: getattr(options, row.name) for row in all_settings() if hasattr(options, row.name)}


def spec_of(options: argparse.Namespace) -> RunSpec:
    """The run that is asked for: what ``--spec`` says, else the defaults, changed by the flags. Raises StudioError, ConfigError."""
    path: Path | None = options.spec
    read = _spec_file(path).settings() if path else {}
    return RunSpec.of_settings({**read, **given_settings(options)})


def _spec_file(path: Path) -> RunSpec:
    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    if path.stat().st_size > _MOST_BYTES:
        raise StudioError(f"{path} is too large for the settings of a run.")
    try:
        return RunSpec.from_yaml(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise StudioError(f"{path} is not a text file.") from error
    except ConfigError as error:
        raise StudioError(f"{path} cannot be used: {error}") from error
