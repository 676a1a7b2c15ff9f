"""Representation finetuning (ReFT, arXiv 2404.03592) for any Hugging Face model.

These are the public names; the rest can change. Names load on first use, so that ``reft_engine.spec`` and
``reft_engine.data`` cost no torch import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reft_engine.base.loading import load_base
    from reft_engine.data import Example, Message, Preference
    from reft_engine.edits.model import ReftModel
    from reft_engine.errors import ReftError
    from reft_engine.inference.classification import classify
    from reft_engine.inference.generation import generate, stream
    from reft_engine.spec import ReftConfig, TrainConfig
    from reft_engine.training.evaluation import evaluate
    from reft_engine.training.train import train, train_many

_HOME = {
    "Example": "data",
    "Message": "data",
    "Preference": "data",
    "ReftConfig": "spec",
    "ReftError": "errors",
    "ReftModel": "edits.model",
    "TrainConfig": "spec",
    "classify": "inference.classification",
    "evaluate": "training.evaluation",
    "generate": "inference.generation",
    "load_base": "base.loading",
    "stream": "inference.generation",
    "train": "training.train",
    "train_many": "training.train",
}

__all__ = [
    "Example",
    "Message",
    "Preference",
    "ReftConfig",
    "ReftError",
    "ReftModel",
    "TrainConfig",
    "classify",
    "evaluate",
    "generate",
    "load_base",
    "stream",
    "train",
    "train_many",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reft_engine' has no attribute {name!r}")
    return getattr(import_module(f"reft_engine.{_HOME[name]}"), name)
