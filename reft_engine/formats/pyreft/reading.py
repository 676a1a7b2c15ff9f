"""Reads folders of pyreft's onto a base model; what it does not store is given, what does not fit is refused.

Nothing of a folder is trusted: class names are looked up in a list and never imported; for the pickles see `unpickling`.

Shapes: K rank, D hidden size.
"""

import json
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
from reft_engine.formats.pyreft.classes import BASE, CLASSES, CONFIG_NAME, DIMENSIONS, ORIGINAL, SIDECAR_NAME, TYPES, SavedClass, Sidecar
from reft_engine.formats.pyreft.unpickling import DAMAGE, read_state
from reft_engine.methods import METHODS, Method, free_form
from reft_engine.spec import ReftConfig

_TRAINER_FOLDER, _BASE_NAME = "intervenable_model", "pytorch_model.bin"
_JSON_LIMIT = 1_000_000
_ROWS_TOLERANCE = 1e-3

_BLOCK_KEY = re.compile(r"layer[._](\d{1,4})[._]comp[._]block_output[._]unit[._]pos[._]nunit[._]1#(\d{1,4})", re.ASCII)
_STRING_KEY = re.compile(r"comp[._]([\w.]+)\[(\d{1,4})\][._]output[._]unit[._]pos[._]nunit[._]1#(\d{1,4})", re.ASCII)


class _Description(BaseModel):
    """What is used of pyreft's ``config.json``."""

    model_config = ConfigDict(strict=True)

    intervention_types: list[str]
    sorted_keys: list[str]


