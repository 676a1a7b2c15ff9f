"""Keeps the computations of edits in float32 under torch's autocast.

Autocast rounds matrix products to half precision, whatever their operands are. That suits the base model only: R would lose its
orthonormality, small steps would be lost, and the triangular solve that computes R has no half-precision routine.
"""

from contextlib import AbstractContextManager, nullcontext

import torch


def is_autocast(device: torch.device) -> bool:
    """Whether autocast currently rounds matrix products on this device to half precision."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def exact(device: torch.device) -> AbstractContextManager[object]:
    """Disable autocast inside the ``with``; does nothing where it is not enabled."""
    return torch.autocast(device.type, enabled=False) if is_autocast(device) else nullcontext()
