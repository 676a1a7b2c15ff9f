"""Evaluates base and tuned model: held-out loss, and exact match of greedy answers."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypedDict

from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, as_rows
from reft_engine.errors import DataError
from reft_engine.inference.classification import classify
from reft_engine.inference.decoding import Delta
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.prompts import rule_of
from reft_engine.spec import TrainConfig
from reft_engine.tokens.batches import in_batches
from reft_engine.tokens.examples import EncodedExample
from reft_engine.trainable import Trainable, check_edit
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import encoded_of, read_rows


class Figures(TypedDict):
    """Figures of one model: loss in nats per answer token, and the share of rows that it answers exactly right."""

    loss: float
    exact_match: float


class Evaluation(TypedDict):
    """Result of `evaluate`: figures, number of rows measured (``examples``: answers in them), and rows left out."""

    base: Figures
    tuned: Figures
    rows: int
    examples: int
    rows_left_out: int
    left_out: list[str]


def evaluate(
    base: Base, reft: Trainable, examples: Sequence[LooseRow], *, max_length: int = 512, on_row: Callable[[int], None] | None = None
) -> Evaluation:
    """Compare base and tuned on held-out rows; rows that this base model could not be trained on are left out.

    Returns:
        Figures of base and tuned. Exact match is the share of rows whose greedy answer equals the expected one, ignoring white
        space at both ends. For a classifier: loss per row and the share of right labels; "base" is then the same head on the base
        model's unedited hidden states. ``left_out`` has one sentence for each row that was left out.

    Raises:
        ConfigError: ``reft`` is not an edit of this base model.
        DataError: there are no rows, none can be used, or one is a preference pair, which has no expected answer.
    """
    check_edit(base, reft)
    all_rows = as_rows(examples)
    if not all_rows:
        raise DataError("There are no rows to measure on.", kind="evaluation.no_rows")
    rows = [row for row in all_rows if isinstance(row, Example)]
    if len(rows) < len(all_rows):
        raise DataError("A preference pair has no expected answer; measure on prompts with answers.", kind="evaluation.preference")
    reft.eval()
    objective = objective_for(base, reft.method_config, TrainConfig(max_length=max_length), rows)
    read = read_rows(objective, rows)
    if not read.usable:
        raise read.left_out[0].error
    asked = [(rows[row.index], row.encoded) for row in read.usable]
    if reft.method_config.labels:
        matches = _right_labels(base, reft, [example for example, _ in asked], max_length, on_row)
    else:
        matches = _right_answers(base, reft, asked, on_row)
    encoded = encoded_of(read.usable)
    base_figures, tuned_figures = (
        Figures(loss=objective.mean(encoded, reft, edited), exact_match=matches[edited] / len(encoded)) for edited in (False, True)
    )  # fmt: skip
    return Evaluation(
        base=base_figures, tuned=tuned_figures, rows=read.lines, examples=len(encoded), rows_left_out=read.lines_left_out,
        left_out=[row.reason for row in read.left_out],
    )  # fmt: skip


_BATCH = 32
"""Rows that are classified between two reports of progress."""


def _right_labels(base: Base, reft: Trainable, rows: Sequence[Example], max_length: int, on_row: Callable[[int], None] | None) -> list[int]:
    """How many labels base and tuned find."""
    matches, done = [0, 0], 0
    for batch in in_batches(rows, _BATCH):
        for edited in (False, True):
            found = classify(base, reft, [row.messages for row in batch], max_length=max_length, edited=edited)
            matches[edited] += sum(next(iter(each)) == row.answer.strip() for each, row in zip(found, batch, strict=True))
        for _ in batch:
            done += 1
            if on_row:
                on_row(done)
    return matches


class _Compared:
    """The greedy answer to a row, which is written no further than it can still be the expected one."""

    def __init__(self, expected: str) -> None:
        self._expected, self._text = expected.strip(), ""

    def add(self, delta: Delta) -> None:
        self._text += delta.text

    def differs(self) -> bool:
        return not self._expected.startswith(self._text.strip())

    def equals(self) -> bool:
        return self._expected == self._text.strip()


def _right_answers(
    base: Base, reft: Trainable, rows: Sequence[tuple[Example, EncodedExample]], on_row: Callable[[int], None] | None
) -> list[int]:
    """How many greedy answers of base and tuned are the expected ones; all rows are answered in one running batch."""
    engine, answers = InferenceEngine(base), list[tuple[_Compared, _Compared]]()

    def submit() -> Iterator[bool]:
        for count, (example, encoded) in enumerate(rows, 1):
            pair = _Compared(example.answer), _Compared(example.answer)
            for model, compared in zip((None, reft), pair, strict=True):
                engine.submit(
                    example.messages, [model], max_new_tokens=len(encoded.answer_ids) + 8, rules=[rule_of(reft)], sink=compared.add,
                    should_stop=compared.differs,
                )  # fmt: skip
            answers.append(pair)
            if on_row:
                on_row(count)
            yield True

    engine.finish(submit())
    return [sum(pair[edited].equals() for pair in answers) for edited in (False, True)]
