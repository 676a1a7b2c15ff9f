"""Encodes an example to a sequence of token ids: the rendered prompt, then the answer.

Prompt and answer are tokenised separately and their ids joined, in training as in generation, so that no merge across their
border can shift the loss mask or the edited positions. For the prompts see `prompts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reft_engine.base.loading import PLAIN_TEMPLATE, Base
from reft_engine.data import AnyExample, Example, Message, Preference
from reft_engine.errors import DataError
from reft_engine.positions import UNEDITED, EditedTokens, PositionSpec
from reft_engine.spec import ReftConfig
from reft_engine.tokens.prompts import EncodedPrompt, end_ids, frame, prompt_ids, read_conversations, read_prompt, texts_ids
from reft_engine.tokens.together import go_on, only

__all__ = [
    "EncodedExample",
    "EncodedLabel",
    "EncodedPreference",
    "EncodedPrompt",
    "EncodedRow",
    "as_in_checkpoints",
    "encode",
    "encode_examples",
    "encode_labels",
    "encode_preferences",
    "encode_text",
    "encode_texts",
    "end_ids",
    "ids_of_answer",
    "prompt_ids",
    "read_prompt",
    "with_prompt",
    "with_prompts",
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
        prefix, suffix = self.edited
        first = max(len(self.prompt_ids) - 1, 0)
        if prefix and prefix[0] < first:
            first = prefix[0]
        return min(first, suffix[0]) if suffix else first


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


def with_prompt(base: Base, example: AnyExample) -> AnyExample:
    """An example as it is trained: of plain text the first `PLAIN_PROMPT_TOKENS` tokens are the prompt, and the rest is the answer.

    Raises:
        DataError: the text has no more tokens than that; the line is named.
    """
    (asking,) = with_prompts(base, [example])
    if isinstance(asking, DataError):
        raise asking
    return asking


def with_prompts(base: Base, examples: Sequence[AnyExample]) -> list[AnyExample | DataError]:
    """As `with_prompt`, of many examples, whose texts are tokenised together."""
    plain = [example for example in examples if isinstance(example, Example) and not example.messages]
    ids = texts_ids(base, [example.answer for example in plain])
    divided = iter([_divided(base, example, each) for example, each in zip(plain, ids, strict=True)])
    return [next(divided) if isinstance(example, Example) and not example.messages else example for example in examples]


def _divided(base: Base, example: Example, ids: list[int] | DataError) -> Example | DataError:
    """Plain text as prompt and answer, given its token ids."""
    if isinstance(ids, DataError):
        return ids
    text = example.answer
    if len(ids) <= PLAIN_PROMPT_TOKENS:
        return DataError(
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
    return only(encode_examples(base, [example], max_length, config, answer_tokens))


def encode_examples(
    base: Base, examples: Sequence[Example], max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> list[EncodedExample | DataError]:
    """As `encode`, of many examples, whose texts are tokenised together."""
    return [
        row if isinstance(row, DataError) else row[0]
        for row in _encode_answers(base, examples, [(example.answer,) for example in examples], max_length, config, answer_tokens)
    ]  # fmt: skip


def encode_preferences(
    base: Base, pairs: Sequence[Preference], max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> list[EncodedPreference | DataError]:
    """Encode preference pairs, whose texts are tokenised together; see `encode`. A pair that cannot be used is its error."""
    return [
        row if isinstance(row, DataError) else _as_pair(*row)
        for row in _encode_answers(base, pairs, [(pair.chosen, pair.rejected) for pair in pairs], max_length, config, answer_tokens)
    ]  # fmt: skip


def _as_pair(chosen: EncodedExample, rejected: EncodedExample) -> EncodedPreference | DataError:
    if chosen.answer_ids == rejected.answer_ids:
        return DataError("Line {line}: the chosen and the rejected answer are the same.", kind="row.answers_equal", line=chosen.line)
    return EncodedPreference(chosen, rejected)


def encode_labels(base: Base, examples: Sequence[Example], max_length: int, config: ReftConfig) -> list[EncodedLabel | DataError]:
    """Encode texts with their labels, tokenised together; a text that does not fit is cut at its end, the longer of two texts first.

    In the place of a row stands its error, which names the line, if its label is none of the config's or its text cannot be encoded.
    """
    labels = config.labels or ()

    def encoded(labelled: Sequence[Example]) -> list[EncodedLabel | DataError]:
        prompts = zip(labelled, encode_texts(base, labelled, max_length, config), strict=True)
        return [
            prompt if isinstance(prompt, DataError) else EncodedLabel(prompt, labels.index(example.answer), example.line)
            for example, prompt in prompts
        ]  # fmt: skip

    return go_on([_labelled(example, labels) for example in examples], encoded)


def _labelled(example: Example, labels: Sequence[str]) -> Example | DataError:
    """An example with one of these labels."""
    if example.answer in labels:
        return example
    listed = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
    return DataError(
        "Line {line}: '{answer}' is none of the labels ({labels}).",
        kind="row.label",
        line=example.line,
        answer=example.answer[:40],
        labels=listed,
    )


def encode_text(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedPrompt:
    """Encode a text to classify; see `encode_labels`. Raises DataError."""
    return only(encode_texts(base, [example], max_length, config))


def encode_texts(base: Base, examples: Sequence[Example], max_length: int, config: ReftConfig) -> list[EncodedPrompt | DataError]:
    """As `encode_text`, of many texts, which are tokenised together."""
    prompts = zip(examples, _read_lines(base, examples, config, min(max_length, base.context)), strict=True)
    return [prompt if isinstance(prompt, DataError) else _said(prompt, example) for example, prompt in prompts]


def _said(prompt: EncodedPrompt, example: Example) -> EncodedPrompt | DataError:
    """A text to classify that says something."""
    if not any(message.content.strip() for message in example.messages):
        return DataError("Line {line}: the text is empty.", kind="row.text_empty", line=example.line)
    return prompt


def _read_lines(
    base: Base, examples: Sequence[AnyExample], config: ReftConfig | None, limit: int | None = None
) -> list[EncodedPrompt | DataError]:  # fmt: skip
    """Prompts with the tokens that the config's rule edits; errors name their lines."""
    rule = PositionSpec.parse(config.positions) if config else None
    prompts = read_conversations(base, [example.messages for example in examples], rule, limit)
    return [
        _of_line(prompt, example.line) if isinstance(prompt, DataError) else prompt
        for example, prompt in zip(examples, prompts, strict=True)
    ]  # fmt: skip


