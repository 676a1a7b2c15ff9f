"""From an example to token ids: the template's prompt, then the answer, joined at a border that is kept.

Prompt and answer are tokenised apart and their ids joined, in training and in generation alike, so that no merge
across the border can shift the label mask or the edited positions. Control tokens inside a message (``<|im_end|>``
typed by a person) are encoded as text, never as control tokens.

With the positions ``marked``, ``<reft>`` and ``</reft>`` in a message mark what is edited. They are taken out before the
text is tokenised, so that the base model reads the same tokens as without them; a token that a mark cuts through is edited.
"""

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reft_engine.base_models import PLAIN_TEMPLATE, TEXT_TEMPLATE, Base
from reft_engine.data import Example, Message, Preference
from reft_engine.errors import DataError
from reft_engine.positions import PositionSpec
from reft_engine.spec import ReftConfig

_TYPED, _TYPED_END = "\ue000", "\ue001"
"""Stand around a control token in a message while the template is rendered; private-use characters."""
_OPEN, _CLOSE = "<reft>", "</reft>"
_OPENED, _CLOSED = "\ue003", "\ue004"
"""Stand for the marks of edited text, likewise."""
_NO_MARKS = dict.fromkeys(map(ord, _OPENED + _CLOSED))
_NO_PRIVATE = _NO_MARKS | dict.fromkeys(map(ord, _TYPED + _TYPED_END))


_RENDER_SECONDS = 10.0
_RENDER_CHARACTERS = 1_000_000
"""What a template may write of its own."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids of a prompt, the indices that it marks, and for a pair of texts where the second begins (else 0)."""

    ids: tuple[int, ...]
    marked: tuple[int, ...] = ()
    second: int = 0


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token ids of a prompt and of the answer with its end-of-turn token; ``line`` of its file; whether it was cut."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]
    line: int
    cut: bool = False
    marked: tuple[int, ...] = ()

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


EncodedRow = EncodedExample | EncodedPreference | EncodedLabel


class _Sandbox(ImmutableSandboxedEnvironment):
    """Multiplies small things only, so that no template can fill the memory in one go."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(value) if isinstance(value, (str, list, tuple)) else abs(value) for value in (left, right)]
        if max(sizes) > 64 if operator == "**" else sizes[0] * sizes[1] > 100_000:
            raise TemplateError("it multiplies what is too large")
        return super().call_binop(context, operator, left, right)


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    """Compile with what transformers offers to chat templates."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str) -> str:
        raise TemplateError(message)

    def as_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = as_json
    return environment.from_string(template)


def _render(base: Base, messages: Sequence[Message], generation_prompt: bool) -> str:
    tokenizer = base.tokenizer
    specials = {name: str(value) for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)}
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        pieces = _compiled(base.template).generate(messages=turns, add_generation_prompt=generation_prompt, **specials)
        return _joined(pieces, 4 * sum(len(message.content) for message in messages) + _RENDER_CHARACTERS)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError) as error:
        raise DataError(f"The chat template of {base.name} refuses this conversation: {str(error)[:200]}") from error


def _render_marked(base: Base, messages: Sequence[Message]) -> str:
    """Render with marks in the messages to what the template writes without them, with the marks added."""
    plain = _render(base, [Message(message.role, message.content.translate(_NO_MARKS)) for message in messages], True)
    # Templates that trim a message find its white space only where no mark stands around it.
    for turns in (messages, [Message(message.role, _trimmable(message.content)) for message in messages]):
        rendered = _render(base, turns, True)
        if rendered.translate(_NO_MARKS) == plain:
            return rendered
    raise DataError(f"The chat template of {base.name} changes what is marked. Choose other positions.")


def _trimmable(text: str) -> str:
    """Move marks behind white space that the text begins with, and before what it ends with."""
    marks = _OPENED + _CLOSED
    text = re.sub(rf"^[\s{marks}]+", lambda found: "".join(sorted(found[0], key=lambda letter: letter in marks)), text)
    return re.sub(rf"[\s{marks}]+$", lambda found: "".join(sorted(found[0], key=lambda letter: letter not in marks)), text)


def _joined(pieces: Iterable[str], limit: int) -> str:
    """A rendered text; a template that does not come to an end is stopped where it writes. Raises TemplateError."""
    found: list[str] = []
    length, end = 0, time.monotonic() + _RENDER_SECONDS
    for piece in pieces:
        found.append(piece)
        length += len(piece)
        if length > limit or time.monotonic() > end:
            raise TemplateError("it does not come to an end")
    return "".join(found)


def _control_tokens(tokenizer: Any) -> list[str]:
    return sorted({token.content for token in tokenizer.added_tokens_decoder.values() if token.special}, key=len, reverse=True)


def prompt_ids(base: Base, messages: Sequence[Message]) -> tuple[int, ...]:
    """Token ids of a conversation rendered up to where the assistant begins to answer."""
    return read_prompt(base, messages).ids


