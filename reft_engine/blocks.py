"""Finds the blocks of a Hugging Face decoder by structure, and lets edits act on their outputs.

One forward hook per block is set once per base model. A hook does nothing unless the calling thread is inside
`editing(...)`, so the base model itself is never changed and calls of other threads are not touched.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reft_engine.errors import ConfigError

Edit = Callable[[Tensor], Tensor]
"""Takes the hidden states (B, T, D) after a block and returns them edited."""

_ACTIVE: ContextVar[Mapping[int, Edit] | None] = ContextVar("reft_edits", default=None)
_ATTACHING = threading.Lock()


def find_blocks(model: nn.Module) -> nn.ModuleList:
    """Find the list of decoder blocks: the ``nn.ModuleList`` whose length is the config's layer count.

    Raises:
        ConfigError: none or more than one is found.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    found = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and len({type(block) for block in module}) == 1
    ]
    if len(found) != 1:
        raise ConfigError(
            f"The blocks of {type(model).__name__} cannot be told apart ({len(found)} lists of {count} blocks found), "
            "so this base model cannot be edited.",
            "base",
        )
    return found[0]


def hidden_size(model: nn.Module) -> int:
    """Width D of the hidden states, from the config."""
    size: int = model.config.get_text_config().hidden_size  # type: ignore[union-attr,operator]
    return size


def attach(model: nn.Module) -> int:
    """Set the hooks where they are not there yet (a copy of a model brings its own), and return the number of blocks."""
    blocks = find_blocks(model)
    with _ATTACHING:
        for layer, block in enumerate(blocks):
            if not any(isinstance(hook, _Hook) for hook in block._forward_hooks.values()):
                block.register_forward_hook(_Hook(layer))
    return len(blocks)


@dataclass(frozen=True, slots=True)
class _Hook:
    """Applies this thread's edit of one layer, if there is any, to the block's output."""

    layer: int

    def __call__(self, _module: nn.Module, _args: tuple[Any, ...], output: Any) -> Any:
        edits = _ACTIVE.get()
        edit = edits.get(self.layer) if edits else None
        if edit is None:
            return None
        if isinstance(output, torch.Tensor):
            return edit(output)
        return (edit(output[0]), *output[1:])


@contextmanager
def editing(edits: Mapping[int, Edit]) -> Iterator[None]:
    """Let the given edits, by layer, act on forward passes of this thread inside the ``with``."""
    token = _ACTIVE.set(edits)
    try:
        yield
    finally:
        _ACTIVE.reset(token)
