"""Which layers and position groups of an edit act; the others are as in the base model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.errors import ConfigError
from reft_engine.positions import EditedTokens


@dataclass(frozen=True, slots=True)
class Switches:
    """Which parts of an edit act in one answer.

    Args:
        layers: the layers that act, in any collection; None for all that the edit has. With none it answers as the base model.
        prefix: whether the tokens at the prompt's beginning are edited; those of ``all``, ``marked`` and ``f3`` are such.
        suffix: whether the tokens at its end are edited; those of ``l3`` are such.

    Raises:
        ConfigError: the layers are no whole numbers from 0.
    """

    layers: frozenset[int] | None = None
    prefix: bool = True
    suffix: bool = True

    def __post_init__(self) -> None:
        layers: Any = self.layers
        if layers is None:
            return
        given = list(layers) if isinstance(layers, Collection) and not isinstance(layers, str | bytes) else [None]
        if not all(type(layer) is int and layer >= 0 for layer in given):
            raise ConfigError("The layers of switches are whole numbers from 0, or None for all.", "switches", kind="switches.layers")
        object.__setattr__(self, "layers", frozenset(given))

    def tokens(self, edited: EditedTokens) -> EditedTokens:
        """The tokens of a prompt that are still edited."""
        return EditedTokens(edited.prefix if self.prefix else (), edited.suffix if self.suffix else ())

    def acting(self, layers: Sequence[int]) -> frozenset[int] | None:
        """The layers that act of an edit that has these; None for all of them."""
        if self.layers is None or self.layers.issuperset(layers):
            return None
        return self.layers.intersection(layers)

    def check(self, layers: Sequence[int]) -> None:
        """Raises ConfigError for a layer that is none of these, which an edit has."""
        unknown = sorted(self.layers.difference(layers)) if self.layers is not None else []
        if unknown:
            raise ConfigError(
                "This edit does not act at layer {layer}; it has the layers {layers}.", "switches", kind="switches.layer",
                layer=unknown[0], layers=", ".join(map(str, sorted(layers))),
            )  # fmt: skip


ALL_ON = Switches()
