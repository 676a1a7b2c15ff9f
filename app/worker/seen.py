"""Looks at a column of a conversation: the proof of its separation, where its edit acts, what a state says, which tokens it moved."""

from dataclasses import dataclass

from app.words import say
from app.worker.messages import ChatColumn, LensRequest, LookRequest, SeparationRequest, TintsRequest
from app.worker.resident import Resident
from reft_engine import Message, ReftModel, Trainable
from reft_engine.base import Base
from reft_engine.edits import Mix, Switches
from reft_engine.inference import (
    EditMap,
    Lens,
    Separation,
    TokenChange,
    logit_lens,
    map_edit,
    prove_separation,
    token_changes,
)
from storage import StorageError


@dataclass(frozen=True, slots=True)
class _Column:
    """What answers in a column, and how."""

    base: Base
    model: Trainable | Mix
    switches: Switches | None


def prove(resident: Resident, request: SeparationRequest) -> Separation:
    """Prove the column's row apart from the base model's. Raises NotFoundError, StorageError, ReftError."""
    column = _column(resident, request.column)
    return prove_separation(
        column.base, _messages(request), column.model, request.answer, strength=request.column.strength, switches=column.switches,
        exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def map_column(resident: Resident, request: LookRequest) -> EditMap:
    """Measure where the column's edit acts. Raises as `prove`."""
    column = _column(resident, request.column)
    return map_edit(
        column.base, _messages(request), column.model, strength=request.column.strength, switches=column.switches,
        exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def look_through_lens(resident: Resident, request: LensRequest) -> Lens:
    """Read a hidden state before and after its edit. Raises as `prove`."""
    column = _column(resident, request.column)
    return logit_lens(
        column.base, _messages(request), column.model, request.layer, request.token, k=request.k, strength=request.column.strength,
        switches=column.switches, exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def tint(resident: Resident, request: TintsRequest) -> list[TokenChange]:
    """Compare base and tuned model on an answer's tokens, as rows of the running batch. Raises as `prove`, and BusyError."""
    column = _column(resident, request.column)
    return token_changes(
        column.base, _messages(request), request.answer, column.model, k=request.k, strength=request.column.strength,
        switches=column.switches, engine=resident.engine(column.base), owner=request.owner,
    )  # fmt: skip


def _column(resident: Resident, column: ChatColumn) -> _Column:
    base, model = _answering(resident, column)
    own = resident.engine(base).base  # with a tokenizer that nothing else encodes with
    if column.layers is None and column.groups is None:
        return _Column(own, model, None)
    groups = ("prefix", "suffix") if column.groups is None else column.groups
    layers = None if column.layers is None else frozenset(column.layers)
    return _Column(own, model, Switches(layers, "prefix" in groups, "suffix" in groups))


def _answering(resident: Resident, column: ChatColumn) -> tuple[Base, Trainable | Mix]:
    """The base model of a column, and what answers in it."""
    if column.run is not None:
        return resident.run(column.run)
    runs = [resident.run(part.run) for part in column.parts]
    if any(base is not runs[0][0] for base, _ in runs):
        raise StorageError(say("engine.different_bases"))
    edits = [edit for _, edit in runs if isinstance(edit, ReftModel)]
    if len(edits) < len(runs):
        raise StorageError(say("seen.baseline_in_mix"))
    return runs[0][0], Mix(edits, [part.weight for part in column.parts])


def _messages(request: LookRequest) -> list[Message]:
    return [Message(message.role, message.content) for message in request.messages]  # type: ignore[arg-type]
