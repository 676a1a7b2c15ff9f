"""Files: adapter folders, pyreft's folders, and writing them atomically."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.formats.adapter import load_base_of, read_config, verify_adapter
    from reft_engine.formats.atomic import write_atomic

__all__ = [
    "load_base_of",
    "read_config",
    "verify_adapter",
    "write_atomic",
]

__getattr__ = lazy_names(__name__, {
    "adapter": ["load_base_of", "read_config", "verify_adapter"],
    "atomic": ["write_atomic"],
})  # fmt: skip
