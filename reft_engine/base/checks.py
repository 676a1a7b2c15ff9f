"""Checks the arguments of public functions before they begin, and says in a sentence why one is refused.

Nothing here is called inside a loop over steps or tokens.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reft_engine.base import blocks
from reft_engine.base.loading import Base
from reft_engine.errors import AdapterError, ConfigError, DataError
from reft_engine.spec import PeftConfig, ReftConfig, TrainConfig, check_together

MOST_SEED = 2**63 - 1
"""The largest seed that torch accepts."""
_LOWEST_TEMPERATURE = 1e-6
"""The lowest temperature above 0."""
_LARGEST = torch.finfo(torch.float32).max


def shown(value: object) -> str:
    """A value as text that fits into a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def is_whole(value: object) -> bool:
    """Whether this is a whole number; True and False do not count."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole_number(value: Any, field: str, least: int, most: int | None = None) -> int:
    """Return a whole number within bounds; True and False do not count. Raises ConfigError."""
    if is_whole(value) and least <= value and (most is None or value <= most):
        return int(value)
    if most is None:
        sentence = "{name} must be a whole number of at least {least}, not {value}."
        raise ConfigError(sentence, field, kind="checks.integer", name=field, least=least, value=shown(value))
    sentence = "{name} must be a whole number from {least} to {most}, not {value}."
    raise ConfigError(sentence, field, kind="checks.integer_between", name=field, least=least, most=most, value=shown(value))


def seed_of(value: object) -> int:
    """Return a seed from 0 to `MOST_SEED`. Raises ConfigError."""
    return whole_number(value, "seed", 0, MOST_SEED)


def is_number(value: Any) -> bool:
    """Whether this is a finite number in the range of float32; True and False do not count."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return -_LARGEST <= float(value) <= _LARGEST
    except OverflowError:  # a whole number larger than any float
        return False


def check_strength(value: object) -> None:
    """Raises ConfigError for a strength that is not a finite number."""
    if not is_number(value):
        raise ConfigError("The strength must be a number such as 1.0, not {value}.", "strength", kind="checks.strength", value=shown(value))


def check_temperature(value: Any, least: float = 0.0) -> None:
    """Raises ConfigError below ``least``, and above 0 where the temperature is so small that logits divided by it overflow."""
    if not is_number(value) or value < least or 0 < value < _LOWEST_TEMPERATURE:
        sentence = "The temperature must be at least {least:g}, not {value}."
        kind = "checks.temperature"
        if least == 0:
            sentence = "The temperature must be 0 (the likeliest token always) or at least {least:g}, not {value}."
            kind = "checks.temperature_or_0"
        raise ConfigError(sentence, "temperature", kind=kind, least=_LOWEST_TEMPERATURE, value=shown(value))


def check_top_p(value: Any) -> None:
    """Raises ConfigError outside (0, 1]."""
    if not is_number(value) or not 0 < value <= 1:
        raise ConfigError(
            "The share of probability must be above 0 and at most 1, not {value}.", "top_p", kind="checks.top_p", value=shown(value)
        )


def check_generate_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError for options of transformers' ``generate`` that are out of bounds; None means not set."""
    options = {name: value for name, value in options.items() if value is not None}
    for name in {"max_new_tokens", "num_beams", "num_return_sequences"} & options.keys():
        whole_number(options[name], name, 1)
    if "temperature" in options:
        check_temperature(options["temperature"], _LOWEST_TEMPERATURE)
    if "top_p" in options:
        check_top_p(options["top_p"])


def check_base(base: object) -> None:
    """Raises ConfigError for anything but a `Base`."""
    if not isinstance(base, Base):
        raise ConfigError(
            "The base model must be one that load_base has loaded, not {value}.", "base", kind="checks.base", value=shown(base)
        )


def check_config(config: object, expected: type[ReftConfig | PeftConfig | TrainConfig] = ReftConfig) -> None:
    """Raises ConfigError for settings of another type."""
    if not isinstance(config, expected):
        raise ConfigError(
            "The settings must be a {type}, not {value}.", "config", kind="checks.config", type=expected.__name__, value=shown(config)
        )


