"""A conversation to the token ids of its prompt: what the template is asked for, the tokenizer's frame, control tokens, edited tokens.

Control tokens inside a message (``<|im_end|>`` typed by a person) are encoded as text, never as control tokens.

With the positions ``marked``, ``<reft>`` and ``</reft>`` in a message mark the edited text. They are removed before the
text is tokenised, so that the base model reads the same tokens as without them; a token that is partly marked is edited.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, get_args
from weakref import WeakKeyDictionary

from reft_engine.base.loading import PLAIN_TEMPLATE, TEXT_TEMPLATE, Base, Kind
from reft_engine.base.templates import Renderer, render
from reft_engine.data import Message
from reft_engine.data.records import Role
from reft_engine.errors import DataError
from reft_engine.positions import UNEDITED, EditedTokens, PositionSpec, edited_tokens
from reft_engine.tokens.together import go_on, only
from reft_engine.tokens.words import words_of

_TYPED, _TYPED_END = "\ue000", "\ue001"
"""Enclose a control token in a message while the template is rendered; private-use characters."""
_OPEN, _CLOSE = "<reft>", "</reft>"
_OPENED, _CLOSED = "\ue003", "\ue004"
"""Replace the marks of edited text, likewise."""
_NO_MARKS = dict.fromkeys(map(ord, _OPENED + _CLOSED))
_NO_PRIVATE = _NO_MARKS | dict.fromkeys(map(ord, _TYPED + _TYPED_END))
_ROLES = get_args(Role)
_TYPED_TOKEN = re.compile(f"{_TYPED}([^{_TYPED}{_TYPED_END}]*){_TYPED_END}")
_MARK = re.compile(f"([{_OPENED}{_CLOSED}])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_TOKENISING: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()
"""A lock for each tokenizer."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """Token ids of a prompt, which of them are edited, where the second of two texts begins (else 0), and whether it was cut."""

    ids: tuple[int, ...]
    edited: EditedTokens = UNEDITED
    second: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """A prompt before a rule chooses the edited tokens; ``marked`` are the indices of the tokens that the text marks."""

    ids: tuple[int, ...]
    marked: tuple[int, ...] = ()
    second: int = 0
    cut: bool = False

    def with_rule(self, rule: PositionSpec | None) -> EncodedPrompt:
        """The prompt with the tokens that a rule edits; without a rule, none."""
        return EncodedPrompt(self.ids, edited_tokens(rule, len(self.ids), self.marked), self.second, self.cut)


def without_marks(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Messages without the marks of what is edited in them."""
    return tuple(Message(message.role, message.content.replace(_OPEN, "").replace(_CLOSE, "")) for message in messages)


def prompt_ids(base: Base, messages: Sequence[Message]) -> tuple[int, ...]:
    """Token ids of a conversation, rendered up to the beginning of the assistant's answer."""
    return read_prompt(base, messages).ids


def read_prompt(base: Base, messages: Sequence[Message], rule: PositionSpec | None = None, limit: int | None = None) -> EncodedPrompt:
    """Encode a conversation up to the beginning of the assistant's answer; for an encoder, its one or two texts.

    Args:
        base: the base model.
        messages: the conversation.
        rule: which tokens are edited; None edits none.
        limit: maximum tokens; longer texts are cut at their ends, the longer of two texts first.

    Raises:
        DataError: a message is no text, or there are more texts than an encoder reads; the template refuses the conversation;
            nothing is marked, or a mark stands alone.
    """
    return only(read_conversations(base, [messages], rule, limit))


def read_conversations(
    base: Base, conversations: Sequence[Sequence[Message]], rule: PositionSpec | None = None, limit: int | None = None
) -> list[EncodedPrompt | DataError]:
    """As `read_prompt`, of many conversations, whose texts are tokenised together."""
    texts = _texts(base, conversations, rule is not None and rule.reads_text)
    around = frame(base) if limit is not None else Frame()
    return [
        text if isinstance(text, DataError)
        else (text if limit is None or len(text.ids) <= limit else _cut(text, around, limit)).with_rule(rule)
        for text in texts
    ]  # fmt: skip


