"""The adapter folder: ``reft_config.json``, ``reft_model.safetensors`` and a model card. No pickle.

``reft_config.json`` holds the format version, the edit (method, rank, layers, positions, tied), the base model's id,
revision and shape, the exact template text, a summary of the training, and a canary: prompt token ids with the largest
logits of the next token, tuned, so that a loader can prove that it reproduces the model. Of a base model that writes no text they
are the largest numbers of what it gives instead.
``reft_model.safetensors`` holds, per site, ``layer.L.group.N.`` followed by the names of the method's weights, all float32, as
`methods.Method.weights` lists them: ``projection`` (K, D; R or W2), ``source`` (K, D; W) and ``bias`` (K,) where the edit has a rank.
A classifier adds ``head.dense.`` and ``head.out.`` ``weight`` and ``bias``.

Version 2 added methods, activation and classifiers; version 1 files are read as they were.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn

from reft_engine.base import blocks
from reft_engine.base.checks import check_base, folder_named
from reft_engine.base.loading import Base, load_base, origin_of
from reft_engine.data.row_check import counted
from reft_engine.edits.model import ReftModel, base_of, edited_layers
from reft_engine.edits.precision import exact
from reft_engine.errors import AdapterError, ConfigError
from reft_engine.formats.atomic import write_atomic
from reft_engine.methods import METHODS
from reft_engine.spec import ReftConfig, trainable_parameters

FORMAT_VERSION = 2
_READABLE = (1, 2)
CONFIG_NAME, TENSORS_NAME, CARD_NAME = "reft_config.json", "reft_model.safetensors", "README.md"
_CANARY_TOKENS, _CANARY_LOGITS = 24, 16
_TOLERANCE, _HALF_TOLERANCE = 2e-3, 5e-2
"""How far a canary's logits may be off, as a share of the largest: in float32, and where either side rounds to half precision."""
_MARK = "\n<!-- written by ReFT Studio; once changed it is never overwritten: "
_CONFIG_LIMIT, _HEADER_LIMIT = 1_000_000, 10_000_000
_ROWS_TOLERANCE = 1e-3


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _BaseModel(_Part):
    id: str | None
    revision: str | None


class _Canary(_Part):
    prompt_ids: list[NonNegativeInt] = Field(min_length=1, max_length=_CANARY_TOKENS)
    token_ids: list[NonNegativeInt] = Field(min_length=1, max_length=_CANARY_LOGITS)
    logits: list[FiniteFloat] = Field(min_length=1, max_length=_CANARY_LOGITS)
    dtype: str = Field("float32", max_length=20)


class _Description(_Part):
    """What ``reft_config.json`` holds; ``reft`` is checked as a `ReftConfig` when it is used."""

    format_version: int
    reft: dict[str, Any]
    layers: list[NonNegativeInt]
    hidden_size: int
    blocks: int
    base_model: _BaseModel
    template: str | None
    training: dict[str, Any]
    canary: _Canary


