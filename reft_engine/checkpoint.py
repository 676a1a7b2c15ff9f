"""What a run needs to go on: edits, optimiser state and place, in one safetensors file written atomically."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from reft_engine.files import write_atomic
from reft_engine.model import ReftModel

_NAME = "state.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Steps done, seconds spent, first and last loss."""

    step: int
    seconds: float
    loss_first: float
    loss_last: float


def save_state(reft: ReftModel, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every tensor that the next step depends on."""
    tensors = {f"edit.{name}": value.detach() for name, value in reft.state_dict().items()}
    for index, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in entry.items()}
    return {name: value.contiguous().cpu().clone() for name, value in tensors.items()}


def save_checkpoint_bytes(reft: ReftModel, optimizer: torch.optim.Optimizer, state: Checkpoint, identity: str) -> bytes:
    """The checkpoint file's content."""
    meta = {"place": json.dumps(asdict(state)), "identity": identity}
    data: bytes = save(save_state(reft, optimizer), metadata=meta)
    return data


def save_checkpoint(folder: Path, reft: ReftModel, optimizer: torch.optim.Optimizer, state: Checkpoint, identity: str) -> None:
    """Write the checkpoint of the run that ``identity`` names; a crash in mid-write leaves the one before it."""
    write_atomic(folder / _NAME, save_checkpoint_bytes(reft, optimizer, state, identity))


def load_checkpoint(folder: Path, reft: ReftModel, optimizer: torch.optim.Optimizer, identity: str) -> Checkpoint | None:
    """Put a checkpoint into model and optimiser; None when there is none, it is torn, or it is of another run."""
    path = folder / _NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no dict)
    except SafetensorError:
        return None
    if meta.get("identity") != identity:
        return None
    reft.load_state_dict({name[5:]: value for name, value in tensors.items() if name.startswith("edit.")})
    state = optimizer.state_dict()
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**state, "state": entries})
    return Checkpoint(**json.loads(meta["place"]))
