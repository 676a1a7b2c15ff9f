"""Which edits can be added up to one ordinary edit, and which edit that is; decided by their configs alone. Imports no torch."""

from collections.abc import Sequence
from typing import Literal

from reft_engine.errors import ConfigError
from reft_engine.methods import METHODS
from reft_engine.spec import ReftConfig, edited_layers

Form = Literal["loreft", "direft"]
"""The methods as which a sum of edits with a rank can be written."""


def check_answering(configs: Sequence[ReftConfig]) -> None:
    """Raises ConfigError if an edit classifies."""
    if any(config.labels for config in configs):
        raise ConfigError(
            "A mix answers, and one of the edits classifies: the heads of classifiers cannot be added up.", "labels", kind="mix.labels"
        )


def check_mixable(configs: Sequence[ReftConfig]) -> None:
    """Raises ConfigError unless any weighted sum of edits with these configs is an edit too; the sentence names what differs."""
    check_answering(configs)
    first, *others = configs
    for other in others:
        _check_pair(first, other)
    subtracting = next((METHODS[config.method] for config in configs if METHODS[config.method].subtracts), None)
    if first.activation != "linear" and subtracting:
        raise ConfigError(
            "{method} with the activation {activation} has no weighted sum that is one edit. DiReFT with an activation has one, and so "
            "have all methods without.",
            "activation", kind="mix.activation", method=subtracting.title, activation=first.activation,
        )  # fmt: skip


def _check_pair(first: ReftConfig, other: ReftConfig) -> None:
    if first.positions != other.positions:
        raise ConfigError(
            "One edit acts on {one} and another on {other}. One edit has one position rule, so these can answer together but not "
            "become one edit.",
            "positions", kind="mix.positions", one=first.positions, other=other.positions,
        )  # fmt: skip
    one, two = METHODS[first.method], METHODS[other.method]
    if one.has_rank != two.has_rank:
        raise ConfigError(
            "{one} and {other} can answer together but not become one edit: RED stretches each hidden unit by itself and has no rank.",
            "method", kind="mix.methods", one=one.title, other=two.title,
        )  # fmt: skip
    if first.activation != other.activation:
        raise ConfigError(
            "One edit has the activation {one} and another {other}. One edit has one activation, so these can answer together but not "
            "become one edit.",
            "activation", kind="mix.activations", one=first.activation, other=other.activation,
        )  # fmt: skip


def mixed_config(configs: Sequence[ReftConfig], layers: int, width: int, method: Form | None = None) -> ReftConfig:
    """The config of the one edit that a weighted sum of edits is.

    Its layers are those of all of them; it is tied where all are; its rank is the sum of their ranks, or the hidden size if that is less.

    Args:
        configs: of the edits, at least one.
        layers: number of blocks of the base model.
        width: its hidden size.
        method: as what it is written; by default LoReFT where every edit sets directions at right angles (LoReFT, ConsReFT), else DiReFT.
            A sum of RED is RED.

    Raises:
        ConfigError: there is no such edit.
    """
    check_mixable(configs)
    kinds, activation = [METHODS[config.method] for config in configs], configs[0].activation
    form, rank = _form(configs, method), sum(config.rank for config in configs)
    if not kinds[0].has_rank:
        rank = configs[0].rank  # means nothing to RED
    elif rank > width:
        if activation != "linear":
            raise ConfigError(
                "The ranks of these edits add up to {rank}, and the hidden size is {width}; with an activation the rank cannot be lowered.",
                "rank", kind="mix.rank", rank=rank, width=width,
            )  # fmt: skip
        rank = width
    edited = tuple(sorted({layer for config in configs for layer in edited_layers(config, layers)}))
    return ReftConfig(
        method=form, rank=rank, layers="all" if len(edited) == layers else edited, positions=configs[0].positions,
        tied=all(config.groups == 1 for config in configs), activation=activation,
    )  # fmt: skip


def _form(configs: Sequence[ReftConfig], method: Form | None) -> str:
    kinds, linear = [METHODS[config.method] for config in configs], configs[0].activation == "linear"
    possible: tuple[str, ...] = (kinds[0].name,)
    if kinds[0].has_rank:
        possible = ("loreft", "direft") if linear and all(kind.orthonormal and kind.subtracts for kind in kinds) else ("direft", "loreft")
        possible = possible if linear else possible[:1]
    if method is not None and method not in possible:
        raise ConfigError(
            "A sum of these edits can be written as {methods}, not as {method}.", "method", kind="mix.form",
            methods=" or ".join(METHODS[name].title for name in possible), method=METHODS[method].title if method in METHODS else method,
        )  # fmt: skip
    return method or possible[0]
