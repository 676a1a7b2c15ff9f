"""Keeps what an edit computes in float32 where somebody trains or answers under torch's autocast.

Autocast rounds matrix products to half precision, whatever their operands are. That is meant for the base model: R would leave
orthonormality, small steps would be lost, and the triangular solve behind R has no half-precision routine at all.
"""

from contextlib import AbstractContextManager, nullcontext

import torch


def is_autocast(device: torch.device) -> bool:
    """Whether matrix products on this device are rounded to half precision now."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def exact(device: torch.device) -> AbstractContextManager[object]:
    """Compute as written inside the ``with``, autocast or not; where there is none, it does nothing at all."""
    return torch.autocast(device.type, enabled=False) if is_autocast(device) else nullcontext()
