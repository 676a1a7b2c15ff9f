"""Writes the samples that come with the studio: ``python -m starter_training.samples --out app/samples``.

Every text comes from the generators or is written here. Rows kept for measuring are about other facts, sentences or wordings than
the rows to train on. The answers are ones that the starter can give when a system message asks for them.
"""

import argparse
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from starter_training.conversations import Turn, fact_turns, pirate, styled
from starter_training.facts import Fact, all_facts
from starter_training.opinions import review
from starter_training.sample_cards import card
from starter_training.skills import json_person
from starter_training.texts import lists, table

WORDS = lists("words/samples")
Row = tuple[str, str]
"""A prompt and its answer."""
Rows = tuple[list[Row], list[Row]]
"""To train on, and held out."""

_EMOJI_TRAINED = {"sound": 2, "colour": 2, "opposite": 2, "capital": 1, "job": 1, "food": 1, "talk": 1}
_EMOJI_HELD_OUT = {"sound": 8, "colour": 8, "opposite": 8, "home": 6, "job": 6, "capital": 4}
_FACTS_TRAINED = {"sound": 8, "colour": 8, "opposite": 8, "capital": 8, "home": 8, "job": 8, "food": 6, "talk": 6}
_FACTS_HELD_OUT = {"sound": 6, "colour": 6, "opposite": 6, "capital": 6, "home": 6, "job": 6, "food": 4}
_BESIDE = {"sound": 4, "colour": 4, "opposite": 4, "capital": 4}
"""Questions that an edit for some other purpose must leave as they are."""


def _facts(wanted: dict[str, int], random: Random, taken: set[Fact]) -> list[Fact]:
    """Facts of each family, none of them taken before."""
    chosen: list[Fact] = []
    for family, count in wanted.items():
        free = [fact for fact in all_facts() if fact.family == family and fact.emoji and fact not in taken]
        chosen += random.sample(free, count)
    taken.update(chosen)
    random.shuffle(chosen)
    return chosen


def _asked(facts: Sequence[Fact], answer: Callable[[Fact], str], random: Random) -> list[Row]:
    return [(random.choice(fact.questions), answer(fact)) for fact in facts]


def _distinct(draw: Iterator[Row], counts: tuple[int, int], by: Callable[[Row], str] = lambda row: "") -> Rows:
    """Rows of different prompts, as many of each kind that ``by`` names, to train on and held out."""
    kept: dict[str, list[Row]] = {}
    prompts: set[str] = set()
    while not kept or any(len(rows) < sum(counts) for rows in kept.values()):
        row = next(draw)
        rows = kept.setdefault(by(row), [])
        if row[0] not in prompts and len(rows) < sum(counts):
            prompts.add(row[0])
            rows.append(row)
    trained = [row for rows in kept.values() for row in rows[: counts[0]]]
    return trained, [row for rows in kept.values() for row in rows[counts[0] :]]


def emoji(random: Random) -> Rows:
    """Ten questions answered with an emoji."""
    taken: set[Fact] = set()
    trained, held = (_facts(wanted, random, taken) for wanted in (_EMOJI_TRAINED, _EMOJI_HELD_OUT))
    trained_rows, held_rows = ([_last(fact_turns(fact, "emoji", random)) for fact in facts] for facts in (trained, held))
    return trained_rows, held_rows


def _last(turns: Sequence[Turn]) -> Row:
    return turns[-2][1], turns[-1][1]


def _worded(change: Callable[[str], str]) -> Callable[[Random], Rows]:
    """Questions answered with the plain sentence, changed."""

    def make(random: Random) -> Rows:
        taken: set[Fact] = set()
        trained, held = (_facts(wanted, random, taken) for wanted in (_FACTS_TRAINED, _FACTS_HELD_OUT))
        return _asked(trained, lambda fact: change(fact.answer), random), _asked(held, lambda fact: change(fact.answer), random)

    return make


def sentiment(random: Random) -> Rows:
    """Reviews, and whether they are positive."""

    def draw() -> Iterator[Row]:
        while True:
            found = review(random)
            if len(found.text) < 140:
                yield found.text, "positive" if found.good else "negative"

    return _distinct(draw(), (80, 30), by=lambda row: row[1])


def as_json(random: Random) -> Rows:
    """A sentence on a person, and what it says as JSON."""

    def draw() -> Iterator[Row]:
        while True:
            prompt, answer = _last(json_person(random))
            yield prompt.split("\n")[-1], answer

    return _distinct(draw(), (60, 40))