def check_runs(base: object, runs: object, *, baselines: bool = False) -> None:
    """Raises ConfigError unless ``base`` is a `Base` and ``runs`` a non-empty list of pairs of a config and a `TrainConfig`.

    ``baselines``: whether a `PeftConfig` may stand in place of a `ReftConfig`.
    """
    check_base(base)
    pairs = isinstance(runs, list | tuple) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in runs)
    if not pairs or not runs:
        raise ConfigError("runs must be a list of pairs of a ReftConfig and a TrainConfig, one pair at least.", "runs", kind="checks.runs")
    for config, train_config in runs:  # type: ignore[attr-defined]
        if isinstance(config, PeftConfig) and not baselines:
            raise ConfigError(
                "A baseline changes the base model's layers, so it shares no pass: train it alone, by train.",
                "config",
                kind="checks.runs_baseline",
            )
        if not isinstance(config, PeftConfig):
            check_config(config, ReftConfig)
        check_config(train_config, TrainConfig)
        check_together(config, train_config)


def as_list(values: object, what: str) -> list[Any]:
    """The values as a list. Raises DataError for a string, a dictionary, anything that is not iterable, and an empty list."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | dict):
        raise DataError("The {name} must be a list, not {value}.", kind="checks.list", name=what, value=shown(values))
    items = list(values)
    if not items:
        raise DataError("There are no {name}.", kind="checks.list_empty", name=what)
    return items


def folder_to_write(folder: object) -> Path:
    """The path of a folder that exists or can be created. Raises AdapterError."""
    path = folder_path(folder)
    if file := next((parent for parent in (path, *path.parents) if parent.exists() and not parent.is_dir()), None):
        raise AdapterError("{path} is a file; choose a folder, or a name that is not taken yet.", kind="folder.is_file", path=file)
    return path


def folder_path(folder: object) -> Path:
    """The path of a folder, which need not exist. Raises AdapterError."""
    if not isinstance(folder, str | os.PathLike):
        raise AdapterError("A folder is named by a text or a path, not by {value}.", kind="folder.type", value=shown(folder))
    name = os.fspath(folder)
    if not isinstance(name, str) or not name or "\0" in name:
        raise AdapterError("{name} cannot be the name of a folder.", kind="folder.name", name=shown(name))
    path = Path(name)
    try:
        path.exists()  # fails where the name is too long or a parent folder cannot be entered
    except OSError as error:
        raise AdapterError(
            "The folder {name} cannot be used: {reason}.", kind="folder.unusable", name=shown(name), reason=error.strerror
        ) from error
    return path


def check_ids(ids_BT: object, model: Any) -> None:
    """Raises ConfigError for anything but a batch (B, T) of this model's token ids."""
    if not isinstance(ids_BT, Tensor) or ids_BT.dtype not in (torch.int64, torch.int32):
        dtype = str(ids_BT.dtype) if isinstance(ids_BT, Tensor) else type(ids_BT).__name__
        raise ConfigError(
            "input_ids must be a tensor of whole numbers (torch.long), not {type}.", "input_ids", kind="checks.ids_type", type=dtype
        )
    if ids_BT.dim() != 2 or not ids_BT.numel():
        raise ConfigError(
            "input_ids must be of shape (rows, tokens) and not empty, not {shape}.",
            "input_ids",
            kind="checks.ids_shape",
            shape=tuple(ids_BT.shape),
        )
    if not blocks.fits_positions(model, ids_BT.shape[1]):
        most = blocks.context_length(model)
        raise ConfigError(
            "The rows have {tokens} tokens; this base model reads at most {limit}.",
            "input_ids",
            kind="checks.context",
            tokens=ids_BT.shape[1],
            limit=most,
        )
    size = blocks.vocabulary_size(model)
    least, most = torch.stack(ids_BT.aminmax()).tolist()
    if least < 0 or most >= size:
        token = least if least < 0 else most
        raise ConfigError(
            "input_ids holds the token id {token}; this base model has 0 to {last}.",
            "input_ids",
            kind="checks.token_id",
            token=token,
            last=size - 1,
        )


