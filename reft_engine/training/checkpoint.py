"""Checkpoints: the state from which a run resumes, in a safetensors file whose name holds the hash of its content.

It holds the edit, the optimizer state, the progress of the run, and the best edit so far.

``checkpoint/00000120-<16 hex digits of the sha256>.safetensors`` is step 120. The folder holds the last two; a file that is
incomplete, or of another run, is skipped for the one before. The file holds no random state and no position in the data: batches
follow from (seed, epoch), dropout from (seed, step) and the schedule from the step.
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

MAX_CHECKPOINTS = 2
"""Checkpoints in a folder: the last one, and the one before in case the last is damaged."""
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{16})\.safetensors")
_FORMER = "state.safetensors"
"""The file of an early version, without a hash; a run of that version starts again."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The progress of a run: steps, seconds, losses, and the best edit so far.

    Attributes:
        step: number of steps made.
        seconds: time spent.
        loss_first: training loss of the first step; ``loss_last`` of the last one.
        loss_total: numerator of the smoothed training loss; ``loss_weight`` its denominator.
        best_step: step of the best edit so far; ``best_loss`` its held-out loss; None before the first measurement.
        waited: number of measurements since then.
        best: weights of that edit; empty before the first measurement.
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


def save_checkpoint_bytes(reft: Trainable, optimizer: torch.optim.Optimizer, progress: Checkpoint, identity: str) -> bytes:
    """The content of a checkpoint file."""
    values = {each.name: getattr(progress, each.name) for each in fields(progress) if each.name != "best"}
    metadata = {"place": json.dumps(values), "identity": identity}
    data: bytes = save(save_state(reft, optimizer, progress.best), metadata=metadata)
    return data


def save_checkpoint(folder: Path, reft: Trainable, optimizer: torch.optim.Optimizer, progress: Checkpoint, identity: str) -> None:
    """Write a checkpoint of the run with this identity; a crash at any moment leaves the earlier ones intact. Raises OSError."""
    data = save_checkpoint_bytes(reft, optimizer, progress, identity)
    file = folder / f"{progress.step:08d}-{_digest(data)}.safetensors"
    if file.is_dir():  # in the way, whoever made it
        _remove(file)
    write_atomic(file, data)
    # Checkpoints of later steps are removed too: they are of a run that was started again.
    others = [path for path in _by_step(folder) if path != file]
    earlier = [path for path in others if _step(path) < progress.step][: MAX_CHECKPOINTS - 1]
    for path in {*others, folder / _FORMER} - {*earlier}:
        _remove(path)
    remove_leftovers(folder)


def load_checkpoint(folder: Path, reft: Trainable, optimizer: torch.optim.Optimizer, identity: str) -> Checkpoint | None:
    """Load the newest intact checkpoint of this run into model and optimizer; None if there is none."""
    for data in _intact_files(folder):
        try:
            metadata, tensors = _metadata(data), load(data)
            progress = Checkpoint(**json.loads(metadata["place"]))
        except (SafetensorError, ValueError, KeyError, TypeError):
            continue
        if metadata.get("identity") == identity:
            _restore(tensors, reft, optimizer)
            return replace(progress, best={name[5:]: value for name, value in tensors.items() if name.startswith("best.")})
    return None


def is_damaged(folder: Path) -> bool:
    """Whether a checkpoint folder holds checkpoints, but none whose hash matches its name; then a run begins anew."""
    return bool(_by_step(folder)) and next(_intact_files(folder), None) is None


def _remove(path: Path) -> None:
    """Remove a file or folder if possible; a leftover does no harm."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _intact_files(folder: Path) -> Iterator[bytes]:
    """Contents of the checkpoint files whose hash matches their name, newest first."""
    for path in _by_step(folder):
        try:
            data = path.read_bytes()
        except OSError:  # missing, unreadable, or a folder
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
    """The metadata in the header of a safetensors file: eight bytes with the header's length, then JSON."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def _restore(tensors: dict[str, Tensor], reft: Trainable, optimizer: torch.optim.Optimizer) -> None:
    reft.load_state_dict({name[5:]: value for name, value in tensors.items() if name.startswith("edit.")})
    state = optimizer.state_dict()
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**state, "state": entries})
