"""How close two runs' edits are: the angles between the subspaces in which they write."""

from app.words import say
from app.worker.resident import Resident
from reft_engine import RunSpec
from reft_engine.edits import ReftModel, SubspaceAngles, subspace_angles
from storage import StorageError


def compare_subspaces(resident: Resident, one: str, other: str) -> list[SubspaceAngles]:
    """Compare the edits of two runs; one in training is taken as it is now.

    Raises:
        NotFoundError: there is no such run, or it has no edit yet.
        StorageError: one of them is a baseline, or they have different base models.
        ConfigError: one of the edits has no subspace.
    """
    records = [resident.storage.runs.get(run_id) for run_id in (one, other)]
    for record in records:
        if RunSpec.read(record.spec).peft:
            raise StorageError(say("engine.no_subspace", name=record.name))
    # Before anything is loaded: another base model would take the place of the one in memory.
    if records[0].base != records[1].base:
        raise StorageError(say("engine.other_directions"))
    runs = [resident.run(record.id) for record in records]
    if runs[0][0] is not runs[1][0]:
        raise StorageError(say("engine.other_directions"))
    (_, first), (_, second) = runs
    assert isinstance(first, ReftModel)
    assert isinstance(second, ReftModel)
    with resident.base_lock.for_chat():  # a step of training would change the weights meanwhile
        return subspace_angles(first, second)
