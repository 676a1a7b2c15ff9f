"""Tokenises texts word by word where that gives the same tokens, so that words which came before are not tokenised again.

A byte-level tokenizer splits a text into words by a fixed expression, and tokenises each by itself. A word ends before a space that does
not follow white space, and at a control token; no expression looks back beyond these. Which tokenizers are of this kind is read off
their own description; all others tokenise whole texts.
"""

import json
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

_BORDER = re.compile(r" (?<=\S )")
_CONTRACTIONS, _LETTERS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_EXPRESSIONS = frozenset(f"{_CONTRACTIONS}|{_LETTERS}|{digits}|{_REST}" for digits in (r"\p{N}", r"\p{N}{1,3}"))
"""The expressions of Qwen 2 and Llama 3, by which texts are split; that of GPT-2 is a part of its pre-tokenizer."""
_MAX_LETTERS = 2_000_000
"""Letters of the words that are remembered; then remembering begins anew."""
Tokenise = Callable[[list[str]], list[list[int]]]


class Words:
    """Remembers the token ids of the words of one tokenizer.

    Args:
        alone: control tokens, unless they are read as text, and other texts that are words by themselves wherever they stand.
    """

    def __init__(self, alone: Sequence[str]) -> None:
        self._alone = re.compile(f"({'|'.join(map(re.escape, alone))})") if alone else None
        self._known: dict[str, list[int]] = {}
        self._letters = 0

    def ids(self, texts: Sequence[str], tokenise: Tokenise) -> list[list[int]]:
        """The token ids of texts; ``tokenise`` is asked for those of words that are new, together."""
        words = [self._split(text) for text in texts]
        known = self._known  # which another thread may replace, but not empty
        if new := list(set(chain.from_iterable(words)).difference(known)):
            known.update(zip(new, tokenise(new), strict=True))
            self._letters += sum(map(len, new))
        if self._letters > _MAX_LETTERS:
            self._known, self._letters = {}, 0
        return [list(chain.from_iterable(map(known.__getitem__, each))) for each in words]

    def _split(self, text: str) -> list[str]:
        """The words of a text, spaces before them included."""
        words: list[str] = []
        for place, part in enumerate(self._alone.split(text) if self._alone else (text,)):
            if place % 2 or " " not in part:
                if part:
                    words.append(part)
            else:
                first, *others = _BORDER.split(part)
                words.append(first)
                words += [f" {word}" for word in others]
        return words


_REMEMBERED: WeakKeyDictionary[Any, tuple[object, dict[bool, Words]]] = WeakKeyDictionary()


def words_of(tokenizer: Any, as_text: bool) -> Words | None:
    """The words of a tokenizer, with control tokens or with these read ``as_text``; None if it does not tokenise word by word."""
    if not tokenizer.is_fast:
        return None
    added = [
        (token.content, token.special, token.lstrip or token.rstrip or token.single_word or token.normalized)
        for token in tokenizer.added_tokens_decoder.values()
    ]  # fmt: skip
    # What a tokenizer is made of stays the same; tokens may be added to it at any time.
    remembered, words = _REMEMBERED.get(tokenizer, (None, {}))
    if remembered != added:
        words = _words_with(tokenizer, added)
        _REMEMBERED[tokenizer] = added, words
    return words.get(as_text)


def _words_with(tokenizer: Any, added: Sequence[tuple[str, bool, bool]]) -> dict[bool, Words]:
    """The words of a tokenizer with these added tokens, by whether control tokens are text; none where words do not stand alone."""
    if not _is_byte_level(tokenizer.backend_tokenizer) or any(takes_more or _BORDER.search(token) for token, _, takes_more in added):
        return {}
    digits = list("0123456789") if _takes_digits_apart(tokenizer.backend_tokenizer) else []
    # Of tokens that begin alike the tokenizer takes the longest.
    words = {False: Words([*sorted((token for token, *_ in added), key=len, reverse=True), *digits])}
    # A token that is no control token is one in all texts, with the digits in it.
    if not any(digit in token for token, is_control, _ in added if not is_control for digit in digits):
        words[True] = Words(digits)
    return words


def _takes_digits_apart(backend: Any) -> bool:
    """Whether each digit is a word, before a tokenizer does anything else."""
    description = _described(backend.pre_tokenizer) or {}
    first = next(iter(description.get("pretokenizers", ())), description)
    return first.get("type") == "Digits" and bool(first["individual_digits"])


def _is_byte_level(backend: Any) -> bool:
    """Whether a tokenizer of the library tokenizers is one of GPT-2's kind, by byte pairs within the words of a known expression."""
    if type(backend.model).__name__ != "BPE" or backend.model.dropout or _described(backend.normalizer) not in (None, {"type": "NFC"}):
        return False
    description = _described(backend.pre_tokenizer) or {}
    steps = description["pretokenizers"] if description.get("type") == "Sequence" else [description]
    *before, last = steps or [{}]
    if last.get("type") != "ByteLevel" or last["add_prefix_space"]:
        return False
    splits = [step for step in before if step["type"] != "Digits"]
    return all(map(_splits_words, splits)) and bool(splits or last["use_regex"])


def _splits_words(step: dict[str, Any]) -> bool:
    expression = step.get("pattern", {}).get("Regex") if step["type"] == "Split" else None
    return expression in _EXPRESSIONS and step["behavior"] == "Isolated" and not step["invert"]


def _described(part: Any) -> dict[str, Any] | None:
    """The description of a part of a tokenizer."""
    description: dict[str, Any] | None = None if part is None else json.loads(part.__getstate__())
    return description
