"""A saved conversation of the Playground: a tree of turns as one document of plain JSON, and what is read from it. Imports no torch.

An edited prompt and an answer that is drawn anew are siblings of the turn before, so nothing is lost; what the page shows is the path
from a root to the ``leaf``. Columns are never taken out of the list, because answers name them by their place in it: ``shown`` says which
the page has.
"""

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from app import limits
from app.columns import Column
from app.errors import StudioError
from app.given import read_as
from app.words import phrases, say

_MOST_TOKENS = 8_192
_MOST_SEED = 2**31 - 1
_NAME_LENGTH = 60
"""Characters of a name that is made from a prompt."""
_Number = Annotated[int, Field(ge=0, le=_MOST_SEED)]
Message = dict[str, str]
"""A ``role`` and its ``content``, as the worker reads them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class ChatSettings(_Part):
    """How answers are drawn; without a ``seed`` each turn draws one of its own, and ``top_k`` 0 is all tokens."""

    system: str = Field("", max_length=limits.TEXT)
    temperature: float = Field(0.0, ge=0.0, le=5.0)
    top_p: float = Field(1.0, ge=0.0, le=1.0)
    top_k: int = Field(0, ge=0, le=10_000_000)
    max_new_tokens: int = Field(128, ge=1, le=_MOST_TOKENS)
    repetition_penalty: float = Field(1.0, gt=0.0, le=10.0)
    stop: tuple[Annotated[str, Field(max_length=limits.STOP)], ...] = Field((), max_length=limits.STOPS)
    seed: int | None = Field(None, ge=0, le=_MOST_SEED)


class ChatAnswer(_Part):
    """What a column answered to a turn.

    Attributes:
        column: place of the column in the document's list.
        text: exactly what the model wrote.
        ids: the tokens that it is.
        strength: at which strength it was made.
        ended: why it ends: by itself, at the longest answer, stopped by a person, or by an error.
        tokens: how many the answer has.
        seconds: how long it took.
        told: the sentence under it; empty for none.
        made_by: the column as it was then; None if it is as the list has it.
    """

    column: int = Field(ge=0, lt=limits.COLUMNS_EVER)
    text: str = Field("", max_length=limits.TEXT)
    ids: tuple[_Number, ...] = Field((), max_length=_MOST_TOKENS)
    strength: float = Field(1.0, ge=-10.0, le=10.0)
    ended: Literal["end", "length", "stopped", "error"] = "end"
    tokens: int = Field(0, ge=0, le=10_000_000)
    seconds: float = Field(0.0, ge=0.0, le=1e9)
    told: str = Field("", max_length=2_000)
    made_by: Column | None = None


class ChatTurn(_Part):
    """A prompt and its answers, after the turn ``parent``; None for the beginning of a conversation.

    ``settings`` are those that it was asked with; None if they are the document's.
    """

    id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")
    parent: str | None = None
    prompt: str = Field(max_length=limits.TEXT)
    seed: int = Field(0, ge=0, le=_MOST_SEED)
    answers: tuple[ChatAnswer, ...] = Field((), max_length=limits.COLUMNS_EVER)
    settings: ChatSettings | None = None


class ChatDocument(_Part):
    """A conversation; a turn stands after its parent in the list.

    ``shown`` are the columns of the page, empty for all; without a ``leaf`` it shows no turn, as before another first prompt.
    """

    format: Literal[1] = 1
    columns: tuple[Column, ...] = Field((), max_length=limits.COLUMNS_EVER)
    shown: tuple[_Number, ...] = Field((), max_length=limits.COLUMNS)
    settings: ChatSettings = ChatSettings()
    turns: tuple[ChatTurn, ...] = Field((), max_length=limits.TURNS)
    leaf: str | None = None

    @model_validator(mode="after")
    def _be_a_tree(self) -> Self:
        known: set[str] = set()
        for turn in self.turns:
            _require(turn.id not in known, "twice", turn.id)
            _require(turn.parent is None or turn.parent in known, "parent", turn.id)
            columns = [answer.column for answer in turn.answers]
            _require(len(set(columns)) == len(columns), "two_answers", turn.id)
            _require(all(column < len(self.columns) for column in columns), "column", turn.id)
            known.add(turn.id)
        _require(self.leaf is None or self.leaf in known, "leaf", str(self.leaf))
        _require(all(column < len(self.columns) for column in self.shown), "column", "shown")
        return self


def _require(holds: bool, rule: str, turn: str) -> None:
    if not holds:
        raise PydanticCustomError("tree", "{sentence}", {"sentence": say(f"chats.tree.{rule}", turn=turn)})


# As text


def read(text: str | bytes) -> ChatDocument:
    """A document of JSON. Raises StudioError with the first thing that is wrong with it."""
    return read_as(ChatDocument, text)


def written(document: ChatDocument) -> str:
    """A document as JSON, which `read` gives back the same."""
    return json.dumps(document.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))


def default_name(document: ChatDocument) -> str:
    """A name for a conversation: its first prompt, shortened."""
    first = " ".join(document.turns[0].prompt.split()) if document.turns else ""
    return phrases.short(first, _NAME_LENGTH) or say("chats.unnamed")


# The tree


def path(document: ChatDocument, leaf: str | None = None) -> list[ChatTurn]:
    """The turns from a root to a turn; by default to the document's own leaf. Raises StudioError if there is no such turn."""
    turns = {turn.id: turn for turn in document.turns}
    at = document.leaf if leaf is None else leaf
    found: list[ChatTurn] = []
    while at is not None:
        if at not in turns:
            raise StudioError(say("chats.no_turn"))
        found.append(turns[at])
        at = turns[at].parent
    return found[::-1]


