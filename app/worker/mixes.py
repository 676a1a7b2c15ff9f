"""Mixes of runs: what they answer before they are kept, and the one adapter that equals a mix."""

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from app.columns import MixPart
from app.people.visitor import asker
from app.words import say
from app.worker.columns import mixed
from app.worker.grid import length_of, messages_of
from app.worker.messages import MixRequest
from app.worker.resident import Resident
from reft_engine import ReftModel
from reft_engine.base import Base
from reft_engine.edits import Mix
from reft_engine.inference import Asked, answers_in_order
from storage import RunStatus, StorageError

_RESULT = (RunStatus.FINISHED, RunStatus.STOPPED)


def work_on_mix(resident: Resident, request: MixRequest, put: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]) -> None:
    """Answer the prompts, and then make the adapter if it is to be kept.

    Puts ``{"prompt", "answers"}`` for each prompt, the answers under ``base``, the ids of the runs and ``mix``; then ``{"saved"}``, what
    is known of the adapter in the folder ``adapter`` of the upload ``save_to``, once it has been loaded back in a fresh process.

    Raises:
        NotFoundError, StorageError, ReftError: the runs cannot be mixed, or the adapter does not reproduce.
    """
    if request.prompts:
        resident.meter.require(asker())
    base, mix = _mix_of(resident, request.parts)
    if request.prompts:
        _answer(resident, base, mix, request, put, should_stop)
    if request.save_to and not should_stop():
        put({"saved": _save(resident, base, mix, request)})


def _mix_of(resident: Resident, parts: Sequence[MixPart]) -> tuple[Base, Mix]:
    """As `mixed`, of runs that have a result."""
    for part in parts:
        record = resident.storage.runs.get(part.run)
        if record.status not in _RESULT or record.binned_at is not None:  # the weights of one in training change meanwhile
            raise StorageError(say("mixes.no_result", name=record.name))
    return mixed(resident, parts)


def _answer(
    resident: Resident, base: Base, mix: Mix, request: MixRequest, put: Callable[[dict[str, Any]], None], should_stop: Callable[[], bool]
) -> None:  # fmt: skip
    parents: dict[str, ReftModel] = {part.run: edit for part, edit in zip(request.parts, mix.edits, strict=True)}
    columns = [None, *parents.values(), mix]
    asked = (Asked(messages_of(prompt), columns, length_of(prompt, request.max_new_tokens)) for prompt in request.prompts)
    answers = answers_in_order(resident.engine(base), asked, owner=asker(), should_stop=should_stop)
    for at, texts in enumerate(answers):
        put({"prompt": at, "answers": dict(zip(["base", *parents, "mix"], texts, strict=True))})


def _save(resident: Resident, base: Base, mix: Mix, request: MixRequest) -> dict[str, Any]:
    """Write the adapter, load it back in a fresh process, and describe it."""
    begun = time.monotonic()
    storage = resident.storage
    folder = storage.files.uploads / request.save_to / "adapter"
    parents = [{"name": storage.runs.get(part.run).name, "weight": part.weight} for part in request.parts]
    try:
        edit = mix.as_edit()
        with resident.base_lock.for_chat():
            edit.save(folder, base=base, training={"mixed_from": parents})
        checked = resident.check.check(folder, storage.runs.get(request.parts[0].run).base)
    except BaseException:
        shutil.rmtree(folder.parent, ignore_errors=True)
        raise
    return {
        "reft": edit.reft_config.model_dump(mode="json"), "trainable_parameters": edit.trainable_parameters, "revision": base.revision,
        "precision": base.precision, "check": checked, "seconds": time.monotonic() - begun,
    }  # fmt: skip
