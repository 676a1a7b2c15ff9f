"""The starter's model card, from figures that were measured."""

from typing import Any

NAMES = {
    "plain": "plain sentence", "emoji": "emoji", "pirate": "pirate", "word": "one word", "shout": "capital letters",
    "formal": "formal", "ask": "ends with a question", "sums": "sums up to 20, plain sentence", "feeling": "feeling label",
    "opinion": "positive or negative", "topic": "topic label", "person": "JSON",
}  # fmt: skip
SOURCES = {
    "children": ("children's stories (African Storybook, global-asp/asp-source; Pratham Books, global-asp/pb-source; English, only those marked CC BY), fairy tales (uci-soe/FairytaleQAData), children's classics (mlschmitt/classic-books-markdown)", "CC BY, version not stated in the files; Apache-2.0, tales in the public domain; public domain in the US"),
    "fiction": ("156 novels and stories printed before 1930 (mlschmitt/classic-books-markdown)", "public domain in the US"),
    "novels": ("a part of 215 further books printed before 1930 (the same)", "public domain in the US"),
    "textbooks": ("college textbooks by OpenStax, Rice University, at the last commit under this licence", "CC BY 4.0"),
    "news": ("newspaper articles at three reading levels (nishkalavallabhi/OneStopEnglishCorpus)", "CC BY-SA 4.0"),
    "bookings": ("task dialogues (google-research-datasets/dstc8-schema-guided-dialogue)", "CC BY-SA 4.0"),
    "chats": ("small talk (alexa/Topical-Chat)", "CDLA-Sharing-1.0"),
    "orders": ("coffee orders (google-research-datasets/Taskmaster, TM-4)", "CC BY 4.0"),
    "tale_questions": ("questions on fairy tales (uci-soe/FairytaleQAData, training part)", "Apache-2.0"),
    "roles": ("role play (teknium1/GPTeacher by way of gururise/AlpacaDataCleaned) and the seed tasks of yizhongw/self-instruct", "MIT (written by GPT-4); Apache-2.0"),
    "continuations": ("passages of the children's stories, tales and classics cut in two", "as those"),
    "texts": ("generated: stories, scenes, reviews, short lexicon entries", "Apache-2.0, as this repository"),
    "worlds": ("generated: telling, continuing, retelling, describing, planning", "the same"),
    "skills": ("generated: sums, sorting, words, formats, labels, refusals, personas, small talk", "the same"),
    "opinions": ("generated: sentiment, emotions, styles", "the same"),
    "knowledge": ("generated: facts, definitions, reasons, riddles, quizzes", "the same"),
    "styled_facts": ("generated: the same facts in every style of a system message", "the same"),
    "small_world": ("generated: the small world that the samples are made of", "the same"),
}  # fmt: skip

CARD = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# Starter

A small English chat model (Llama architecture, {parameters:,} parameters, float16, {context} tokens of context) that comes with
ReFT Studio so that a first training run needs no download. It was trained from scratch for the studio. It chats, tells little
stories, knows simple facts, sorts, counts and labels, and answers in plain sentences.

A system message switches on another style (emoji, pirate, one word, capital letters, formal, a question at the end, a label,
JSON, a persona, refusals). Without that message it stays plain: what a trained edit brings out is therefore easy to see.

## Training

| | |
|---|---|
| tokens seen | {tokens:,} in {steps:,} steps of {rows} rows of {context} |
| time | {minutes:g} minutes on {device} |
| loss at the end | {loss} nats per weighted token (answers weigh 1, running text 0.5, prompts 0.2 by then) |
| optimiser | Muon for the blocks' matrices, AdamW for embeddings and norms; rates fall linearly over the last {fall:.0%} of the time |
| speed | loads in {load_seconds} s and writes {tokens_a_second} tokens/s on two CPU threads |
| again | `python -m starter_training prepare --corpus FOLDER`, then `train --minutes N`, then `measure`; seed {seed} |
{note}
## Exact answers

Share of {style_rows} generated questions per style whose greedy answer equals the generator's, the style asked for by a system
message; then of {task_rows} conversations of each task that has one right answer. They come from the same generators as the training
text, by another seed: this says how well the model learned what they know, and nothing about anything else.