def branches(document: ChatDocument, turn: ChatTurn) -> list[ChatTurn]:
    """A turn with its siblings, in the order in which they were made."""
    return [each for each in document.turns if each.parent == turn.parent]


def leaves(document: ChatDocument) -> list[ChatTurn]:
    """The turns after which none comes."""
    parents = {turn.parent for turn in document.turns}
    return [turn for turn in document.turns if turn.id not in parents]


def newest_leaf(document: ChatDocument, turn: ChatTurn) -> ChatTurn:
    """The turn to which the page goes when a branch is chosen: the newest one below, or the turn itself."""
    below = {turn.id}
    for each in document.turns:  # parents come first
        if each.parent in below:
            below.add(each.id)
    return [each for each in leaves(document) if each.id in below][-1]


def answer_of(turn: ChatTurn, column: int) -> ChatAnswer | None:
    """What a column answered to a turn; None if it gave no answer, or an error came in its place."""
    return next((answer for answer in turn.answers if answer.column == column and answer.ended != "error"), None)


def settings_of(document: ChatDocument, turn: ChatTurn) -> ChatSettings:
    """The settings with which a turn was asked."""
    return turn.settings or document.settings


def column_of(document: ChatDocument, answer: ChatAnswer) -> Column:
    """The column of an answer, as it was when it answered."""
    column = answer.made_by or document.columns[answer.column]
    return column.model_copy(update={"strength": answer.strength})


def messages(document: ChatDocument, leaf: str | None, column: int) -> list[Message]:
    """What a column reads to answer a turn: the system message, the earlier turns that it answered with its own answers, the prompt.

    Turns that the column did not answer are left out, because chat templates want prompts and answers in turn.

    Raises:
        StudioError: there is no such turn.
    """
    turns = path(document, leaf)
    if not turns:
        raise StudioError(say("chats.no_turn"))
    system = settings_of(document, turns[-1]).system
    said = [_message("system", system)] if system.strip() else []
    for turn in turns[:-1]:
        if answer := answer_of(turn, column):
            said += [_message("user", turn.prompt), _message("assistant", answer.text)]
    return [*said, _message("user", turns[-1].prompt)]


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