def _of_line(error: DataError, line: int) -> DataError:
    """An error of a prompt, with its line."""
    kind = "template.line" if error.group == "template" else "row.prompt"
    of_line = DataError("Line {line}: {reason}", kind=kind, detail=error.detail, line=line, reason=str(error))
    of_line.__cause__ = error
    return of_line


def _encode_answers(
    base: Base, examples: Sequence[AnyExample], answers: Sequence[Sequence[str]], max_length: int, config: ReftConfig | None,
    answer_tokens: int | None,
) -> list[list[EncodedExample] | DataError]:  # fmt: skip
    """Each prompt with its answers, one or two, as sequences."""
    prompts = zip(examples, _read_lines(base, examples, config), strict=True)
    limit = min(max_length, base.context)
    fitting = [
        prompt if isinstance(prompt, DataError) else _fitting(base, prompt, example, limit)
        for example, prompt in prompts
    ]  # fmt: skip
    of_fitting = [texts for texts, prompt in zip(answers, fitting, strict=True) if not isinstance(prompt, DataError)]
    ids = iter(_answers_ids(base, [text for texts in of_fitting for text in texts]))
    rows: list[list[EncodedExample] | DataError] = []
    for example, texts, prompt in zip(examples, answers, fitting, strict=True):
        if isinstance(prompt, DataError):
            rows.append(prompt)
            continue
        room = limit if base.kind == "encoder_decoder" else limit - len(prompt.ids)
        sequences = [_with_answer(prompt, text, next(ids), example.line, room, answer_tokens) for text in texts]
        rows.append(next((each for each in sequences if isinstance(each, DataError)), None) or _no_errors(sequences))
    return rows


def _no_errors(sequences: Sequence[EncodedExample | DataError]) -> list[EncodedExample]:
    return [each for each in sequences if isinstance(each, EncodedExample)]


def _fitting(base: Base, prompt: EncodedPrompt, example: AnyExample, limit: int) -> EncodedPrompt | DataError:
    """A prompt that asks for an answer and leaves room for one, of ``limit`` tokens."""
    messages, line = example.messages, example.line
    if not messages or not messages[-1].content.strip():
        return DataError("Line {line}: the prompt is empty.", kind="row.prompt_empty", line=line)
    if messages[-1].role == "assistant":
        return DataError(
            "Line {line}: the prompt ends with an answer of the assistant, so nothing asks for the one to learn.",
            kind="row.prompt_answered",
            line=line,
        )
    room = limit if base.kind == "encoder_decoder" else limit - 1
    if len(prompt.ids) > room:
        return DataError(
            "Line {line}: the prompt has {tokens} tokens, and only {limit} fit. Shorten it or choose a base model with a longer context.",
            kind="length",
            line=line,
            tokens=len(prompt.ids),
            limit=room,
        )
    return prompt


def _with_answer(
    prompt: EncodedPrompt, text: str, answer: tuple[int, ...] | DataError, line: int, room: int, answer_tokens: int | None
) -> EncodedExample | DataError:
    """A prompt with the token ids of an answer, as far as there is room for them."""
    if not text.strip():
        return DataError("Line {line}: the answer is empty, so there is nothing to learn from it.", kind="row.answer_empty", line=line)
    if isinstance(answer, DataError):
        error = DataError("Line {line}: {reason}", kind="row.answer", line=line, reason=str(answer))
        error.__cause__ = answer
        return error
    answer_ids = answer[: min(room, answer_tokens or room)]
    return EncodedExample(prompt.ids, answer_ids, line, cut=len(answer) > room, edited=prompt.edited)


def _answers_ids(base: Base, texts: Sequence[str]) -> list[tuple[int, ...] | DataError]:
    """Token ids of answers with what begins and ends them."""
    space = " " if base.kind != "encoder_decoder" and base.template == PLAIN_TEMPLATE else ""
    answers = texts_ids(base, [space + text if text else text for text in texts])
    try:
        before, after = (frame(base).before, frame(base).after) if base.kind == "encoder_decoder" else ((), end_ids(base))
    except DataError as error:  # the template refuses even the shortest chat
        return [ids if isinstance(ids, DataError) else error for ids in answers]
    return [ids if isinstance(ids, DataError) else (*before, *ids, *after) for ids in answers]


def ids_of_answer(base: Base, text: str) -> tuple[int, ...]:
    """Token ids of an answer as it is trained on, with what begins and ends it, before it is cut. Raises DataError."""
    return only(_answers_ids(base, [text]))


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
