"""Reads pyreft's folders for a base model; the caller supplies the settings that pyreft does not store.

Nothing in a folder is trusted: class names are looked up in a list and never imported; see `unpickling` for the pickles.

Shapes: K rank, D hidden size.
"""

import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.adapter import not_plain
from reft_engine.formats.pyreft.classes import BASE, CLASSES, CONFIG_NAME, DIMENSIONS, ORIGINAL, SIDECAR_NAME, TYPES, SavedClass, Sidecar
from reft_engine.formats.pyreft.unpickling import DAMAGE, read_state
from reft_engine.methods import METHODS, Method, free_form
from reft_engine.plain_files import LargeFileError, NotPlainError, check_plain, read_plain
from reft_engine.spec import ReftConfig

_TRAINER_FOLDER, _BASE_NAME = "intervenable_model", "pytorch_model.bin"
_JSON_LIMIT = 1_000_000
_ROWS_TOLERANCE = 1e-3

_BLOCK_KEY = re.compile(r"layer[._](\d{1,4})[._]comp[._]block_output[._]unit[._]pos[._]nunit[._]1#(\d{1,4})", re.ASCII)
_STRING_KEY = re.compile(r"comp[._]([\w.]+)\[(\d{1,4})\][._]output[._]unit[._]pos[._]nunit[._]1#(\d{1,4})", re.ASCII)


class _Description(BaseModel):
    """The keys of pyreft's ``config.json`` that are used."""

    model_config = ConfigDict(strict=True)

    intervention_types: list[str]
    sorted_keys: list[str]


