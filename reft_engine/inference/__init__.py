"""Answers: generation with a KV cache, and classification."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.inference.answer_tokens import TokenChange, token_changes
    from reft_engine.inference.answering import Asked, Written, answer_rows, answers_in_order, written_in_order
    from reft_engine.inference.classification import classify
    from reft_engine.inference.edit_map import EditMap, map_edit
    from reft_engine.inference.engine import InferenceEngine
    from reft_engine.inference.generation import generate, score, stream
    from reft_engine.inference.kv_cache import PromptCache
    from reft_engine.inference.lens import Lens, logit_lens
    from reft_engine.inference.requests import Limits, Request
    from reft_engine.inference.sampling import Sampling
    from reft_engine.inference.separation import Separation, prove_separation

__all__ = [
    "Asked",
    "EditMap",
    "InferenceEngine",
    "Lens",
    "Limits",
    "PromptCache",
    "Request",
    "Sampling",
    "Separation",
    "TokenChange",
    "Written",
    "answer_rows",
    "answers_in_order",
    "classify",
    "generate",
    "logit_lens",
    "map_edit",
    "prove_separation",
    "score",
    "stream",
    "token_changes",
    "written_in_order",
]

__getattr__ = lazy_names(__name__, {
    "answer_tokens": ["TokenChange", "token_changes"],
    "answering": ["Asked", "Written", "answer_rows", "answers_in_order", "written_in_order"],
    "classification": ["classify"],
    "edit_map": ["EditMap", "map_edit"],
    "engine": ["InferenceEngine"],
    "generation": ["generate", "score", "stream"],
    "kv_cache": ["PromptCache"],
    "lens": ["Lens", "logit_lens"],
    "requests": ["Limits", "Request"],
    "sampling": ["Sampling"],
    "separation": ["Separation", "prove_separation"],
})  # fmt: skip
