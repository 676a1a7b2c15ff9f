"""A second tree of modules over the same weights, in which layers can be exchanged while the base model itself stays as it is."""

import copy
from typing import TypeVar

from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def twin(model: Model) -> Model:
    """A copy of a model's modules that holds the very parameters and buffers of the model: it needs no memory for weights."""
    shared = {id(tensor): tensor for tensors in (model.parameters(), model.buffers()) for tensor in tensors}
    return copy.deepcopy(model, shared)
