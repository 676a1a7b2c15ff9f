"""What pyreft 0.1.0 saves: its classes with their tensors, and the files of a folder; read and written by neighbours of this module."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reft_engine.methods import METHODS, Method

CONFIG_NAME, SIDECAR_NAME = "config.json", "reft_engine.json"

DIMENSIONS = {"embed_dim": "", "interchange_dim": ""}
_SOURCE = {"learned_source.weight": "KD", "learned_source.bias": "K"}
ORIGINAL, BASE = "rotate_layer.parametrizations.weight.original", "rotate_layer.parametrizations.weight.0.base"
_ROTATION = {ORIGINAL: "DK", BASE: "DD"}


_ROWS = {"proj_layer.weight": "KD", "proj_layer.bias": "K"}
_BY_LOREFT = {"weight": "KD", "bias": "K", "rotate_layer": "DK"}


@dataclass(frozen=True, slots=True)
class SavedClass:
    """One of pyreft's classes: the method that it computes, and the shape of each tensor that it saves."""

    method: Method
    shapes: dict[str, str]
    optional: tuple[str, ...] = ()


def _saved(method: Method) -> SavedClass:
    """What a class saves follows from the choices of its method, except that LoReFT's names its tensors itself."""
    if method.pyreft == "LoreftIntervention":
        return SavedClass(method, _BY_LOREFT)
    source = _SOURCE if method.learned_source else {"learned_source": "K"}
    projection, optional = (_ROTATION, ()) if method.orthonormal else (_ROWS, ("proj_layer.bias",))
    return SavedClass(method, {**DIMENSIONS, **source, **projection}, optional)


CLASSES = {method.pyreft: _saved(method) for method in METHODS.values() if method.pyreft}
TYPES = {f"<class 'pyreft.interventions.{name}'>": kind for name, kind in CLASSES.items()}


class Sidecar(BaseModel):
    """What pyreft does not store, in a file of this engine's own beside it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    method: str
    positions: str = Field(max_length=100)
    tied: bool
    activation: Literal["linear"]
