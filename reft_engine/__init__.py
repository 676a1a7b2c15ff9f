"""Representation finetuning (ReFT, arXiv 2404.03592) for any Hugging Face model.

These are the public names, with those of the rooms below; the rest can change. Names load on first use, so that ``reft_engine.spec`` and
``reft_engine.data`` cost no torch import.
"""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.base import load_base
    from reft_engine.baseline_methods import BASELINES
    from reft_engine.data import Example, Message, Preference
    from reft_engine.edits import ReftModel
    from reft_engine.errors import AdapterError, ConfigError, DataError, Kind, ModelLoadError, ReftError, TrainingError
    from reft_engine.inference import classify, generate, stream
    from reft_engine.methods import METHODS, title_of
    from reft_engine.positions import PositionSpec, prompt_positions
    from reft_engine.settings import GROUPS, Setting, written
    from reft_engine.spec import PeftConfig, ReftConfig, RunSpec, TrainConfig, all_settings, trainable_parameters
    from reft_engine.trainable import Trainable, load_adapter
    from reft_engine.training import evaluate, train, train_many

__all__ = [
    "BASELINES",
    "GROUPS",
    "METHODS",
    "AdapterError",
    "ConfigError",
    "DataError",
    "Example",
    "Kind",
    "Message",
    "ModelLoadError",
    "PeftConfig",
    "PositionSpec",
    "Preference",
    "ReftConfig",
    "ReftError",
    "ReftModel",
    "RunSpec",
    "Setting",
    "TrainConfig",
    "Trainable",
    "TrainingError",
    "all_settings",
    "classify",
    "evaluate",
    "generate",
    "load_adapter",
    "load_base",
    "prompt_positions",
    "stream",
    "title_of",
    "train",
    "train_many",
    "trainable_parameters",
    "written",
]

__getattr__ = lazy_names(__name__, {
    "base": ["load_base"],
    "baseline_methods": ["BASELINES"],
    "data": ["Example", "Message", "Preference"],
    "edits": ["ReftModel"],
    "errors": ["AdapterError", "ConfigError", "DataError", "Kind", "ModelLoadError", "ReftError", "TrainingError"],
    "inference": ["classify", "generate", "stream"],
    "methods": ["METHODS", "title_of"],
    "positions": ["PositionSpec", "prompt_positions"],
    "settings": ["GROUPS", "Setting", "written"],
    "spec": ["PeftConfig", "ReftConfig", "RunSpec", "TrainConfig", "all_settings", "trainable_parameters"],
    "trainable": ["Trainable", "load_adapter"],
    "training": ["evaluate", "train", "train_many"],
})  # fmt: skip
