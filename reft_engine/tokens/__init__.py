"""From text to batches of token ids."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.tokens.examples import encode

__all__ = [
    "encode",
]

__getattr__ = lazy_names(__name__, {
    "examples": ["encode"],
})  # fmt: skip
