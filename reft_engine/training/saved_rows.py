"""Keeps what was encoded: the token ids of rows in arrays, in memory for the runs of a group, and in a file for a run that resumes.

The file holds a digest of everything that decides the ids (texts, tokenizer, template, maximum length ...), and one of its own content:
one that is damaged, or of other rows, is ignored, and the rows are encoded anew. Positions do not matter to it, because edited tokens
follow from the rule and the length of a prompt, unless its text marks them.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from reft_engine.collecting import no_collection
from reft_engine.data import AnyExample, Example, Message, answers_of
from reft_engine.errors import DataError
from reft_engine.formats.atomic import write_atomic
from reft_engine.positions import PositionSpec, edited_tokens
from reft_engine.tokens.examples import EncodedExample, EncodedLabel, EncodedPreference, EncodedPrompt, EncodedRow
from reft_engine.training.objectives import Objective
from reft_engine.training.rows import AnyRow, LeftOut, ReadRow, RowsRead, read_rows

FILE = "rows.safetensors"
"""Name of the file, in the folder of a run's checkpoints."""
_VERSION = 1
"""Number of this format; rows in another one are encoded anew."""
_WORTH_KEEPING = 200_000
"""Tokens from which a file is written: fewer are encoded in a second."""
_TOGETHER = 1000
"""Rows that are hashed together."""
_NONE = -1
"""Stands for a rejected answer, a label or a division that a row does not have."""


class RowReader:
    """Reads the rows of runs; what was encoded for one of them, or before it was interrupted, is not encoded again.

    Args:
        examples: the rows of all these runs.
        runs: the number of runs; for several of them what was encoded is kept in memory.
    """

    def __init__(self, examples: Sequence[AnyExample], runs: int = 1) -> None:
        self._examples, self._in_memory = examples, runs > 1
        self._packed: dict[str, PackedRows] = {}

    @no_collection()
    def read(
        self, objective: Objective[Any], file: Path | None, on_progress: Callable[[int, int], None], should_stop: Callable[[], bool]
    ) -> RowsRead:
        """As `read_rows`; in ``file`` a run keeps what was encoded, also of rows that it stops at."""
        key = _key(objective, self._digest) if file or self._in_memory else None
        if key is None:
            return read_rows(objective, self._examples, on_progress, should_stop)
        saved = PackedRows.load(file, key) if file else None
        packed = self._packed.get(key) or saved
        rows = list(packed.rows(objective, self._examples)) if packed else []
        before = len(rows)
        try:
            return read_rows(objective, self._examples, on_progress, should_stop, rows)
        finally:  # also of a run that is stopped here
            if packed is None or len(rows) > before:
                packed = PackedRows.of(objective, self._examples, rows)
            if self._in_memory:
                self._packed[key] = packed
            if file and packed is not saved and len(packed.ids) >= _WORTH_KEEPING:
                with suppress(OSError):  # a disk that is full costs that they are encoded again, not the run
                    packed.save(file, key)

    @cached_property
    def _digest(self) -> str:
        return _digest_of(self._examples)


def _digest_of(examples: Sequence[AnyExample]) -> str:
    """Hash of all that is encoded of rows, and of their lines, which errors name."""
    digest = hashlib.sha256()
    for begin in range(0, len(examples), _TOGETHER):
        texts = [
            (example.line, [(message.role, message.content) for message in example.messages], answers_of(example))
            for example in examples[begin : begin + _TOGETHER]
        ]
        digest.update(json.dumps(texts, default=repr).encode())
    return digest.hexdigest()


