"""Columns of the Playground: what each of them names, ready to answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.columns import MixPart
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
    if column.kind not in ("run", "mix"):
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
    if column.run is None:
        return mixed(resident, column.parts)
    return resident.run(column.run) if column.step is None else resident.run_at(column.run, column.step)


def mixed(resident: Resident, parts: Sequence[MixPart]) -> tuple[Base, Mix]:
    """The base model of runs, and their edits with weights. Raises NotFoundError, StorageError, ReftError if they are no mix."""
    check_one_base(resident, [part.run for part in parts])
    runs = [resident.run(part.run) for part in parts]
    base = runs[0][0]
    if not all(same_base(base, other) for other, _ in runs):
        raise StorageError(say("engine.different_bases"))
    edits = [edit for _, edit in runs if isinstance(edit, ReftModel)]
    if len(edits) < len(runs):
        raise StorageError(say("seen.baseline_in_mix"))
    return base, Mix(edits, [part.weight for part in parts])


def same_base(one: Base, other: Base) -> bool:
    """Whether two base models are one in memory, so that rows of both can share a pass."""
    return one.model is other.model


def check_one_base(resident: Resident, run_ids: Iterable[str]) -> None:
    """Refuse runs of several base models by what is recorded of them, before one of these models takes the place of another.

    Raises:
        NotFoundError: there is no such run.
        StorageError: their base models differ, or the precisions of one.
    """
    named = list(dict.fromkeys(run_ids))
    if len(named) < 2:
        return
    first, *others = ((run, resident.recorded_base(run)) for run in map(resident.storage.runs.get, named))
    for run, recorded in others:
        if not first[1].may_be(replace(recorded, precision=first[1].precision)):
            raise StorageError(say("engine.different_bases"))
        if not first[1].may_be(recorded):
            raise StorageError(say(
                "engine.different_precisions", one=first[0].name, precision=first[1].precision, other=run.name,
                other_precision=recorded.precision,
            ))  # fmt: skip
