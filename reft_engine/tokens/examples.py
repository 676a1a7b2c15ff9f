"""Encodes an example to a sequence of token ids: the rendered prompt, then the answer.

Prompt and answer are tokenised separately and their ids joined, in training as in generation, so that no merge across their
border can shift the loss mask or the edited positions. For the prompts see `prompts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reft_engine.base.loading import PLAIN_TEMPLATE, Base
from reft_engine.data import Example, Message, Preference
from reft_engine.errors import DataError
from reft_engine.positions import UNEDITED, EditedTokens, PositionSpec
from reft_engine.spec import ReftConfig
from reft_engine.tokens.prompts import EncodedPrompt, end_ids, frame, prompt_ids, read_prompt, text_ids

__all__ = [
    "EncodedExample",
    "EncodedLabel",
    "EncodedPreference",
    "EncodedPrompt",
    "EncodedRow",
    "as_in_checkpoints",
    "encode",
    "encode_label",
    "encode_preference",
    "encode_text",
    "end_ids",
    "prompt_ids",
    "read_prompt",
    "whole_length",
    "with_prompt",
]

PLAIN_PROMPT_TOKENS = 16
"""Tokens of a plain text that are its prompt."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and of the answer with its end-of-turn token; its ``line`` in the file; whether the answer was cut.

    ``edited`` says which tokens of the prompt are edited. In classification there is no answer; ``second`` is the index of the first
    token of the second of two texts, or 0 if there is only one.
    """

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    line: int
    cut: bool = False
    edited: EditedTokens = UNEDITED
    second: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """Prompt and answer."""
        return (*self.prompt_ids, *self.answer_ids)

    @property
    def length(self) -> int:
        """Tokens of the sequence."""
        return len(self.prompt_ids) + len(self.answer_ids)

    @property
    def first_edited(self) -> int:
        """The index of the first edited token, at most that of the prompt's last token, which predicts the answer."""
        return min([max(len(self.prompt_ids) - 1, 0), *(group[0] for group in self.edited if group)])


@dataclass(frozen=True, slots=True)
class EncodedPreference:
    """One prompt with the preferred answer and the rejected one."""

    chosen: EncodedExample
    rejected: EncodedExample

    @property
    def length(self) -> int:
        """Tokens of the longer sequence."""
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
        """Tokens of the sequence."""
        return len(self.prompt.ids)

    @property
    def cut(self) -> bool:
        """Whether the text was cut."""
        return self.prompt.cut


EncodedRow = EncodedExample | EncodedPreference | EncodedLabel


