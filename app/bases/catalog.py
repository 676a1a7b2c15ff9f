"""The catalogue of open base models: ``catalog.toml``, read, compared with the Hub, and written again."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from app.bases.facts import BaseFacts

_FILE = Path(__file__).with_name("catalog.toml")
_STORED = {"float32": 4, "bfloat16": 2, "float16": 2}
COMPARED = ("kind", "parameters", "layers", "hidden_size", "vocabulary", "context", "licence", "languages", "download", "gated")
"""Facts that the Hub can confirm."""


@cache
def catalogue() -> tuple[BaseFacts, ...]:
    """The entries, the smallest first."""
    return read_catalogue(_FILE.read_text(encoding="utf-8"))


def read_catalogue(text: str) -> tuple[BaseFacts, ...]:
    """The entries of a catalogue's text. Raises ValueError, KeyError or TypeError for one that cannot be read."""
    return tuple(sorted(map(_entry, tomllib.loads(text)["model"]), key=lambda facts: facts.parameters or 0))


def _entry(values: dict[str, Any]) -> BaseFacts:
    values = dict(values)
    stored, tied = values.pop("stored", "bfloat16"), values.pop("tied", True)
    download = values.pop("download", None) or values["parameters"] * _STORED[stored]
    embeddings = (1 if tied else 2) * values["hidden_size"] * values["vocabulary"]
    languages = tuple(values.pop("languages"))
    return BaseFacts(origin="catalog", download=download, embeddings=embeddings, languages=languages, **values)


def differences(entry: BaseFacts, looked: BaseFacts) -> dict[str, tuple[Any, Any]]:
    """What the Hub says otherwise: by the fact's name, the catalogue's value and the Hub's; what the Hub does not say is left out.

    The catalogue's downloads are computed from the number of weights, so that only a difference of a tenth counts.
    """
    found = {}
    for name in COMPARED:
        said, now = getattr(entry, name), getattr(looked, name)
        if now in (None, "", ()) or said == now:
            continue
        if name == "download" and said and abs(said - now) <= 0.1 * now:
            continue
        found[name] = said, now
    return found


def corrected(entry: BaseFacts, looked: BaseFacts, day: str) -> BaseFacts:
    """The entry as the Hub says, checked on ``day`` (in ISO form)."""
    known = {name: value for name in COMPARED if (value := getattr(looked, name)) not in (None, "", ())}
    return replace(entry, **known, embeddings=looked.embeddings or entry.embeddings, checked=day)


def write_catalogue(entries: Iterable[BaseFacts]) -> str:
    """The entries as the text of a catalogue, which `read_catalogue` reads."""
    return _HEAD + "\n".join(map(_written, entries))


_HEAD = """# Open base models that the Train page offers. `reft-studio models --check` compares each entry with the Hub.
# `checked` is the day on which that was done; it is empty where nobody could look, which the page says.

"""


def _written(facts: BaseFacts) -> str:
    tables = (facts.hidden_size or 0) * (facts.vocabulary or 0)
    values: dict[str, Any] = {
        "name": facts.name, "kind": facts.kind, "parameters": facts.parameters, "layers": facts.layers,
        "hidden_size": facts.hidden_size, "vocabulary": facts.vocabulary, "tied": facts.embeddings <= tables,
        "context": facts.context, "licence": facts.licence, "languages": list(facts.languages), "download": facts.download,
        "gated": facts.gated, "source": facts.source, "checked": facts.checked,
    }  # fmt: skip
    # TOML writes these values as JSON does.
    return "[[model]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
