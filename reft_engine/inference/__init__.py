"""Answers: generation with a KV cache, and classification."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.inference.answer_tokens import TokenChange, token_changes
    from reft_engine.inference.answering import Asked, Written, answer_rows, answers_in_order, written_in_order
    from reft_engine.inference.blend_choice import ChosenBlend, choose_blend
    from reft_engine.inference.classification import classify
    from reft_engine.inference.edit_map import EditMap, map_edit
    from reft_engine.inference.engine import InferenceEngine
    from reft_engine.inference.few_shot import FewShotPrompt, draw_rows, pays_off_after, score_labels, with_shots
    from reft_engine.inference.generation import generate, score, stream
    from reft_engine.inference.kv_cache import PromptCache, bytes_of_token
    from reft_engine.inference.lens import Lens, logit_lens
    from reft_engine.inference.references import MOST_KEYS, Blending, Neighbour, ReferenceStore, build_store
    from reft_engine.inference.requests import Limits, Request, TokenCount
    from reft_engine.inference.sampling import Sampling
    from reft_engine.inference.separation import Separation, prove_separation

__all__ = [
    "MOST_KEYS",
    "Asked",
    "Blending",
    "ChosenBlend",
    "EditMap",
    "FewShotPrompt",
    "InferenceEngine",
    "Lens",
    "Limits",
    "Neighbour",
    "PromptCache",
    "ReferenceStore",
    "Request",
    "Sampling",
    "Separation",
    "TokenChange",
    "TokenCount",
    "Written",
    "answer_rows",
    "answers_in_order",
    "build_store",
    "bytes_of_token",
    "choose_blend",
    "classify",
    "draw_rows",
    "generate",
    "logit_lens",
    "map_edit",
    "pays_off_after",
    "prove_separation",
    "score",
    "score_labels",
    "stream",
    "token_changes",
    "with_shots",
    "written_in_order",
]

__getattr__ = lazy_names(__name__, {
    "answer_tokens": ["TokenChange", "token_changes"],
    "answering": ["Asked", "Written", "answer_rows", "answers_in_order", "written_in_order"],
    "blend_choice": ["ChosenBlend", "choose_blend"],
    "classification": ["classify"],
    "edit_map": ["EditMap", "map_edit"],
    "engine": ["InferenceEngine"],
    "few_shot": ["FewShotPrompt", "draw_rows", "pays_off_after", "score_labels", "with_shots"],
    "generation": ["generate", "score", "stream"],
    "kv_cache": ["PromptCache", "bytes_of_token"],
    "lens": ["Lens", "logit_lens"],
    "references": ["MOST_KEYS", "Blending", "Neighbour", "ReferenceStore", "build_store"],
    "requests": ["Limits", "Request", "TokenCount"],
    "sampling": ["Sampling"],
    "separation": ["Separation", "prove_separation"],
})  # fmt: skip
