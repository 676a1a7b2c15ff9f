"""Measures a starter and writes its card: ``python -m starter_training.measure FOLDER``.

Counts how often the greedy answer is exactly the generator's, per style, with the system message that asks for it.
"""

import argparse
import json
from pathlib import Path
from random import Random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from starter_training.card import card
from starter_training.conversations import Turn, fact_turns, statement_turns
from starter_training.facts import all_facts
from starter_training.statements import FAMILIES

FACT_STYLES = ("plain", "emoji", "pirate", "word", "shout", "formal", "ask")
ROWS = 100


def questions(style: str, seed: int = 1234) -> list[list[Turn]]:
    """Conversations of one turn in a style; ``sums`` are plain questions on plus and minus."""
    random = Random(f"{seed}/{style}")
    sums = [fact for fact in all_facts() if fact.family in ("plus", "minus")]
    facts = [fact for fact in all_facts() if fact.emoji]
    if style in FAMILIES:
        return [statement_turns(FAMILIES[style](random), style, random) for _ in range(ROWS)]
    pool = sums if style == "sums" else facts
    return [fact_turns(random.choice(pool), "plain" if style == "sums" else style, random) for _ in range(ROWS)]


@torch.no_grad()
def answers(folder: Path, conversations: list[list[Turn]]) -> list[str]:
    """Greedy answers to the last question of each conversation."""
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found: list[str] = []
    for start in range(0, len(conversations), 50):
        texts = [
            tokenizer.apply_chat_template(
                [{"role": role, "content": content} for role, content in turns[:-1]], tokenize=False, add_generation_prompt=True
            )
            for turns in conversations[start : start + 50]
        ]
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False)
        ids = model.generate(**batch, max_new_tokens=64, do_sample=False)
        found += tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def measure(folder: Path) -> dict[str, float]:
    """Share of exact answers per style."""
    shares = {}
    for style in (*FACT_STYLES, "sums", *FAMILIES):
        rows = questions(style)
        hits = [answer.strip() == turns[-1][1] for answer, turns in zip(answers(folder, rows), rows, strict=True)]
        shares[style] = sum(hits) / len(hits)
    return shares


def main() -> None:
    """Measure, and write training.json and README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    facts_path = folder / "training.json"
    facts = json.loads(facts_path.read_text(encoding="utf-8"))
    facts["exact_match"] = measure(folder)
    facts_path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(facts), encoding="utf-8")
    print(json.dumps(facts, indent=2))  # noqa: T201 (a command's output)


if __name__ == "__main__":
    main()
