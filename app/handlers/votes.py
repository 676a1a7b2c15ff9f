"""Blind votes of the Playground: cast, counted for each pair of columns, cleared and brought back."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app import limits
from app.columns import Column, key_of, name_of
from app.errors import StudioError
from app.handlers.disk import require_room
from app.services import Services
from app.words import say
from reft_engine.training import wilson
from storage import VotedAnswer, VoteOutcome, VoteSides

PAIRS = 50
"""Pairs of columns that a tally lists, those with most votes; the others are counted."""


class CastMessage(BaseModel):
    """A message of the conversation that was answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=limits.TEXT)


class CastAnswer(BaseModel):
    """An answer with the description of its column, and the conversation that it answers where that is not the vote's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Column
    text: str = Field(max_length=limits.TEXT)
    messages: tuple[CastMessage, ...] | None = Field(None, min_length=1, max_length=limits.MESSAGES)


class Cast(BaseModel):
    """A vote as the page sends it: it carries columns and texts, so that nobody needs to know how the page had shuffled them.

    Attributes:
        messages: the conversation that was answered, which ends with a message of the user.
        answers: the answers, in any order.
        outcome: see `storage.VoteOutcome`.
        chosen: the place of the better answer among them; None for any other outcome.
        base: name of the base model of all of them.
        chat: id of the saved chat, if there is one.
        key: an opaque key of the page and the turn, by which the same vote that is sent twice is one vote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: tuple[CastMessage, ...] = Field(min_length=1, max_length=limits.MESSAGES)
    answers: tuple[CastAnswer, ...] = Field(min_length=2, max_length=limits.COLUMNS)
    outcome: VoteOutcome
    chosen: int | None = None
    base: str = Field("", max_length=1000)
    chat: str | None = Field(None, pattern=r"^[0-9A-Za-z]{1,32}$")
    key: str | None = Field(None, pattern=r"^[0-9A-Za-z_-]{1,100}$")

    @model_validator(mode="after")
    def _check_chosen(self) -> Self:
        if (self.outcome == "chosen") != (self.chosen is not None):
            raise PydanticCustomError("vote", "{sentence}", {"sentence": say("votes.one_better")})
        if self.chosen is not None and not 0 <= self.chosen < len(self.answers):
            raise PydanticCustomError("vote", "{sentence}", {"sentence": say("votes.one_better")})
        return self


@dataclass(frozen=True, slots=True)
class Revealed:
    """A vote that was cast: its id, the names of its columns in the order of its answers, and how many votes there are now."""

    id: str
    names: tuple[str, ...]
    count: int


def cast(services: Services, vote: Cast) -> Revealed:
    """Keep a vote. Raises StudioError if it says nothing or names a run that is not there, StorageError if there are too many."""
    if not all(map(_asks, [vote.messages, *(answer.messages for answer in vote.answers if answer.messages)])):
        raise StudioError(say("votes.no_question"))
    texts = [answer.text.strip() for answer in vote.answers]
    if vote.chosen is not None and len(set(texts)) == 1:
        raise StudioError(say("votes.same"))
    if vote.chosen is not None and not texts[vote.chosen]:
        raise StudioError(say("votes.empty"))
    require_room(services)
    names = _names(services, (answer.column for answer in vote.answers))
    if gone := sorted({run for answer in vote.answers for run in answer.column.runs} - names.keys()):
        raise StudioError(say("votes.no_run", run=gone[0]))
    answers = [
        VotedAnswer(
            answer.column.model_dump(mode="json"), name_of(answer.column, names, vote.base), answer.text,
            _own_messages(vote, answer),
        )
        for answer in vote.answers
    ]  # fmt: skip
    messages = _pairs_of(vote.messages)
    made = services.storage.votes.add(messages, answers, vote.outcome, vote.chosen, base=vote.base, chat_id=vote.chat, start_key=vote.key)
    return Revealed(made.id, tuple(answer.name for answer in answers), services.storage.votes.count())


def _asks(messages: Sequence[CastMessage]) -> bool:
    """Whether a conversation ends with a question."""
    return messages[-1].role == "user" and bool(messages[-1].content.strip())


def _pairs_of(messages: Sequence[CastMessage]) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content) for message in messages)


def _own_messages(vote: Cast, answer: CastAnswer) -> tuple[tuple[str, str], ...] | None:
    return None if answer.messages in (None, vote.messages) else _pairs_of(answer.messages or ())


def _names(services: Services, columns: Iterable[Column]) -> dict[str, str]:
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
    """Every vote counted.

    Attributes:
        votes: how many there are; ``outcomes`` by outcome.
        pairs: the pairs of columns, those with most votes first, `PAIRS` at most; ``more`` of them are not listed.
        same: pairs of answers one of which was called better though they were equal, which count for nobody.
        cleared: when votes were cleared last that can be brought back, as `restore` takes it, and how many; None if there are none.
    """

    votes: int
    outcomes: Mapping[str, int]
    pairs: tuple[Pair, ...]
    more: int
    same: int
    cleared: tuple[str, int] | None


def tally(services: Services) -> Tally:
    """Count every vote, for each pair of columns that met."""
    votes = services.storage.votes.sides()
    counts: dict[tuple[str, str], _Count] = {}
    names = _current_names(services, votes)
    same = 0
    for vote in votes:
        keys = [key_of(Column.model_validate(column), vote.base) for column in vote.columns]
        for one, other in _met(vote):
            if keys[one] == keys[other] or (vote.chosen is not None and vote.alike[one] == vote.alike[other]):
                same += 1
                continue
            swapped = keys[one] > keys[other]
            count = counts.setdefault((keys[other], keys[one]) if swapped else (keys[one], keys[other]), _Count())
            _add(count, vote, other if swapped else one)
    most = heapq.nsmallest(PAIRS, counts.items(), key=lambda each: (*_rank(each[1]), *(names[key] for key in each[0])))
    last = services.storage.votes.last_binned()
    return Tally(
        len(votes), Counter(vote.outcome for vote in votes), tuple(_pair(*keys, count, names) for keys, count in most),
        len(counts) - len(most), same, (last[0].isoformat(), last[1]) if last else None,
    )  # fmt: skip


def _rank(count: _Count) -> tuple[int, int]:
    """The pairs with most votes first, those that named a better answer before others."""
    return -(count.wins + count.losses), -(count.ties + count.bad)


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
    columns: dict[str, tuple[Column, str, str]] = {}
    for vote in votes:
        for column, name in zip(vote.columns, vote.names, strict=True):
            read = Column.model_validate(column)
            columns[key_of(read, vote.base)] = (read, name, vote.base)
    runs = _names(services, (column for column, _, _ in columns.values()))
    return {
        key: name_of(column, runs, base) if set(column.runs) <= runs.keys() else name
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


def take_back(services: Services, vote_id: str) -> str:
    """Take one vote back; returns what `restore` takes. Raises NotFoundError."""
    return services.storage.votes.delete(vote_id).isoformat()


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
        "more": counted.more, "more_sentence": say("votes.more", count=counted.more) if counted.more else "",
        "cleared": {"moment": counted.cleared[0], "count": counted.cleared[1]} if counted.cleared else None,
    }  # fmt: skip
