"""Columns of the Playground: what each of them names, ready to answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.words import say
from app.worker.messages import ChatColumn, ChatMessage
from app.worker.resident import Resident
from reft_engine import Message, ReftModel, Trainable
from reft_engine.base import Base
from reft_engine.edits import Mix, Switches
from storage import StorageError


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers in a column, and which parts of it act; the base model alone has no ``model``, and any ``base`` will do for it."""

    base: Base | None = None
    model: Trainable | Mix | None = None
    switches: Switches | None = None


def prepared(resident: Resident, column: ChatColumn) -> Answering:
    """Load what a column names. Raises NotFoundError, StorageError, AdapterError."""
    if column.kind == "base":
        return Answering()
    base, model = _named(resident, column)
    if column.layers is None and column.groups is None:
        return Answering(base, model)
    groups = ("prefix", "suffix") if column.groups is None else column.groups
    layers = None if column.layers is None else frozenset(column.layers)
    return Answering(base, model, Switches(layers, "prefix" in groups, "suffix" in groups))


def read_messages(messages: Sequence[ChatMessage]) -> list[Message]:
    """A conversation as the engine takes it."""
    return [Message(message.role, message.content) for message in messages]  # type: ignore[arg-type]


def _named(resident: Resident, column: ChatColumn) -> tuple[Base, Trainable | Mix]:
    if column.run is not None:
        return resident.run(column.run) if column.step is None else resident.run_at(column.run, column.step)
    runs = [resident.run(part.run) for part in column.parts]
    if any(base is not runs[0][0] for base, _ in runs):
        raise StorageError(say("engine.different_bases"))
    edits = [edit for _, edit in runs if isinstance(edit, ReftModel)]
    if len(edits) < len(runs):
        raise StorageError(say("seen.baseline_in_mix"))
    return runs[0][0], Mix(edits, [part.weight for part in column.parts])
