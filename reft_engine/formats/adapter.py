"""The adapter folder: ``reft_config.json``, ``reft_model.safetensors`` and a model card. No pickle.

``reft_config.json`` holds the format version, the edit (method, rank, layers, positions, tied), the base model's id,
revision and shape, the exact template text, a summary of the training, and a canary: prompt token ids with the tuned model's
largest logits of the next token, so that a loader can prove that it reproduces the model. For a base model that generates no text
the canary holds the largest values of its output instead.
``reft_model.safetensors`` holds the weights of each site as ``layer.L.group.N.`` plus a name from `methods.Method.weights`, all
float32: with a rank, ``projection`` (K, D; R or W2), ``source`` (K, D; W) and ``bias`` (K,).
A classifier adds ``weight`` and ``bias`` of ``head.dense.`` and ``head.out.``.

Version 2 added methods, activation and classifiers, version 3 the base model's precision; earlier ones can still be read.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from reft_engine.base import checks
from reft_engine.base.loading import Base, Origin
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats import recorded
from reft_engine.formats.atomic import write_atomic
from reft_engine.formats.card import write_card
from reft_engine.methods import METHODS
from reft_engine.plain_files import LargeFileError, NotPlainError, check_plain, read_plain
from reft_engine.spec import ReftConfig

FORMAT_VERSION = 3
_READABLE = (1, 2, 3)
CONFIG_NAME, TENSORS_NAME = recorded.CONFIG_NAME, "reft_model.safetensors"
CANARY_TOKENS, CANARY_LOGITS = 24, 16
_HEADER_LIMIT = 10_000_000


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _BaseModel(_Section):
    id: str | None
    revision: str | None
    precision: str | None = Field(None, max_length=20)
    """How its weights were held; None in folders of earlier versions."""


class _Canary(_Section):
    prompt_ids: list[NonNegativeInt] = Field(min_length=1, max_length=CANARY_TOKENS)
    token_ids: list[NonNegativeInt] = Field(min_length=1, max_length=CANARY_LOGITS)
    logits: list[FiniteFloat] = Field(min_length=1, max_length=CANARY_LOGITS)
    dtype: str = Field("float32", max_length=20)


class Common(_Section):
    """The fields of every adapter's description."""

    format_version: int
    hidden_size: int
    blocks: int
    base_model: _BaseModel
    template: str | None
    training: dict[str, Any]
    canary: _Canary


class _Description(Common):
    """What ``reft_config.json`` holds; ``reft`` is checked as a `ReftConfig` when it is used."""

    reft: dict[str, Any]
    layers: list[NonNegativeInt]


