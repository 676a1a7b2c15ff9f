"""Finds what is odd in examples whatever base model reads them: placeholders, contradictions, repeats, control tokens, broken letters."""

import re
from array import array
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from reft_engine.data.records import AnyExample, answers_of, row_of

_PLACEHOLDER = re.compile(
    r"\{\{\s*[A-Za-z_][\w .\-]{0,60}\}\}"  # {{name}} of Handlebars, Jinja and Mustache
    r"|\$\{[A-Za-z_][\w.]{0,60}\}"  # ${name} of shells and JavaScript
    r"|\{%.{1,80}?%\}|<%.{1,80}?%>"  # statements of Jinja and ERB
    r"|(?<![\\\w$^{}\"'\])])\{[a-z][a-z0-9]*(?:_[a-z0-9]+)*\}(?![{}])"  # {name} of Python, not LaTeX's \frac{a}{b}
)
_CONTROL_TOKEN = re.compile(r"<\|[a-z_0-9]{2,30}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<</?SYS>>", re.IGNORECASE)
_BROKEN = re.compile("\ufffd|[\u00c3\u00c2][\u0080-\u00bf]|\u00e2\u20ac[\u0080-\u02dc\u0153\u009d\u2122]")
"""The replacement character, and UTF-8 that was read as Windows-1252."""


def texts_of(example: AnyExample) -> list[str]:
    """All texts of an example: its messages, then its answers."""
    return [*(message.content for message in example.messages), *answers_of(example)]


def placeholder_of(example: AnyExample) -> str:
    """The first placeholder in an example; empty when there is none."""
    # Each has one of these, and few texts do: looking for them takes a tenth of what the pattern takes.
    return _first(_PLACEHOLDER, example) if any("{" in text or "<%" in text for text in texts_of(example)) else ""


def control_token_of(example: AnyExample) -> str:
    """The first control token of a chat template that stands in an example as text; empty when there is none."""
    return _first(_CONTROL_TOKEN, example)


def broken_letters_of(example: AnyExample) -> str:
    """The first letters that a wrong encoding has broken; empty when there are none."""
    return _first(_BROKEN, example)


def _first(pattern: re.Pattern[str], example: AnyExample) -> str:
    match = next(filter(None, map(pattern.search, texts_of(example))), None)
    return match[0] if match else ""


def prompt_key(example: AnyExample) -> Hashable:
    """A key that is equal for prompts which differ in case and white space only."""
    return tuple((message.role, _normalised(message.content)) for message in example.messages)


def _normalised(text: str) -> str:
    return " ".join(text.split()).casefold()


def _answer_keys(example: AnyExample) -> list[str]:
    return [_normalised(answer) for answer in answers_of(example)]


ODDITIES: dict[str, Callable[[AnyExample], str]] = {
    "control_tokens": control_token_of, "broken_letters": broken_letters_of, "placeholders": placeholder_of,
}  # fmt: skip
"""What is found in one example alone, by kind."""
_LONG = 200
"""Characters of an answer that are remembered."""
_NOTHING = 0
"""Hash of a rejected answer or of a prompt that there is not."""


class Prompts:
    """Remembers the prompts and answers of examples by their hashes, so that contradictions among millions are found in little memory."""

    def __init__(self) -> None:
        self._rows = array("L")
        # Hashes of each example: of its prompt, of its answer, of its rejected answer.
        self._prompts, self._said, self._rejected = (array("q") for _ in range(3))

    def add(self, example: AnyExample) -> None:
        """Take one example into account."""
        keys = _answer_keys(example)
        self._rows.append(row_of(example))
        self._prompts.append(hash(prompt_key(example)) if example.messages else _NOTHING)
        self._said.append(hash(keys[0]))
        self._rejected.append(hash(keys[1]) if len(keys) > 1 else _NOTHING)

    def numbers(self) -> Any:
        """For each example a number that is the same for equal prompts (but for case and white space); an array of integers."""
        import numpy as np

        return np.unique(np.asarray(self._prompts, np.int64), return_inverse=True)[1].astype(np.uint32)

    def contradicting(self) -> "Contradictions":
        """Prompts (but for case and white space) that have different answers; of pairs, where one prefers what another rejects."""
        import numpy as np

        prompts, said, rejected = (np.asarray(values) for values in (self._prompts, self._said, self._rejected))
        asked = prompts != _NOTHING
        pairs = rejected != _NOTHING
        opposed = _with_two_values(prompts[asked & ~pairs], said[asked & ~pairs])
        both = np.intersect1d(_joined(prompts, said)[asked & pairs], _joined(prompts, rejected)[asked & pairs])
        opposed = np.union1d(opposed, prompts[asked & pairs & np.isin(_joined(prompts, said), both)])
        members = asked & np.isin(prompts, opposed)
        rows = np.unique(np.asarray(self._rows)[members])
        return Contradictions(len(opposed), tuple(np.flatnonzero(members).tolist()), tuple(rows.tolist()))


