"""The text of each token: as it is, and as people can read it."""

from collections.abc import Sequence

from reft_engine.base.loading import Base

__all__ = ["token_texts", "visible", "visible_after", "visible_texts"]

_LONGEST = 8
"""Tokens of the longest character; what is none after them is shown as it is."""
PIECE = "⋯"
"""Stands for a token that is a piece of a character which later tokens complete."""
_SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}


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


def visible_texts(base: Base, ids: Sequence[int]) -> list[str]:
    """Each token as people can read it: white space and control characters as signs, `PIECE` for the beginning of a character.

    A token is read after those before it, since some tokenizers show a word's space only there.
    """
    texts, before, incomplete = [], list[int](), list[int]()
    for token in ids:
        incomplete.append(token)
        text = _after(base, before, incomplete)
        if (not text or text.endswith("\ufffd")) and len(incomplete) < _LONGEST:
            texts.append(PIECE)
        else:
            texts.append(visible(text))
            before, incomplete = incomplete, []
    return texts


def visible_after(base: Base, before: int, token: int) -> str:
    """As `visible_texts`, of one token that follows another; `PIECE` for any piece of a character."""
    text = _after(base, [before], [token])
    return PIECE if not text or "\ufffd" in text else visible(text)


def visible(text: str) -> str:
    """A text with white space and control characters as signs."""
    return "".join(map(_visible, text))


def _after(base: Base, before: Sequence[int], ids: Sequence[int]) -> str:
    """What tokens add to the text of those before them."""
    head: str = base.tokenizer.decode(before, skip_special_tokens=False) if before else ""
    whole: str = base.tokenizer.decode([*before, *ids], skip_special_tokens=False)
    if head and whole.startswith(head):
        return whole[len(head) :]
    alone: str = base.tokenizer.decode(ids, skip_special_tokens=False)
    return alone


def _visible(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    return character if character.isprintable() else f"U+{ord(character):04X}"