def read_prompt(base: Base, messages: Sequence[Message], marked: bool = False) -> EncodedPrompt:
    """Encode a conversation up to where the assistant begins to answer; for an encoder its one text or its two.

    Args:
        base: the base model.
        messages: the conversation.
        marked: whether ``<reft>`` and ``</reft>`` mark what is edited; else they are text like any other.

    Raises:
        DataError: the template refuses the conversation, or nothing is marked, or a mark stands alone.
    """
    control = _control_tokens(base.tokenizer)
    guarded = [Message(message.role, _guard(message.content, control, marked)) for message in messages]
    before, between, behind = _frame(base)
    pieces = _Pieces(base)
    pieces.ids += before
    second = 0
    if base.kind == "encoder":
        for index, message in enumerate(guarded):
            pieces.ids += between if index else []
            second = second or (len(pieces.ids) if index else 0)
            pieces.add(message.content)
    else:
        pieces.add(_render_marked(base, guarded) if marked else _render(base, guarded, True))
    pieces.ids += behind
    if marked:
        pieces.check_marks()
    return EncodedPrompt(tuple(pieces.ids), tuple(pieces.marked), second)


class _Pieces:
    """Token ids of rendered text, and which of them are marked."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self.ids: list[int] = []
        self.marked: list[int] = []
        self._open = False

    def add(self, text: str) -> None:
        """Tokenise text; control tokens that a person typed are encoded as text."""
        for index, part in enumerate(re.split(f"{_TYPED}([^{_TYPED}{_TYPED_END}]*){_TYPED_END}", text)):
            self._add_part(part, {"split_special_tokens": True} if index % 2 else {})

    def _add_part(self, part: str, how: dict[str, bool]) -> None:
        text, spans = self._take_marks(part)
        if not spans:
            self.ids += self._base.tokenizer(text, add_special_tokens=False, **how)["input_ids"]
            return
        if not self._base.tokenizer.is_fast:
            raise DataError(f"The tokenizer of {self._base.name} cannot say which tokens a mark covers. Choose other positions.")
        encoded = self._base.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, **how)
        behind = 0
        for index, (token, (start, end)) in enumerate(zip(encoded.tokens(), encoded["offset_mapping"], strict=True)):
            # Byte-level tokenizers may take the space that a token begins with off what they say it covers.
            start, behind = behind if token.startswith("Ġ") else start, end
            if any(start < last and end > first for first, last in spans):
                self.marked.append(len(self.ids) + index)
        self.ids += encoded["input_ids"]

    def _take_marks(self, part: str) -> tuple[str, list[tuple[int, int]]]:
        """The text without marks, and the ranges of its characters that are marked."""
        kept, length, spans, start = list[str](), 0, list[tuple[int, int]](), 0
        for piece in re.split(f"([{_OPENED}{_CLOSED}])", part):
            if piece in (_OPENED, _CLOSED):
                if self._open == (piece == _OPENED):
                    raise DataError(f"{_OPEN} and {_CLOSE} must take turns.")
                if piece == _CLOSED:
                    spans.append((start, length))
                self._open, start = piece == _OPENED, length
            else:
                kept.append(piece)
                length += len(piece)
        if self._open:
            spans.append((start, length))
        return "".join(kept), [span for span in spans if span[0] < span[1]]

    def check_marks(self) -> None:
        """Refuse a prompt that marks nothing. Raises DataError."""
        if self._open:
            raise DataError(f"A {_OPEN} is not closed by {_CLOSE}.")
        if not self.marked:
            raise DataError(f"Nothing is marked: put {_OPEN} and {_CLOSE} around what is to be edited, or choose other positions.")


def _frame(base: Base) -> tuple[list[int], list[int], list[int]]:
    """What the tokenizer puts before a text, between two texts and behind the last; chat templates write it themselves."""
    tokenizer = base.tokenizer
    if base.kind == "decoder" and not _is_plain(base):
        return [], [], []
    probe: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    start, size = _index_of(probe, whole), len(probe)
    before, behind = whole[:start], whole[start + size :]
    if base.kind == "decoder":
        return (before if before[-1:] == [tokenizer.bos_token_id] else []), [], []
    pair: list[int] = tokenizer("a", "a")["input_ids"] if base.kind == "encoder" else []
    return before, pair[start + size : len(pair) - len(behind) - size], behind


def _is_plain(base: Base) -> bool:
    """Whether the template writes no control tokens of its own."""
    return base.template in (PLAIN_TEMPLATE, TEXT_TEMPLATE)


def _index_of(part: Sequence[int], whole: Sequence[int]) -> int:
    return next((at for at in range(len(whole)) if list(whole[at : at + len(part)]) == list(part)), 0)


def _guard(text: str, control: Sequence[str], marked: bool) -> str:
    text = text.translate(_NO_PRIVATE)
    if marked:
        text = text.replace(_OPEN, _OPENED).replace(_CLOSE, _CLOSED)
    return _typed(tuple(control)).sub(lambda found: f"{_TYPED}{found[0]}{_TYPED_END}", text) if control else text


@lru_cache(maxsize=16)
def _typed(control: tuple[str, ...]) -> re.Pattern[str]:
    """Finds control tokens in a message, also those with marks inside: without these they must be text like any other."""
    return re.compile("|".join(f"[{_OPENED}{_CLOSED}]*".join(map(re.escape, token)) for token in control))


def _text_ids(base: Base, text: str) -> list[int]:
    ids: list[int] = base.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def end_ids(base: Base) -> tuple[int, ...]:
    """What closes an answer: the template's own end-of-turn token, or the tokenizer's end-of-text."""
    if base.kind == "encoder_decoder":
        return tuple(_frame(base)[2])
    probe = "\ue002"
    text = _render(base, [Message("user", "a"), Message("assistant", probe)], False)
    _, shown, after = text.rpartition(probe)
    ids = base.tokenizer(after, add_special_tokens=False)["input_ids"] if shown else []
    special = {index for index, token in base.tokenizer.added_tokens_decoder.items() if token.special} | set(base.tokenizer.all_special_ids)
    first = next((index for index, token in enumerate(ids) if token in special), None)
    if first is not None:
        return tuple(ids[: first + 1])
    return (int(base.tokenizer.eos_token_id),) if base.tokenizer.eos_token_id is not None else ()


def encode(
    base: Base, example: Example, max_length: int, config: ReftConfig | None = None, answer_tokens: int | None = None
) -> EncodedExample:
    """Encode one example; an answer that does not fit is cut at its end, and only its first ``answer_tokens`` are kept.

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
        raise DataError(f"Line {pair.line}: the chosen and the rejected answer are the same.")
    return EncodedPreference(chosen, rejected)


