"""Baselines to compare edits with, trained through PEFT on the same rows by the same loop."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.baselines.peft import PeftBaseline

__all__ = [
    "PeftBaseline",
]

__getattr__ = lazy_names(__name__, {
    "peft": ["PeftBaseline"],
})  # fmt: skip
