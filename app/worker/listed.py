"""Columns that answer a list of prompts: models and stores are loaded once, and a prompt needs no more than its own conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.worker.chat import Column, Put, tells_reading
from app.worker.columns import Answering, prepared
from app.worker.instant import instant
from app.worker.messages import ChatColumn
from app.worker.resident import Resident
from app.worker.shots import drawn_rows
from reft_engine import Message
from reft_engine.inference import Blending


@dataclass(frozen=True, slots=True)
class ListColumn:
    """What answers in a column of a list, what it reads of a prompt's conversation, and what adjusts its logits there."""

    answering: Answering
    read: Callable[[list[Message]], Sequence[Message]] = lambda messages: messages
    adjust: Callable[[], Blending | None] = lambda: None

    def at(self, messages: list[Message]) -> Column:
        """The column at a prompt. Raises ReftError if it cannot be asked there."""
        return Column(self.answering, list(self.read(messages)), self.adjust())


def list_column(resident: Resident, column: ChatColumn, max_new_tokens: int, put: Put, should_stop: Callable[[], bool]) -> ListColumn:
    """Load what a column needs, telling as ``{"reading", "of"}`` how many rows are read where a store is built.

    Raises ReftError, StorageError.
    """
    if column.run is not None and column.kind == "few_shot":
        drawn = drawn_rows(resident, column.run, column.shots, column.seed)
        return ListColumn(Answering(drawn.base), lambda messages: drawn.before(messages, max_new_tokens, should_stop).messages)
    if column.run is not None and column.kind == "instant":
        found = instant(resident, column.run, column.blend, tells_reading(put), should_stop)
        if found.adjust is None:
            return ListColumn(Answering(found.base))
        store = found.adjust.store
        return ListColumn(Answering(found.base), adjust=lambda: store.adjust(found.blend, temperature=found.temperature))
    return ListColumn(prepared(resident, column))