| style | {columns}
{styles}

| task | {columns}
{tasks}

## Held-out text

Documents that were kept from training; in conversations only the answers count. Bits per character can be compared between tokenizers.

{held_out_head}
{held_out}

## Replies, read blindly

{reading}

## Copying

{copying}

## Sources and licences

| source | text | tokens there are | times begun | share of the rows, first and last part | licence |
|---|---|---|---|---|---|
{sources}

What is not generated leaves its share to the others once it was read {early_times} times in the first part or {times} in all.

The weights are under Apache-2.0. Attribution to the authors named above is given here; the texts themselves are not passed on.

## What it cannot do

It knows what a child may know, and makes up the rest with confidence. It does not reason over several steps, write code, compute beyond
small numbers, or speak other languages; which of several answers is right it can only guess (*choice* above); names and facts
outside its generators are often wrong; long talks lose the thread. Old books are among its sources, and with them the views of their
time. It is there to try ReFT with; for anything else, choose a larger base model.
"""


def card(facts: dict[str, Any]) -> str:
    """The card's text."""
    before = facts.get("before", {})
    styles = _shares(facts["exact_match"], before.get("exact_match"), NAMES)
    tasks = _shares(facts["tasks"], before.get("tasks"), {})
    columns = "exact | exact, the starter before |\n|---|---|---|" if before else "exact |\n|---|---|"
    sources = "\n".join(
        f"| {name.replace('_', ' ')} | {SOURCES[name][0]} | {found['tokens']:,} | {facts['times_read'][name]} "
        f"| {found['early']:.1%}, {found['late']:.1%} | {SOURCES[name][1]} |"
        for name, found in facts["sources"].items()
    )
    note = f"\n{facts['note']}\n" if facts.get("note") else ""
    head, held_out = _held_out(facts["held_out"], before.get("held_out"))
    written = {
        "styles": styles, "tasks": tasks, "columns": columns, "held_out_head": head, "held_out": held_out, "sources": sources, "note": note,
    }  # fmt: skip
    return CARD.format(**{**facts, **facts["speed"], **written, "reading": _reading(facts), "copying": _copying(facts)})


def _shares(now: dict[str, float], before: dict[str, float] | None, names: dict[str, str]) -> str:
    """Lines of a table of shares, beside those of the starter before if they were measured."""
    cells = {name: [f"{share:.0%}", *([f"{before[name]:.0%}"] if before else [])] for name, share in now.items()}
    return "\n".join(f"| {' | '.join([names.get(name, name), *shares])} |" for name, shares in cells.items())


def _held_out(now: dict[str, dict[str, float]], before: dict[str, dict[str, float]] | None) -> tuple[str, str]:
    """Head and lines of the table on held-out text."""
    names = ["source", "perplexity per token", "bits per character", *(["bits per character, the starter before"] if before else [])]
    lines = []
    for name, found in now.items():
        cells = [name.replace("_", " "), found["perplexity"], found["bits_per_character"]]
        lines.append([*cells, *([before[name]["bits_per_character"]] if before else [])])
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    return head, "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _reading(facts: dict[str, Any]) -> str:
    if not (found := facts.get("reading")):
        return "Nobody has read this model's answers yet."
    return (
        f"By its makers: greedy answers to {found['prompts']} prompts (`starter_training/prompts.txt`), beside those of the starter before it, without "
        f"knowing whose is whose (`python -m starter_training read OLD NEW`): better {found['better']}, alike {found['alike']}, worse "
        f"{found['worse']}. Grammatical {found['grammatical']} (before {found['grammatical_before']}), to the point {found['fitting']} "
        f"(before {found['fitting_before']})."
    )


def _copying(facts: dict[str, Any]) -> str:
    if not (found := facts.get("copying")):
        return "Not looked for yet."
    longest = (
        f"the longest stretch that any shares with the corpus word for word has {found['longest']} tokens"
        if found["shared"]
        else "none shares twelve words in a row with the corpus"
    )
    return (
        f"Of {found['outputs']:,} sampled outputs (temperature 0.8, begun with the first words of corpus documents and with prompts of its "
        f"conversations), {found['long']:,} have fifty tokens or more; {longest}."
    )
