"""The generators yield the rows that they yielded before, byte for byte.

Each line of ``rows.tsv`` names a generator and the hash of its first rows, with the seeds that the product uses.
Whoever changes rows on purpose writes the file anew: ``python -m tests.starter.test_rows``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cache, partial
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from starter_training import knowledge, measure, opinions, skills, worlds
from starter_training.conversations import SYSTEM
from starter_training.facts import all_facts
from starter_training.samples import made
from starter_training.sources import GENERATED, SOURCES

HASHES = Path(__file__).parent / "rows.tsv"
DRAWS, DOCUMENTS, SEED = 400, 1000, 7
"""Draws of each generator, documents of each source, and the seed of ``prepare``; sources are written with the next one."""


def drawn(maker: Callable[[Random], object], name: str) -> Iterator[object]:
    random = Random(f"{SEED}/{name}")
    return (maker(random) for _ in range(DRAWS))


@cache
def generators() -> dict[str, Callable[[], Iterable[object]]]:
    found: dict[str, Callable[[], Iterable[object]]] = {}
    for module in (knowledge, opinions, skills, worlds):
        title = module.__name__.rpartition(".")[2]
        for kind in ("TASKS", "TEXTS"):
            for name, maker in getattr(module, kind, {}).items():
                found[f"{title} {kind.lower()} {name}"] = partial(drawn, maker, name)
    for name in GENERATED:
        for seed in (SEED, SEED + 1):
            found[f"source {name} {seed}"] = partial(lambda name, seed: islice(SOURCES[name].draw(Path(), seed), DOCUMENTS), name, seed)
    found["knowledge items"] = lambda: map(asdict, knowledge.items())
    found["knowledge entities"] = lambda: map(asdict, knowledge.entities())
    found["knowledge plain"] = knowledge.PLAIN
    found["facts"] = lambda: map(asdict, all_facts())
    for style in (*SYSTEM, "sums"):
        found[f"measured style {style}"] = partial(measure.questions, style)
    found["measured tasks"] = measure.tasks
    for name, rows in made().items():
        found[f"sample {name}"] = partial(iter, rows)
    return found


def fingerprint(rows: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()[:16]


def known() -> dict[str, str]:
    return dict(line.split("\t") for line in HASHES.read_text(encoding="utf-8").splitlines())


def test_every_generator_is_known():
    assert list(generators()) == list(known())


@pytest.mark.slow
@pytest.mark.parametrize("name", known())
def test_rows_are_what_they_were(name):
    assert fingerprint(generators()[name]()) == known()[name]


if __name__ == "__main__":
    HASHES.write_text("".join(f"{name}\t{fingerprint(rows())}\n" for name, rows in generators().items()), encoding="utf-8")