_Json = TypeVar("_Json", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _EditFiles:
    """The edits of a folder: its layers, the number of groups (1 or 2), and the files, ordered by layer, then group."""

    layers: tuple[int, ...]
    groups: int
    files: tuple[Path, ...]


def read(
    folder: Path,
    base_model: nn.Module,
    positions: str | None = None,
    *,
    method: str | None = None,
    activation: str = "linear",
    dropout: float = 0.0,
) -> tuple[ReftConfig, dict[str, Tensor]]:
    """Read a folder that pyreft saved (``reft_model.save``, or a Trainer's checkpoint) for a base model.

    Args:
        folder: the folder itself, or the one that holds ``intervenable_model/``.
        base_model: the model that the edits were trained on; pyreft does not store it.
        positions: the positions used in training, such as ``f7+l7``; optional for a folder that `write` made.
        method: needed where a folder without ``config.json`` could be of two classes. A LoReFT whose R is not orthonormal can
            be read as ``noreft``, and a ``direft_orth`` as ``direft``: the formulas are the same.
        activation: pyreft's ``act_fn``.
        dropout: for further training.

    Returns:
        The edit's configuration, and its weights for `EditedModel.set_tensors`.

    Raises:
        AdapterError: the folder is damaged, of an unknown class, does not edit block outputs, or is for another base model.
        ConfigError: positions, method, activation or dropout are missing or do not fit the folder's edits.
    """
    folder = _edits_folder(folder)
    description, sidecar = _read_json(folder / CONFIG_NAME, _Description), _read_json(folder / SIDECAR_NAME, Sidecar)
    # 1) List the edits and load their tensors.
    edits = _list_edits(folder, description, base_model)
    width = blocks.hidden_size(base_model)
    states = [read_state(path, width) for path in edits.files]
    # 2) Find out their class and rank; every file must have them.
    kind = _select_class(description, states[0], method)
    rank = _rank(kind, states[0], edits.files[0], width)
    for path, state in zip(edits.files, states, strict=True):
        _check_tensors(path.name, state, kind, {"K": rank, "D": width})
    # 3) Convert to the engine's configuration and weights.
    name = _select_method(kind, sidecar, method, activation)
    config = _configuration(edits, sidecar, positions, method=name, rank=rank, activation=activation, dropout=dropout)
    weights = [_to_engine(kind, state, METHODS[name], activation, path.name) for path, state in zip(edits.files, states, strict=True)]
    return config, {key: torch.stack([site[key] for site in weights]) for key in weights[0]}


def _edits_folder(folder: Path) -> Path:
    for candidate in (folder, folder / _TRAINER_FOLDER):
        if candidate.is_dir() and (candidate is folder or not candidate.is_symlink()) and any(candidate.glob("intkey_*.bin")):
            return candidate
    raise AdapterError(
        "{name} is no folder of pyreft's: it holds no file intkey_....bin, nor does its {trainer_folder}.",
        kind="pyreft.no_folder",
        name=folder.name,
        trainer_folder=_TRAINER_FOLDER,
    )


def _read_json(path: Path, model: type[_Json]) -> _Json | None:
    try:
        return model.model_validate(json.loads(read_plain(path, _JSON_LIMIT).decode()))
    except FileNotFoundError:
        return None
    except LargeFileError as error:
        raise AdapterError(
            "{name} is larger than an adapter's description can be.", kind="adapter.description_size", name=path.name
        ) from error  # fmt: skip
    except NotPlainError as error:
        raise not_plain(path.name) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(key) for key in first["loc"])[:200]
        raise AdapterError(
            "{name} is not what pyreft or this program writes: {place}: {reason}.",
            kind="pyreft.config",
            name=path.name,
            place=where,
            reason=first["msg"],
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError("{name} is damaged: it is not readable as JSON.", kind="adapter.json", name=path.name) from error


def _list_edits(folder: Path, description: _Description | None, base_model: nn.Module) -> _EditFiles:
    """List the edits and check that the base model can have them, before any file is opened."""
    _check_base_untrained(folder)
    keys = {path.name.removeprefix("intkey_").removesuffix(".bin") for path in folder.glob("intkey_*.bin")}
    if description and set(description.sorted_keys) != keys:
        mismatch = ", ".join(sorted(set(description.sorted_keys) ^ keys))[:300]
        raise AdapterError(
            "The files of this folder are not those that its {config} lists: {files}.",
            kind="pyreft.files",
            config=CONFIG_NAME,
            files=mismatch,
        )
    files: dict[tuple[int, int], Path] = {}
    for key in sorted(keys):
        site = _site(key, base_model)
        if site in files:
            raise AdapterError(
                "The folder holds two edits of layer {layer}, #{group}: {file} and intkey_{key}.bin.",
                kind="pyreft.two_edits",
                layer=site[0],
                group=site[1],
                file=files[site].name,
                key=key,
            )
        files[site] = folder / f"intkey_{key}.bin"
    layers, groups = _layers_and_groups(set(files), len(blocks.find_blocks(base_model)))
    return _EditFiles(layers, groups, tuple(files[layer, group] for layer in layers for group in range(groups)))


def _check_base_untrained(folder: Path) -> None:
    """Raises AdapterError for a folder that also holds trained weights of the base model."""
    path = folder / _BASE_NAME
    if not os.path.lexists(path):
        return
    try:
        check_plain(path)
        with zipfile.ZipFile(path) as archive:
            trained = any(re.search(r"/data/\d+$", name) for name in archive.namelist())
    except NotPlainError as error:
        raise not_plain(_BASE_NAME) from error
    except DAMAGE as error:
        raise AdapterError("{name} is damaged.", kind="pyreft.base_damaged", name=_BASE_NAME) from error
    if trained:
        raise AdapterError(
            "{name} holds weights of the base model itself that were trained along; this engine reads edits only.",
            kind="pyreft.base_weights",
            name=_BASE_NAME,
        )


def _site(key: str, base_model: nn.Module) -> tuple[int, int]:
    """Layer and group that a key names; in a string component the layer is the number in brackets."""
    if match := _BLOCK_KEY.fullmatch(key):
        return int(match[1]), int(match[2])
    match = _STRING_KEY.fullmatch(key)
    if not match or (blocks.is_encoder_decoder(base_model) and "decoder" in match[1]):
        raise AdapterError(
            "The edit '{name}' is not on the output of a block; this engine edits nothing else.", kind="pyreft.place", name=key[:200]
        )
    return int(match[2]), int(match[3])


def _layers_and_groups(sites: set[tuple[int, int]], count: int) -> tuple[tuple[int, ...], int]:
    """Layers and number of groups of the edits, for a base model of ``count`` blocks. Raises AdapterError."""
    by_group: dict[int, set[int]] = {}
    for layer, group in sites:
        by_group.setdefault(group, set()).add(layer)
    layers = tuple(sorted({layer for layer, _ in sites}))
    if max(by_group) > 1:
        raise AdapterError(
            "Layer {layer} has an edit #{group}; this engine knows #0 and #1 only.",
            kind="pyreft.group",
            layer=max(by_group[max(by_group)]),
            group=max(by_group),
        )
    for group, present in by_group.items():
        if missing := set(layers) - present:
            raise AdapterError(
                "Layer {layer} has no edit #{group}, though other layers have; every layer needs the same.",
                kind="pyreft.missing_group",
                layer=min(missing),
                group=group,
            )
    if 0 not in by_group:
        raise AdapterError("The folder holds edits #1 (suffix) but none #0 (prefix).", kind="pyreft.no_prefix")
    if layers[-1] >= count:
        raise AdapterError(
            "The folder edits layer {layer}; this base model has layers 0-{last}.", kind="pyreft.layer", layer=layers[-1], last=count - 1
        )
    return layers, len(by_group)


def _select_class(description: _Description | None, state: dict[str, Tensor], method: str | None) -> SavedClass:
    """Look up the class by its name, or without ``config.json`` by the names of the tensors. Raises AdapterError or ConfigError."""
    if description:
        names = set(description.intervention_types)
        if unknown := names - set(TYPES):
            raise AdapterError(
                "{config} names a class that this engine does not know: {name}.",
                kind="pyreft.unknown_class",
                config=CONFIG_NAME,
                name=min(unknown)[:200],
            )
        if len(names) != 1 or len(description.intervention_types) != len(description.sorted_keys):
            raise AdapterError(
                "{config} mixes classes ({names}); one per folder can be read.",
                kind="pyreft.mixed_classes",
                config=CONFIG_NAME,
                names=", ".join(sorted(names))[:300],
            )
        return TYPES[names.pop()]
    kinds = [kind for kind in CLASSES.values() if _fits(kind, set(state))]
    if len(kinds) > 1:
        possible = {kind.method.name: kind for kind in kinds}
        if method not in possible:
            options = " or ".join(f'method="{name}"' for name in possible)
            raise ConfigError(
                "Without {config} this folder could be of {count} classes; say which: {options}.",
                "method",
                kind="pyreft.ambiguous",
                config=CONFIG_NAME,
                count=len(kinds),
                options=options,
            )
        return possible[method]
    if not kinds:
        raise AdapterError(
            "The folder holds the tensors of no class that this engine knows: {tensors}.",
            kind="pyreft.tensors",
            tensors=", ".join(sorted(state))[:300],
        )
    return kinds[0]


def _fits(kind: SavedClass, names: set[str]) -> bool:
    return set(kind.shapes) - set(kind.optional) <= names <= set(kind.shapes)


def _rank(kind: SavedClass, state: dict[str, Tensor], path: Path, width: int) -> int:
    """The rank of an edit: the length of its vector of coefficients. Raises AdapterError."""
    bias = next((state[name] for name, shape in kind.shapes.items() if shape == "K" and name in state), None)
    if bias is None or bias.ndim != 1 or not len(bias):
        raise AdapterError(
            "{name} does not tell the rank of its edit: a vector of that length is missing.", kind="pyreft.no_rank", name=path.name
        )
    if len(bias) > width:
        raise AdapterError(
            "The folder's first edit has rank {rank}, but this base model has width {width}.",
            kind="pyreft.width",
            rank=len(bias),
            width=width,
        )
    return len(bias)


def _check_tensors(name: str, state: dict[str, Tensor], kind: SavedClass, sizes: dict[str, int]) -> None:
    """Raises AdapterError unless a file has exactly the tensors of its class: right shapes, a precision of pyreft's, finite values."""
    if not _fits(kind, set(state)):
        mismatch = ", ".join(sorted(set(state) ^ set(kind.shapes)))[:300]
        raise AdapterError("{name} has missing or unknown tensors: {tensors}.", kind="adapter.tensor_names", name=name, tensors=mismatch)
    for key, value in state.items():
        expected = tuple(sizes[letter] for letter in kind.shapes[key])
        if tuple(value.shape) != expected:
            raise AdapterError(
                "{name}: {tensor} has the shape {shape}, expected {expected}: the folder's first edit has rank {rank}, and this base "
                "model has width {width}.",
                kind="pyreft.shape",
                name=name,
                tensor=key,
                shape=tuple(value.shape),
                expected=expected,
                rank=sizes["K"],
                width=sizes["D"],
            )
        allowed = (torch.int64,) if key in DIMENSIONS else (torch.float32, torch.bfloat16, torch.float16)
        if value.dtype not in allowed or value.layout != torch.strided:
            raise AdapterError(
                "{name}: {tensor} is {dtype}, which pyreft does not write.", kind="pyreft.dtype", name=name, tensor=key, dtype=value.dtype
            )
        if not bool(torch.isfinite(value).all()):
            raise AdapterError("{name}: {tensor} holds values that are no numbers.", kind="adapter.not_finite", name=name, tensor=key)


def _select_method(kind: SavedClass, sidecar: Sidecar | None, method: str | None, activation: str) -> str:
    """The method to read the edits as: ``method`` if given, else the saved one. Raises AdapterError or ConfigError."""
    saved = sidecar.method if sidecar else kind.method.name
    row, free = METHODS.get(saved), free_form(kind.method)
    if row is None or kind.method.pyreft not in (row.pyreft, row.pyreft_writes):
        raise AdapterError(
            "{name} says {saved}, but the tensors are those of {method}.",
            kind="pyreft.other_method",
            name=SIDECAR_NAME,
            saved=saved[:40],
            method=kind.method.name,
        )
    if method not in (None, saved, kind.method.name, free and free.name):
        raise ConfigError(
            "This folder holds {saved}; it cannot be read as {method}.", "method", kind="pyreft.method", saved=saved, method=method
        )
    if sidecar and activation != sidecar.activation:
        raise ConfigError(
            "This folder was written with the activation {saved}, not {activation}.",
            "activation",
            kind="pyreft.activation",
            saved=sidecar.activation,
            activation=activation,
        )
    return method or saved


def _configuration(edits: _EditFiles, sidecar: Sidecar | None, positions: str | None, **settings: Any) -> ReftConfig:
    rule = positions or (sidecar and sidecar.positions)
    if not rule:
        raise ConfigError(
            "pyreft does not store which tokens were edited; give the positions of the training, such as f7+l7.",
            "positions",
            kind="pyreft.no_positions",
        )
    if sidecar and sidecar.tied and edits.groups == 2:
        raise AdapterError(
            "{name} says that prefix and suffix share an edit, but there is one for each.", kind="pyreft.tied", name=SIDECAR_NAME
        )
    config = ReftConfig.read({**settings, "layers": list(edits.layers), "positions": rule, "tied": edits.groups == 1})
    if config.groups != edits.groups:
        raise ConfigError(
            "The folder holds an edit for the prefix and one for the suffix of each layer; the positions {positions} have one side only.",
            "positions",
            kind="pyreft.positions",
            positions=config.positions,
        )
    untied = config.model_copy(update={"tied": False})
    return untied if sidecar and not sidecar.tied and untied.groups == edits.groups else config


def _to_engine(kind: SavedClass, state: dict[str, Tensor], method: Method, activation: str, name: str) -> dict[str, Tensor]:
    """Convert pyreft's tensors of one edit to the engine's ``projection`` (K, D), ``source`` (K, D) and ``bias`` (K,), float32."""
    state = {key: value.float() for key, value in state.items() if key not in DIMENSIONS}
    weights = _rename(kind, state)
    if method.orthonormal:
        _check_orthonormal(weights["projection"], method, name)
    if method.subtracts and not kind.method.subtracts:
        weights["source"] = weights["source"] + weights["projection"]  # h + R^T (S h + b) = h + R^T ((S + R) h + b - R h)
    if kind.method.subtracts and "proj_layer.bias" in state:
        if activation != "linear":
            raise AdapterError(
                "{name} subtracts a bias (add_bias=True) after the activation {activation}, which this engine has not.",
                kind="pyreft.bias",
                name=name,
                activation=activation,
            )
        weights["bias"] = weights["bias"] - state["proj_layer.bias"]
    return {key: value.contiguous() for key, value in weights.items()}


def _rename(kind: SavedClass, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the engine's names, with the projection as rows (K, D)."""
    if "rotate_layer" in state:
        return {"projection": state["rotate_layer"].mT, "source": state["weight"], "bias": state["bias"]}
    if not kind.method.learned_source:
        return {"projection": _rotation_rows(state[ORIGINAL], state[BASE]), "bias": state["learned_source"]}
    rows = state["proj_layer.weight"] if BASE not in state else _rotation_rows(state[ORIGINAL], state[BASE])
    return {"projection": rows, "source": state["learned_source.weight"], "bias": state["learned_source.bias"]}


def _rotation_rows(original_DK: Tensor, base_DD: Tensor) -> Tensor:
    """Compute R (K, D) bit for bit as ``torch.nn.utils.parametrizations.orthogonal`` does.

    Source: torch's ``_Orthogonal.forward``; ``householder``, or ``matrix_exp`` where K = D, and ``use_trivialization``.
    """
    if original_DK.shape[0] == original_DK.shape[1]:
        lower = original_DK.tril()
        rotation = torch.matrix_exp(lower - lower.mT)
    else:
        lower = original_DK.tril(-1)
        tau = 2.0 / (1.0 + (lower * lower).sum(dim=-2))
        rotation = torch.linalg.householder_product(lower, tau) * original_DK.diagonal().int()
    return (base_DD @ rotation).mT


def _check_orthonormal(rows_KD: Tensor, method: Method, name: str) -> None:
    """Raises AdapterError for rows of R that are not orthonormal."""
    error = float((rows_KD @ rows_KD.mT - torch.eye(len(rows_KD))).abs().max())
    if error <= _ROWS_TOLERANCE:
        return
    free = free_form(method)
    if free is None:
        raise AdapterError(
            "{name}: the rows of R are not orthonormal (off by {error:.2g}), as {method} needs them. Weight decay and resumed "
            "trainings do that to pyreft's edits.",
            kind="pyreft.not_orthonormal",
            name=name,
            error=error,
            method=method.name,
        )
    raise AdapterError(
        "{name}: the rows of R are not orthonormal (off by {error:.2g}), as {method} needs them. Weight decay and resumed "
        'trainings do that to pyreft\'s edits. It can be read with method="{free}", the same formula for any R.',
        kind="pyreft.not_orthonormal_free",
        name=name,
        error=error,
        method=method.name,
        free=free.name,
    )
