"""The base model: loading it, its structure, and the hooks through which edits reach its hidden states."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.base.loading import Base, default_device, is_here, load_base, load_tokenizer, newest_revision

__all__ = [
    "Base",
    "default_device",
    "is_here",
    "load_base",
    "load_tokenizer",
    "newest_revision",
]

__getattr__ = lazy_names(__name__, {
    "loading": ["Base", "default_device", "is_here", "load_base", "load_tokenizer", "newest_revision"],
})  # fmt: skip