_Json = TypeVar("_Json", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Found:
    """The edits of a folder: its layers, 1 or 2 groups, and the files, layer by layer, group inside layer."""

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
    """Read what pyreft saved (``reft_model.save``, or a Trainer's checkpoint) for a base model.

    Args:
        folder: the folder itself, or the one that holds ``intervenable_model/``.
        base_model: the model that the edits were trained on; pyreft does not store which.
        positions: the rule of the training, such as ``f7+l7``; may be left out where `write` made the folder.
        method: needed where a folder without ``config.json`` could be of two classes. A LoReFT whose R is not orthonormal can
            be read as ``noreft``, and a ``direft_orth`` as ``direft``: the same formulas.
        activation: pyreft's ``act_fn``.
        dropout: for training on.

    Returns:
        The edit, and its weights as `EditedModel.set_tensors` takes them.

    Raises:
        AdapterError: damaged, of an unknown class, on something else than block outputs, or made for another base model.
        ConfigError: positions, method, activation or dropout are missing or do not fit what the folder holds.
    """
    folder = _edits_folder(folder)
    description, sidecar = _read_json(folder / CONFIG_NAME, _Description), _read_json(folder / SIDECAR_NAME, Sidecar)
    found = _find(folder, description, base_model)
    width = blocks.hidden_size(base_model)
    states = [read_state(path, width) for path in found.files]
    kind = _which_class(description, states[0], method)
    rank = _rank(kind, states[0], found.files[0], width)
    for path, state in zip(found.files, states, strict=True):
        _check_tensors(path.name, state, kind, {"K": rank, "D": width})
    chosen = _which_method(kind, sidecar, method, activation)
    config = _configuration(found, sidecar, positions, method=chosen, rank=rank, activation=activation, dropout=dropout)
    parts = [_to_engine(kind, state, METHODS[chosen], activation, path.name) for path, state in zip(found.files, states, strict=True)]
    return config, {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def _edits_folder(folder: Path) -> Path:
    for candidate in (folder, folder / _TRAINER_FOLDER):
        if candidate.is_dir() and any(candidate.glob("intkey_*.bin")):
            return candidate
    raise AdapterError(f"{folder.name} is no folder of pyreft's: it holds no file intkey_....bin, nor does its {_TRAINER_FOLDER}.")


def _read_json(path: Path, model: type[_Json]) -> _Json | None:
    try:
        if path.stat().st_size > _JSON_LIMIT:
            raise AdapterError(f"{path.name} is larger than an adapter's description can be.")
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise AdapterError(f"{path.name} is not what pyreft or this program writes: {where}: {first['msg']}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{path.name} is damaged: it is not readable as JSON.") from error


def _find(folder: Path, description: _Description | None, base_model: nn.Module) -> _Found:
    """List the edits and check that they are ones that this base model can have, before any of them is opened."""
    _refuse_trained_base(folder)
    keys = {path.name.removeprefix("intkey_").removesuffix(".bin") for path in folder.glob("intkey_*.bin")}
    if description and set(description.sorted_keys) != keys:
        odd = ", ".join(sorted(set(description.sorted_keys) ^ keys))[:300]
        raise AdapterError(f"The files of this folder are not those that its {CONFIG_NAME} lists: {odd}.")
    files: dict[tuple[int, int], Path] = {}
    for key in sorted(keys):
        place = _place(key, base_model)
        if place in files:
            raise AdapterError(f"The folder holds two edits of layer {place[0]}, #{place[1]}: {files[place].name} and intkey_{key}.bin.")
        files[place] = folder / f"intkey_{key}.bin"
    layers, groups = _layers_and_groups(set(files), len(blocks.find_blocks(base_model)))
    return _Found(layers, groups, tuple(files[layer, group] for layer in layers for group in range(groups)))


def _refuse_trained_base(folder: Path) -> None:
    path = folder / _BASE_NAME
    if not path.exists():
        return
    try:
        with zipfile.ZipFile(path) as archive:
            trained = any(re.search(r"/data/\d+$", name) for name in archive.namelist())
    except DAMAGE as error:
        raise AdapterError(f"{_BASE_NAME} is damaged.") from error
    if trained:
        raise AdapterError(f"{_BASE_NAME} holds weights of the base model itself that were trained along; this engine reads edits only.")


def _place(key: str, base_model: nn.Module) -> tuple[int, int]:
    """Layer and group that a key names; of a string component the layer is the number in brackets."""
    if match := _BLOCK_KEY.fullmatch(key):
        return int(match[1]), int(match[2])
    match = _STRING_KEY.fullmatch(key)
    if not match or (blocks.is_encoder_decoder(base_model) and "decoder" in match[1]):
        raise AdapterError(f"The edit '{key[:200]}' is not on the output of a block; this engine edits nothing else.")
    return int(match[2]), int(match[3])


def _layers_and_groups(places: set[tuple[int, int]], count: int) -> tuple[tuple[int, ...], int]:
    by_group: dict[int, set[int]] = {}
    for layer, group in places:
        by_group.setdefault(group, set()).add(layer)
    layers = tuple(sorted({layer for layer, _ in places}))
    if max(by_group) > 1:
        raise AdapterError(f"Layer {max(by_group[max(by_group)])} has an edit #{max(by_group)}; this engine knows #0 and #1 only.")
    for group, present in by_group.items():
        if missing := set(layers) - present:
            raise AdapterError(f"Layer {min(missing)} has no edit #{group}, though other layers have; every layer needs the same.")
    if 0 not in by_group:
        raise AdapterError("The folder holds edits #1 (suffix) but none #0 (prefix).")
    if layers[-1] >= count:
        raise AdapterError(f"The folder edits layer {layers[-1]}; this base model has layers 0-{count - 1}.")
    return layers, len(by_group)


def _which_class(description: _Description | None, state: dict[str, Tensor], method: str | None) -> SavedClass:
    """Look the class up in the list by its name, or without ``config.json`` by the names of the tensors."""
    if description:
        names = set(description.intervention_types)
        if unknown := names - set(TYPES):
            raise AdapterError(f"{CONFIG_NAME} names a class that this engine does not know: {min(unknown)[:200]}.")
        if len(names) != 1 or len(description.intervention_types) != len(description.sorted_keys):
            raise AdapterError(f"{CONFIG_NAME} mixes classes ({', '.join(sorted(names))[:300]}); one per folder can be read.")
        return TYPES[names.pop()]
    kinds = [kind for kind in CLASSES.values() if _fits(kind, set(state))]
    if len(kinds) > 1:
        possible = {kind.method.name: kind for kind in kinds}
        if method not in possible:
            asked = " or ".join(f'method="{name}"' for name in possible)
            raise ConfigError(f"Without {CONFIG_NAME} this folder could be of {len(kinds)} classes; say which: {asked}.", "method")
        return possible[method]
    if not kinds:
        raise AdapterError(f"The folder holds the tensors of no class that this engine knows: {', '.join(sorted(state))[:300]}.")
    return kinds[0]


def _fits(kind: SavedClass, names: set[str]) -> bool:
    return set(kind.shapes) - set(kind.optional) <= names <= set(kind.shapes)


def _rank(kind: SavedClass, state: dict[str, Tensor], path: Path, width: int) -> int:
    bias = next((state[name] for name, shape in kind.shapes.items() if shape == "K" and name in state), None)
    if bias is None or bias.ndim != 1 or not len(bias):
        raise AdapterError(f"{path.name} does not tell the rank of its edit: a vector of that length is missing.")
    if len(bias) > width:
        raise AdapterError(f"The folder's first edit has rank {len(bias)}, but this base model has width {width}.")
    return len(bias)


def _check_tensors(name: str, state: dict[str, Tensor], kind: SavedClass, sizes: dict[str, int]) -> None:
    """Exactly the tensors of the class, of the right shape, in a precision that pyreft uses, and all of them numbers."""
    if not _fits(kind, set(state)):
        odd = ", ".join(sorted(set(state) ^ set(kind.shapes)))[:300]
        raise AdapterError(f"{name} has missing or unknown tensors: {odd}.")
    for key, value in state.items():
        expected = tuple(sizes[letter] for letter in kind.shapes[key])
        if tuple(value.shape) != expected:
            raise AdapterError(
                f"{name}: {key} has the shape {tuple(value.shape)}, expected {expected}: the folder's first edit has rank "
                f"{sizes['K']}, and this base model has width {sizes['D']}."
            )
        allowed = (torch.int64,) if key in DIMENSIONS else (torch.float32, torch.bfloat16, torch.float16)
        if value.dtype not in allowed or value.layout != torch.strided:
            raise AdapterError(f"{name}: {key} is {value.dtype}, which pyreft does not write.")
        if not bool(torch.isfinite(value).all()):
            raise AdapterError(f"{name}: {key} holds values that are no numbers.")


def _which_method(kind: SavedClass, sidecar: Sidecar | None, method: str | None, activation: str) -> str:
    written = sidecar.method if sidecar else kind.method.name
    row, free = METHODS.get(written), free_form(kind.method)
    if row is None or kind.method.pyreft not in (row.pyreft, row.pyreft_writes):
        raise AdapterError(f"{SIDECAR_NAME} says {written[:40]}, but the tensors are those of {kind.method.name}.")
    if method not in (None, written, kind.method.name, free and free.name):
        raise ConfigError(f"This folder holds {written}; it cannot be read as {method}.", "method")
    if sidecar and activation != sidecar.activation:
        raise ConfigError(f"This folder was written with the activation {sidecar.activation}, not {activation}.", "activation")
    return method or written


def _configuration(found: _Found, sidecar: Sidecar | None, positions: str | None, **settings: Any) -> ReftConfig:
    rule = positions or (sidecar and sidecar.positions)
    if not rule:
        raise ConfigError("pyreft does not store which tokens were edited; give the positions of the training, such as f7+l7.", "positions")
    if sidecar and sidecar.tied and found.groups == 2:
        raise AdapterError(f"{SIDECAR_NAME} says that prefix and suffix share an edit, but there is one for each.")
    config = ReftConfig.read({**settings, "layers": list(found.layers), "positions": rule, "tied": found.groups == 1})
    if config.groups != found.groups:
        raise ConfigError(
            f"The folder holds an edit for the prefix and one for the suffix of each layer; the positions {config.positions} "
            "have one side only.",
            "positions",
        )
    untied = config.model_copy(update={"tied": False})
    return untied if sidecar and not sidecar.tied and untied.groups == found.groups else config


def _to_engine(kind: SavedClass, state: dict[str, Tensor], method: Method, activation: str, name: str) -> dict[str, Tensor]:
    """Turn pyreft's tensors into the engine's ``projection`` (K, D), ``source`` (K, D) and ``bias`` (K,), float32."""
    state = {key: value.float() for key, value in state.items() if key not in DIMENSIONS}
    parts = _named(kind, state)
    if method.orthonormal:
        _refuse_skewed(parts["projection"], method, name)
    if method.subtracts and not kind.method.subtracts:
        parts["source"] = parts["source"] + parts["projection"]  # h + R^T (S h + b) = h + R^T ((S + R) h + b - R h)
    if kind.method.subtracts and "proj_layer.bias" in state:
        if activation != "linear":
            raise AdapterError(f"{name} subtracts a bias (add_bias=True) after the activation {activation}, which this engine has not.")
        parts["bias"] = parts["bias"] - state["proj_layer.bias"]
    return {key: value.contiguous() for key, value in parts.items()}


def _named(kind: SavedClass, state: dict[str, Tensor]) -> dict[str, Tensor]:
    if "rotate_layer" in state:
        return {"projection": state["rotate_layer"].mT, "source": state["weight"], "bias": state["bias"]}
    if not kind.method.learned_source:
        return {"projection": _rotation_rows(state[ORIGINAL], state[BASE]), "bias": state["learned_source"]}
    rows = state["proj_layer.weight"] if BASE not in state else _rotation_rows(state[ORIGINAL], state[BASE])
    return {"projection": rows, "source": state["learned_source.weight"], "bias": state["learned_source.bias"]}


def _rotation_rows(original_DK: Tensor, base_DD: Tensor) -> Tensor:
    """Compute R (K, D) as ``torch.nn.utils.parametrizations.orthogonal`` does, to the bit.

    Source: torch's ``_Orthogonal.forward``; ``householder``, or ``matrix_exp`` where K = D, and ``use_trivialization``.
    """
    if original_DK.shape[0] == original_DK.shape[1]:
        lower = original_DK.tril()
        turned = torch.matrix_exp(lower - lower.mT)
    else:
        lower = original_DK.tril(-1)
        tau = 2.0 / (1.0 + (lower * lower).sum(dim=-2))
        turned = torch.linalg.householder_product(lower, tau) * original_DK.diagonal().int()
    return (base_DD @ turned).mT


def _refuse_skewed(rows_KD: Tensor, method: Method, name: str) -> None:
    off = float((rows_KD @ rows_KD.mT - torch.eye(len(rows_KD))).abs().max())
    if off <= _ROWS_TOLERANCE:
        return
    free = free_form(method)
    hint = f' It can be read with method="{free.name}", the same formula for any R.' if free else ""
    raise AdapterError(
        f"{name}: the rows of R are not orthonormal (off by {off:.2g}), as {method.name} needs them. Weight decay and resumed "
        f"trainings do that to pyreft's edits.{hint}"
    )
