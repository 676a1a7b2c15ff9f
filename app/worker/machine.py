"""The memory of the device that the worker computes on, as the pages ask for it."""

from typing import Any

import torch

from reft_engine import free_memory
from reft_engine.base import default_device


def describe_machine(held: int) -> dict[str, Any]:
    """Device and memory: ``device`` (``cpu`` or ``cuda``), ``name`` of a GPU, ``free`` bytes, None if unknown.

    ``held`` bytes are those of base models in memory, which make room for another one and so count as free.
    """
    device = default_device()
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return {"device": device, "name": torch.cuda.get_device_name(), "free": free + unused + held}
    free_here = free_memory()
    return {"device": device, "name": "", "free": None if free_here is None else free_here + held}
