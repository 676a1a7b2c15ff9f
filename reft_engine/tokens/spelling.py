"""Whether a base model's tokenizer has tokens for the letters of a text, or can only spell them in pieces."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.tokens.prompts import text_encodings

_AT_ONCE = 256
"""Texts that are tokenised in one go."""
_TOO_MANY = 1 / 3
"""Share of a row's letters above which the row counts as badly spelt."""
_SPACES = "▁Ġ"
"""Tokens that stand for white space, in sentencepiece and in byte-level tokenizers."""


def badly_spelt(base: Base, rows: Sequence[Sequence[str]]) -> list[bool]:
    """Of each row, given as its texts with the answer last, whether its letters can mostly not be read.

    A letter (a digit, a mark) is spelt in pieces when its tokens are more than one for each character, as bytes are; not at all when
    its token is the unknown one, or it has none. A row is concerned when that is so of more than a third of its letters, or of its
    answer's. Signs do not count: emoji in bytes are learned well. Where the tokenizer cannot say which token is of which
    character, nothing is found.
    """
    if not base.tokenizer.is_fast:
        return [False] * len(rows)
    sure = _spells_ascii(base)
    bad = [False] * len(rows)
    doubtful = [index for index, texts in enumerate(rows) if not (sure and all(map(str.isascii, texts)))]
    for begin in range(0, len(doubtful), _AT_ONCE):
        part = doubtful[begin : begin + _AT_ONCE]
        shares = iter(_spelt(base, [text for index in part for text in rows[index]]))
        for index in part:
            bad[index] = _concerned([next(shares) for _ in rows[index]])
    return bad


def _concerned(texts: Sequence[tuple[int, int]]) -> bool:
    """Whether too many letters are in pieces, given of each text how many there are and how many of them are."""
    whole = sum(letters for letters, _ in texts), sum(pieces for _, pieces in texts)
    return any(letters and pieces / letters > _TOO_MANY for letters, pieces in (whole, texts[-1]))


def _spelt(base: Base, texts: Sequence[str]) -> list[tuple[int, int]]:
    """Of each text its letters, and how many of them are spelt in pieces or not at all."""
    vocabulary = base.tokenizer.backend_tokenizer.token_to_id
    unknown, spaces = base.tokenizer.unk_token_id, frozenset(map(vocabulary, _SPACES))
    # Half a character (a lone surrogate) is no letter, and no tokenizer takes it; its row is left out for another reason.
    whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    return [_letters(text, encoding, unknown, spaces) for text, encoding in zip(whole, text_encodings(base, whole), strict=True)]


def _letters(text: str, encoding: Any, unknown: int | None, spaces: frozenset[int | None]) -> tuple[int, int]:
    tokens = [0.0] * len(text)  # of each character; a token of four characters counts a quarter for each
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if token in spaces:  # sentencepiece says that the one before a text is of its first letter
            continue
        if token == unknown:
            tokens[start:end] = [0.0] * (end - start)
        elif end == start + 1:
            tokens[start] += 1
        else:
            for at in range(start, end):
                tokens[at] += 1 / (end - start)
    counts = [count for letter, count in zip(text, tokens, strict=True) if _is_letter(letter)]
    return len(counts), sum(not 0 < count < 1.001 for count in counts)


@lru_cache(maxsize=8192)
def _is_letter(character: str) -> bool:
    """Whether it is a letter, a digit or a mark; variation selectors and enclosing marks dress emoji and are none."""
    category = unicodedata.category(character)
    return category[0] in "LNM" and category != "Me" and not unicodedata.name(character, "").startswith("VARIATION SELECTOR")


def _spells_ascii(base: Base) -> bool:
    """Whether no ASCII text can be badly spelt: pairs of known characters are merged (BPE), and all of them are known."""
    if type(base.tokenizer.backend_tokenizer.model).__name__ != "BPE":
        return False
    letters = [chr(code) for code in range(128) if _is_letter(chr(code))]
    return not any(pieces for _, pieces in _spelt(base, letters))