def read_prompts(base: Base, messages: Sequence[Message], rules: Sequence[PositionSpec | None]) -> list[EncodedPrompt]:
    """Encode a conversation once, for each of several rules; the token ids of all are the same. Raises DataError.

    If one of the rules reads marks, they are removed for all.
    """
    text = only(_texts(base, [messages], any(rule is not None and rule.reads_text for rule in rules)))
    return [text.with_rule(rule) for rule in rules]


def _texts(base: Base, conversations: Sequence[Sequence[Message]], marked: bool) -> list[_Text | DataError]:
    """The tokens of each conversation and, if ``marked``, those between ``<reft>`` and ``</reft>``."""
    control, renderer = _control_tokens(base.tokenizer), Renderer(base)
    drafts = [_draft(base, messages, control, renderer, marked) for messages in conversations]
    return go_on(drafts, partial(_finished, base, marked))


def _draft(
    base: Base, messages: Sequence[Message], control: Sequence[str], renderer: Renderer, marked: bool
) -> "_Draft | DataError":  # fmt: skip
    """A conversation in pieces that can be tokenised, or why it cannot."""
    try:
        _check(base, messages)
        guarded = [Message(message.role, _guard(message.content, control, marked)) for message in messages]
        draft = _Draft(base)
        if base.kind == "encoder":
            for message in guarded:
                draft.add(message.content)
        else:
            draft.add(_render_marked(base, renderer, guarded) if marked else renderer(guarded, True))
    except DataError as error:
        return error
    return draft


def _finished(base: Base, marked: bool, drafts: Sequence["_Draft"]) -> list[_Text | DataError]:
    """Drafts with the tokens of their pieces, which are tokenised together."""
    tokens = _tokens_of(base, [piece for draft in drafts for text in draft.texts for piece in text])
    around = frame(base)
    return [_joined(draft, tokens, around, marked) for draft in drafts]


def _joined(draft: "_Draft", tokens: "_Tokens", around: "Frame", marked: bool) -> _Text | DataError:
    """One conversation of its pieces' tokens and the frame around its texts."""
    ids, marks, second = list(around.before), list[int](), 0
    for index, text in enumerate(draft.texts):
        if index:
            ids += around.between
            second = len(ids)
        for piece in text:
            if piece.spans:
                encoding = tokens.marked[piece]
                marks += [len(ids) + at for at in _covered(encoding, piece.spans)]
                ids += encoding.ids
            else:
                ids += tokens.ids[piece]
    ids += around.after
    if marked and draft.is_open:
        return DataError("A {open} is not closed by {close}.", kind="prompts.mark_open", open=_OPEN, close=_CLOSE)
    if marked and not marks:
        return DataError(
            "Nothing is marked: put {open} and {close} around what is to be edited, or choose other positions.", kind="prompts.unmarked",
            open=_OPEN, close=_CLOSE,
        )  # fmt: skip
    return _Text(tuple(ids), tuple(marks), second)


def _check(base: Base, messages: Sequence[Message]) -> None:
    """Refuse messages that no template can render. Raises DataError."""
    for message in messages:
        if message.role not in _ROLES:
            raise DataError(
                "A message has the role '{role}'; there are system, user and assistant.", kind="prompts.role", role=str(message.role)[:40]
            )
        if not isinstance(message.content, str):
            raise DataError("A message of the {role} is no text.", kind="prompts.message", role=message.role)
    if base.kind == "encoder" and len(messages) > 2:
        raise DataError(
            "There are {count} texts; {base} reads one, or two together.", kind="prompts.texts", count=len(messages), base=base.name
        )


class _Piece(NamedTuple):
    """Text to tokenise: a control token that a person ``typed``, or what stands around it; ``spans`` are its marked characters."""

    text: str
    typed: bool = False
    spans: tuple[tuple[int, int], ...] = ()


