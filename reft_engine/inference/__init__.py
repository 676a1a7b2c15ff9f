"""Answers: generation with a KV cache, and classification."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.inference.answering import Asked, Written, answer_rows, answers_in_order, written_in_order
    from reft_engine.inference.classification import classify
    from reft_engine.inference.engine import InferenceEngine
    from reft_engine.inference.generation import generate, score, stream
    from reft_engine.inference.kv_cache import PromptCache
    from reft_engine.inference.requests import Limits, Request
    from reft_engine.inference.sampling import Sampling

__all__ = [
    "Asked",
    "InferenceEngine",
    "Limits",
    "PromptCache",
    "Request",
    "Sampling",
    "Written",
    "answer_rows",
    "answers_in_order",
    "classify",
    "generate",
    "score",
    "stream",
    "written_in_order",
]

__getattr__ = lazy_names(__name__, {
    "answering": ["Asked", "Written", "answer_rows", "answers_in_order", "written_in_order"],
    "classification": ["classify"],
    "engine": ["InferenceEngine"],
    "generation": ["generate", "score", "stream"],
    "kv_cache": ["PromptCache"],
    "requests": ["Limits", "Request"],
    "sampling": ["Sampling"],
})  # fmt: skip
