"""The text of each token."""

from collections.abc import Sequence

from reft_engine.base.loading import Base

__all__ = ["token_texts"]

_LONGEST = 8
"""Tokens of the longest character; what is none after them is shown as it is."""


def token_texts(base: Base, ids: Sequence[int]) -> list[str]:
    """The text of each token; a character that spans several tokens is the text of the last of them, the others are empty."""
    texts, incomplete = [], list[int]()
    for token in ids:
        incomplete.append(token)
        text: str = base.tokenizer.decode(incomplete, skip_special_tokens=False)
        if text.endswith("\ufffd") and len(incomplete) < _LONGEST:
            texts.append("")
        else:
            texts.append(text)
            incomplete = []
    return texts