class _Draft:
    """The texts of a conversation (of a decoder one, as it is rendered) in pieces, without marks.

    ``is_open``: a mark was opened and not closed yet.
    """

    def __init__(self, base: Base) -> None:
        self._base = base
        self.texts: list[list[_Piece]] = []
        self.is_open = False

    def add(self, text: str) -> None:
        """Take a text into pieces. Raises DataError if it cannot be tokenised."""
        pieces: list[_Piece] = []
        for index, part in enumerate(_TYPED_TOKEN.split(text)):
            piece, spans = self._remove_marks(part)
            if spans and not self._base.tokenizer.is_fast:
                raise DataError(
                    "The tokenizer of {base} cannot say which tokens a mark covers. Choose other positions.",
                    kind="prompts.tokenizer",
                    base=self._base.name,
                )
            _check_letters(piece)
            pieces.append(_Piece(piece, index % 2 == 1, spans))
        self.texts.append(pieces)

    def _remove_marks(self, text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """The text without marks, and its marked ranges of characters."""
        if not self.is_open and not _MARK.search(text):
            return text, ()
        pieces, length, spans, start = list[str](), 0, list[tuple[int, int]](), 0
        for piece in _MARK.split(text):
            if piece in (_OPENED, _CLOSED):
                if self.is_open == (piece == _OPENED):
                    raise DataError("{open} and {close} must take turns.", kind="prompts.marks_alternate", open=_OPEN, close=_CLOSE)
                if piece == _CLOSED:
                    spans.append((start, length))
                self.is_open, start = piece == _OPENED, length
            else:
                pieces.append(piece)
                length += len(piece)
        if self.is_open:
            spans.append((start, length))
        return "".join(pieces), tuple(span for span in spans if span[0] < span[1])


def _covered(encoding: Any, spans: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The indices of the tokens that marked ranges of characters cover, wholly or in part."""
    previous_end = 0
    for index, (token, (start, end)) in enumerate(zip(encoding.tokens, encoding.offsets, strict=True)):
        # Byte-level tokenizers may leave a token's leading space out of its offsets.
        start, previous_end = previous_end if token.startswith("Ġ") else start, end
        if any(start < last and end > first for first, last in spans):
            yield index


class _Tokens(NamedTuple):
    """What the tokenizer makes of pieces: token ids; of those with marks its encodings, which know the characters of each token."""

    ids: dict[_Piece, list[int]]
    marked: dict[_Piece, Any]


def _tokens_of(base: Base, pieces: Sequence[_Piece]) -> _Tokens:
    """Tokenise pieces together, equal ones once; control tokens that a person typed are encoded as text."""
    tokens = _Tokens({}, {})
    unmarked, marked = ([piece for piece in dict.fromkeys(pieces) if bool(piece.spans) == each] for each in (False, True))
    for typed in (False, True):
        group = [piece for piece in unmarked if piece.typed == typed]
        tokens.ids.update(zip(group, _ids(base, [piece.text for piece in group], as_text=typed), strict=True))
        group = [piece for piece in marked if piece.typed == typed]
        options = {"split_special_tokens": True} if typed else {}
        tokens.marked.update(zip(group, _encodings(base, [piece.text for piece in group], **options), strict=True))
    return tokens


def _render_marked(base: Base, renderer: Renderer, messages: Sequence[Message]) -> str:
    """Render messages with marks; the result without its marks is what the template writes for messages without them."""
    plain = renderer([Message(message.role, message.content.translate(_NO_MARKS)) for message in messages], True)
    # A template that trims a message sees only white space outside its marks.
    for attempt in (messages, [Message(message.role, _trimmable(message.content)) for message in messages]):
        rendered = renderer(attempt, True)
        if rendered.translate(_NO_MARKS) == plain:
            return rendered
    raise DataError("The chat template of {base} changes what is marked. Choose other positions.", kind="prompts.template", base=base.name)


def _trimmable(text: str) -> str:
    """Move marks inwards, past the white space at both ends of a text."""
    marks = _OPENED + _CLOSED
    text = re.sub(rf"^[\s{marks}]+", lambda match: "".join(sorted(match[0], key=lambda letter: letter in marks)), text)
    return re.sub(rf"[\s{marks}]+$", lambda match: "".join(sorted(match[0], key=lambda letter: letter not in marks)), text)


def _control_tokens(tokenizer: Any) -> list[str]:
    return sorted({token.content for token in tokenizer.added_tokens_decoder.values() if token.special}, key=len, reverse=True)


def _guard(text: str, control: Sequence[str], marked: bool) -> str:
    if not text.isascii():
        text = text.translate(_NO_PRIVATE)
    if marked:
        text = text.replace(_OPEN, _OPENED).replace(_CLOSE, _CLOSED)
    return _control_pattern(tuple(control)).sub(lambda match: f"{_TYPED}{match[0]}{_TYPED_END}", text) if control else text


@lru_cache(maxsize=16)
def _control_pattern(control: tuple[str, ...]) -> re.Pattern[str]:
    """Matches control tokens in a message, also with marks inside, which would turn into control tokens without the marks."""
    return re.compile("|".join(f"[{_OPENED}{_CLOSED}]*".join(map(re.escape, token)) for token in control))


@dataclass(frozen=True, slots=True)
class Frame:
    """Token ids that the tokenizer adds before a text, between two texts and after the last."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


def _cut(text: _Text, around: Frame, limit: int) -> _Text:
    """Cut texts at their ends, the longer text first; the tokenizer's frame stays."""
    start, end = len(around.before), len(text.ids) - len(around.after)
    second = text.second or end
    between = len(around.between) if text.second else 0
    first = second - between - start
    first_room, second_room = _shares(first, end - second, max(0, limit - (len(text.ids) - first - (end - second))))
    indices = [*range(start + first_room), *range(second - between, second + second_room), *range(end, len(text.ids))]
    marked = set(text.marked)
    return _Text(
        tuple(text.ids[index] for index in indices),
        tuple(at for at, index in enumerate(indices) if index in marked),
        start + first_room + between if text.second else 0,
        cut=True,
    )


def _shares(first: int, second: int, room: int) -> tuple[int, int]:
    """How many of ``room`` tokens each of two texts gets, as in transformers' truncation ``longest_first``."""
    shorter = min(first, second, room // 2)
    return (shorter, room - shorter) if first <= second else (room - shorter, shorter)


_FRAMES: WeakKeyDictionary[Any, dict[Kind, Frame]] = WeakKeyDictionary()


def frame(base: Base) -> Frame:
    """The frame of a base model's texts, computed once per tokenizer; empty if the chat template writes it."""
    if base.kind == "decoder" and not _is_plain(base):
        return Frame()
    frames = _FRAMES.setdefault(base.tokenizer, {})
    if base.kind not in frames:
        frames[base.kind] = _probe_frame(base)
    return frames[base.kind]


def _probe_frame(base: Base) -> Frame:
    """Compare tokenisations of a letter with and without special tokens."""
    (probe,) = _ids(base, ["a"])
    framed: list[int] = _tokenised(base, "a")["input_ids"]
    start, size = _index_of(probe, framed), len(probe)
    before, after = tuple(framed[:start]), tuple(framed[start + size :])
    if base.kind == "decoder":
        return Frame(before if before[-1:] == (base.tokenizer.bos_token_id,) else ())
    pair: list[int] = _tokenised(base, "a", "a")["input_ids"] if base.kind == "encoder" else []
    return Frame(before, tuple(pair[start + size : len(pair) - len(after) - size]), after)


def _is_plain(base: Base) -> bool:
    """Whether the template writes no control tokens."""
    return base.template in (PLAIN_TEMPLATE, TEXT_TEMPLATE)


def _index_of(ids: Sequence[int], sequence: Sequence[int]) -> int:
    return next((at for at in range(len(sequence)) if list(sequence[at : at + len(ids)]) == list(ids)), 0)


def texts_ids(base: Base, texts: Sequence[str]) -> list[list[int] | DataError]:
    """Token ids of texts without the frame, tokenised together, equal ones once; control tokens in them are encoded as text.

    A text that no tokenizer reads is its error.
    """
    checked = [_encodable(text) for text in texts]
    distinct = list(dict.fromkeys(text for text in checked if isinstance(text, str)))
    ids = dict(zip(distinct, _ids(base, distinct, as_text=True), strict=True))
    return [text if isinstance(text, DataError) else ids[text] for text in checked]


def text_encodings(base: Base, texts: Sequence[str]) -> Sequence[Any]:
    """A fast tokenizer's encodings of texts: ids, tokens and the characters that each covers; see `texts_ids`."""
    return _encodings(base, texts, split_special_tokens=True)


def _encodable(text: str) -> str | DataError:
    try:
        _check_letters(text)
    except DataError as error:
        return error
    return text


def _check_letters(text: str) -> None:
    """Refuse what no tokenizer reads. Raises DataError."""
    if not text.isascii() and _SURROGATE.search(text):
        raise DataError("The text holds half of a character (a lone surrogate).", kind="prompts.surrogate")


def _ids(base: Base, texts: Sequence[str], *, as_text: bool = False) -> list[list[int]]:
    """Token ids of texts without the frame, tokenised together; ``as_text``: control tokens in them are text."""
    # Masks and types are left out, which follow from the lengths.
    left_out = {"add_special_tokens": False, "return_attention_mask": False, "return_token_type_ids": False}
    options = {**left_out, "split_special_tokens": True} if as_text else left_out

    def tokenise(texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = _tokenised(base, texts, **options)["input_ids"] if texts else []
        return ids

    words = words_of(base.tokenizer, as_text or base.tokenizer.split_special_tokens)
    return words.ids(texts, tokenise) if words else tokenise(list(texts))


def _encodings(base: Base, texts: Sequence[str], **options: bool) -> Sequence[Any]:
    """A fast tokenizer's encodings of texts, tokenised together."""
    encodings: Sequence[Any] = _tokenised(base, list(texts), add_special_tokens=False, **options).encodings if texts else ()
    return encodings


def _tokenised(base: Base, *texts: str | list[str], **options: bool) -> Any:
    """Tokenise a text, a pair or a list, one thread at a time, since ``split_special_tokens`` is set on the tokenizer for all threads."""
    with _TOKENISING.setdefault(base.tokenizer, threading.Lock()):
        return base.tokenizer(*texts, **options)


_ENDS: WeakKeyDictionary[Any, dict[tuple[Kind, str], tuple[int, ...]]] = WeakKeyDictionary()


def end_ids(base: Base) -> tuple[int, ...]:
    """Token ids that end an answer: the template's end-of-turn token, or the tokenizer's end-of-text token."""
    ends = _ENDS.setdefault(base.tokenizer, {})
    key = base.kind, base.template
    if key not in ends:
        ends[key] = _probe_end(base)
    return ends[key]


def _probe_end(base: Base) -> tuple[int, ...]:
    """Render an answer and read the tokens after it."""
    if base.kind == "encoder_decoder":
        return frame(base).after
    probe = "\ue002"
    text = render(base, [Message("user", "a"), Message("assistant", probe)], False)
    _, answer, after = text.rpartition(probe)
    _check_letters(after)
    ids = _ids(base, [after])[0] if answer else []
    special = {index for index, token in base.tokenizer.added_tokens_decoder.items() if token.special} | set(base.tokenizer.all_special_ids)
    first = next((index for index, token in enumerate(ids) if token in special), None)
    if first is not None:
        return tuple(ids[: first + 1])
    return (int(base.tokenizer.eos_token_id),) if base.tokenizer.eos_token_id is not None else ()
