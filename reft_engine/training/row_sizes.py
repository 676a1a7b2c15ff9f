"""Rows known by their lengths alone: enough to lay out the batches of a run, without a text or a token. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from reft_engine.positions import PositionSpec
from reft_engine.work import first_edited


@dataclass(frozen=True, slots=True)
class SizedRow:
    """Lengths of a usable example.

    Attributes:
        index: its place among all examples.
        length: tokens of its longest sequence, by which batches are ordered.
        tokens: tokens of each of its sequences; ``firsts``: the first token of each that a step must compute.
        answers: tokens of its answers.
    """

    index: int
    length: int
    tokens: tuple[int, ...]
    firsts: tuple[int, ...]
    answers: int

    @property
    def all_tokens(self) -> int:
        """Tokens of all sequences."""
        return sum(self.tokens)

    def computed(self, late: bool) -> list[int]:
        """Tokens of each sequence that are computed; with ``late`` those from the first edited one on."""
        return [tokens - first * late for tokens, first in zip(self.tokens, self.firsts, strict=True)]

    def padded(self, late: bool) -> int:
        """Tokens that are computed when its sequences are padded to equal length."""
        return len(self.tokens) * max(self.computed(late))


def sized_row(index: int, lengths: Sequence[tuple[int, int, int]], rule: PositionSpec) -> SizedRow:
    """A row by its index and its sequences' lengths of prompt, answer and the part before the first edited token.

    That part counts only for a rule that reads the text; for others it follows from the prompt's length.
    """
    firsts = tuple(first if rule.reads_text else first_edited(rule, prompt) for prompt, _, first in lengths)
    tokens = tuple(prompt + answer for prompt, answer, _ in lengths)
    return SizedRow(index, max(tokens), tokens, firsts, sum(answer for _, answer, _ in lengths))


def pass_size(rows: Sequence[SizedRow], late: bool, packed: bool) -> int:
    """Tokens that one forward pass over the rows computes, padding included."""
    if packed:
        return sum(sum(row.computed(late)) for row in rows)
    lengths = [length for row in rows for length in row.computed(late)]
    return len(lengths) * max(lengths)


def all_tokens(rows: Sequence[SizedRow]) -> int:
    """Tokens of all sequences of the rows."""
    return sum(row.all_tokens for row in rows)


def cut(rows: Sequence[SizedRow], tokens: int) -> list[SizedRow]:
    """Some of the rows, from their middle on, of at most so many tokens, but at least one row."""
    ordered = sorted(rows, key=lambda row: row.length)
    half = (len(ordered) - 1) // 2
    chosen: list[SizedRow] = []
    for row in [*ordered[half:], *ordered[:half]]:
        if not chosen or all_tokens([*chosen, row]) <= tokens:
            chosen.append(row)
    return chosen
