"""Answers: generation with a KV cache, and classification."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.inference.answering import answer_rows
    from reft_engine.inference.classification import classify
    from reft_engine.inference.generation import generate, stream
    from reft_engine.inference.kv_cache import PromptCache

__all__ = [
    "PromptCache",
    "answer_rows",
    "classify",
    "generate",
    "stream",
]

__getattr__ = lazy_names(__name__, {
    "answering": ["answer_rows"],
    "classification": ["classify"],
    "generation": ["generate", "stream"],
    "kv_cache": ["PromptCache"],
})  # fmt: skip
