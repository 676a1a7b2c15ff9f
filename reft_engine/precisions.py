"""The precisions that a base model can be loaded in, and which of them this machine has. Imports no torch."""

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Literal

from reft_engine.errors import ModelLoadError

Precision = Literal["float32", "bfloat16", "8bit", "4bit"]
PRECISIONS: Mapping[str, str] = MappingProxyType(
    {"float32": "32 bits (float32)", "bfloat16": "16 bits (bfloat16)", "8bit": "8 bits", "4bit": "4 bits"}
)
"""Each precision with its title."""
_BYTES: Mapping[str, float] = MappingProxyType({"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "8bit": 1.0, "4bit": 0.5})
_QUANTISED = ("8bit", "4bit")
_PACKAGES = ("bitsandbytes", "accelerate")
_INSTALL = "pip install bitsandbytes accelerate"


def suited_precision(device: str) -> Precision:
    """The precision that a base model is loaded in when none is chosen: bfloat16 on a GPU (``cuda``), float32 elsewhere."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def weight_bytes(precision: str) -> float:
    """Bytes of one weight of a block in this precision; the scales of quantised weights (1 to 6 % more) are not counted."""
    return _BYTES[precision]


def available_precisions() -> tuple[str, ...]:
    """The precisions that this machine can load; 8 and 4 bits need the packages bitsandbytes and accelerate."""
    return tuple(name for name in PRECISIONS if name not in _QUANTISED or can_quantise())


def can_quantise() -> bool:
    """Whether the packages for 8 and 4 bits are installed."""
    return all(map(find_spec, _PACKAGES))


def no_quantisation() -> ModelLoadError:
    """The error that names the packages for 8 and 4 bits."""
    sentence = "Quantised base models need the packages bitsandbytes and accelerate: {command}."
    return ModelLoadError(sentence, kind="package.quantised", detail=_INSTALL, command=_INSTALL)


def check_precision(precision: str | None) -> None:
    """Raises ModelLoadError for a precision that this machine does not have; None is always there."""
    if precision in _QUANTISED and not can_quantise():
        raise no_quantisation()


def load_options(precision: str | None) -> dict[str, Any]:
    """The arguments of `load_base` that load a base model in this precision; none for None, which is what suits the device."""
    if precision is None:
        return {}
    return {"quantize": precision} if precision in _QUANTISED else {"dtype": precision}
