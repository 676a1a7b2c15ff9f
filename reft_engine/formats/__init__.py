"""File formats: adapter folders, pyreft's folders, and atomic writes."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.formats.adapter import read_config
    from reft_engine.formats.atomic import write_atomic

__all__ = [
    "read_config",
    "write_atomic",
]

__getattr__ = lazy_names(__name__, {
    "adapter": ["read_config"],
    "atomic": ["write_atomic"],
})  # fmt: skip
