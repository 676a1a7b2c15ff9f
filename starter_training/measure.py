"""Measures a starter and writes its card: ``python -m starter_training measure FOLDER``.

Counts how often the greedy answer is exactly the generator's, per style and per task, on draws of another seed than those
trained on; and how well held-out documents of every source are predicted.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from math import exp, log
from pathlib import Path
from random import Random
from typing import Any

from starter_training import knowledge, opinions, skills
from starter_training.card import card
from starter_training.conversations import Turn, fact_turns, statement_turns
from starter_training.facts import all_facts
from starter_training.loaded import Starter
from starter_training.sources import SOURCES, Document, shares
from starter_training.statements import FAMILIES
from starter_training.tokens import CONTEXT
from starter_training.train import EARLY_TIMES, TIMES, TURN, Settings
from starter_training.verbatim import copying

FACT_STYLES = ("plain", "emoji", "pirate", "word", "shout", "formal", "ask")
ROWS, TASK_ROWS, HELD_OUT_TOKENS = 100, 50, 30_000


def questions(style: str, seed: int = 1234) -> list[list[Turn]]:
    """Conversations of one turn in a style; ``sums`` are plain questions on plus and minus."""
    random = Random(f"{seed}/{style}")
    sums = [fact for fact in all_facts() if fact.family in ("plus", "minus")]
    facts = [fact for fact in all_facts() if fact.emoji]
    if style in FAMILIES:
        return [statement_turns(FAMILIES[style](random), style, random) for _ in range(ROWS)]
    pool = sums if style == "sums" else facts
    return [fact_turns(random.choice(pool), "plain" if style == "sums" else style, random) for _ in range(ROWS)]


def tasks(seed: int = 1234) -> Iterator[tuple[str, list[list[Turn]]]]:
    """Of every task that has one right answer its name and some conversations."""
    for module in (skills, knowledge, opinions):
        for name in sorted(module.EXACT):
            random = Random(f"{seed}/{name}")
            yield f"{module.__name__.rsplit('.', 1)[1]}: {name.replace('_', ' ')}", [module.TASKS[name](random) for _ in range(TASK_ROWS)]


def held_out(data: Path, name: str) -> Iterator[Document]:
    """Documents of a source that were kept from training."""
    with (data / f"{name}.held_out.jsonl").open(encoding="utf-8") as file:
        for line in file:
            document = json.loads(line)
            yield document if isinstance(document, str) else [(role, content) for role, content in document]


def measure(folder: Path, data: Path | None) -> dict[str, Any]:
    """All figures of the card."""
    starter = Starter(folder)
    found: dict[str, Any] = {"exact_match": {style: starter.exact(questions(style)) for style in (*FACT_STYLES, "sums", *FAMILIES)}}
    found["tasks"] = {name: starter.exact(rows) for name, rows in tasks()}
    if data:
        found["held_out"] = {}
        for name in SOURCES:
            nats, tokens, characters = starter.nats(held_out(data, name), HELD_OUT_TOKENS)
            found["held_out"][name] = {
                "perplexity": round(exp(nats / tokens), 2),
                "bits_per_character": round(nats / log(2) / characters, 3),
            }
    return found


def speed(folder: Path) -> dict[str, float]:
    """Seconds to load, and tokens a second of five greedy stories one after the other, on two CPU threads; in a fresh process."""
    script = """
import json, sys, time
import torch
from reft_engine import generate, load_base
from reft_engine.data import Message
torch.set_num_threads(2)
begun = time.perf_counter()
base = load_base(sys.argv[1], device="cpu")
loaded = time.perf_counter() - begun
tell = lambda what: generate(base, (Message("user", f"Tell me a story about {what}."),), [None], max_new_tokens=200)[0]
tell("a key")
begun = time.perf_counter()
written = sum(len(base.tokenizer(tell(what))["input_ids"]) + 1 for what in ("a dragon", "a girl", "a ship", "a farmer", "an owl"))
print(json.dumps({"load_seconds": round(loaded, 2), "tokens_a_second": round(written / (time.perf_counter() - begun))}))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def write_card(folder: Path, data: Path, corpus: Path | None = None, before: Path | None = None) -> None:
    """Measure a model folder that was trained on the prepared data, and write its training.json and README.md."""
    path = folder / "training.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    counts = json.loads((data / "sources.json").read_text(encoding="utf-8"))
    early, late = shares(late=False), shares(late=True)
    sources = {name: {**counts[name], "early": early[name], "late": late[name]} for name in SOURCES}
    if corpus:
        facts["copying"] = copying(Starter(folder), corpus)
    if before:
        facts["before"] = measure(before, data)
    facts |= measure(folder, data) | {
        "speed": speed(folder),
        "sources": sources,
        "context": CONTEXT,
        "rows": Settings.rows,
        "fall": 1 - TURN,
        "early_times": EARLY_TIMES,
        "times": TIMES,
    }
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card({**facts, "style_rows": ROWS, "task_rows": TASK_ROWS}), encoding="utf-8")
