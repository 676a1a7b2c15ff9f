"""How well answers fit: held-out loss, and how often the greedy answer is exactly the expected one."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, as_rows
from reft_engine.errors import DataError
from reft_engine.inference.classification import classify
from reft_engine.inference.generation import stream
from reft_engine.spec import TrainConfig
from reft_engine.tokens.examples import EncodedExample
from reft_engine.trainable import Trainable, check_edit
from reft_engine.training.objectives import objective_for
from reft_engine.training.rows import encoded_of, read_rows


class Figures(TypedDict):
    """How well one of the two answers: loss in nats per answer token, and the share of rows that it answers exactly right."""

    loss: float
    exact_match: float


class Evaluation(TypedDict):
    """What `evaluate` measured, on how many rows (``examples``: answers in them), and how many were left out."""

    base: Figures
    tuned: Figures
    rows: int
    examples: int
    rows_left_out: int
    left_out: list[str]


def evaluate(
    base: Base, reft: Trainable, examples: Sequence[LooseRow], *, max_length: int = 512, on_row: Callable[[int], None] | None = None
) -> Evaluation:
    """Compare base and tuned on rows that were not trained on; rows that could not be trained on are left out.

    Returns:
        Figures of base and tuned. Exact match is the share of rows whose greedy answer equals the expected one but for white
        space at its ends. Of a classifier: loss per row and the share of right labels; "base" is then the same head over the base
        model's own hidden states. ``left_out`` says why rows are left out, a sentence each.

    Raises:
        ConfigError: ``reft`` is no edit of this base model.
        DataError: there are no rows, none can be used, or one is a preference pair, which has no expected answer.
    """
    check_edit(base, reft)
    given = as_rows(examples)
    if not given:
        raise DataError("There are no rows to measure on.")
    rows = [row for row in given if isinstance(row, Example)]
    if len(rows) < len(given):
        raise DataError("A preference pair has no expected answer; measure on prompts with answers.")
    reft.eval()
    objective = objective_for(base, reft.method_config, TrainConfig(max_length=max_length), rows)
    read = read_rows(objective, rows)
    if not read.usable:
        raise DataError(read.left_out[0].reason if read.left_out else "There is no row to measure on.")
    hits = [0, 0]
    for count, row in enumerate(read.usable, 1):
        example = rows[row.index]
        answers = _labels(base, reft, example, max_length) if reft.method_config.labels else _greedy(base, reft, example, row.encoded)
        for column, answer in enumerate(answers):
            hits[column] += answer.strip() == example.answer.strip()
        if on_row:
            on_row(count)
    encoded = encoded_of(read.usable)
    bare, tuned = (
        Figures(loss=objective.mean(encoded, reft, edited), exact_match=hits[edited] / len(encoded)) for edited in (False, True)
    )  # fmt: skip
    return Evaluation(
        base=bare, tuned=tuned, rows=read.lines, examples=len(encoded), rows_left_out=read.lines_left_out,
        left_out=[row.reason for row in read.left_out],
    )  # fmt: skip


def _labels(base: Base, reft: Trainable, example: Example, max_length: int) -> list[str]:
    found = (classify(base, reft, [example.messages], max_length=max_length, edited=edited) for edited in (False, True))
    return [next(iter(shares)) for (shares,) in found]


def _greedy(base: Base, reft: Trainable, example: Example, row: EncodedExample) -> list[str]:
    """The greedy answers of base and tuned, given up as soon as neither can become the expected one."""
    budget = len(row.answer_ids) + 8
    expected, answers = example.answer.strip(), ["", ""]

    def hopeless() -> bool:
        return not any(expected.startswith(answer.strip()) for answer in answers)

    for delta in stream(base, example.messages, [None, reft], max_new_tokens=budget, should_stop=hopeless):
        answers[delta.column] += delta.text
    return answers
