"""What is compared, and with which settings: chosen on rows held out of the training files, never on those reported on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reft_engine.spec import Pooling

BATCH_SIZE = 32
HEAD_RATE = 1e-3
"""Peak learning rate of the head, the same for every method."""
POOLING: Pooling = "mean"
BASE = "all-MiniLM-L6-v2"
EPOCHS = {"sst2": 2, "rte": 3, "cola": 3, "banking77": 3}
"""Passes over the training rows, by dataset."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to learn: what is trained beside the head, and its peak learning rate."""

    title: str
    kind: Literal["head", "reft", "lora", "bitfit"]
    learning_rate: float
    options: Mapping[str, Any] = field(default_factory=dict)


def _reft(method: str, rank: int) -> dict[str, Any]:
    return {"method": method, "rank": rank, "layers": "all", "positions": "all"}


METHODS = {
    "head": Method("head alone", "head", HEAD_RATE),
    "loreft": Method("LoReFT, rank 1", "reft", 8e-3, _reft("loreft", 1)),
    "loreft4": Method("LoReFT, rank 4", "reft", 5e-3, _reft("loreft", 4)),
    "direft": Method("DiReFT, rank 1", "reft", 2e-3, _reft("direft", 1)),
    "direft4": Method("DiReFT, rank 4", "reft", 2e-3, _reft("direft", 4)),
    "lora": Method("LoRA, rank 8", "lora", 1e-3, {"r": 8, "lora_alpha": 16, "lora_dropout": 0.0, "target_modules": ["query", "value"]}),
    "bitfit": Method("BitFit", "bitfit", 1e-3),
}