def with_prompt(base: Base, example: Example | Preference) -> Example | Preference:
    """An example as it is trained: of plain text the first `PLAIN_PROMPT_TOKENS` tokens are the prompt, and the rest is the answer.

    Raises:
        DataError: the text has no more tokens than that; the line is named.
    """
    if example.messages or isinstance(example, Preference):
        return example
    text, ids = example.answer, text_ids(base, example.answer)
    if len(ids) <= PLAIN_PROMPT_TOKENS:
        raise DataError(
            "Line {line}: the text has {tokens} tokens; the first {count} are the prompt, so that nothing is left to learn.",
            kind="row.text_short",
            line=example.line,
            tokens=len(ids),
            count=PLAIN_PROMPT_TOKENS,
        )
    prompt = base.tokenizer.decode(ids[:PLAIN_PROMPT_TOKENS])
    if not text.startswith(prompt):  # a tokenizer that changes what it reads: the same share of the letters
        prompt = text[: max(1, len(text) * PLAIN_PROMPT_TOKENS // len(ids))]
    return replace(example, messages=(Message("user", prompt),), answer=text[len(prompt) :])


def encode(
    base: Base, example: Example, max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> EncodedExample:
    """Encode one example; an answer that does not fit is cut at its end, and only its first ``answer_tokens`` stay.

    Prompt and answer together have at most ``max_length`` tokens; for an encoder-decoder, the limit applies to each separately.
    ``config`` says which tokens are edited; without it, none are.

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
        raise DataError("Line {line}: the chosen and the rejected answer are the same.", kind="row.answers_equal", line=pair.line)
    return EncodedPreference(chosen, rejected)


def encode_label(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedLabel:
    """Encode a text with its label; a text that does not fit is cut at its end, the longer of two texts first.

    Raises:
        DataError: the label is none of the config's, or the text cannot be encoded; the line is named.
    """
    assert config.labels is not None
    if example.answer not in config.labels:
        labels = ", ".join(config.labels[:5]) + (", ..." if len(config.labels) > 5 else "")
        raise DataError(
            "Line {line}: '{answer}' is none of the labels ({labels}).",
            kind="row.label",
            line=example.line,
            answer=example.answer[:40],
            labels=labels,
        )
    return EncodedLabel(encode_text(base, example, max_length, config), config.labels.index(example.answer), example.line)


def encode_text(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedPrompt:
    """Encode a text to classify; see `encode_label`. Raises DataError."""
    prompt = _read_line(base, example.messages, example.line, config, min(max_length, base.context))
    if not any(message.content.strip() for message in example.messages):
        raise DataError("Line {line}: the text is empty.", kind="row.text_empty", line=example.line)
    return prompt


def _read_line(
    base: Base, messages: Sequence[Message], line: int, config: ReftConfig | None, limit: int | None = None
) -> EncodedPrompt:  # fmt: skip
    """A prompt with the tokens that the config's rule edits; errors name its line."""
    try:
        return read_prompt(base, messages, PositionSpec.parse(config.positions) if config else None, limit)
    except DataError as error:
        kind = "template.line" if error.group == "template" else "row.prompt"
        raise DataError("Line {line}: {reason}", kind=kind, detail=error.detail, line=line, reason=str(error)) from error


def _fitting_prompt(
    base: Base, messages: Sequence[Message], line: int, max_length: int, config: ReftConfig | None
) -> tuple[EncodedPrompt, int]:
    """A prompt, and how many answer tokens fit after it."""
    prompt = _read_line(base, messages, line, config)
    if not messages or not messages[-1].content.strip():
        raise DataError("Line {line}: the prompt is empty.", kind="row.prompt_empty", line=line)
    if messages[-1].role == "assistant":
        raise DataError(
            "Line {line}: the prompt ends with an answer of the assistant, so nothing asks for the one to learn.",
            kind="row.prompt_answered",
            line=line,
        )
    limit, is_separate = min(max_length, base.context), base.kind == "encoder_decoder"
    room = limit if is_separate else limit - 1
    if len(prompt.ids) > room:
        raise DataError(
            "Line {line}: the prompt has {tokens} tokens, and only {limit} fit. Shorten it or choose a base model with a longer context.",
            kind="length",
            line=line,
            tokens=len(prompt.ids),
            limit=room,
        )
    return prompt, limit if is_separate else limit - len(prompt.ids)


def _with_answer(base: Base, prompt: EncodedPrompt, text: str, line: int, room: int, answer_tokens: int | None = None) -> EncodedExample:
    if not text.strip():
        raise DataError("Line {line}: the answer is empty, so there is nothing to learn from it.", kind="row.answer_empty", line=line)
    try:
        answer = _answer_ids(base, text)
    except DataError as error:
        raise DataError("Line {line}: {reason}", kind="row.answer", line=line, reason=str(error)) from error
    answer_ids = answer[: min(room, answer_tokens or room)]
    return EncodedExample(prompt.ids, answer_ids, line, cut=len(answer) > room, edited=prompt.edited)


def _answer_ids(base: Base, text: str) -> tuple[int, ...]:
    if base.kind == "encoder_decoder":
        around = frame(base)
        return (*around.before, *text_ids(base, text), *around.after)
    space = " " if text and base.template == PLAIN_TEMPLATE else ""
    return (*text_ids(base, space + text), *end_ids(base))


def whole_length(base: Base, text: str) -> int:
    """Tokens of an answer with its end-of-turn token, also of one that is cut when it is encoded. Raises DataError."""
    return len(_answer_ids(base, text))


def text_of(prompt: EncodedPrompt, line: int = 0) -> EncodedExample:
    """A text to classify as a sequence without an answer."""
    return EncodedExample(prompt.ids, (), line, edited=prompt.edited, second=prompt.second)


def as_in_checkpoints(row: EncodedRow, rule: PositionSpec) -> str:
    """A row as text, by which a checkpoint recognises its rows.

    It has the fields of the first version, in its words, whatever fields rows gain or lose, so that earlier checkpoints can be
    resumed. Edited tokens are included only if the rule reads them from the text; otherwise the run's settings determine them.
    """
    if isinstance(row, EncodedPreference):
        chosen, rejected = (as_in_checkpoints(side, rule) for side in (row.chosen, row.rejected))
        return f"EncodedPreference(chosen={chosen}, rejected={rejected})"
    prompt_row = row.prompt if isinstance(row, EncodedLabel) else row
    marked = prompt_row.edited.prefix if rule.reads_text else ()
    if isinstance(row, EncodedLabel):
        prompt = f"EncodedPrompt(ids={row.prompt.ids}, marked={marked}, second={row.prompt.second}, cut={row.prompt.cut})"
        return f"EncodedLabel(prompt={prompt}, label={row.label}, line={row.line})"
    return (
        f"EncodedExample(prompt_ids={row.prompt_ids}, answer_ids={row.answer_ids}, line={row.line}, cut={row.cut}, "
        f"marked={marked}, second={row.second})"
    )
