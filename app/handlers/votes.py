"""Blind votes of the Playground: cast, counted for each pair of columns, and taken away as preference pairs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import combinations
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import StudioError
from app.handlers.disk import require_room
from app.handlers.voted_columns import VotedColumn, key_of, name_of
from app.services import Services
from app.words import say
from reft_engine.data import Message, Preference, dump_examples
from reft_engine.training import wilson
from storage import DatasetRecord, VotedAnswer, VoteOutcome, VoteRecord, VoteSides

FILE = "votes.jsonl"
"""Name of the file that is taken away."""
MOST_COLUMNS = 7
"""Answers of one vote: those of the base model and of six other columns."""
_TEXT, _TURNS = 200_000, 200
"""Characters of one text, and messages of one conversation."""


class CastMessage(BaseModel):
    """A message of the conversation that was answered."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=_TEXT)


class CastAnswer(BaseModel):
    """An answer with the description of its column, and the conversation that it answers where that is not the vote's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    column: VotedColumn
    text: str = Field(max_length=_TEXT)
    messages: tuple[CastMessage, ...] | None = Field(None, min_length=1, max_length=_TURNS)


class Cast(BaseModel):
    """A vote as the page sends it: it carries columns and texts, so that nobody needs to know how the page had shuffled them.

    Attributes:
        messages: the conversation that was answered, which ends with a message of the user.
        answers: the answers, in any order.
        outcome: see `storage.VoteOutcome`.
        chosen: the place of the better answer among them; None for any other outcome.
        base: name of the base model of all of them.
        chat: id of the saved chat, if there is one.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    messages: tuple[CastMessage, ...] = Field(min_length=1, max_length=_TURNS)
    answers: tuple[CastAnswer, ...] = Field(min_length=2, max_length=MOST_COLUMNS)
    outcome: VoteOutcome
    chosen: int | None = None
    base: str = Field("", max_length=1000)
    chat: str | None = Field(None, pattern=r"^[0-9A-Za-z]{1,32}$")

    @model_validator(mode="after")
    def _check_chosen(self) -> Self:
        if (self.outcome == "chosen") != (self.chosen is not None):
            raise ValueError(say("votes.unreadable"))
        if self.chosen is not None and not 0 <= self.chosen < len(self.answers):
            raise ValueError(say("votes.unreadable"))
        return self

    @classmethod
    def read(cls, text: bytes) -> "Cast":
        """What the browser sent. Raises StudioError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudioError(say("votes.unreadable")) from error


@dataclass(frozen=True, slots=True)
class Revealed:
    """A vote that was cast: its id, the names of its columns in the order of its answers, and how many votes there are now."""

    id: str
    names: tuple[str, ...]
    count: int


def cast(services: Services, vote: Cast) -> Revealed:
    """Keep a vote. Raises StudioError if it says nothing, StorageError if there are too many."""
    if not all(map(_asks, [vote.messages, *(answer.messages for answer in vote.answers if answer.messages)])):
        raise StudioError(say("votes.no_question"))
    texts = [answer.text.strip() for answer in vote.answers]
    if len(set(texts)) == 1:
        raise StudioError(say("votes.same"))
    if vote.chosen is not None and not texts[vote.chosen]:
        raise StudioError(say("votes.empty"))
    require_room(services)
    names = _names(services, (answer.column for answer in vote.answers))
    answers = [
        VotedAnswer(
            answer.column.model_dump(mode="json"), name_of(answer.column.model_dump(), names, vote.base), answer.text,
            _own_messages(vote, answer),
        )
        for answer in vote.answers
    ]  # fmt: skip
    messages = _pairs_of(vote.messages)
    made = services.storage.votes.add(messages, answers, vote.outcome, vote.chosen, base=vote.base, chat_id=vote.chat)
    return Revealed(made.id, tuple(answer.name for answer in answers), services.storage.votes.count())


def _asks(messages: Sequence[CastMessage]) -> bool:
    """Whether a conversation ends with a question."""
    return messages[-1].role == "user" and bool(messages[-1].content.strip())


def _pairs_of(messages: Sequence[CastMessage]) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content) for message in messages)


def _own_messages(vote: Cast, answer: CastAnswer) -> tuple[tuple[str, str], ...] | None:
    return None if answer.messages in (None, vote.messages) else _pairs_of(answer.messages or ())


def _names(services: Services, columns: Iterable[VotedColumn]) -> dict[str, str]:
    ids = {run for column in columns for run in column.runs}
    return {run.id: run.name for run in services.storage.runs.some(ids)} if ids else {}


# The tally


@dataclass(slots=True)
class _Count:
    wins: int = 0
    losses: int = 0
    ties: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """How two columns did against each other, seen from the one that won more often.

    Attributes:
        key, name: of this column; ``other_key`` and ``other_name`` of the other one.
        wins, losses: votes for this column, and for the other one.
        ties, bad: votes that both are equally good, and that both are bad.
        share: wins among wins and losses; None without any.
        low, high: its 95 % interval; None without a share.
        sentence: all of it in words.
    """

    key: str
    name: str
    other_key: str
    other_name: str
    wins: int
    losses: int
    ties: int
    bad: int
    share: float | None
    low: float | None
    high: float | None
    sentence: str

    @property
    def is_clear(self) -> bool:
        """Whether the share is more than chance: its interval does not hold a half."""
        return self.low is not None and self.low > 0.5


@dataclass(frozen=True, slots=True)
class Tally:
    """Every vote counted: how many there are, by outcome too, and the pairs of columns, those with most votes first."""

    votes: int
    outcomes: Mapping[str, int]
    pairs: tuple[Pair, ...]
    same: int
    """Pairs of answers that were equal, which count for nobody."""


def tally(services: Services) -> Tally:
    """Count every vote, for each pair of columns that met."""
    votes = services.storage.votes.sides()
    counts: dict[tuple[str, str], _Count] = {}
    names = _current_names(services, votes)
    same = 0
    for vote in votes:
        keys = [key_of(column, vote.base) for column in vote.columns]
        for one, other in _met(vote):
            if vote.alike[one] == vote.alike[other] or keys[one] == keys[other]:
                same += 1
                continue
            swapped = keys[one] > keys[other]
            count = counts.setdefault((keys[other], keys[one]) if swapped else (keys[one], keys[other]), _Count())
            _add(count, vote, other if swapped else one)
    pairs = (_pair(*keys, count, names) for keys, count in counts.items())
    ordered = sorted(pairs, key=lambda pair: (-(pair.wins + pair.losses), -(pair.ties + pair.bad), pair.name, pair.other_name))
    return Tally(len(votes), Counter(vote.outcome for vote in votes), tuple(ordered), same)


def _met(vote: VoteSides) -> Iterator[tuple[int, int]]:
    """Places of the answers that a vote compares: the better one with each other one, or all with one another."""
    if vote.chosen is None:
        yield from combinations(range(len(vote.columns)), 2)
        return
    yield from ((vote.chosen, place) for place in range(len(vote.columns)) if place != vote.chosen)


def _add(count: _Count, vote: VoteSides, first: int) -> None:
    """Add a vote to the count of two columns, of which the one at the place ``first`` comes first."""
    if vote.chosen is None:
        count.ties += vote.outcome == "tie"
        count.bad += vote.outcome == "all_bad"
    elif vote.chosen == first:
        count.wins += 1
    else:
        count.losses += 1


def _current_names(services: Services, votes: Iterable[VoteSides]) -> dict[str, str]:
    """The names of all columns by their keys: with the names that runs have now; those of a run that is gone as they were."""
    columns: dict[str, tuple[VotedColumn, str, str]] = {}
    for vote in votes:
        for column, name in zip(vote.columns, vote.names, strict=True):
            columns[key_of(column, vote.base)] = (VotedColumn.model_validate(column), name, vote.base)
    runs = _names(services, (column for column, _, _ in columns.values()))
    return {
        key: name_of(column.model_dump(), runs, base) if set(column.runs) <= runs.keys() else name
        for key, (column, name, base) in columns.items()
    }  # fmt: skip


def _pair(key: str, other: str, count: _Count, names: Mapping[str, str]) -> Pair:
    wins, losses = count.wins, count.losses
    if losses > wins:
        key, other, wins, losses = other, key, losses, wins
    decided = wins + losses
    low, high = wilson(wins, decided) if decided else (None, None)
    share = wins / decided if decided else None
    sentence = _sentence(names[key], names[other], wins, decided, count)
    return Pair(key, names[key], other, names[other], wins, losses, count.ties, count.bad, share, low, high, sentence)


def _sentence(name: str, other: str, wins: int, decided: int, count: _Count) -> str:
    if not decided:
        said = say("votes.undecided", name=name, other=other)
    else:
        low, high = wilson(wins, decided)
        judged = say("votes.clear") if low > 0.5 else say("votes.chance")
        said = say("votes.share", name=name, other=other, wins=wins, decided=decided, low=low, high=high, judged=judged)
    more = [say(f"votes.without.{name}", count=number) for name, number in (("ties", count.ties), ("bad", count.bad)) if number]
    return " ".join([said, *more])


# To clear


def clear(services: Services) -> tuple[int, str]:
    """Clear every vote; returns how many there were, and what `restore` takes. Raises StudioError if there was none."""
    count, moment = services.storage.votes.count(), services.storage.votes.clear()
    if moment is None:
        raise StudioError(say("votes.none"))
    return count, moment.isoformat()


def restore(services: Services, moment: str) -> int:
    """Bring back the votes that were cleared at a moment; returns their number. Raises StudioError if there are none."""
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        raise StudioError(say("votes.nothing_cleared")) from None
    count = services.storage.votes.restore(read if read.tzinfo else read.replace(tzinfo=UTC))
    if not count:
        raise StudioError(say("votes.nothing_cleared"))
    return count


# To learn from


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


# As data


def tally_as_data(counted: Tally) -> dict[str, Any]:
    """The tally as plain data for JSON."""
    return {
        "votes": counted.votes, "outcomes": {name: counted.outcomes.get(name, 0) for name in ("chosen", "tie", "all_bad")},
        "same": counted.same, "sentence": say("votes.counted", count=counted.votes) if counted.votes else say("votes.none"),
        "pairs": [
            {
                "key": pair.key, "name": pair.name, "other_key": pair.other_key, "other_name": pair.other_name, "wins": pair.wins,
                "losses": pair.losses, "ties": pair.ties, "bad": pair.bad, "share": pair.share, "low": pair.low, "high": pair.high,
                "clear": pair.is_clear, "sentence": pair.sentence,
            }
            for pair in counted.pairs
        ],
    }  # fmt: skip


def dataset_as_data(dataset: DatasetRecord, found: Pairs) -> dict[str, Any]:
    """A dataset of votes as plain data for JSON."""
    left_out = (("equal", found.equal), ("apart", found.apart), ("no_better", found.undecided))
    said = [say("votes.made", name=dataset.name, count=len(found.pairs))]
    said += [say(f"votes.left_out.{name}", count=count) for name, count in left_out if count]
    return {
        "dataset": dataset.id, "name": dataset.name, "rows": len(found.pairs), "equal": found.equal, "apart": found.apart,
        "undecided": found.undecided, "address": f"dataset?id={dataset.id}", "sentence": " ".join(said),
    }  # fmt: skip