class Tally:
    """Remembers a few numbers of each example, so that what is odd among millions is found in little memory.

    Attributes:
        examples: number of examples; ``answers``: how often each of the first `_ANSWERS` different answers came.
        splits: rows of each part into which the file divides them; ``prompts``: see `Prompts`.
    """

    _ANSWERS = 1000

    def __init__(self) -> None:
        self.examples = 0
        self.answers: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.prompts = Prompts()
        self._rows = array("L")
        self._flags = bytearray()
        self._answered = array("H")  # the number of each example's answer; _ANSWERS for any that came later
        self._numbers: dict[str, int] = {}
        self._wholes = array("q")  # hashes of all texts of each example

    def add(self, example: AnyExample) -> None:
        """Take one example into account."""
        self.examples += 1
        answers = answers_of(example)
        # A long answer is known by its beginning and its hash, so that none is held as a whole.
        answer = answers[0] if len(answers[0]) <= _LONG else f"{answers[0][:_LONG]}… {hash(answers[0])}"
        if len(self.answers) < self._ANSWERS or answer in self.answers:
            self.answers[answer] += 1
            self._answered.append(self._numbers.setdefault(answer, len(self._numbers)))
        else:
            self._answered.append(self._ANSWERS)
        if example.split:
            self.splits[example.split] += 1
        self.prompts.add(example)
        self._rows.append(row_of(example))
        self._flags.append(sum(1 << bit for bit, find in enumerate(ODDITIES.values()) if find(example)))
        self._wholes.append(hash((example.messages, answers)))

    def rows_with(self, kind: str) -> list[int]:
        """Rows of a kind of oddity that an example has by itself, in order."""
        bit = 1 << list(ODDITIES).index(kind)
        return sorted({row for row, flags in zip(self._rows, self._flags, strict=True) if flags & bit})

    def rows_that_answer(self, answer: str) -> list[int]:
        """Rows with one of the first `_ANSWERS` different answers, in order."""
        number = self._numbers[answer]
        return sorted({row for row, answered in zip(self._rows, self._answered, strict=True) if answered == number})

    def repeating(self) -> list[int]:
        """Rows that repeat an example of an earlier row, in order."""
        import numpy as np

        if not self.examples:
            return []
        rows, wholes = np.asarray(self._rows), np.asarray(self._wholes)
        order = np.argsort(wholes, kind="stable")
        wholes, rows = wholes[order], rows[order]
        starts = np.flatnonzero(np.r_[True, wholes[1:] != wholes[:-1]])
        first = np.repeat(rows[starts], np.diff(np.r_[starts, len(rows)]))
        return [int(row) for row in np.unique(rows[rows != first])]


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Prompts with different answers: how many, the indices of their examples, and the numbers of their rows in order."""

    prompts: int
    indices: tuple[int, ...]
    rows: tuple[int, ...]


def _with_two_values(keys: Any, values: Any) -> Any:
    """Keys that come with more than one value; both are arrays of 64-bit integers."""
    import numpy as np

    pairs = np.unique(np.stack([keys, values], axis=1), axis=0) if len(keys) else np.empty((0, 2), np.int64)
    found, counts = np.unique(pairs[:, 0], return_counts=True)
    return found[counts > 1]


def _joined(one: Any, other: Any) -> Any:
    """One hash of two."""
    import numpy as np

    with np.errstate(over="ignore"):
        return one * np.int64(1_000_003) ^ other
