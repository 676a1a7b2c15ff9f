"""Gathers what a base model makes of each row, in a few bytes each, so that no row is held and each is encoded once."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import Any, Protocol

from reft_engine.data import AnyExample, answers_of, row_of
from reft_engine.data.oddities import Prompts, placeholder_of, texts_of
from reft_engine.data.row_check import BINS, SAMPLED, Lengths
from reft_engine.data.splitting import SideKeys
from reft_engine.tokens.examples import ids_of_answer, read_prompt
from reft_engine.tokens.spelling import badly_spelt
from reft_engine.training.objectives import Objective
from reft_engine.training.rows import LeftOut, ReadRow, RowsRead

USABLE, TOO_LONG, CUT, LETTERS, PLACEHOLDER = (1 << bit for bit in range(5))
"""What is known of an example: it can be used; its prompt leaves no room; it is cut; its letters are badly spelt; it is not filled in."""
_SPELT_TOGETHER = 4096
"""Examples whose letters are looked at together."""


class Examples(Protocol):
    """Examples that are read one after another, and some of them again by their places."""

    def __iter__(self) -> Iterator[AnyExample]:
        """All of them."""

    def at(self, places: Sequence[int]) -> Sequence[AnyExample]:
        """Those at these places."""


class Listed:
    """Examples in memory."""

    def __init__(self, examples: Sequence[AnyExample]) -> None:
        self._examples = examples

    def __iter__(self) -> Iterator[AnyExample]:
        """See `Examples`."""
        return iter(self._examples)

    def at(self, places: Sequence[int]) -> list[AnyExample]:
        """See `Examples`."""
        return [self._examples[place] for place in places]


class ReadAgain:
    """The examples of rows that are read already, by their places."""

    def __init__(self, read: RowsRead) -> None:
        self._examples = {row.index: row.example for row in in_order(read)}

    def __iter__(self) -> Iterator[AnyExample]:
        """See `Examples`."""
        return iter(self._examples.values())

    def at(self, places: Sequence[int]) -> list[AnyExample]:
        """See `Examples`."""
        return [self._examples[place] for place in places]


def in_order(read: RowsRead) -> Iterator[ReadRow | LeftOut]:
    """Usable rows and others in the order in which they were read."""
    sides: tuple[Iterable[ReadRow | LeftOut], ...] = (read.usable, read.left_out)
    return merge(*sides, key=_index)


def _index(row: ReadRow | LeftOut) -> int:
    return row.index


class RowFacts:
    """What is known of rows, in arrays.

    Attributes:
        rows, lines: for each example the number of its row, and its line; ``flags``: what is known of it.
        tokens: for each usable example the tokens of its sequences; ``sides`` and ``prompts`` are of the usable ones as well.
        lengths: for each of its sequences the tokens of prompt and answer, and the first edited one.
        longest: tokens of the longest usable example; ``learned``: tokens of all answers that are learned.
    """

    def __init__(self, objective: Objective[Any], read: Iterable[ReadRow | LeftOut]) -> None:
        self._objective = objective
        self.rows, self.lines = array("I"), array("I")
        self.flags = bytearray()
        self.tokens = array("I")
        self.sides, self.prompts = SideKeys(), Prompts()
        self.longest = self.learned = 0
        self._prompt_tokens, self._answer_tokens = _Lengths(), _Lengths()
        self.lengths = array("I")
        self._unspelt: list[list[str]] = []
        for row in read:
            self._add(row)
        self._spell()

    @property
    def prompt_lengths(self) -> Lengths:
        """Tokens of the prompts."""
        return self._prompt_tokens.summary()

    @property
    def answer_lengths(self) -> Lengths:
        """Tokens of the answers."""
        return self._answer_tokens.summary()

    @property
    def sample_lengths(self) -> tuple[tuple[int, int], ...]:
        """Tokens of prompt and answer of some sequences; see `RowCheck`."""
        import numpy as np

        pairs = np.asarray(self.lengths).reshape(-1, 3)[:, :2]
        ordered = pairs[np.argsort(pairs.sum(axis=1), kind="stable")]
        size = min(len(pairs), SAMPLED)
        places = (2 * np.arange(size) + 1) * len(pairs) // (2 * max(size, 1))
        return tuple((prompt, answer) for prompt, answer in ordered[places].tolist())

    def _add(self, row: ReadRow | LeftOut) -> None:
        example = row.example
        self.rows.append(row_of(example))
        self.lines.append(example.line)
        flags = 0
        if isinstance(row, LeftOut):
            if row.error.group == "length":
                flags = TOO_LONG
                self._prompt_tokens.add(int(row.error.values["tokens"]), is_over=True)
        else:
            flags = USABLE | (CUT if row.encoded.cut else 0) | (PLACEHOLDER if placeholder_of(example) else 0)
            self._add_usable(example, row.encoded)
        self.flags.append(flags)
        self._unspelt.append(texts_of(example))
        if len(self._unspelt) == _SPELT_TOGETHER:
            self._spell()

    def _add_usable(self, example: AnyExample, encoded: Any) -> None:
        base, sequences = self._objective.base, self._objective.sequences([encoded])
        tokens = 0
        for sequence in sequences:
            prompt, answer = len(sequence.prompt_ids), len(sequence.answer_ids)
            self.lengths.extend((prompt, answer, sequence.first_edited))
            tokens += prompt + answer
            if prompt + answer > self.longest:
                self.longest = prompt + answer
        self.tokens.append(tokens)
        self.sides.add(example)
        self.prompts.add(example)
        answers = [sequence for sequence in sequences if sequence.answer_ids]
        if answers:
            self._prompt_tokens.add(len(sequences[0].prompt_ids))
        else:
            whole = read_prompt(base, example.messages).ids if encoded.cut else sequences[0].prompt_ids
            self._prompt_tokens.add(len(whole), is_over=encoded.cut)
        for sequence, text in zip(answers, answers_of(example), strict=False):
            self.learned += len(sequence.answer_ids)
            self._answer_tokens.add(len(ids_of_answer(base, text)) if sequence.cut else len(sequence.answer_ids), is_over=sequence.cut)

    def _spell(self) -> None:
        """Look at the letters of the latest examples."""
        begin = len(self.flags) - len(self._unspelt)
        for index, is_bad in enumerate(badly_spelt(self._objective.base, self._unspelt), begin):
            self.flags[index] |= LETTERS * is_bad
        self._unspelt = []


class _Lengths:
    """Gathers tokens of texts."""

    def __init__(self) -> None:
        self._tokens = array("I")
        self._over = bytearray()

    def add(self, tokens: int, *, is_over: bool = False) -> None:
        """Take a text into account."""
        self._tokens.append(tokens)
        self._over.append(is_over)

    def summary(self) -> Lengths:
        """See `Lengths`."""
        import numpy as np

        if not self._tokens:
            return Lengths()
        tokens, over = np.asarray(self._tokens), np.frombuffer(self._over, np.bool_)
        bins = np.searchsorted(2 ** np.arange(1, BINS), tokens, side="right")
        counts, beyond = (np.bincount(each, minlength=BINS).tolist() for each in (bins, bins[over]))
        half = np.partition(tokens, (len(tokens) - 1) // 2)[(len(tokens) - 1) // 2]
        return Lengths(half=int(half), longest=int(tokens.max()), counts=tuple(counts), over=tuple(beyond))
