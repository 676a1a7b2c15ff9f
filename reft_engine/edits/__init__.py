"""Edits of hidden states: their formulas, where they act, and the model that applies them."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.edits.geometry import SubspaceAngles, subspace_angles
    from reft_engine.edits.mix import Mix
    from reft_engine.edits.mixable import check_mixable, mixed_config
    from reft_engine.edits.model import ReftModel, load_base_of, verify_adapter
    from reft_engine.edits.switches import Switches

__all__ = [
    "Mix",
    "ReftModel",
    "SubspaceAngles",
    "Switches",
    "check_mixable",
    "load_base_of",
    "mixed_config",
    "subspace_angles",
    "verify_adapter",
]

__getattr__ = lazy_names(__name__, {
    "geometry": ["SubspaceAngles", "subspace_angles"],
    "mix": ["Mix"],
    "mixable": ["check_mixable", "mixed_config"],
    "model": ["ReftModel", "load_base_of", "verify_adapter"],
    "switches": ["Switches"],
})  # fmt: skip
