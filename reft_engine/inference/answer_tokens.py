"""What an edit changed in an answer: each of its tokens with its probability under the base model and under the tuned one."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reft_engine.base import blocks, checks
from reft_engine.base.loading import Base
from reft_engine.edits.switches import Switches
from reft_engine.errors import ConfigError, StoppedError
from reft_engine.inference.decoding import ChosenToken, Column, end_tokens
from reft_engine.inference.engine import PIECE, InferenceEngine
from reft_engine.inference.looking import LikelyToken, check_answer, likely_tokens, probability
from reft_engine.inference.prompts import Answerer, Prompt
from reft_engine.inference.requests import Request
from reft_engine.inference.sampling import Sampling
from reft_engine.tokens.pieces import visible, visible_after

_MOST_TOKENS, _MOST_LOGITS = PIECE, 2**26
"""Tokens of an answer that are looked at, no more than others wait for, and logits of both rows, which are in memory at once."""


@dataclass(frozen=True, slots=True)
class TokenChange:
    """A token of an answer, and how likely it was.

    Attributes:
        text: what it adds to the answer's text; all texts join to the answer, character by character. Empty for a token that is a piece
            of a character (the last piece has the character), that is no text, such as the one that ends the answer, or that belongs to
            the stop text behind it.
        shown: the token as people can read it, white space as signs.
        id: its token id.
        base_probability: its probability under the base model, which has read the same tokens before it; None if it is no number.
        tuned_probability: under the tuned model, likewise.
        base_alternatives: the base model's likeliest tokens at its place, the likeliest first.
    """

    text: str
    shown: str
    id: int
    base_probability: float | None
    tuned_probability: float | None
    base_alternatives: tuple[LikelyToken, ...]

    def to_dict(self) -> dict[str, Any]:
        """The token as plain data for JSON."""
        return asdict(self)


def token_changes(
    base: Base, prompt: Prompt, answer_ids: Sequence[int], reft: Answerer, *, k: int = 5, strength: float = 1.0,
    switches: Switches | None = None, stop: Sequence[str] = (), engine: InferenceEngine | None = None, owner: str = "",
    on_request: Callable[[Request], None] = lambda request: None,
) -> list[TokenChange]:  # fmt: skip
    """Compare base and tuned model on the tokens of an answer that is given, as two rows of one request.

    Args:
        base: the frozen base model.
        prompt: as in `stream`.
        answer_ids: the answer's token ids, with the one that ended it, if one did; of a long answer the first 512, or fewer where the
            base model's vocabulary is large, are looked at.
        reft: an edit, a mix of edits or a baseline.
        k: number of the base model's likeliest tokens that come with each.
        strength: factor on the edits.
        switches: which layers and position groups act; all by default.
        stop: texts before which the answer ended, as in `Sampling`.
        engine: a running batch to join; by default one of its own.
        owner: as in `InferenceEngine.submit`.
        on_request: is given the request once it waits, so that it can be cancelled.

    Raises:
        StoppedError: the request was cancelled.
        BusyError, ConfigError, DataError: as from `InferenceEngine.submit`; or the answer is empty, or has token ids that the base
            model does not have.
    """
    checks.check_base(base)
    checks.whole_number(k, "k", 1)
    if not answer_ids:
        raise ConfigError("There is no answer to look at.", "answer_ids", kind="token_changes.empty")
    check_answer(base, answer_ids)
    ids = list(answer_ids)[: min(_MOST_TOKENS, max(1, _MOST_LOGITS // (2 * blocks.vocabulary_size(base.model))))]
    request = (engine or InferenceEngine(base)).submit(
        prompt, [None, reft], given=ids, sampling=Sampling(log_probabilities=k), strength=[1.0, strength], switches=[None, switches],
        owner=owner,
    )  # fmt: skip
    on_request(request)
    scored: list[list[ChosenToken]] = [[], []]
    for delta in request:
        scored[delta.column] += delta.tokens
    if any(len(tokens) < len(ids) for tokens in scored):
        raise StoppedError("Stopped before the answer was looked at.", kind="token_changes.stopped")
    texts = answer_texts(base, answer_ids if stop else ids, stop)[: len(ids)]  # a stop text may begin in what is looked at, and end behind
    before = [request.rows[0].prompts[0].ids[-1], *ids[:-1]]
    return [
        TokenChange(
            text,
            visible(text) or visible_after(base, previous, own.id),
            own.id,
            probability(own.log_probability),
            probability(tuned.log_probability),
            likely_tokens(base, own.likeliest, previous),
        )
        for text, previous, own, tuned in zip(texts, before, *scored, strict=True)
    ]


def answer_texts(base: Base, ids: Sequence[int], stop: Sequence[str] = ()) -> list[str]:
    """What each token adds to the text of an answer; they join to the text as it is streamed, with what was held back at its end.

    Of the first of the ``stop`` texts that is there and of what follows it, nothing is in them.
    """
    column, ends = Column(base), end_tokens(base)
    texts = [column.push(token, ends if index == len(ids) - 1 else ()) for index, token in enumerate(ids)]
    texts[-1] += column.rest()
    whole = "".join(texts)
    left = min((place for place in map(whole.find, stop) if place >= 0), default=len(whole))
    cut = []
    for text in texts:
        cut.append(text[:left])
        left -= len(cut[-1])
    return cut
