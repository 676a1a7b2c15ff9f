"""From an example to a row of token ids: the template's prompt, then the answer, joined at a border that is kept.

Prompt and answer are tokenised apart and their ids joined, in training and in generation alike, so that no merge
across the border can shift the label mask or the edited positions. For the prompts see `prompts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.base.loading import PLAIN_TEMPLATE, Base
from reft_engine.data import Example, Message, Preference
from reft_engine.errors import DataError
from reft_engine.positions import PositionSpec
from reft_engine.spec import ReftConfig
from reft_engine.tokens.prompts import EncodedPrompt, Frame, end_ids, frame, prompt_ids, read_prompt, text_ids

__all__ = [
    "EncodedExample",
    "EncodedLabel",
    "EncodedPreference",
    "EncodedPrompt",
    "EncodedRow",
    "encode",
    "encode_label",
    "encode_preference",
    "encode_text",
    "end_ids",
    "prompt_ids",
    "read_prompt",
]


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and of the answer with its end-of-turn token; ``line`` of its file; whether it was cut.

    A text that is classified has no answer; ``second`` is where the second of two texts begins in it, 0 if there is one alone.
    """

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    line: int
    cut: bool = False
    marked: tuple[int, ...] = ()
    second: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """Prompt and answer."""
        return (*self.prompt_ids, *self.answer_ids)

    @property
    def length(self) -> int:
        """Tokens of the row."""
        return len(self.prompt_ids) + len(self.answer_ids)


@dataclass(frozen=True, slots=True)
class EncodedPreference:
    """One prompt with the answer that is preferred and the one that is not."""

    chosen: EncodedExample
    rejected: EncodedExample

    @property
    def length(self) -> int:
        """Tokens of the longer row."""
        return max(self.chosen.length, self.rejected.length)

    @property
    def cut(self) -> bool:
        """Whether one of the answers was cut."""
        return self.chosen.cut or self.rejected.cut


@dataclass(frozen=True, slots=True)
class EncodedLabel:
    """Token ids of a text, or of two, and the index of its label."""

    prompt: EncodedPrompt
    label: int
    line: int

    @property
    def length(self) -> int:
        """Tokens of the row."""
        return len(self.prompt.ids)

    @property
    def cut(self) -> bool:
        """Whether the text was cut."""
        return self.prompt.cut


EncodedRow = EncodedExample | EncodedPreference | EncodedLabel