def real_tokens(mask_BT: object) -> tuple[list[int], list[int]]:
    """Index of the first real token and number of real tokens in each row of a mask, for either padding side.

    Raises:
        ConfigError: the mask is not (B, T) of ones and zeros, or a row has no real token or padding between real tokens.
    """
    if not isinstance(mask_BT, Tensor) or mask_BT.dim() != 2 or not mask_BT.numel():
        shape = tuple(mask_BT.shape) if isinstance(mask_BT, Tensor) else type(mask_BT).__name__
        raise ConfigError(
            "attention_mask must be a tensor of shape (rows, tokens) and not empty, not {shape}.",
            "attention_mask",
            kind="checks.mask_shape",
            shape=shape,
        )
    real = mask_BT != 0
    first, size = real.int().argmax(dim=1), real.sum(dim=1)
    end = real.shape[1] - real.flip(1).int().argmax(dim=1)
    binary = (real == (mask_BT == 1)).all(dim=1)  # no 2, 0.5 or NaN
    # One transfer from the device instead of four.
    starts, sizes, ends, are_binary = torch.stack([first, size, end, binary.to(first)]).tolist()
    if not all(are_binary):
        raise ConfigError(
            "attention_mask must hold 1 for real tokens and 0 for padding, and nothing else.", "attention_mask", kind="checks.mask_values"
        )
    for row, (start, count, stop) in enumerate(zip(starts, sizes, ends, strict=True)):
        if not count:
            raise ConfigError("Row {row} of attention_mask has no real token.", "attention_mask", kind="checks.mask_row_empty", row=row)
        if stop - start != count:
            raise ConfigError(
                "Row {row} of attention_mask has padding between real tokens; pad on one side.",
                "attention_mask",
                kind="checks.mask_row_padding",
                row=row,
            )
    return starts, sizes


def check_prompt_lengths(lengths: object, sizes: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """Return the prompt lengths as a list; those of the ``chosen`` rows must not exceed the rows' ``sizes``. Raises ConfigError."""
    values = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise ConfigError(
            "prompt_lengths must be a list with one number per row, not {value}.",
            "prompt_lengths",
            kind="checks.prompt_lengths",
            value=shown(lengths),
        )
    if len(values) != len(sizes):
        raise ConfigError(
            "There are {rows} rows, but {lengths} prompt lengths.",
            "prompt_lengths",
            kind="checks.prompt_lengths_count",
            rows=len(sizes),
            lengths=len(values),
        )
    for row in chosen:
        if not is_whole(values[row]) or not 0 <= values[row] <= sizes[row]:
            raise ConfigError(
                "Row {row} has {tokens} tokens; its prompt cannot have {length}.",
                "prompt_lengths",
                kind="checks.prompt_length",
                row=row,
                tokens=sizes[row],
                length=shown(values[row]),
            )
    return list(values)


def prompt_lengths_from_labels(labels: object, mask_BT: object) -> Tensor | None:
    """Prompt lengths (B,): real tokens before each row's first label other than -100; all of the row where there are none.

    None unless the labels are (B, T) like the mask.
    """
    if not isinstance(labels, Tensor) or not isinstance(mask_BT, Tensor) or labels.dim() != 2 or labels.shape != mask_BT.shape:
        return None
    real = mask_BT != 0
    labelled = (labels != -100) & real
    before = labelled.int().argmax(dim=1) - real.int().argmax(dim=1)
    return torch.where(labelled.any(dim=1) & (before > 0), before, real.sum(dim=1))


def check_class_labels(labels: object, rows: int, classes: int) -> None:
    """Raises ConfigError unless the labels are one class index (from 0, or -100) per row."""
    if not isinstance(labels, Tensor) or labels.shape != (rows,) or labels.dtype not in (torch.int64, torch.int32):
        shape = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ConfigError(
            "labels must be a tensor with one whole number for each of the {rows} rows, not {shape}.",
            "labels",
            kind="checks.labels",
            rows=rows,
            shape=shape,
        )
    if unknown := [label for label in labels.tolist() if label != -100 and not 0 <= label < classes]:
        raise ConfigError(
            "labels holds {label}; this classifier has the labels 0 to {last}.",
            "labels",
            kind="checks.label",
            label=unknown[0],
            last=classes - 1,
        )


def check_marked(marked: object, rows: int) -> Sequence[Sequence[int]]:
    """Return the marked tokens: one list of token indices per row. Raises ConfigError."""
    if marked is None:
        raise ConfigError("The positions 'marked' need to be told which tokens are marked.", "marked", kind="checks.marked_missing")
    if not isinstance(marked, Sequence) or len(marked) != rows or not all(map(_are_indices, marked)):
        raise ConfigError(
            "marked must hold one list of token indices for each of the {rows} rows.", "marked", kind="checks.marked", rows=rows
        )
    return marked


def _are_indices(values: object) -> bool:
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    return is_list and all(map(is_whole, values))  # type: ignore[call-overload]
