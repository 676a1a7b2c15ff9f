"""What pyreft 0.1.0 saves: its classes with their tensors, and the files of a folder; read and written by neighbours of this module."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CONFIG_NAME, SIDECAR_NAME = "config.json", "reft_engine.json"

DIMENSIONS = {"embed_dim": "", "interchange_dim": ""}
_SOURCE = {"learned_source.weight": "KD", "learned_source.bias": "K"}
ORIGINAL, BASE = "rotate_layer.parametrizations.weight.original", "rotate_layer.parametrizations.weight.0.base"
_ROTATION = {ORIGINAL: "DK", BASE: "DD"}


@dataclass(frozen=True, slots=True)
class SavedClass:
    """One of pyreft's classes: this engine's name for it, and the shape of each tensor that it saves."""

    method: str
    shapes: dict[str, str]
    optional: tuple[str, ...] = ()


CLASSES = {
    "LoreftIntervention": SavedClass("loreft", {"weight": "KD", "bias": "K", "rotate_layer": "DK"}),
    "NoreftIntervention": SavedClass(
        "noreft", {**DIMENSIONS, **_SOURCE, "proj_layer.weight": "KD", "proj_layer.bias": "K"}, ("proj_layer.bias",)
    ),
    "NodireftIntervention": SavedClass(
        "direft", {**DIMENSIONS, **_SOURCE, "proj_layer.weight": "KD", "proj_layer.bias": "K"}, ("proj_layer.bias",)
    ),
    "DireftIntervention": SavedClass("direft_orth", {**DIMENSIONS, **_SOURCE, **_ROTATION}),
    "ConsreftIntervention": SavedClass("consreft", {**DIMENSIONS, "learned_source": "K", **_ROTATION}),
    "LobireftIntervention": SavedClass("lobireft", {**DIMENSIONS, "learned_source": "K", **_ROTATION}),
}
TYPES = {f"<class 'pyreft.interventions.{name}'>": kind for name, kind in CLASSES.items()}


class Sidecar(BaseModel):
    """What pyreft does not store, in a file of this engine's own beside it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    method: str
    positions: str = Field(max_length=100)
    tied: bool
    activation: Literal["linear"]
