"""Refuses what makes no sense, in words, where somebody else's values come in: the public functions call these before they begin.

Nothing here is called inside a loop of steps or tokens.
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
"""The largest number that torch takes as a seed."""
_COLDEST = 1e-6
"""The lowest temperature but 0."""
_LARGEST = torch.finfo(torch.float32).max


def shown(value: object) -> str:
    """A value as a sentence can hold it."""
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def is_whole(value: object) -> bool:
    """Whether this is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole_number(value: Any, field: str, least: int, most: int | None = None) -> int:
    """A whole number within bounds; True and False are none. Raises ConfigError."""
    if is_whole(value) and least <= value and (most is None or value <= most):
        return int(value)
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise ConfigError(f"{field} must be a whole number {bounds}, not {shown(value)}.", field)


def seed_of(value: object) -> int:
    """A seed. Raises ConfigError."""
    return whole_number(value, "seed", 0, MOST_SEED)


def is_number(value: Any) -> bool:
    """Whether this is a finite number that float32 can hold; True and False are none."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return -_LARGEST <= float(value) <= _LARGEST
    except OverflowError:  # of a whole number that is larger than any float
        return False


def check_strength(value: object) -> None:
    """Raises ConfigError."""
    if not is_number(value):
        raise ConfigError(f"The strength must be a number such as 1.0, not {shown(value)}.", "strength")


def check_temperature(value: Any, least: float = 0.0) -> None:
    """Raises ConfigError below ``least``, and for what is above 0 but so small that logits divided by it are no numbers."""
    if not is_number(value) or value < least or 0 < value < _COLDEST:
        lowest = "0 (the likeliest token always) or " if least == 0 else ""
        raise ConfigError(f"The temperature must be {lowest}at least {_COLDEST:g}, not {shown(value)}.", "temperature")


def check_top_p(value: Any) -> None:
    """Raises ConfigError."""
    if not is_number(value) or not 0 < value <= 1:
        raise ConfigError(f"The share of probability must be above 0 and at most 1, not {shown(value)}.", "top_p")


def check_generate_options(options: Mapping[str, Any]) -> None:
    """Raises ConfigError for those options of transformers' ``generate`` that have bounds of their own; None leaves one out."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in {"max_new_tokens", "num_beams", "num_return_sequences"} & given.keys():
        whole_number(given[name], name, 1)
    if "temperature" in given:
        check_temperature(given["temperature"], _COLDEST)
    if "top_p" in given:
        check_top_p(given["top_p"])


def check_base(base: object) -> None:
    """Raises ConfigError for what `load_base` has not made."""
    if not isinstance(base, Base):
        raise ConfigError(f"The base model must be one that load_base has loaded, not {shown(base)}.", "base")


def check_config(config: object, wanted: type[ReftConfig | PeftConfig | TrainConfig] = ReftConfig) -> None:
    """Raises ConfigError for settings of another type."""
    if not isinstance(config, wanted):
        raise ConfigError(f"The settings must be a {wanted.__name__}, not {shown(config)}.", "config")


def check_runs(base: object, runs: object, *, baselines: bool = False) -> None:
    """Raises ConfigError for what is no base model, or no list of settings for runs, among which ``baselines`` may be."""
    check_base(base)
    pairs = isinstance(runs, list | tuple) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in runs)
    if not pairs or not runs:
        raise ConfigError("runs must be a list of pairs of a ReftConfig and a TrainConfig, one pair at least.", "runs")
    for config, train_config in runs:  # type: ignore[attr-defined]
        if isinstance(config, PeftConfig) and not baselines:
            raise ConfigError("A baseline changes the base model's layers, so it shares no pass: train it alone, by train.", "config")
        if not isinstance(config, PeftConfig):
            check_config(config, ReftConfig)
        check_config(train_config, TrainConfig)
        check_together(config, train_config)


