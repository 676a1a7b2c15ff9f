"""Representation finetuning (ReFT, arXiv 2404.03592) for any Hugging Face decoder model.

Names load on first use, so that ``reft_engine.spec`` and ``reft_engine.data`` cost no torch import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reft_engine.adapter_file import verify_adapter
    from reft_engine.base_models import Base, load_base
    from reft_engine.data import Example, Message, inspect_file
    from reft_engine.errors import ReftError
    from reft_engine.evaluation import evaluate
    from reft_engine.generation import generate, stream
    from reft_engine.model import ReftModel
    from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
    from reft_engine.training import TrainResult, train

_HOME = {
    "Base": "base_models",
    "Example": "data",
    "Message": "data",
    "ReftConfig": "spec",
    "ReftError": "errors",
    "ReftModel": "model",
    "RunSpec": "spec",
    "TrainConfig": "spec",
    "TrainResult": "training",
    "evaluate": "evaluation",
    "generate": "generation",
    "inspect_file": "data",
    "load_base": "base_models",
    "stream": "generation",
    "train": "training",
    "verify_adapter": "adapter_file",
}

__all__ = [
    "Base",
    "Example",
    "Message",
    "ReftConfig",
    "ReftError",
    "ReftModel",
    "RunSpec",
    "TrainConfig",
    "TrainResult",
    "evaluate",
    "generate",
    "inspect_file",
    "load_base",
    "stream",
    "train",
    "verify_adapter",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reft_engine' has no attribute {name!r}")
    return getattr(import_module(f"reft_engine.{_HOME[name]}"), name)
