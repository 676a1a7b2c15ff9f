"""Answers: generation with a KV cache, and classification."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.inference.answering import Asked, answer_rows, answers_in_order
    from reft_engine.inference.classification import classify
    from reft_engine.inference.engine import InferenceEngine
    from reft_engine.inference.few_shot import FewShotPrompt, draw_rows, pays_off_after, score_labels, with_shots
    from reft_engine.inference.generation import generate, score, stream
    from reft_engine.inference.kv_cache import PromptCache, bytes_of_token
    from reft_engine.inference.references import MOST_KEYS, Blending, ChosenBlend, Neighbour, ReferenceStore, build_store, choose_blend
    from reft_engine.inference.requests import Limits, Request, TokenCount
    from reft_engine.inference.sampling import Sampling

__all__ = [
    "MOST_KEYS",
    "Asked",
    "Blending",
    "ChosenBlend",
    "FewShotPrompt",
    "InferenceEngine",
    "Limits",
    "Neighbour",
    "PromptCache",
    "ReferenceStore",
    "Request",
    "Sampling",
    "TokenCount",
    "answer_rows",
    "answers_in_order",
    "build_store",
    "bytes_of_token",
    "choose_blend",
    "classify",
    "draw_rows",
    "generate",
    "pays_off_after",
    "score",
    "score_labels",
    "stream",
    "with_shots",
]

__getattr__ = lazy_names(__name__, {
    "answering": ["Asked", "answer_rows", "answers_in_order"],
    "classification": ["classify"],
    "engine": ["InferenceEngine"],
    "few_shot": ["FewShotPrompt", "draw_rows", "pays_off_after", "score_labels", "with_shots"],
    "generation": ["generate", "score", "stream"],
    "kv_cache": ["PromptCache", "bytes_of_token"],
    "references": ["MOST_KEYS", "Blending", "ChosenBlend", "Neighbour", "ReferenceStore", "build_store", "choose_blend"],
    "requests": ["Limits", "Request", "TokenCount"],
    "sampling": ["Sampling"],
})  # fmt: skip