def listed(values: object, what: str) -> list[Any]:
    """The values as a list. Raises DataError for a text, for what cannot be gone through, and for nothing at all."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes | dict):
        raise DataError(f"The {what} must be a list, not {shown(values)}.")
    found = list(values)
    if not found:
        raise DataError(f"There are no {what}.")
    return found


def folder_to_write(folder: object) -> Path:
    """A folder that is there or can be made. Raises AdapterError."""
    path = folder_named(folder)
    if in_the_way := next((each for each in (path, *path.parents) if each.exists() and not each.is_dir()), None):
        raise AdapterError(f"{in_the_way} is a file; choose a folder, or a name that is not taken yet.")
    return path


def folder_named(folder: object) -> Path:
    """A path that can be one. Raises AdapterError."""
    if not isinstance(folder, str | os.PathLike):
        raise AdapterError(f"A folder is named by a text or a path, not by {shown(folder)}.")
    name = os.fspath(folder)
    if not isinstance(name, str) or not name or "\0" in name:
        raise AdapterError(f"{shown(name)} cannot be the name of a folder.")
    path = Path(name)
    try:
        path.exists()  # asked only whether it can be: a name may be too long, or a folder on the way closed
    except OSError as error:
        raise AdapterError(f"The folder {shown(name)} cannot be used: {error.strerror}.") from error
    return path


def check_ids(ids_BT: object, model: Any) -> None:
    """Raises ConfigError for what is no batch of token ids of this model."""
    if not isinstance(ids_BT, Tensor) or ids_BT.dtype not in (torch.int64, torch.int32):
        kind = str(ids_BT.dtype) if isinstance(ids_BT, Tensor) else type(ids_BT).__name__
        raise ConfigError(f"input_ids must be a tensor of whole numbers (torch.long), not {kind}.", "input_ids")
    if ids_BT.dim() != 2 or not ids_BT.numel():
        raise ConfigError(f"input_ids must be of shape (rows, tokens) and not empty, not {tuple(ids_BT.shape)}.", "input_ids")
    if not blocks.has_places(model, ids_BT.shape[1]):
        most = blocks.longest_row(model)
        raise ConfigError(f"The rows have {ids_BT.shape[1]} tokens; this base model reads at most {most}.", "input_ids")
    known = blocks.vocabulary(model)
    least, most = torch.stack(ids_BT.aminmax()).tolist()
    if least < 0 or most >= known:
        odd = least if least < 0 else most
        raise ConfigError(f"input_ids holds the token id {odd}; this base model has 0 to {known - 1}.", "input_ids")


def real_tokens(mask_BT: object) -> tuple[list[int], list[int]]:
    """Of each row of a mask its first real token and how many there are, on either padding side.

    Raises:
        ConfigError: it is no mask of ones and zeros, or a row has no real token or padding between real ones.
    """
    if not isinstance(mask_BT, Tensor) or mask_BT.dim() != 2 or not mask_BT.numel():
        shape = tuple(mask_BT.shape) if isinstance(mask_BT, Tensor) else type(mask_BT).__name__
        raise ConfigError(f"attention_mask must be a tensor of shape (rows, tokens) and not empty, not {shape}.", "attention_mask")
    real = mask_BT != 0
    first, size = real.int().argmax(dim=1), real.sum(dim=1)
    behind = real.shape[1] - real.flip(1).int().argmax(dim=1)
    whole = (real == (mask_BT == 1)).all(dim=1)  # neither 2 nor 0.5 nor NaN
    starts, sizes, ends, clean = torch.stack([first, size, behind, whole.to(first)]).tolist()
    if not all(clean):
        raise ConfigError("attention_mask must hold 1 for real tokens and 0 for padding, and nothing else.", "attention_mask")
    for row, (start, count, end) in enumerate(zip(starts, sizes, ends, strict=True)):
        if not count:
            raise ConfigError(f"Row {row} of attention_mask has no real token.", "attention_mask")
        if end - start != count:
            raise ConfigError(f"Row {row} of attention_mask has padding between real tokens; pad on one side.", "attention_mask")
    return starts, sizes


def prompt_lengths_of(lengths: object, sizes: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The lengths of the rows' prompts, of which those of the ``chosen`` rows must fit into their rows. Raises ConfigError."""
    given = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ConfigError(f"prompt_lengths must be a list with one number per row, not {shown(lengths)}.", "prompt_lengths")
    if len(given) != len(sizes):
        raise ConfigError(f"There are {len(sizes)} rows, but {len(given)} prompt lengths.", "prompt_lengths")
    for row in chosen:
        if not is_whole(given[row]) or not 0 <= given[row] <= sizes[row]:
            raise ConfigError(f"Row {row} has {sizes[row]} tokens; its prompt cannot have {shown(given[row])}.", "prompt_lengths")
    return list(given)


def prompts_before(labels: object, mask_BT: object) -> Tensor | None:
    """How many real tokens of each row stand before its first label that is not -100, (B,); all of a row that has none before it.

    None where the labels are not those of the rows' tokens.
    """
    if not isinstance(labels, Tensor) or not isinstance(mask_BT, Tensor) or labels.dim() != 2 or labels.shape != mask_BT.shape:
        return None
    real = mask_BT != 0
    labelled = (labels != -100) & real
    before = labelled.int().argmax(dim=1) - real.int().argmax(dim=1)
    return torch.where(labelled.any(dim=1) & (before > 0), before, real.sum(dim=1))


def check_class_labels(labels: object, rows: int, classes: int) -> None:
    """Raises ConfigError for what are no labels of a classifier: one whole number per row, which counts its classes from 0."""
    if not isinstance(labels, Tensor) or labels.shape != (rows,) or labels.dtype not in (torch.int64, torch.int32):
        shape = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ConfigError(f"labels must be a tensor with one whole number for each of the {rows} rows, not {shape}.", "labels")
    if odd := [label for label in labels.tolist() if label != -100 and not 0 <= label < classes]:
        raise ConfigError(f"labels holds {odd[0]}; this classifier has the labels 0 to {classes - 1}.", "labels")


def marked_of(marked: object, rows: int) -> Sequence[Sequence[int]]:
    """One list of token indices per row. Raises ConfigError."""
    if marked is None:
        raise ConfigError("The positions 'marked' need to be told which tokens are marked.", "marked")
    if not isinstance(marked, Sequence) or len(marked) != rows or not all(map(_are_indices, marked)):
        raise ConfigError(f"marked must hold one list of token indices for each of the {rows} rows.", "marked")
    return marked


def _are_indices(values: object) -> bool:
    whole = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    return whole and all(map(is_whole, values))  # type: ignore[call-overload]
