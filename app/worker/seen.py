"""Looks at a column of a conversation: the proof of its separation, where its edit acts, what a state says, which tokens it moved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.people.visitor import asker
from app.words import say
from app.worker.columns import prepared, read_messages
from app.worker.messages import ChatColumn, LensRequest, LookRequest, SeparationRequest, TintsRequest
from app.worker.resident import Resident
from reft_engine import StoppedError, Trainable
from reft_engine.base import Base
from reft_engine.edits import Mix, Switches
from reft_engine.inference import (
    EditMap,
    Lens,
    Request,
    Separation,
    TokenChange,
    logit_lens,
    map_edit,
    prove_separation,
    token_changes,
)
from storage import StorageError

ShouldStop = Callable[[], bool]


def prove(resident: Resident, request: SeparationRequest, should_stop: ShouldStop) -> Separation:
    """Prove the column's row apart from the base model's; ``should_stop`` is asked before each pass, once it is its turn.

    Raises:
        NotFoundError, StorageError, ReftError: the column cannot be looked at.
        StoppedError: it was told to stop.
    """
    base, model, switches = _column(resident, request.column)
    return prove_separation(
        base, read_messages(request.messages), model, request.answer, strength=request.column.strength,
        switches=switches, exclusive=lambda: _turn(resident, should_stop),
    )  # fmt: skip


def map_column(resident: Resident, request: LookRequest, should_stop: ShouldStop) -> EditMap:
    """Measure where the column's edit acts. Raises as `prove`."""
    base, model, switches = _column(resident, request.column)
    return map_edit(
        base, read_messages(request.messages), model, strength=request.column.strength, switches=switches,
        exclusive=lambda: _turn(resident, should_stop),
    )  # fmt: skip


def look_through_lens(resident: Resident, request: LensRequest, should_stop: ShouldStop) -> Lens:
    """Read a hidden state before and after its edit. Raises as `prove`."""
    base, model, switches = _column(resident, request.column)
    return logit_lens(
        base, read_messages(request.messages), model, request.layer, request.token, k=request.k,
        strength=request.column.strength, switches=switches, exclusive=lambda: _turn(resident, should_stop),
    )  # fmt: skip


def tint(resident: Resident, request: TintsRequest, on_request: Callable[[Request], None]) -> list[TokenChange]:
    """Compare base and tuned model on an answer's tokens, as rows of the running batch, a request that can be cancelled.

    Raises as `prove`, and BusyError.
    """
    resident.meter.require(asker())
    base, model, switches = _column(resident, request.column)
    return token_changes(
        base, read_messages(request.messages), request.answer, model, k=request.k, strength=request.column.strength,
        switches=switches, stop=request.stop, engine=resident.engine(base), owner=asker(),
        on_request=on_request,
    )  # fmt: skip


@contextmanager
def _turn(resident: Resident, should_stop: ShouldStop) -> Iterator[None]:
    with resident.base_lock.for_chat():
        if should_stop():
            raise StoppedError(say("seen.stopped"), kind="seen.stopped")
        yield


def _column(resident: Resident, column: ChatColumn) -> tuple[Base, Trainable | Mix, Switches | None]:
    """The base model of a column, what answers there, and which parts of it act. Raises StorageError if nothing is learned."""
    found = prepared(resident, column)
    if found.base is None or found.model is None:
        raise StorageError(say("seen.no_edit"))
    own = resident.engine(found.base).base  # with a tokenizer that nothing else encodes with
    return own, found.model, found.switches
