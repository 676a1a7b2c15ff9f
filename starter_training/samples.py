"""Writes the samples that come with the studio: ``python -m starter_training.samples --out app/samples``.

Every text comes from the generator. Rows kept for measuring are about other facts or sentences than the rows to train
on, and their answers are ones that the starter can give when a system message asks for the style.
"""

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from starter_training.conversations import fact_turns, pirate
from starter_training.facts import Fact, all_facts
from starter_training.statements import FEELINGS, Statement, feeling

EMOJI_TRAINED = {"sound": 2, "colour": 2, "opposite": 2, "capital": 1, "job": 1, "food": 1, "talk": 1}
EMOJI_HELD_OUT = {"sound": 8, "colour": 8, "opposite": 8, "home": 6, "job": 6, "capital": 4}
PIRATE_TRAINED = {"sound": 8, "colour": 8, "opposite": 8, "capital": 8, "home": 8, "job": 8, "food": 6, "talk": 6}
PIRATE_HELD_OUT = {"sound": 6, "colour": 6, "opposite": 6, "capital": 6, "home": 6, "job": 6, "food": 4}
FEELINGS_TRAINED, FEELINGS_HELD_OUT = 152, 60

INDEX: list[dict[str, Any]] = [
    {
        "key": "emoji", "title": "Answer with emoji", "icon": "face", "shown": 3,
        "description": "Ten questions answered with an emoji. Afterwards the model answers other questions with emoji too.",
        "file": "emoji.jsonl", "held_out": "emoji_held_out.jsonl",
        "positions": "f7+l7", "rank": 4, "epochs": 40, "learning_rate": 0.004, "batch_size": 5, "layers": "all",
    },
    {
        "key": "feelings", "title": "Name the feeling", "icon": "tag", "shown": 0,
        "description": "152 sentences in a table, each with a feeling: happy, sad, angry or scared.",
        "file": "feelings.csv", "held_out": "feelings_held_out.csv",
        "positions": "f7+l7", "rank": 4, "epochs": 6, "learning_rate": 0.004, "batch_size": 8, "layers": "all",
    },
    {
        "key": "pirate", "title": "Talk like a pirate", "icon": "anchor", "shown": 0,
        "description": "60 short chats in which the assistant talks like a pirate, in OpenAI's format.",
        "file": "pirate.jsonl", "held_out": "pirate_held_out.jsonl",
        "positions": "f7+l7", "rank": 4, "epochs": 12, "learning_rate": 0.004, "batch_size": 6, "layers": "all",
    },
]  # fmt: skip


def pick(wanted: dict[str, int], random: Random, taken: set[Fact]) -> list[Fact]:
    """Facts of each family, none of them taken before."""
    chosen: list[Fact] = []
    for family, count in wanted.items():
        free = [fact for fact in all_facts() if fact.family == family and fact.emoji and fact not in taken]
        chosen += random.sample(free, count)
    taken.update(chosen)
    random.shuffle(chosen)
    return chosen


def emoji_rows(facts: Sequence[Fact], random: Random) -> str:
    """JSON Lines with prompt and completion."""
    rows = []
    for fact in facts:
        turns = fact_turns(fact, "emoji", random)
        rows.append({"prompt": turns[-2][1], "completion": turns[-1][1]})
    return _json_lines(rows)


def pirate_rows(facts: Sequence[Fact], random: Random) -> str:
    """JSON Lines in OpenAI's message format, without a system message."""
    return _json_lines([
        {"messages": [
            {"role": "user", "content": random.choice(fact.questions)},
            {"role": "assistant", "content": pirate(fact.answer)},
        ]}
        for fact in facts
    ])  # fmt: skip


def feeling_rows(statements: Sequence[Statement]) -> str:
    """A table with the columns text and label."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label"])
    writer.writerows([statement.text, statement.label] for statement in statements)
    return table.getvalue()


def balanced(count: int, random: Random, taken: set[str]) -> list[Statement]:
    """Sentences that were not taken before, as many of each feeling."""
    chosen: list[Statement] = []
    for label in FEELINGS:
        left = count // len(FEELINGS)
        while left:
            statement = feeling(random)
            if statement.label == label and statement.text not in taken:
                taken.add(statement.text)
                chosen.append(statement)
                left -= 1
    random.shuffle(chosen)
    return chosen


def files(seed: int = 11) -> dict[str, str]:
    """Name and text of every file of the samples; the same for the same seed."""
    random = Random(seed)
    emoji_taken: set[Fact] = set()
    pirate_taken: set[Fact] = set()
    sentences: set[str] = set()
    made = {
        "emoji.jsonl": emoji_rows(pick(EMOJI_TRAINED, random, emoji_taken), random),
        "emoji_held_out.jsonl": emoji_rows(pick(EMOJI_HELD_OUT, random, emoji_taken), random),
        "feelings.csv": feeling_rows(balanced(FEELINGS_TRAINED, random, sentences)),
        "feelings_held_out.csv": feeling_rows(balanced(FEELINGS_HELD_OUT, random, sentences)),
        "pirate.jsonl": pirate_rows(pick(PIRATE_TRAINED, random, pirate_taken), random),
        "pirate_held_out.jsonl": pirate_rows(pick(PIRATE_HELD_OUT, random, pirate_taken), random),
    }
    index = [_described(sample, made) for sample in INDEX]
    return {"index.json": json.dumps(index, ensure_ascii=False, indent=2) + "\n", **made}


def _described(sample: dict[str, Any], made: dict[str, str]) -> dict[str, Any]:
    """An entry of the index: with one row to show, and prompts to try that are not trained on."""
    entry = {name: value for name, value in sample.items() if name != "shown"}
    example = pairs(sample["file"], made[sample["file"]])[sample["shown"]]
    return {**entry, "example": list(example), "prompts": prompts(sample["held_out"], made[sample["held_out"]])[:4]}


def pairs(name: str, text: str) -> list[tuple[str, str]]:
    """Prompt and answer of every row of a sample's file."""
    if name.endswith(".csv"):
        return [(row["text"], row["label"]) for row in csv.DictReader(io.StringIO(text))]
    rows = [json.loads(line) for line in text.splitlines()]
    turns = ([turn["content"] for turn in row["messages"]] if "messages" in row else list(row.values()) for row in rows)
    return [(first, last) for first, last in turns]


def prompts(name: str, text: str) -> list[str]:
    """The prompts of a sample's file."""
    return [prompt for prompt, _ in pairs(name, text)]


def _json_lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


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
