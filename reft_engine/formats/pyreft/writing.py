"""Writes folders that pyreft 0.1.0 loads.

Shapes: K rank, D hidden size.
"""

import io
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.atomic import write_atomic
from reft_engine.formats.pyreft.classes import BASE, CLASSES, CONFIG_NAME, ORIGINAL, SIDECAR_NAME, TYPES, SavedClass
from reft_engine.methods import METHODS, Method
from reft_engine.spec import ReftConfig

_SIDECAR_FORMAT = 1


def write(folder: Path, config: ReftConfig, layers: Sequence[int], width: int, tensors: Mapping[str, Tensor]) -> Path:
    """Write a folder that pyreft 0.1.0 loads, each file atomically, ``config.json`` last.

    pyreft cannot load its NoReFT and NodiReFT, so those methods are written as the class `methods.Method.pyreft_writes`, which
    computes the same; `read` restores the method from the engine's own file. pyreft converts W and b to bfloat16 when it loads.
    Except for LoReFT its format stores a D x D matrix per edit.

    Args:
        folder: created if it does not exist.
        config: a method that pyreft has, with a linear activation and no classification head.
        layers: the edited layers.
        width: hidden size D.
        tensors: the edits' weights, from `EditedModel.tensors`.

    Raises:
        ConfigError: pyreft's format cannot represent the edit.
        AdapterError: the folder holds edits of another model, or a ``config.json`` that is not pyreft's.
    """
    _check_pyreft_supports(config)
    _check_config_is_pyrefts(folder)
    kind, weights = _class_and_weights(METHODS[config.method], tensors)
    sites = [(group, layer) for group in range(config.groups) for layer in layers]
    keys = [f"layer_{layer}_comp_block_output_unit_pos_nunit_1#{group}" for group, layer in sites]
    if foreign := {path.name for path in folder.glob("intkey_*.bin")} - {f"intkey_{key}.bin" for key in keys}:
        raise AdapterError(
            "{folder} already holds another model's edits ({name}); choose an empty folder.",
            kind="pyreft.folder_taken",
            folder=folder.name,
            name=min(foreign),
        )
    for key, (group, layer) in zip(keys, sites, strict=True):
        index = layers.index(layer) * config.groups + group
        state = _to_pyreft(kind, {name: value[index] for name, value in weights.items()}, width)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomic(folder / f"intkey_{key}.bin", buffer.getvalue())
    write_atomic(folder / SIDECAR_NAME, _json_bytes(_sidecar(config)))
    write_atomic(folder / CONFIG_NAME, _json_bytes(_pyvene_config(kind, sites, keys, width, config.rank)))
    return folder


def _check_config_is_pyrefts(folder: Path) -> None:
    """Raises AdapterError for a config.json that is not pyreft's, such as a base model's: it is not overwritten."""
    path = folder / CONFIG_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "intervention_types" not in content:
        raise AdapterError(
            "{path} is there already and describes no edit of pyreft; choose an empty folder.", kind="pyreft.foreign_config", path=path
        )


def _check_pyreft_supports(config: ReftConfig) -> None:
    """Raises ConfigError for an edit that pyreft's format cannot represent."""
    if config.activation != "linear":
        raise ConfigError(
            "pyreft forgets the activation when it loads, so {activation} would silently become linear; save the adapter in this "
            "program's own format.",
            "activation",
            kind="pyreft.forgets_activation",
            activation=config.activation,
        )
    if config.labels:
        raise ConfigError(
            "pyreft's folder has no place for a classifier's head; save the adapter in this program's own format.",
            "labels",
            kind="pyreft.no_head",
        )
    method = METHODS[config.method]
    if method.pyreft is None:
        raise ConfigError(
            "pyreft has no {method} edit; save the adapter in this program's own format.",
            "method",
            kind="pyreft.no_class",
            method=method.title,
        )


def _class_and_weights(method: Method, tensors: Mapping[str, Tensor]) -> tuple[SavedClass, dict[str, Tensor]]:
    """The class that pyreft loads for a method, and the weights in its form, float32, on the CPU."""
    weights = {name: value.detach().float().cpu() for name, value in tensors.items()}
    if method.pyreft_writes:
        return CLASSES[method.pyreft_writes], _orthonormal_form(weights, method)
    return next(kind for kind in CLASSES.values() if kind.method == method), weights


def _orthonormal_form(tensors: dict[str, Tensor], method: Method) -> dict[str, Tensor]:
    """Rewrite h + W2^T (W1 h + b) as h + R^T (M W1 h + M b), where W2 = M^T R (QR); for NoReFT with W1 - W2."""
    rows, source, bias = (tensors[name].double() for name in ("projection", "source", "bias"))
    basis, mix = torch.linalg.qr(rows.mT)
    if method.subtracts:
        source = source - rows
    rewritten = {"projection": basis.mT, "source": mix @ source, "bias": (mix @ bias.unsqueeze(-1)).squeeze(-1)}
    return {name: value.float() for name, value in rewritten.items()}


def _to_pyreft(kind: SavedClass, weights: dict[str, Tensor], width: int) -> OrderedDict[str, Tensor]:
    """The state dict of one edit in pyreft's names and order."""
    columns = weights["projection"].mT.contiguous()
    if "rotate_layer" in kind.shapes:
        values = {"weight": weights["source"], "bias": weights["bias"], "rotate_layer": columns}
    else:
        rotation = {ORIGINAL: -torch.eye(*columns.shape), BASE: _complete_basis(columns)}
        source = {"learned_source.weight": weights["source"], "learned_source.bias": weights["bias"]} if "source" in weights else {}
        size = torch.tensor(width)
        values = {"embed_dim": size, "interchange_dim": size.clone(), "learned_source": weights["bias"], **source, **rotation}
    return OrderedDict((name, values[name].contiguous().clone()) for name in kind.shapes)


def _complete_basis(columns_DK: Tensor) -> Tensor:
    """An orthogonal (D, D) matrix whose first columns are these."""
    rank = columns_DK.shape[1]
    rest = torch.linalg.qr(columns_DK.double(), mode="complete").Q[:, rank:]
    return torch.cat([columns_DK, rest.float()], dim=1)


def _sidecar(config: ReftConfig) -> dict[str, Any]:
    settings = config.model_dump(mode="json", include={"method", "positions", "tied", "activation"})
    return {"format": _SIDECAR_FORMAT, **settings}


def _pyvene_config(kind: SavedClass, sites: list[tuple[int, int]], keys: list[str], width: int, rank: int) -> dict[str, Any]:
    type_name = next(name for name, saved_class in TYPES.items() if saved_class is kind)
    return {
        "intervention_constant_sources": [True] * len(keys),
        "intervention_dimensions": [width] * len(keys),
        "intervention_types": [type_name] * len(keys),
        "mode": "parallel",
        "representations": [[layer, "block_output", "pos", 1, rank, *[None] * 9] for _, layer in sites],
        "sorted_keys": keys,
        "transformers_version": transformers.__version__,
    }


def _json_bytes(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()