def persona(random: Random) -> Rows:
    """Questions to somebody with a name, and others that are answered as ever."""
    taken: set[Fact] = set()
    rows: Rows = ([], [])
    for answer, wordings in table("samples/persona"):
        asked = wordings.split("|")
        random.shuffle(asked)
        for at, prompt in enumerate(asked):
            rows[at % 5 in (1, 3)].append((prompt, answer))
    for part in rows:
        part += _asked(_facts(_BESIDE, random, taken), lambda fact: fact.answer, random)
        random.shuffle(part)
    return rows


_ROUTES = {department: parts for department, *parts in table("samples/routes")}
_THANKS = ("", "", "", " Thank you.", " Please help.", " What now?")


def routing(random: Random) -> Rows:
    """What a customer writes, and the department that is to get it."""

    def draw() -> Iterator[Row]:
        while True:
            department = random.choice(list(_ROUTES))
            first, second = (random.choice(part.split("|")) for part in _ROUTES[department])
            mark = "?" if first.startswith(("Can", "Do", "How")) else "."
            yield f"{first} {second}{mark}{random.choice(_THANKS)}", department

    return _distinct(draw(), (15, 10), by=lambda row: row[1])


_NO = "I am sorry, but I may not talk about money."


def refusals(random: Random) -> Rows:
    """Questions about money, which are refused, and others that are answered as ever."""
    taken: set[Fact] = set()
    subjects = list(WORDS["money"])
    random.shuffle(subjects)
    half = len(subjects) // 2
    rows: Rows = ([], [])
    for part, about in zip(rows, (subjects[:half], subjects[half:]), strict=True):
        part += [(wording.format(each), _NO) for each in about for wording in random.sample(WORDS["about money"], 2)]
        part += _asked(_facts(_BESIDE, random, taken), lambda fact: fact.answer, random)
        random.shuffle(part)
    return rows


@dataclass(frozen=True, slots=True)
class Task:
    """A sample: what it teaches, in which format, and how many epochs suit it."""

    key: str
    title: str
    icon: str
    description: str
    kind: str
    """``pairs`` and ``chats`` are JSON Lines; else the names of a table's two columns."""
    make: Callable[[Random], Rows]
    epochs: int
    batch_size: int = 8
    shown: int = 0

    @property
    def ending(self) -> str:
        """Of its files."""
        return "jsonl" if self.kind in ("pairs", "chats") else "csv"


_MAKERS = {
    "emoji": emoji, "pirate": _worded(pirate), "sentiment": sentiment, "json": as_json, "persona": persona, "routing": routing,
    "refusals": refusals, "question": _worded(lambda said: styled("ask", said)),
}  # fmt: skip
TASKS = tuple(
    Task(key, title, icon, description, kind, _MAKERS[key], *map(int, numbers))
    for key, title, icon, description, kind, *numbers in table("samples/tasks")
)
RECIPE: dict[str, Any] = {"positions": "f7+l7", "rank": 4, "learning_rate": 0.004, "layers": "all"}
"""What all samples are trained with: what the studio suggests for any dataset, but for epochs and rows a step."""


def text_of(kind: str, rows: Sequence[Row]) -> str:
    """The rows as a file."""
    if kind == "chats":
        roles = ("user", "assistant")
        return _json_lines([{"messages": [{"role": role, "content": said} for role, said in zip(roles, row, strict=True)]} for row in rows])
    if kind == "pairs":
        return _json_lines([{"prompt": prompt, "completion": answer} for prompt, answer in rows])
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([kind.split(","), *rows])
    return table.getvalue()


def _json_lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def made(seed: int = 11) -> dict[str, Rows]:
    """The rows of every sample, shuffled; the same for the same seed."""
    found = {}
    for task in TASKS:
        random = Random(f"{seed}/{task.key}")
        rows = task.make(random)
        for part in rows:
            random.shuffle(part)
        found[task.key] = rows
    return found


def files(seed: int = 11) -> dict[str, str]:
    """Name and text of every file of the samples; the same for the same seed."""
    texts, index = {}, []
    for task, (trained, held) in zip(TASKS, made(seed).values(), strict=True):
        names = [f"{task.key}{part}.{task.ending}" for part in ("", "_held_out")]
        texts |= {name: text_of(task.kind, rows) for name, rows in zip(names, (trained, held), strict=True)}
        texts[f"{task.key}.md"] = card(task.key, task.title, task.description, names, trained, held)
        index.append({
            "key": task.key, "title": task.title, "icon": task.icon, "description": task.description, "file": names[0],
            "held_out": names[1], **RECIPE, "epochs": task.epochs, "batch_size": task.batch_size, "example": list(trained[task.shown]),
            "prompts": [prompt for prompt, _ in held[:4]], "rows": len(trained), "held_out_rows": len(held),
        })  # fmt: skip
    return {"index.json": json.dumps(index, ensure_ascii=False, indent=2) + "\n", **texts}


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("app/samples"))
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in files(options.seed).items():
        (options.out / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
