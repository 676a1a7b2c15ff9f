"""The format of pyreft 0.1.0: its classes with their tensors, and the names of its files."""

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
_LOREFT = {"weight": "KD", "bias": "K", "rotate_layer": "DK"}


@dataclass(frozen=True, slots=True)
class SavedClass:
    """A class of pyreft: the method that it computes, and the shape of each tensor that it saves."""

    method: Method
    shapes: dict[str, str]
    optional: tuple[str, ...] = ()


def _saved(method: Method) -> SavedClass:
    """The tensors of a class follow from its method; only LoReFT's class has names of its own."""
    if method.pyreft == "LoreftIntervention":
        return SavedClass(method, _LOREFT)
    source = _SOURCE if method.learned_source else {"learned_source": "K"}
    projection, optional = (_ROTATION, ()) if method.orthonormal else (_ROWS, ("proj_layer.bias",))
    return SavedClass(method, {**DIMENSIONS, **source, **projection}, optional)


CLASSES = {method.pyreft: _saved(method) for method in METHODS.values() if method.pyreft}
TYPES = {f"<class 'pyreft.interventions.{name}'>": kind for name, kind in CLASSES.items()}


class Sidecar(BaseModel):
    """The engine's own file in a pyreft folder, for the settings that pyreft does not store."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    method: str
    positions: str = Field(max_length=100)
    tied: bool
    activation: Literal["linear"]
