"""Blind votes as preference pairs: a file to take away, or a dataset to learn from."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.errors import StudioError
from app.handlers.disk import require_room
from app.services import Services
from app.words import say
from reft_engine.data import Message, Preference, dump_examples
from storage import DatasetRecord, VotedAnswer, VoteRecord

FILE = "votes.jsonl"
"""Name of the file that is taken away."""


@dataclass(slots=True)
class Pairs:
    """Votes as preference pairs.

    ``equal`` counts the pairs of answers that are left out because they are the same, or because one of them is empty; ``apart`` those that
    follow different conversations, because the columns had answered differently before; ``undecided`` the votes without a better answer.
    """

    pairs: list[Preference] = field(default_factory=list)
    equal: int = 0
    apart: int = 0
    undecided: int = 0


def preferences(services: Services) -> Pairs:
    """Every vote with a better answer, as pairs of it and each other one; pairs of one conversation are one group."""
    found = Pairs()
    for vote in services.storage.votes.all():
        if vote.chosen is None:
            found.undecided += 1
            continue
        chosen = vote.answers[vote.chosen]
        for rejected in (answer for place, answer in enumerate(vote.answers) if place != vote.chosen):
            texts = {chosen.text.strip(), rejected.text.strip()}
            if len(texts) == 1 or "" in texts:
                found.equal += 1
            elif _conversation(vote, chosen) != _conversation(vote, rejected):
                found.apart += 1
            else:
                found.pairs.append(_preference(vote, chosen, rejected, len(found.pairs) + 1))
    return found


def _conversation(vote: VoteRecord, answer: VotedAnswer) -> tuple[tuple[str, str], ...]:
    return vote.messages if answer.messages is None else answer.messages


def _preference(vote: VoteRecord, chosen: VotedAnswer, rejected: VotedAnswer, number: int) -> Preference:
    """A pair; those of one conversation have one group, so that no prompt is both trained and held out."""
    conversation = _conversation(vote, chosen)
    messages = tuple(Message(role, content) for role, content in conversation)  # type: ignore[arg-type]
    group = sha256(json.dumps(conversation).encode()).hexdigest()[:12]
    return Preference(number, messages, chosen.text, rejected.text, number, group=group)


def export_rows(services: Services) -> str:
    """The preference pairs as JSON Lines, as the Data page and ``reft-studio inspect`` read them. Raises StudioError if there are none."""
    pairs = _some_pairs(preferences(services)).pairs
    chats = any(len(pair.messages) > 1 for pair in pairs)
    rows = (
        {
            "prompt": [{"role": each.role, "content": each.content} for each in pair.messages] if chats else pair.messages[0].content,
            "chosen": pair.chosen, "rejected": pair.rejected, "group": pair.group,
        }
        for pair in pairs
    )  # fmt: skip
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def make_dataset(services: Services, name: str) -> tuple[DatasetRecord, Pairs]:
    """Save the preference pairs as a dataset of this name. Raises StudioError, StorageError."""
    found = _some_pairs(preferences(services))
    require_room(services)
    count = len(found.pairs)
    dataset = services.storage.datasets.create(
        name=name.strip() or say("votes.dataset_name"), label=FILE, shape="preferences", rows=count, usable_rows=count,
        examples=dump_examples(found.pairs),
    )  # fmt: skip
    return dataset, found


def _some_pairs(found: Pairs) -> Pairs:
    if not found.pairs:
        raise StudioError(say("votes.no_pairs"))
    return found


def dataset_as_data(dataset: DatasetRecord, found: Pairs) -> dict[str, Any]:
    """A dataset of votes as plain data for JSON."""
    left_out = (("equal", found.equal), ("apart", found.apart), ("no_better", found.undecided))
    said = [say("votes.made", name=dataset.name, count=len(found.pairs))]
    said += [say(f"votes.left_out.{name}", count=count) for name, count in left_out if count]
    return {
        "dataset": dataset.id, "name": dataset.name, "rows": len(found.pairs), "equal": found.equal, "apart": found.apart,
        "undecided": found.undecided, "address": f"dataset?id={dataset.id}", "sentence": " ".join(said),
    }  # fmt: skip
