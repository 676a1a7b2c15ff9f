"""Looks at a column of a conversation: the proof of its separation, where its edit acts, what a state says, which tokens it moved."""

from dataclasses import dataclass

from app.words import say
from app.worker.columns import prepared, read_messages
from app.worker.messages import ChatColumn, LensRequest, LookRequest, SeparationRequest, TintsRequest
from app.worker.resident import Resident
from reft_engine import Trainable
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
    """What answers in a column, and which parts of it act."""

    base: Base
    model: Trainable | Mix
    switches: Switches | None


def prove(resident: Resident, request: SeparationRequest) -> Separation:
    """Prove the column's row apart from the base model's. Raises NotFoundError, StorageError, ReftError."""
    column = _column(resident, request.column)
    return prove_separation(
        column.base, read_messages(request.messages), column.model, request.answer, strength=request.column.strength,
        switches=column.switches, exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def map_column(resident: Resident, request: LookRequest) -> EditMap:
    """Measure where the column's edit acts. Raises as `prove`."""
    column = _column(resident, request.column)
    return map_edit(
        column.base, read_messages(request.messages), column.model, strength=request.column.strength, switches=column.switches,
        exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def look_through_lens(resident: Resident, request: LensRequest) -> Lens:
    """Read a hidden state before and after its edit. Raises as `prove`."""
    column = _column(resident, request.column)
    return logit_lens(
        column.base, read_messages(request.messages), column.model, request.layer, request.token, k=request.k,
        strength=request.column.strength, switches=column.switches, exclusive=resident.base_lock.for_chat,
    )  # fmt: skip


def tint(resident: Resident, request: TintsRequest) -> list[TokenChange]:
    """Compare base and tuned model on an answer's tokens, as rows of the running batch. Raises as `prove`, and BusyError."""
    column = _column(resident, request.column)
    return token_changes(
        column.base, read_messages(request.messages), request.answer, column.model, k=request.k, strength=request.column.strength,
        switches=column.switches, stop=request.stop, engine=resident.engine(column.base), owner=request.owner,
    )  # fmt: skip


def _column(resident: Resident, column: ChatColumn) -> _Column:
    found = prepared(resident, column)
    if found.base is None or found.model is None:
        raise StorageError(say("seen.no_edit"))
    own = resident.engine(found.base).base  # with a tokenizer that nothing else encodes with
    return _Column(own, found.model, found.switches)