def _key(objective: Objective[Any], digest: str) -> str | None:
    """What decides the token ids of rows, hashed; None if a tokenizer cannot tell what decides its own."""
    base, tokenizer, reading = objective.base, objective.base.tokenizer, objective.reading
    if not tokenizer.is_fast:
        return None
    decides = [
        _VERSION, version("transformers"), version("tokenizers"), type(tokenizer).__name__, tokenizer.backend_tokenizer.to_str(),
        str(tokenizer.special_tokens_map), tokenizer.split_special_tokens, base.name, base.kind, base.template, base.context,
        type(objective).__name__, objective.max_length, objective.train_config.answer_tokens, reading.labels,
        PositionSpec.parse(reading.positions).reads_text, digest,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


class _Record(NamedTuple):
    """A usable row in numbers.

    Attributes:
        prompt, answer, rejected: tokens of each; ``rejected`` is `_NONE` unless it is a pair.
        cut: 1 if the text or the answer was cut, and 2 more if the rejected answer was.
        second: the token at which the second of two texts begins, or 0.
        label: the index of its label, or `_NONE`.
        divided: characters of a plain text that are its prompt, or `_NONE`.
        marked: number of marked tokens.
    """

    prompt: int
    answer: int
    rejected: int
    cut: int
    second: int
    label: int
    divided: int
    marked: int


class PackedRows:
    """Rows that were encoded, the first ones of a run in their order, without their texts: four bytes a token and 32 a row.

    Attributes:
        records: a `_Record` of each usable row, one after another.
        ids: the tokens of all usable rows; ``marked``: the indices of their marked tokens.
        left_out: of each other row its index, and the sentence, kind, detail and values of its error.
    """

    def __init__(self, records: "array[int]", ids: "array[int]", marked: "array[int]", left_out: Sequence[Sequence[Any]]) -> None:
        self.records, self.ids, self.marked, self.left_out = records, ids, marked, left_out

    @classmethod
    def of(cls, objective: Objective[Any], examples: Sequence[AnyExample], rows: Sequence[AnyRow]) -> "PackedRows":
        """Pack rows as `read_rows` gives them."""
        records, ids, marked = array("i"), array("i"), array("i")
        left_out = [
            (row.index, str(row.error), row.error.kind, row.error.detail, row.error.values) for row in rows if isinstance(row, LeftOut)
        ]
        reads_text = PositionSpec.parse(objective.reading.positions).reads_text
        for row in rows:
            if isinstance(row, ReadRow):
                divided = _NONE if examples[row.index].messages else len(row.example.messages[0].content)
                record, sequences, edited = _taken_apart(row.encoded, divided, reads_text)
                records.extend(record)
                for sequence in sequences:
                    ids.extend(sequence)
                marked.extend(edited)
        return cls(records, ids, marked, left_out)

    def rows(self, objective: Objective[Any], examples: Sequence[AnyExample]) -> Iterator[AnyRow]:
        """The rows as `read_rows` gives them."""
        rule = PositionSpec.parse(objective.reading.positions)
        left_out = {index: values for index, *values in self.left_out}
        fields = len(_Record._fields)
        records = (_Record(*self.records[at : at + fields]) for at in range(0, len(self.records), fields))
        ids, marked = _Taken(self.ids), _Taken(self.marked)
        for index in range(len(left_out) + len(self.records) // fields):
            if index in left_out:
                sentence, kind, detail, values = left_out[index]
                yield LeftOut(index, examples[index], _error(sentence, kind, detail, values))
                continue
            record = next(records)
            example = _divided(objective.learned(examples[index]), record.divided)
            yield ReadRow(index, example, _put_together(record, ids, marked, rule, example.line))

    def save(self, file: Path, key: str) -> None:
        """Write the rows with what decides their tokens. Raises OSError."""
        left_out = json.dumps(self.left_out, default=str).encode()
        arrays = {"records": self.records, "ids": self.ids, "marked": self.marked, "left_out": array("B", left_out)}
        tensors = {name: np.asarray(values) for name, values in arrays.items()}
        write_atomic(file, save(tensors, metadata={"key": key, "digest": _digest_of_arrays(tensors)}))

    @classmethod
    def load(cls, file: Path, key: str) -> "PackedRows | None":
        """Read the rows; None if there is no such file, or it is damaged or holds other rows."""
        try:
            with safe_open(file, framework="np") as opened:
                metadata = opened.metadata() or {}
                if metadata.get("key") != key:
                    return None
                arrays = {name: opened.get_tensor(name) for name in ("records", "ids", "marked", "left_out")}
            if metadata.get("digest") != _digest_of_arrays(arrays):
                return None
            left_out = json.loads(arrays.pop("left_out").tobytes())
        except (OSError, SafetensorError, ValueError):
            return None
        records, ids, marked = (array("i", values.tobytes()) for values in arrays.values())
        return cls(records, ids, marked, left_out)


class _Taken:
    """Numbers that are taken from an array one row after another."""

    def __init__(self, numbers: "array[int]") -> None:
        self._numbers, self._at = numbers, 0

    def __call__(self, count: int) -> tuple[int, ...]:
        self._at += count
        return tuple(self._numbers[self._at - count : self._at])


def _taken_apart(row: EncodedRow, divided: int, reads_text: bool) -> tuple[_Record, list[tuple[int, ...]], tuple[int, ...]]:
    """A row in numbers, its tokens, and those that are edited because its text marks them."""
    first = row.chosen if isinstance(row, EncodedPreference) else row.prompt if isinstance(row, EncodedLabel) else row
    marked = first.edited.prefix if reads_text else ()
    if isinstance(row, EncodedLabel):
        ids = row.prompt.ids
        return _Record(len(ids), 0, _NONE, row.cut, row.prompt.second, row.label, divided, len(marked)), [ids], marked
    if isinstance(row, EncodedPreference):
        sequences = [row.chosen.prompt_ids, row.chosen.answer_ids, row.rejected.answer_ids]
        prompt, answer, rejected = map(len, sequences)
        cut = row.chosen.cut + 2 * row.rejected.cut
        return _Record(prompt, answer, rejected, cut, 0, _NONE, divided, len(marked)), sequences, marked
    record = _Record(len(row.prompt_ids), len(row.answer_ids), _NONE, row.cut, 0, _NONE, divided, len(marked))
    return record, [row.prompt_ids, row.answer_ids], marked


def _put_together(record: _Record, ids: _Taken, marked: _Taken, rule: PositionSpec, line: int) -> EncodedRow:
    """The row that was taken apart, as this rule edits it."""
    prompt = ids(record.prompt)
    edited = edited_tokens(rule, len(prompt), marked(record.marked))
    if record.label != _NONE:
        return EncodedLabel(EncodedPrompt(prompt, edited, record.second, bool(record.cut)), record.label, line)
    chosen = EncodedExample(prompt, ids(record.answer), line, bool(record.cut & 1), edited)
    if record.rejected == _NONE:
        return chosen
    return EncodedPreference(chosen, EncodedExample(prompt, ids(record.rejected), line, bool(record.cut & 2), edited))


def _divided(example: AnyExample, characters: int) -> AnyExample:
    """An example as it is trained; of plain text the first ``characters`` are the prompt."""
    if characters == _NONE or not isinstance(example, Example):
        return example
    text = example.answer
    return replace(example, messages=(Message("user", text[:characters]),), answer=text[characters:])


def _error(sentence: str, kind: str, detail: str, values: dict[str, Any]) -> DataError:
    """The error of a row that is left out, as it was raised."""
    error = DataError("", kind=kind, detail=detail)
    error.args, error.values = (sentence,), values
    return error


def _digest_of_arrays(arrays: dict[str, Any]) -> str:
    """Hash of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].size} ".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()
