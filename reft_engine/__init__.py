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
    from reft_engine.errors import (
        AdapterError,
        BusyError,
        ConfigError,
        DataError,
        Kind,
        ModelLoadError,
        ReftError,
        StoppedError,
        TrainingError,
    )
    from reft_engine.inference import classify, generate, stream
    from reft_engine.machine import free_memory
    from reft_engine.methods import METHODS, title_of
    from reft_engine.positions import PRESETS, PositionSpec, prompt_positions
    from reft_engine.precisions import Precision, available_precisions, check_precision, load_options, suited_precision, weight_bytes
    from reft_engine.settings import GROUPS, Setting, written
    from reft_engine.spec import PeftConfig, ReftConfig, RunSpec, TrainConfig, all_settings, edited_layers, read_yaml, trainable_parameters
    from reft_engine.trainable import Trainable, load_adapter
    from reft_engine.training import evaluate, train, train_many
    from reft_engine.work import rough_memory, saved_share, step_work

__all__ = [
    "BASELINES",
    "GROUPS",
    "METHODS",
    "PRESETS",
    "AdapterError",
    "BusyError",
    "ConfigError",
    "DataError",
    "Example",
    "Kind",
    "Message",
    "ModelLoadError",
    "PeftConfig",
    "PositionSpec",
    "Precision",
    "Preference",
    "ReftConfig",
    "ReftError",
    "ReftModel",
    "RunSpec",
    "Setting",
    "StoppedError",
    "TrainConfig",
    "Trainable",
    "TrainingError",
    "all_settings",
    "available_precisions",
    "check_precision",
    "classify",
    "edited_layers",
    "evaluate",
    "free_memory",
    "generate",
    "load_adapter",
    "load_base",
    "load_options",
    "prompt_positions",
    "read_yaml",
    "rough_memory",
    "saved_share",
    "step_work",
    "stream",
    "suited_precision",
    "title_of",
    "train",
    "train_many",
    "trainable_parameters",
    "weight_bytes",
    "written",
]

__getattr__ = lazy_names(__name__, {
    "base": ["load_base"],
    "baseline_methods": ["BASELINES"],
    "data": ["Example", "Message", "Preference"],
    "edits": ["ReftModel"],
    "errors": [
        "AdapterError", "BusyError", "ConfigError", "DataError", "Kind", "ModelLoadError", "ReftError", "StoppedError", "TrainingError",
    ],
    "inference": ["classify", "generate", "stream"],
    "machine": ["free_memory"],
    "methods": ["METHODS", "title_of"],
    "positions": ["PRESETS", "PositionSpec", "prompt_positions"],
    "precisions": ["Precision", "available_precisions", "check_precision", "load_options", "suited_precision", "weight_bytes"],
    "settings": ["GROUPS", "Setting", "written"],
    "spec": ["PeftConfig", "ReftConfig", "RunSpec", "TrainConfig", "all_settings", "edited_layers", "read_yaml", "trainable_parameters"],
    "trainable": ["Trainable", "load_adapter"],
    "training": ["evaluate", "train", "train_many"],
    "work": ["rough_memory", "saved_share", "step_work"],
})  # fmt: skip
