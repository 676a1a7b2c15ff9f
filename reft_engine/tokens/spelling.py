"""Finds texts whose letters a base model's tokenizer does not know, or splits into several tokens each."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.tokens.prompts import text_encodings

_ROWS = 256
"""Rows whose texts are tokenised together."""
_TOO_MANY = 1 / 3
"""Share of a row's letters, spelt in pieces, above which the row counts as badly spelt."""
_SPACES = "▁Ġ"
"""Tokens that stand for white space, in sentencepiece and in byte-level tokenizers."""


def badly_spelt(base: Base, rows: Sequence[Sequence[str]]) -> list[bool]:
    """For each row, given as its texts with the answer last, whether the tokenizer spells its letters badly.

    A letter (or digit, or mark) is spelt in pieces if it takes more than one token, such as bytes, and not at all if its token is the
    unknown token or missing. A row is badly spelt if that holds for more than a third of its letters, or of its answer's letters.
    Symbols do not count: emoji in bytes are learned well. If the tokenizer cannot say which token covers which character, no row
    is badly spelt.
    """
    if not base.tokenizer.is_fast:
        return [False] * len(rows)
    ascii_is_fine = _spells_ascii(base)
    bad = [False] * len(rows)
    doubtful = [index for index, texts in enumerate(rows) if not (ascii_is_fine and all(map(str.isascii, texts)))]
    for begin in range(0, len(doubtful), _ROWS):
        indices = doubtful[begin : begin + _ROWS]
        counts = iter(_letter_counts(base, [text for index in indices for text in rows[index]]))
        for index in indices:
            bad[index] = _is_badly_spelt([next(counts) for _ in rows[index]])
    return bad


def _is_badly_spelt(counts: Sequence[tuple[int, int]]) -> bool:
    """Whether too many letters are in pieces, given for each text its letters and those of them in pieces."""
    total = sum(letters for letters, _ in counts), sum(pieces for _, pieces in counts)
    return any(letters and pieces / letters > _TOO_MANY for letters, pieces in (total, counts[-1]))


def _letter_counts(base: Base, texts: Sequence[str]) -> list[tuple[int, int]]:
    """For each text the number of its letters, and of those that are spelt in pieces or not at all."""
    vocabulary = base.tokenizer.backend_tokenizer.token_to_id
    unknown, spaces = base.tokenizer.unk_token_id, frozenset(map(vocabulary, _SPACES))
    # A lone surrogate is no letter, and no tokenizer accepts it; its row is left out for another reason.
    encodable = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    return [_letters(text, encoding, unknown, spaces) for text, encoding in zip(encodable, text_encodings(base, encodable), strict=True)]


def _letters(text: str, encoding: Any, unknown: int | None, spaces: frozenset[int | None]) -> tuple[int, int]:
    tokens = [0.0] * len(text)  # for each character; a token of four characters counts as a quarter for each
    for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if token in spaces:  # sentencepiece gives the space before a text the offset of its first letter
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
    """Whether a character is a letter, digit or mark, but not a variation selector or enclosing mark, which belong to emoji."""
    category = unicodedata.category(character)
    return category[0] in "LNM" and category != "Me" and not unicodedata.name(character, "").startswith("VARIATION SELECTOR")


def _spells_ascii(base: Base) -> bool:
    """Whether no ASCII text can be badly spelt: the tokenizer merges known characters (BPE) and knows all ASCII letters and digits."""
    if type(base.tokenizer.backend_tokenizer.model).__name__ != "BPE":
        return False
    letters = [chr(code) for code in range(128) if _is_letter(chr(code))]
    return not any(pieces for _, pieces in _letter_counts(base, letters))
