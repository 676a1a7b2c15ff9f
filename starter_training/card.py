"""The starter's model card, from figures that were measured."""

from typing import Any

from starter_training.texts import table, text

NAMES = {
    "plain": "plain sentence", "emoji": "emoji", "pirate": "pirate", "word": "one word", "shout": "capital letters",
    "formal": "formal", "ask": "ends with a question", "sums": "sums up to 20, plain sentence", "feeling": "feeling label",
    "opinion": "positive or negative", "topic": "topic label", "person": "JSON",
}  # fmt: skip
SOURCES = {name: (told, licence) for name, told, licence in table("card_sources")}


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
    written |= {"reading": _reading(facts), "copying": _copying(facts)}
    return text("templates/card.md").format(**{**facts, **facts["speed"], **written})


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
        f"By its makers: greedy answers to {found['prompts']} prompts (`starter_training/prompts.txt`), beside those of the starter "
        f"before it, without knowing whose is whose (`python -m starter_training read OLD NEW`): better {found['better']}, alike "
        f"{found['alike']}, worse {found['worse']}. Grammatical {found['grammatical']} (before {found['grammatical_before']}), to the "
        f"point {found['fitting']} (before {found['fitting_before']})."
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