def describe(
    config: ReftConfig, layers: Sequence[int], *, width: int, block_count: int, origin: Base | Origin | None, training: dict[str, Any],
    canary: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The content of ``reft_config.json``.

    Args:
        config: the edit.
        layers: the edited layers.
        width: hidden size D.
        block_count: number of blocks of the base model.
        origin: the source of the base model's name, revision, precision and template text, if known.
        training: a summary of the training, plain data.
        canary: from `edits.canary.record`.
    """
    return {
        "format_version": FORMAT_VERSION,
        "reft": config.model_dump(mode="json"),
        "layers": list(layers),
        **common(width, block_count, origin, training, canary),
    }


_ORIGIN = {"id": "name", "revision": "revision", "precision": "precision"}
"""What is stored of a base model, and what a `Base` or an `Origin` calls it."""


def common(
    width: int, block_count: int, origin: Base | Origin | None, training: dict[str, Any], canary: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """What every adapter's description says of its base model and training; arguments as of `describe`."""
    return {
        "hidden_size": width,
        "blocks": block_count,
        "base_model": {name: getattr(origin, key, None) for name, key in _ORIGIN.items()},
        "template": origin.template if origin else None,
        "training": training,
        "canary": canary,
    }


def check_save(folder: object, base: object, training: object) -> Path:
    """Check the arguments of ``save``, of edits and of baselines alike; returns the folder.

    Raises:
        ConfigError: ``base`` is neither None nor a `Base`, or ``training`` cannot be written as JSON.
        AdapterError: a file is in the way.
    """
    target = checks.folder_to_write(folder)
    if base is not None:
        checks.check_base(base)
    _check_summary(training)
    return target


def _check_summary(training: object) -> None:
    """Raises ConfigError for a summary of the training that JSON cannot represent."""
    try:
        json.dumps(training, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "The summary of the training cannot be written as JSON: {reason}.", "training", kind="adapter.training", reason=str(error)
        ) from error


def write(folder: Path, description: dict[str, Any], tensors: dict[str, Tensor], parameters: int) -> None:
    """Write the adapter folder, each file atomically, the description last.

    Args:
        folder: created if it does not exist. A README.md that this function did not write, or that was changed since, is left
            alone; the adapter then has no model card.
        description: from `describe`.
        tensors: by their names in the file, float32, on the CPU.
        parameters: number of trainable parameters, for the model card.
    """
    write_atomic(folder / TENSORS_NAME, tensors_to_bytes(tensors, metadata={"format": "reft"}))
    write_card(folder, description, parameters)
    write_atomic(folder / CONFIG_NAME, json_bytes(description))


def json_bytes(description: dict[str, Any]) -> bytes:
    """A description as it is written to its file."""
    return (json.dumps(description, indent=2, ensure_ascii=False) + "\n").encode()


def site_names(config: ReftConfig, layers: Sequence[int]) -> list[str]:
    """The prefix of the tensor names of each edit, layer by layer."""
    return [f"layer.{layer}.group.{group}" for layer in layers for group in range(config.groups)]


def tensor_shapes(config: ReftConfig, layers: Sequence[int], width: int, head_width: int) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in the file, from the description alone.

    Args:
        config: the edit.
        layers: the edited layers.
        width: hidden size D.
        head_width: input width of a classifier's head.
    """
    weights = METHODS[config.method].shapes(config.rank, width)
    shapes = {f"{site}.{name}": shape for site in site_names(config, layers) for name, shape in weights.items()}
    if config.labels:
        classes = len(config.labels)
        shapes |= {"head.dense.weight": (head_width, head_width), "head.dense.bias": (head_width,)}
        shapes |= {"head.out.weight": (classes, head_width), "head.out.bias": (classes,)}
    return shapes


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check ``reft_config.json``. Raises AdapterError."""
    return read_description(folder, CONFIG_NAME, _READABLE, _Description)


def read_description(folder: Path, name: str, versions: Sequence[int], kind: type[Common]) -> dict[str, Any]:
    """Read and check the description of an adapter, in the file ``name``. Raises AdapterError."""
    path = folder / name
    try:
        if folder.is_file():
            raise AdapterError(
                "{name} is a file; an adapter is a folder. Unpack what was downloaded, and name its folder.",
                kind="adapter.is_file",
                name=folder.name,
            )
        config = json.loads(read_plain(path, recorded.CONFIG_LIMIT).decode())
    except LargeFileError as error:
        raise AdapterError("{name} is larger than an adapter's description can be.", kind="adapter.description_size", name=name) from error
    except NotPlainError as error:
        raise not_plain(name) from error
    except FileNotFoundError as error:
        raise AdapterError(
            "{folder} is no adapter folder: it has no {name}.", kind="adapter.no_folder", folder=folder, name=name
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError("{name} is damaged: it is not readable as JSON.", kind="adapter.json", name=name) from error
    if not isinstance(config, dict):
        raise AdapterError("{name} is damaged: it does not hold an object.", kind="adapter.no_object", name=name)
    version = config.get("format_version")
    if type(version) is not int or version not in versions:
        if len(versions) == 1:
            sentence = "{name} is of another format_version than {version}; this program reads no other."
            raise AdapterError(sentence, kind="adapter.other_version", name=name, version=versions[0])
        sentence = "{name} is of another format_version than {first} to {last}; this program reads no other."
        raise AdapterError(sentence, kind="adapter.other_versions", name=name, first=versions[0], last=versions[-1])
    try:
        kind.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(key) for key in first["loc"])[:200]
        raise AdapterError(
            "{name} is damaged at {place}: {reason}.", kind="adapter.damaged", name=name, place=where, reason=first["msg"]
        ) from error
    return config


def not_plain(name: str) -> AdapterError:
    """The error of a file of an adapter folder that is a link, a pipe or the like."""
    return AdapterError(
        "{name} is no plain file; links, pipes and devices in an adapter folder are not opened.", kind="adapter.not_plain", name=name
    )  # fmt: skip


def check_shape(description: dict[str, Any], width: int, count: int) -> None:
    """Raises AdapterError for an adapter of a base model of another width or number of blocks."""
    trained_width, trained_count = description["hidden_size"], description["blocks"]
    if (trained_width, trained_count) == (width, count):
        return
    sizes = {"trained_count": trained_count, "trained_width": trained_width, "count": count, "width": width}
    if name := description["base_model"].get("id"):
        raise AdapterError(
            "This adapter was trained on {name} with {trained_count} layers of width {trained_width}; "
            "this base model has {count} layers of width {width}.",
            kind="adapter.named_base",
            name=name,
            **sizes,
        )
    raise AdapterError(
        "This adapter was trained on another base model with {trained_count} layers of width {trained_width}; "
        "this base model has {count} layers of width {width}.",
        kind="adapter.other_base",
        **sizes,
    )


def read_tensors(folder: Path, shapes: dict[str, tuple[int, ...]], file_name: str = TENSORS_NAME) -> dict[str, Tensor]:
    """Read a safetensors file, which must hold exactly these tensors, in float32 and finite. Raises AdapterError."""
    path = folder / file_name
    try:
        if check_plain(path).st_size > _HEADER_LIMIT + sum(4 * math.prod(shape) for shape in shapes.values()):
            raise AdapterError(
                "{name} is larger than the edit that {config} describes.", kind="adapter.tensors_size", name=file_name, config=CONFIG_NAME
            )
        with safe_open(path, framework="pt") as file:
            _check_header(file, shapes, file_name)
            tensors = {name: file.get_tensor(name) for name in shapes}
    except NotPlainError as error:
        raise not_plain(file_name) from error
    except (SafetensorError, OSError) as error:
        raise AdapterError("{name} is missing or damaged.", kind="adapter.tensors", name=file_name) from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise AdapterError("{name}: {tensor} holds values that are no numbers.", kind="adapter.not_finite", name=file_name, tensor=name)
    return tensors


def _check_header(file: Any, shapes: dict[str, tuple[int, ...]], file_name: str) -> None:
    """Check names, shapes and dtypes of the tensors before any of them is loaded. Raises AdapterError."""
    if mismatch := set(file.keys()) ^ set(shapes):
        raise AdapterError(
            "{name} has missing or unknown tensors: {tensors}.",
            kind="adapter.tensor_names",
            name=file_name,
            tensors=", ".join(sorted(mismatch))[:200],
        )
    for name, expected in shapes.items():
        tensor = file.get_slice(name)
        shape, dtype = tuple(tensor.get_shape()), tensor.get_dtype()
        if (shape, dtype) != (expected, "F32"):
            raise AdapterError(
                "{name}: {tensor} is {dtype} {shape}, expected F32 {expected}.",
                kind="adapter.tensor",
                name=file_name,
                tensor=name,
                dtype=dtype,
                shape=str(shape)[:100],
                expected=expected,
            )
