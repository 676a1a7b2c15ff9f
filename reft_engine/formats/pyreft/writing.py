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

    pyreft loads neither its NoReFT nor its NodiReFT, so those methods are written as the class of `methods.Method.pyreft_writes`, which
    computes the same; `read` brings the method back from a file of this engine's own. pyreft itself turns W and b into bfloat16 when
    it loads. For all but LoReFT its format keeps a D x D matrix per edit.

    Args:
        folder: made if it does not exist.
        config: of a method that pyreft has, with a linear activation, no classifier.
        layers: the blocks that are edited.
        width: D, of the hidden states.
        tensors: the edits' weights as `EditedModel.tensors` gives them.

    Raises:
        ConfigError: what pyreft has no file for.
        AdapterError: the folder holds edits that are not of this model, or another's ``config.json``.
    """
    _refuse_unknown_to_pyreft(config)
    _refuse_anothers_config(folder)
    kind, written = _class_and_tensors(METHODS[config.method], tensors)
    sites = [(group, layer) for group in range(config.groups) for layer in layers]
    keys = [f"layer_{layer}_comp_block_output_unit_pos_nunit_1#{group}" for group, layer in sites]
    if strange := {path.name for path in folder.glob("intkey_*.bin")} - {f"intkey_{key}.bin" for key in keys}:
        raise AdapterError(f"{folder.name} already holds another model's edits ({min(strange)}); choose an empty folder.")
    for key, (group, layer) in zip(keys, sites, strict=True):
        index = layers.index(layer) * config.groups + group
        state = _to_pyreft(kind, {name: value[index] for name, value in written.items()}, width)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomic(folder / f"intkey_{key}.bin", buffer.getvalue())
    write_atomic(folder / SIDECAR_NAME, _json_bytes(_sidecar(config)))
    write_atomic(folder / CONFIG_NAME, _json_bytes(_pyvene_config(kind, sites, keys, width, config.rank)))
    return folder


def _refuse_anothers_config(folder: Path) -> None:
    """Keep the config.json of a base model, say, whose name pyreft's description has too. Raises AdapterError."""
    path = folder / CONFIG_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "intervention_types" not in found:
        raise AdapterError(f"{path} is there already and describes no edit of pyreft; choose an empty folder.")


def _refuse_unknown_to_pyreft(config: ReftConfig) -> None:
    if config.activation != "linear":
        raise ConfigError(
            f"pyreft forgets the activation when it loads, so {config.activation} would silently become linear; "
            "save the adapter in this program's own format.",
            "activation",
        )
    if config.labels:
        raise ConfigError("pyreft's folder has no place for a classifier's head; save the adapter in this program's own format.", "labels")
    method = METHODS[config.method]
    if method.pyreft is None:
        raise ConfigError(f"pyreft has no {method.title} edit; save the adapter in this program's own format.", "method")


def _class_and_tensors(method: Method, tensors: Mapping[str, Tensor]) -> tuple[SavedClass, dict[str, Tensor]]:
    exact = {name: value.detach().float().cpu() for name, value in tensors.items()}
    if method.pyreft_writes:
        return CLASSES[method.pyreft_writes], _orthonormal_form(exact, method)
    return next(kind for kind in CLASSES.values() if kind.method == method), exact


def _orthonormal_form(tensors: dict[str, Tensor], method: Method) -> dict[str, Tensor]:
    """Write h + W2^T (W1 h + b) as h + R^T (M W1 h + M b), where W2 = M^T R (QR); NoReFT with W1 - W2."""
    rows, source, bias = (tensors[name].double() for name in ("projection", "source", "bias"))
    basis, mix = torch.linalg.qr(rows.mT)
    if method.subtracts:
        source = source - rows
    exact = {"projection": basis.mT, "source": mix @ source, "bias": (mix @ bias.unsqueeze(-1)).squeeze(-1)}
    return {name: value.float() for name, value in exact.items()}


def _to_pyreft(kind: SavedClass, parts: dict[str, Tensor], width: int) -> OrderedDict[str, Tensor]:
    columns = parts["projection"].mT.contiguous()
    if "rotate_layer" in kind.shapes:
        values = {"weight": parts["source"], "bias": parts["bias"], "rotate_layer": columns}
    else:
        rotation = {ORIGINAL: -torch.eye(*columns.shape), BASE: _completed(columns)}
        source = {"learned_source.weight": parts["source"], "learned_source.bias": parts["bias"]} if "source" in parts else {}
        size = torch.tensor(width)
        values = {"embed_dim": size, "interchange_dim": size.clone(), "learned_source": parts["bias"], **source, **rotation}
    return OrderedDict((name, values[name].contiguous().clone()) for name in kind.shapes)


def _completed(columns_DK: Tensor) -> Tensor:
    """An orthogonal (D, D) matrix that begins with these columns."""
    rank = columns_DK.shape[1]
    rest = torch.linalg.qr(columns_DK.double(), mode="complete").Q[:, rank:]
    return torch.cat([columns_DK, rest.float()], dim=1)


def _sidecar(config: ReftConfig) -> dict[str, Any]:
    kept = config.model_dump(mode="json", include={"method", "positions", "tied", "activation"})
    return {"format": _SIDECAR_FORMAT, **kept}


def _pyvene_config(kind: SavedClass, sites: list[tuple[int, int]], keys: list[str], width: int, rank: int) -> dict[str, Any]:
    type_name = next(name for name, known in TYPES.items() if known is kind)
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
