"""What a run needs to go on, in a safetensors file whose name holds the hash of its content.

It holds edits, optimiser state, the place of the run, and the best edit so far.

``checkpoint/00000120-<16 hex digits of the sha256>.safetensors`` is step 120. The last two are kept; one that is torn, or of
another run, is passed over for the one before. No random state and no place in the data lie in it: batches follow from
(seed, epoch), dropout from (seed, step) and the schedule from the step.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from reft_engine.formats.atomic import remove_leftovers, write_atomic
from reft_engine.trainable import Trainable

KEPT = 2
"""How many checkpoints lie there: the last one, and the one before in case that the last is damaged."""
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{16})\.safetensors")
_FORMER = "state.safetensors"
"""What an early version wrote, without a hash; a run of that time begins anew."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: steps, seconds, losses, and the best edit so far.

    Attributes:
        step: steps done.
        seconds: time spent.
        loss_first: training loss of the first step; ``loss_last`` of the last one.
        loss_total: numerator of the smoothed training loss; ``loss_weight`` its denominator.
        best_step: step of the best edit so far; ``best_loss`` its held-out loss; None before the first measurement.
        waited: measurements since.
        best: weights of that edit; empty where there is none.
    """

    step: int
    seconds: float
    loss_first: float
    loss_last: float
    loss_total: float = 0.0
    loss_weight: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None
    waited: int = 0
    best: dict[str, Tensor] = field(default_factory=dict, compare=False)


def save_state(reft: Trainable, optimizer: torch.optim.Optimizer, best: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Every tensor that the next step depends on, and the best edit so far."""
    tensors = {f"edit.{name}": value.detach() for name, value in reft.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (best or {}).items()}
    for index, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in entry.items()}
    return {name: value.contiguous().cpu().clone() for name, value in tensors.items()}


def save_checkpoint_bytes(reft: Trainable, optimizer: torch.optim.Optimizer, state: Checkpoint, identity: str) -> bytes:
    """The checkpoint file's content."""
    place = {each.name: getattr(state, each.name) for each in fields(state) if each.name != "best"}
    meta = {"place": json.dumps(place), "identity": identity}
    data: bytes = save(save_state(reft, optimizer, state.best), metadata=meta)
    return data


def save_checkpoint(folder: Path, reft: Trainable, optimizer: torch.optim.Optimizer, state: Checkpoint, identity: str) -> None:
    """Write the checkpoint of the run that ``identity`` names; a crash at any moment leaves the ones before it. Raises OSError."""
    data = save_checkpoint_bytes(reft, optimizer, state, identity)
    written = folder / f"{state.step:08d}-{_digest(data)}.safetensors"
    if written.is_dir():  # whoever made it, it is in the way
        _remove(written)
    write_atomic(written, data)
    # Also one of a later step goes, which a run that has begun anew finds here.
    others = [path for path in _by_step(folder) if path != written]
    before = [path for path in others if _step(path) < state.step][: KEPT - 1]
    for path in {*others, folder / _FORMER} - {*before}:
        _remove(path)
    remove_leftovers(folder)


def load_checkpoint(folder: Path, reft: Trainable, optimizer: torch.optim.Optimizer, identity: str) -> Checkpoint | None:
    """Put the newest whole checkpoint of this run into model and optimiser; None when there is none."""
    for data in _whole(folder):
        try:
            meta, tensors = _metadata(data), load(data)
            place = Checkpoint(**json.loads(meta["place"]))
        except (SafetensorError, ValueError, KeyError, TypeError):
            continue
        if meta.get("identity") == identity:
            _restore(tensors, reft, optimizer)
            return replace(place, best={name[5:]: value for name, value in tensors.items() if name.startswith("best.")})
    return None


def _remove(path: Path) -> None:
    """Best effort: what is saved counts, not what is left lying."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _whole(folder: Path) -> Iterator[bytes]:
    """Contents of files that are what their names say, newest first."""
    for path in _by_step(folder):
        try:
            data = path.read_bytes()
        except OSError:  # not there, not readable, or no file
            continue
        if path.stem.endswith(_digest(data)):
            yield data


def _by_step(folder: Path) -> list[Path]:
    """Checkpoint files, newest first."""
    return sorted((path for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.name)), key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _metadata(data: bytes) -> dict[str, str]:
    """The header's own part of a safetensors file: eight bytes with its length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return found


def _restore(tensors: dict[str, Tensor], reft: Trainable, optimizer: torch.optim.Optimizer) -> None:
    reft.load_state_dict({name[5:]: value for name, value in tensors.items() if name.startswith("edit.")})
    state = optimizer.state_dict()
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**state, "state": entries})