def encode(
    base: Base, example: Example, max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> EncodedExample:
    """Encode one example; an answer that does not fit is cut at its end, and only its first ``answer_tokens`` are kept.

    Prompt and answer together have ``max_length`` tokens; of an encoder-decoder, which reads them apart, each has as many.

    Raises:
        DataError: the prompt alone leaves no room for an answer token, or cannot be encoded; the line is named.
    """
    prompt, room = _fitting_prompt(base, example.messages, example.line, max_length, config)
    return _with_answer(base, prompt, example.answer, example.line, room, answer_tokens)


def encode_preference(
    base: Base, pair: Preference, max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> EncodedPreference:
    """Encode a preference pair; see `encode`. Raises DataError."""
    prompt, room = _fitting_prompt(base, pair.messages, pair.line, max_length, config)
    sides = (pair.chosen, pair.rejected)
    chosen, rejected = (_with_answer(base, prompt, answer, pair.line, room, answer_tokens) for answer in sides)
    if chosen.answer_ids == rejected.answer_ids:
        raise DataError(f"Line {pair.line}: the chosen and the rejected answer are the same.", kind="row")
    return EncodedPreference(chosen, rejected)


def encode_label(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedLabel:
    """Encode a text with its label; a text that does not fit is cut at its end, of two texts the longer first.

    Raises:
        DataError: the label is none of the config's, or the text cannot be encoded; the line is named.
    """
    assert config.labels is not None
    if example.answer not in config.labels:
        known = ", ".join(config.labels[:5]) + (", ..." if len(config.labels) > 5 else "")
        raise DataError(f"Line {example.line}: '{example.answer[:40]}' is none of the labels ({known}).", kind="row")
    return EncodedLabel(encode_text(base, example, max_length, config), config.labels.index(example.answer), example.line)


def encode_text(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedPrompt:
    """Encode what is to be classified; see `encode_label`. Raises DataError."""
    prompt = _named(base, example.messages, example.line, config)
    if not any(message.content.strip() for message in example.messages):
        raise DataError(f"Line {example.line}: the text is empty.", kind="row")
    limit = min(max_length, base.context)
    return prompt if len(prompt.ids) <= limit else _cut(prompt, frame(base), limit)


def _cut(prompt: EncodedPrompt, around: Frame, limit: int) -> EncodedPrompt:
    """Cut at the texts' ends, the longer text first; what the tokenizer puts around them is kept."""
    start, end = len(around.before), len(prompt.ids) - len(around.behind)
    second = prompt.second or end
    between = len(around.between) if prompt.second else 0
    first = second - between - start
    kept_first, kept_second = _shares(first, end - second, max(0, limit - (len(prompt.ids) - first - (end - second))))
    kept = [*range(start + kept_first), *range(second - between, second + kept_second), *range(end, len(prompt.ids))]
    marked = set(prompt.marked)
    return EncodedPrompt(
        tuple(prompt.ids[index] for index in kept),
        tuple(at for at, index in enumerate(kept) if index in marked),
        start + kept_first + between if prompt.second else 0,
        cut=True,
    )


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many tokens each of two texts may keep: as transformers' truncation ``longest_first`` gives them."""
    less = min(first, second, room // 2)
    return (less, room - less) if first <= second else (room - less, less)


def _named(base: Base, messages: Sequence[Message], line: int, config: ReftConfig | None) -> EncodedPrompt:
    try:
        return read_prompt(base, messages, config is not None and PositionSpec.parse(config.positions).marked)
    except DataError as error:
        raise DataError(f"Line {line}: {error}", kind=error.kind or "row", detail=error.detail) from error


def _fitting_prompt(
    base: Base, messages: Sequence[Message], line: int, max_length: int, config: ReftConfig | None
) -> tuple[EncodedPrompt, int]:
    """A prompt, and how many answer tokens fit behind it."""
    prompt = _named(base, messages, line, config)
    if not messages or not messages[-1].content.strip():
        raise DataError(f"Line {line}: the prompt is empty.", kind="row")
    if messages[-1].role == "assistant":
        raise DataError(f"Line {line}: the prompt ends with an answer of the assistant, so nothing asks for the one to learn.", kind="row")
    limit, apart = min(max_length, base.context), base.kind == "encoder_decoder"
    fits = limit if apart else limit - 1
    if len(prompt.ids) > fits:
        raise DataError(
            f"Line {line}: the prompt has {len(prompt.ids)} tokens, and only {fits} fit. "
            "Shorten it or choose a base model with a longer context.",
            kind="length",
        )
    return prompt, limit if apart else limit - len(prompt.ids)


def _with_answer(base: Base, prompt: EncodedPrompt, text: str, line: int, room: int, answer_tokens: int | None = None) -> EncodedExample:
    if not text.strip():
        raise DataError(f"Line {line}: the answer is empty, so there is nothing to learn from it.", kind="row")
    try:
        answer = _answer_ids(base, text)
    except DataError as error:
        raise DataError(f"Line {line}: {error}", kind="row") from error
    kept = answer[: min(room, answer_tokens or room)]
    return EncodedExample(prompt.ids, kept, line, cut=len(answer) > room, marked=prompt.marked)


def _answer_ids(base: Base, text: str) -> tuple[int, ...]:
    if base.kind == "encoder_decoder":
        around = frame(base)
        return (*around.before, *text_ids(base, text), *around.behind)
    space = " " if text and base.template == PLAIN_TEMPLATE else ""
    return (*text_ids(base, space + text), *end_ids(base))


def text_of(prompt: EncodedPrompt, line: int = 0) -> EncodedExample:
    """A text without an answer."""
    return EncodedExample(prompt.ids, (), line, marked=prompt.marked, second=prompt.second)
