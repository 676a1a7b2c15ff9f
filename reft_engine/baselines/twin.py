"""A second tree of modules with the same weights: its layers can be replaced while the base model stays unchanged."""

import copy
from typing import TypeVar

from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def twin(model: Model) -> Model:
    """Copy a model's modules but share its parameters and buffers, so that the copy needs no memory for weights."""
    shared = {id(tensor): tensor for tensors in (model.parameters(), model.buffers()) for tensor in tensors}
    return copy.deepcopy(model, shared)