def save(reft: ReftModel, folder: Path, *, base: Base | None = None, training: dict[str, Any] | None = None) -> Path:
    """Write the adapter folder, each file atomically, the config last.

    Args:
        reft: what was trained.
        folder: made if it does not exist. A README.md there that this function did not write, or that was changed since, is left
            alone, and the adapter has no model card then.
        base: whose name, revision and template text are kept; where it is left out, what `load_base` knows of the model.
        training: a summary to keep, plain data.

    Raises:
        ConfigError: ``base`` is none, or ``training`` holds what JSON has no word for.
    """
    if base is not None:
        check_base(base)
    try:
        json.dumps(training, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"The summary of the training cannot be written as JSON: {error}.", "training") from error
    reft.eval()
    origin = base or origin_of(reft.base)
    config = {
        "format_version": FORMAT_VERSION,
        "reft": reft.reft_config.model_dump(mode="json"),
        "layers": list(reft.layers),
        "hidden_size": reft.hidden_size,
        "blocks": len(blocks.find_blocks(reft.base)),
        "base_model": {"id": origin.name if origin else None, "revision": origin.revision if origin else None},
        "template": origin.template if origin else None,
        "training": training or {},
        "canary": _canary(reft),
    }
    write_atomic(folder / TENSORS_NAME, tensors_to_bytes(_tensors(reft), metadata={"format": "reft"}))
    _write_card(folder / CARD_NAME, _card(config, reft.trainable_parameters))
    write_atomic(folder / CONFIG_NAME, (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode())
    return folder


def _tensors(reft: ReftModel) -> dict[str, Tensor]:
    sites = _sites(reft.reft_config, reft.layers)
    found = {f"{site}.{name}": values[index] for name, values in reft.tensors().items() for index, site in enumerate(sites)}
    if reft.head is not None:
        found |= {f"head.{name}": value for name, value in reft.head.state_dict().items()}
    return {name: value.detach().float().cpu().contiguous().clone() for name, value in found.items()}


def _sites(config: ReftConfig, layers: Sequence[int]) -> list[str]:
    return [f"layer.{layer}.group.{group}" for layer in layers for group in range(config.groups)]


def _shapes(config: ReftConfig, layers: Sequence[int], base_model: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of the file, from the description alone."""
    weights = METHODS[config.method].shapes(config.rank, blocks.hidden_size(base_model))
    found = {f"{site}.{name}": shape for site in _sites(config, layers) for name, shape in weights.items()}
    if config.labels:
        classes, read = len(config.labels), blocks.output_size(base_model)
        found |= {"head.dense.weight": (read, read), "head.dense.bias": (read,)}
        found |= {"head.out.weight": (classes, read), "head.out.bias": (classes,)}
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check ``reft_config.json``. Raises AdapterError."""
    path = folder / CONFIG_NAME
    try:
        if folder.is_file():
            raise AdapterError(f"{folder.name} is a file; an adapter is a folder. Unpack what was downloaded, and name its folder.")
        if path.stat().st_size > _CONFIG_LIMIT:
            raise AdapterError(f"{CONFIG_NAME} is larger than an adapter's description can be.")
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AdapterError(f"{folder} is no adapter folder: it has no {CONFIG_NAME}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{CONFIG_NAME} is damaged: it is not readable as JSON.") from error
    if not isinstance(config, dict):
        raise AdapterError(f"{CONFIG_NAME} is damaged: it does not hold an object.")
    version = config.get("format_version")
    if type(version) is not int or version not in _READABLE:
        raise AdapterError(f"{CONFIG_NAME} is of another format_version than 1 to {FORMAT_VERSION}; this program reads no other.")
    try:
        _Description.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise AdapterError(f"{CONFIG_NAME} is damaged at {where}: {first['msg']}.") from error
    return config


def load(folder: Path, base_model: nn.Module, *, check: bool = True) -> ReftModel:
    """Read an adapter folder onto a base model.

    Args:
        folder: what `save` wrote.
        base_model: the base model that it was trained on.
        check: replay the canary, one short forward pass, to prove that it is that base model. Switch it off to put an edit
            on another model of the same shape on purpose, or on weights of a precision that changes the answers.

    Raises:
        AdapterError: damaged, unknown, or made for another base model; says which.
    """
    reft = _read(folder, base_model)
    if check:
        _replay(folder, reft)
    return reft


def _read(folder: Path, base_model: nn.Module) -> ReftModel:
    config = read_config(folder)
    count, width = len(blocks.find_blocks(base_model)), blocks.hidden_size(base_model)
    if (config["hidden_size"], config["blocks"]) != (width, count):
        raise AdapterError(
            f"This adapter was trained on {config['base_model'].get('id') or 'another base model'} with {config['blocks']} "
            f"layers of width {config['hidden_size']}; this base model has {count} layers of width {width}."
        )
    try:
        edit = ReftConfig.read(config["reft"])
        trainable_parameters(edit, count, width)
        layers = edited_layers(edit, count)
        if config["layers"] != list(layers):
            raise AdapterError(f"{CONFIG_NAME} is damaged: the layers it lists are not those that its edit has.")
        # The file first: what it does not hold, however much of it the description asks for, is not built.
        tensors = _read_tensors(folder / TENSORS_NAME, _shapes(edit, layers, base_model))
        reft = ReftModel(base_model, edit)
    except ConfigError as error:
        raise AdapterError(f"{CONFIG_NAME} describes no edit: {error}") from error
    _fill(reft, tensors)
    return reft


def _fill(reft: ReftModel, tensors: dict[str, Tensor]) -> None:
    sites, device = _sites(reft.reft_config, reft.layers), next(reft.parameters()).device
    stacked = {name: torch.stack([tensors[f"{site}.{name}"] for site in sites]).to(device) for name in reft.tensors()}
    reft.set_tensors(stacked)
    rows, given = reft.intervention.projection(), stacked.get("projection")
    if rows is not None and given is not None and not float((rows.detach() - given).abs().max()) <= _ROWS_TOLERANCE:
        raise AdapterError(f"{TENSORS_NAME}: the projection rows are not orthonormal, as {reft.reft_config.method} needs them.")
    if reft.head is not None:
        reft.head.load_state_dict({name: tensors[f"head.{name}"] for name in reft.head.state_dict()})


def _read_tensors(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    try:
        if path.stat().st_size > _HEADER_LIMIT + sum(4 * math.prod(shape) for shape in shapes.values()):
            raise AdapterError(f"{TENSORS_NAME} is larger than the edit that {CONFIG_NAME} describes.")
        with safe_open(path, framework="pt") as file:
            _check_header(file, shapes)
            tensors = {name: file.get_tensor(name) for name in shapes}
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{TENSORS_NAME} is missing or damaged.") from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise AdapterError(f"{TENSORS_NAME}: {name} holds values that are no numbers.")
    return tensors


def _check_header(file: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse other tensors than those of the edit before any of them is read. Raises AdapterError."""
    if odd := set(file.keys()) ^ set(shapes):
        raise AdapterError(f"{TENSORS_NAME} has missing or unknown tensors: {', '.join(sorted(odd))[:200]}.")
    for name, expected in shapes.items():
        part = file.get_slice(name)
        shape, dtype = tuple(part.get_shape()), part.get_dtype()
        if (shape, dtype) != (expected, "F32"):
            raise AdapterError(f"{TENSORS_NAME}: {name} is {dtype} {str(shape)[:100]}, expected F32 {expected}.")


def _canary(reft: ReftModel) -> dict[str, Any]:
    ids = _canary_ids(reft)
    logits = _canary_logits(reft, ids)
    top = logits.topk(min(_CANARY_LOGITS, len(logits)))
    return {
        "prompt_ids": ids,
        "token_ids": top.indices.tolist(),
        "logits": [round(value, 6) for value in top.values.tolist()],
        "dtype": _precision(reft),
    }


def _canary_ids(reft: ReftModel) -> list[int]:
    vocabulary = blocks.vocabulary(reft.base)
    # No token twice, and of the vocabulary's middle: models may count padding by a token of theirs.
    ids = [(7 + 31 * index) % vocabulary for index in range(_CANARY_TOKENS)]
    end = getattr(reft.config, "eos_token_id", None)
    if blocks.is_encoder_decoder(reft.base) and not blocks.writes(reft.base) and isinstance(end, int) and 0 <= end < vocabulary:
        ids[-1] = end  # of which encoder-decoders that classify read their answer (BART, T5)
    return ids


def _precision(reft: ReftModel) -> str:
    return str(next(reft.base.parameters()).dtype).removeprefix("torch.")


@torch.no_grad()
def _canary_logits(reft: ReftModel, ids: list[int]) -> Tensor:
    """What the prompt is answered with: logits of the next token, (V,), or of a classifier's labels, (C,).

    Of a model without a head that writes they are what it gives: logits of its own labels, or of the last token, or the numbers of the
    last hidden state, (D,).
    """
    ids_BT = torch.tensor([ids], device=reft.device)
    with exact(reft.device):  # what is saved under autocast is also loaded without
        found = _given(reft.eval(), ids_BT)
    return found.reshape(-1, found.shape[-1])[-1].float().cpu()


def _given(reft: ReftModel, ids_BT: Tensor) -> Tensor:
    marked = [list(range(ids_BT.shape[1]))] if reft.positions.marked else None
    if reft.head is None and not blocks.writes(reft.base):
        return _of_other_heads(reft, ids_BT, marked)
    start = {}
    if reft.head is None and blocks.is_encoder_decoder(reft.base):
        start = {"decoder_input_ids": torch.full_like(ids_BT[:, :1], blocks.decoder_start(reft.base))}
    return _numbers(reft(ids_BT, marked=marked, **start))


def _of_other_heads(reft: ReftModel, ids_BT: Tensor, marked: list[list[int]] | None) -> Tensor:
    """What a model that writes no text gives; the last hidden states where its head wants more than a row of tokens (multiple choice)."""
    ways: list[dict[str, Tensor]] = [{}]
    if blocks.takes(reft.base, "decoder_input_ids"):
        ways.append({"decoder_input_ids": ids_BT})
    for extra in ways:
        try:
            return _numbers(reft(ids_BT, marked=marked, **extra))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError):
            continue  # each family refuses what it cannot use in its own way
    plan = reft.plan(torch.ones_like(ids_BT), marked=marked)
    with blocks.editing(reft.edits(plan, reft.factors())):
        return blocks.last_hidden(reft.base, {"input_ids": ids_BT, "attention_mask": torch.ones_like(ids_BT)})


def _numbers(output: Any) -> Tensor:
    found: Tensor = output.logits if "logits" in output else output[0]
    return found


def verify_adapter(folder: str | Path, base_model: nn.Module) -> float:
    """Load an adapter folder and replay its canary.

    Returns:
        The largest difference of a logit.

    Raises:
        AdapterError: it cannot be loaded, or does not reproduce (another revision of the base, say).
    """
    path = folder_named(folder)
    return _replay(path, _read(path, base_of(base_model)))


def load_base_of(folder: str | Path) -> Base:
    """Load the base model that an adapter was trained on, at the revision and with the template that it recorded.

    Raises:
        AdapterError: the folder is no adapter, or does not name its base model.
        ModelLoadError: the base model cannot be loaded.
    """
    config = read_config(folder_named(folder))
    name, revision = config["base_model"]["id"], config["base_model"]["revision"]
    if name is None:
        raise AdapterError("This adapter does not say which base model it was trained on; load that one yourself.")
    base = load_base(name, revision=revision)
    return base if config["template"] is None else replace(base, template=config["template"])


def _replay(folder: Path, reft: ReftModel) -> float:
    canary = read_config(folder)["canary"]
    read, tokens = canary["prompt_ids"], canary["token_ids"]
    try:
        answered = _canary_logits(reft, read) if max(read) < blocks.vocabulary(reft.base) else torch.empty(0)
    except ConfigError as error:
        raise AdapterError(f"The canary of {CONFIG_NAME} cannot be replayed: {error}") from error
    # A head may know fewer tokens than the embeddings, or more.
    if max(tokens) >= len(answered) or len(tokens) != len(canary["logits"]):
        raise AdapterError(f"The canary of {CONFIG_NAME} names tokens that this base model does not have, or lacks their logits.")
    logits = answered[tokens]
    difference = float((logits - torch.tensor(canary["logits"])).abs().max())
    allowed = _TOLERANCE if {canary.get("dtype", "float32"), _precision(reft)} == {"float32"} else _HALF_TOLERANCE
    if not math.isfinite(difference) or difference > allowed * max(1.0, float(logits.abs().max())):
        raise AdapterError(
            f"The adapter does not give the answers that it was saved with (a logit differs by {difference:.3g}): "
            "the base model is another one, another revision or in fewer bits, or the file was changed."
        )
    return difference


def _write_card(path: Path, text: str) -> None:
    """Write a model card that says by its last line whose it is; not over what somebody else wrote, or changed since."""
    if _is_ours(path):
        write_atomic(path, (text + _mark(text)).encode())


def _is_ours(path: Path) -> bool:
    """Whether nothing is lost by writing here: there is no file, or a card that stands as it was written."""
    try:
        found = path.read_bytes().decode()
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):  # a folder, a closed file, or another encoding
        return False
    text, begun, _ = found.rpartition(_MARK)
    return bool(begun) and found == text + _mark(text)


def _mark(text: str) -> str:
    return f"{_MARK}{hashlib.sha256(text.encode()).hexdigest()[:16]} -->\n"


def _card_base(config: dict[str, Any]) -> str:
    name, revision = config["base_model"]["id"] or "starter", config["base_model"]["revision"]
    return repr(name) + (f", revision={revision!r}" if revision else "")


def _card_use(config: dict[str, Any]) -> str:
    if config["reft"].get("labels"):
        return 'print(classify(base, reft, ["Hello!"]))  # each label with its probability'
    return "print(generate(base, \"Hello!\", edits=[None, reft]))  # the base model's answer, then the tuned one's"


def _card_rows(training: dict[str, Any]) -> str:
    """How many rows there were, and what was not learned from; empty where it is not known."""
    rows, left_out, cut = (training.get(name) for name in ("rows", "rows_left_out", "cut_answers"))
    if not isinstance(rows, int):
        return ""
    parts = [f"{counted(rows)} could be used, held-out ones included"]
    parts += [f"{counted(left_out)} left out"] if left_out else []
    parts += [f"{counted(cut, 'answer')} cut at the end to fit"] if cut else []
    return f"Data: {'; '.join(parts)}.\n\n"


def _card(config: dict[str, Any], parameters: int) -> str:
    reft, training = config["reft"], config["training"]
    figures = "\n".join(f"| {name} | {value} |" for name, value in training.items())
    return f"""---
library_name: reft-studio
tags: [reft, representation-finetuning, {reft["method"]}]
base_model: {config["base_model"]["id"] or "unknown"}
---

# A trained ReFT edit

{parameters:,} trained numbers, made with ReFT Studio by representation finetuning (arXiv 2404.03592). It changes hidden
states of the frozen base model at the positions `{reft["positions"]}` of the prompt, in the layers {config["layers"]}
(method `{reft["method"]}`, rank {reft["rank"]}, {"tied" if reft["tied"] else "untied"}).

```python
from reft_engine import ReftModel, {"classify" if config["reft"].get("labels") else "generate"}, load_base

base = load_base({_card_base(config)})
reft = ReftModel.load("this_folder", base.model)
{_card_use(config)}
```

{_card_rows(training)}| training | |
|---|---|
{figures}
"""
