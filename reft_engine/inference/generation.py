"""Streams answers of base and edited models to one prompt, as rows of one batch; see `engine` for many prompts at once.

In an encoder-decoder the encoder reads the prompt once, with the edits; the decoder is not edited.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.data import Message
from reft_engine.errors import ConfigError
from reft_engine.inference import kv_cache
from reft_engine.inference.decoding import ChosenToken, Delta
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import Answerer, Prompt, check_writers
from reft_engine.inference.requests import EVERYTHING
from reft_engine.inference.sampling import Sampling
from reft_engine.tokens.examples import ids_of_answer

__all__ = ["Delta", "Prompt", "generate", "score", "stream"]


def stream(
    base: Base,
    prompt: Prompt,
    edits: Sequence[Answerer | None],
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 0.95,
    seed: int = 0,
    strength: float = 1.0,
    should_stop: Callable[[], bool] = lambda: False,
    memory: kv_cache.PromptCache | None = None,
) -> Iterator[Delta]:
    """Answer one prompt once per entry of ``edits``, all at the same time; None is the base model alone.

    Args:
        base: the frozen base model.
        prompt: a user's text, a conversation that ends with a user's message, or token ids.
        edits: one column each: an edit, a `Mix` of edits or a baseline.
        max_new_tokens: for each column, at least 1; an answer also ends where the base model's context ends.
        temperature: 0 always takes the likeliest token; otherwise at least 1e-6.
        top_p: the likeliest tokens with this total probability are sampled from.
        seed: of the sampling, 0 to 2**63 - 1; the same for every column.
        strength: factor on the edits; 1 as trained, 0 the base model.
        should_stop: called before every token.
        memory: KV cache of earlier conversations with this base model, so that a chat's next message computes only new tokens.

    Raises:
        ConfigError: the prompt is invalid or empty, ends with an answer or does not fit the base model's context; there is no column;
            a setting is out of range; or the base model or an edit classifies and writes no text.
        DataError: a message is no text, the base model's template refuses the prompt, or it lacks the marks that an edit's positions
            need.
    """
    sampling = Sampling(temperature, top_p, seed)
    engine = InferenceEngine(base, memory=memory)
    request = engine.submit(
        prompt, edits, max_new_tokens=max_new_tokens, sampling=sampling, strength=strength, should_stop=should_stop
    )  # fmt: skip
    return iter(request)


def generate(
    base: Base,
    prompt: Prompt | Sequence[Prompt],
    edits: Sequence[Answerer | None] | Answerer = (None,),
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    top_p: float = 0.95,
    seed: int = 0,
    strength: float = 1.0,
) -> list[str]:
    """Answer one prompt once per entry of ``edits``, or each of several prompts with its own edit, all at once; returns the texts.

    Args:
        base: the frozen base model.
        prompt: as in `stream`, repeated for all edits, or a list of such prompts.
        edits: one entry for each answer; a single edit answers every prompt.
        max_new_tokens: as in `stream`, as are the others.
        temperature: see there.
        top_p: see there.
        seed: see there.
        strength: see there.

    Raises:
        ConfigError, DataError: as from `stream`; or there are not as many prompts as edits.
    """
    columns: Any = [edits] if isinstance(edits, Answerer) else edits
    engine = InferenceEngine(base, limits=EVERYTHING)
    sampling = Sampling(temperature, top_p, seed)
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "sampling": sampling, "strength": strength}
    if not _are_several(prompt):
        asked = [engine.submit(prompt, columns, **options)]  # type: ignore[arg-type]
    else:
        prompts: Sequence[Any] = prompt
        check_writers(base, columns)
        if len(columns) not in (1, len(prompts)):
            raise ConfigError(
                "There are {prompts} prompts and {edits} edits; give as many edits as prompts, or one for all.", "edits",
                kind="generation.pairs", prompts=len(prompts), edits=len(columns),
            )  # fmt: skip
        asked = [engine.submit(each, [columns[index % len(columns)]], **options) for index, each in enumerate(prompts)]
    engine.finish()
    return [text for request in asked for text in request.texts()]


def score(
    base: Base, prompt: Prompt, answer: str, edits: Sequence[Answerer | None] = (None,), *, strength: float = 1.0, likeliest: int = 0
) -> list[list[ChosenToken]]:  # fmt: skip
    """What base and edited models make of an answer that is given: each token of it with its log-probability, for each entry of ``edits``.

    Args:
        base: the frozen base model.
        prompt: as in `stream`.
        answer: the text; the token that ends it is scored too, as in training.
        edits: one column each.
        strength: factor on the edits.
        likeliest: number of likeliest tokens at each place that come with it.

    Raises:
        ConfigError, DataError: as from `stream`; or the answer is empty, or longer than the base model's context has room for.
    """
    if not answer:
        raise ConfigError("There is no answer to score.", "answer", kind="generation.no_answer")
    request = InferenceEngine(base).submit(
        prompt, edits, given=ids_of_answer(base, answer), sampling=Sampling(log_probabilities=likeliest), strength=strength
    )  # fmt: skip
    found: list[list[ChosenToken]] = [[] for _ in edits]
    for delta in request:
        found[delta.column] += delta.tokens
    return found


def _are_several(prompt: Any) -> bool:
    """Whether it is a list of prompts: its items are texts or lists, and not messages or token ids."""
    if isinstance(prompt, str | bytes | bytearray) or not isinstance(prompt, Sequence) or not prompt:
        return False
    return all(isinstance(item, str) or (isinstance(item, Sequence) and not isinstance(item, Message)) for item in prompt)
