"""Several edits of one base model that answer as one: each adds its own change of the hidden states, times its weight."""

from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.base import checks
from reft_engine.edits.mixable import Form, check_answering
from reft_engine.edits.model import ReftModel
from reft_engine.edits.summed import sum_of
from reft_engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Mix:
    """A weighted sum of edits: h + Σ weight · Δ(h), at each layer, every Δ on the tokens of its own position rule.

    A sum of edits is exact at each layer, but it is no sum of behaviours, since later layers read other hidden states.

    Args:
        edits: trained edits of one base model.
        weights: one for each, any finite numbers; with the weights (1, 0) the mix is the first edit.

    Raises:
        ConfigError: there is no edit, one is none of hidden states or classifies, they have different base models, there are not as
            many weights as edits, or a weight is no finite number.
    """

    edits: tuple[ReftModel, ...]
    weights: tuple[float, ...]

    def __init__(self, edits: Sequence[ReftModel], weights: Sequence[float]) -> None:
        if not edits or not all(isinstance(edit, ReftModel) for edit in edits):
            raise ConfigError("A mix is made of edits of hidden states, at least one.", "edits", kind="mix.edits")
        if len(edits) != len(weights):
            raise ConfigError("Give one weight for each edit of the mix.", "weights", kind="mix.weights")
        if any(edit.base is not edits[0].base for edit in edits):
            raise ConfigError("The edits of a mix must be of one base model.", "edits", kind="mix.bases")
        check_answering([edit.reft_config for edit in edits])
        if not all(map(checks.is_number, weights)):
            raise ConfigError("The weights of a mix are finite numbers.", "weights", kind="mix.weight")
        object.__setattr__(self, "edits", tuple(edits))
        object.__setattr__(self, "weights", tuple(map(float, weights)))

    @property
    def base(self) -> object:
        """The base model of its edits."""
        return self.edits[0].base

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers of all its edits, in ascending order."""
        return tuple(sorted({layer for edit in self.edits for layer in edit.layers}))

    @property
    def parts(self) -> list[tuple[ReftModel, float]]:
        """Each edit once, with the sum of its weights; without those whose weight is 0."""
        sums: dict[int, float] = {}
        for edit, weight in zip(self.edits, self.weights, strict=True):
            sums[id(edit)] = sums.get(id(edit), 0.0) + weight
        known = {id(edit): edit for edit in self.edits}
        return [(known[key], weight) for key, weight in sums.items() if weight]

    def as_edit(self, method: Form | None = None) -> ReftModel:
        """The mix as one ordinary edit, to be saved, loaded and trained as any other; it equals the sum up to rounding.

        The rank is the sum of theirs, or the hidden size if that is less. An edit with the weight 1 alone is copied bit for bit.

        Args:
            method: as what it is written, ``loreft`` or ``direft``; by default LoReFT where every edit sets directions at right angles
                (LoReFT, ConsReFT), else DiReFT. A sum of RED is RED.

        Raises:
            ConfigError: there is no such edit: the position rules or the activations differ, RED is mixed with a method that has a
                rank, a method that subtracts has an activation, or all weights are 0.
        """
        return sum_of(self.parts, method)