def encode_label(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedLabel:
    """Encode a text with its label; a text that does not fit is cut at its end, what the tokenizer puts behind it is kept.

    Raises:
        DataError: the label is none of the config's, or the text cannot be encoded; the line is named.
    """
    assert config.labels is not None
    if example.answer not in config.labels:
        known = ", ".join(config.labels[:5]) + (", ..." if len(config.labels) > 5 else "")
        raise DataError(f"Line {example.line}: '{example.answer[:40]}' is none of the labels ({known}).")
    return EncodedLabel(encode_text(base, example, max_length, config), config.labels.index(example.answer), example.line)


def encode_text(base: Base, example: Example, max_length: int, config: ReftConfig) -> EncodedPrompt:
    """Encode what is to be classified; see `encode_label`. Raises DataError."""
    prompt = _named(base, example.messages, example.line, config)
    over = len(prompt.ids) - min(max_length, base.context)
    if over <= 0:
        return prompt
    behind = len(_frame(base)[2])
    keep = len(prompt.ids) - behind - over
    ids = (*prompt.ids[:keep], *prompt.ids[len(prompt.ids) - behind :])
    return EncodedPrompt(ids, tuple(index for index in prompt.marked if index < keep), min(prompt.second, len(ids)))


def _named(base: Base, messages: Sequence[Message], line: int, config: ReftConfig | None) -> EncodedPrompt:
    try:
        return read_prompt(base, messages, config is not None and PositionSpec.parse(config.positions).marked)
    except DataError as error:
        raise DataError(f"Line {line}: {error}") from error


def _fitting_prompt(
    base: Base, messages: Sequence[Message], line: int, max_length: int, config: ReftConfig | None
) -> tuple[EncodedPrompt, int]:
    """A prompt, and how many answer tokens fit behind it."""
    prompt = _named(base, messages, line, config)
    limit = min(max_length, base.context)
    if len(prompt.ids) >= limit:
        raise DataError(
            f"Line {line}: the prompt has {len(prompt.ids)} tokens, and only {limit} fit. "
            "Shorten it or choose a base model with a longer context."
        )
    return prompt, limit - len(prompt.ids) if base.kind == "decoder" else limit


def _with_answer(
    base: Base, prompt: EncodedPrompt, text: str, line: int, room: int, answer_tokens: int | None = None
) -> EncodedExample:
    answer = _answer_ids(base, text)
    if not answer:
        raise DataError(f"Line {line}: the answer is empty, so there is nothing to learn from it.")
    kept = answer[: min(room, answer_tokens or room)]
    return EncodedExample(prompt.ids, kept, line, cut=len(answer) > room, marked=prompt.marked)


def _answer_ids(base: Base, text: str) -> tuple[int, ...]:
    if base.kind == "encoder_decoder":
        before, _, behind = _frame(base)
        return (*before, *_text_ids(base, text), *behind)
    space = " " if text and base.template == PLAIN_TEMPLATE else ""
    return (*_text_ids(base, space + text), *end_ids(base))
