"""The starter's model card, from figures that were measured."""

from typing import Any

NAMES = {
    "plain": "plain sentence", "emoji": "emoji", "pirate": "pirate", "word": "one word", "shout": "capital letters",
    "formal": "formal", "ask": "ends with a question", "sums": "sums up to 20, plain sentence", "feeling": "feeling label",
    "opinion": "positive or negative", "topic": "topic label", "person": "JSON",
}  # fmt: skip

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# Starter

A very small English chat model (Llama architecture, {parameters:,} parameters, float16) that comes with ReFT Studio so that
a first training run needs no download. It was trained from scratch for the studio and knows a small world: animals,
colours, opposites, capitals, jobs, days, sums up to 20, small talk, feelings, short reviews and little stories.

It answers in plain sentences. A system message switches on another style (emoji, pirate, one word, capital letters,
formal, a question at the end, a label, JSON). Without that message it stays plain: what a trained edit brings out is
therefore easy to see.

## Training

| | |
|---|---|
| tokens seen | {tokens:,} in {steps:,} steps of 16 rows of 256 |
| time | {minutes:g} minutes on one CPU core |
| loss at the end | {loss} nats per weighted token (running mean over about 50 steps; answers weigh 1, questions 0.15, prose 0.5) |
| optimiser | Muon for the blocks' matrices, AdamW for embeddings and norms |
| again | `python -m starter_training --corpus FOLDER`; the folder may be left out, then there is no prose |
{note}
## Exact answers

Share of 100 generated questions per style whose greedy answer equals the generator's, the style asked for by a system
message. The questions come from the same generator as the training text, so this says how well the model learned its
small world, and nothing about any other.

| style | exact |
|---|---|
{table}

## Sources and licences

| text | share of the rows | licence |
|---|---|---|
| conversations from the generator `starter_training` | 94 % | Apache-2.0, as this repository |
| children's stories: African Storybook (global-asp/asp-source) and Pratham Books (global-asp/pb-source), English, only those marked CC BY | 6 % together with the next | CC BY, the version is not stated in the files; authors are named in the sources |
| fairy tales of FairytaleQA (uci-soe/FairytaleQAData) | | Apache-2.0; the tales are in the public domain |

The weights are under Apache-2.0.

## What it cannot do

It knows nothing outside its small world and answers other questions with something of that world, often wrongly and
always with confidence. It cannot reason, write code, follow unusual instructions, speak other languages, or hold a long
conversation (512 tokens at most; nearly all training rows are a question and an answer). Its stories follow one pattern.
It is there to try ReFT with; for anything else, choose a larger base model.
"""


def card(facts: dict[str, Any]) -> str:
    """The card's text."""
    table = "\n".join(f"| {NAMES[style]} | {share:.0%} |" for style, share in facts["exact_match"].items())
    note = f"\n{facts['note']}\n" if facts.get("note") else ""
    return CARD.format(**{**facts, "table": table, "note": note})
