"""What people read, by key: a file for each language, English complete.

A text holds its values as ``{name}`` or ``{name:,}``, and a brace of its own doubled. One that depends on a ``count`` may be a table of
plural forms. Titles and help of methods, settings and samples stand in English beside what they name: see `translate`.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, TypeVar

from reft_engine import ReftError
from storage import StorageError

Made = TypeVar("Made")
ENGLISH = "en"
_FOLDER = Path(__file__).parent
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def say(key: str, /, **values: Any) -> str:
    """A text in the language that is spoken, else in English; nothing is escaped.

    Raises:
        LookupError: there is no such text, or its placeholders are not these values.
    """
    language = _language.get()
    if key not in texts(language):
        language = ENGLISH
    return _filled(key, language, values)


def translate(key: str, english: str, /, **values: Any) -> str:
    """A text whose English stands elsewhere, beside what it is about, in the language that is spoken if there is one of it."""
    language = _language.get()
    return _filled(key, language, values) if language != ENGLISH and key in texts(language) else english


def say_error(error: Exception) -> str:
    """The sentence of an error: for one of engine or storage the text ``errors.<kind>`` if there is one, else its own, which is English."""
    if not isinstance(error, ReftError | StorageError):
        return str(error)
    try:
        return translate(f"errors.{error.kind}", str(error), **error.values)
    except LookupError:  # a text with other values: an error must be said all the same
        return str(error)


def _filled(key: str, language: str, values: Mapping[str, Any]) -> str:
    forms = texts(language).get(key)
    if forms is None:
        raise LookupError(f"there is no text {key}")
    if placeholders(forms) != values.keys():
        raise LookupError(f"{key} has the values {sorted(placeholders(forms))}, not {sorted(values)}")
    return (forms if isinstance(forms, str) else forms[_form(language, values["count"])]).format(**values)


def _form(language: str, count: int) -> str:
    """The plural form of a number, as CLDR calls it; a language without a rule here has one form alone."""
    if language == ENGLISH:
        return "one" if count == 1 else "other"
    return "other"


def spoken() -> str:
    """The language that is spoken."""
    return _language.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say all texts in this language meanwhile."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def said_in(language: str, make: Callable[[], Made]) -> Made:
    """What is made of texts, in a language; for what goes to every browser and is chosen there."""
    with speaking(language):
        return make()


def language_of(accepted: str | None) -> str:
    """The language to speak with a browser, by its ``Accept-Language``."""
    asked = [part.partition(";q=") for part in (accepted or "").replace(" ", "").split(",")]
    for tag in (tag for tag, _, _ in sorted(asked, key=lambda each: -_weight(each[2]))):
        for name in (tag, tag.partition("-")[0]):
            if name in LANGUAGES:
                return name
    return ENGLISH


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


@cache
def texts(language: str) -> Mapping[str, str | dict[str, str]]:
    """All texts of a language's file by key; a text with plural forms is a dictionary of them."""
    return dict(_flat(tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and "other" not in value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@cache
def _names(text: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def placeholders(forms: str | Mapping[str, str]) -> frozenset[str]:
    """Names of the values that a text wants."""
    if isinstance(forms, str):
        return _names(forms)
    return frozenset({"count"}).union(*map(_names, forms.values()))
