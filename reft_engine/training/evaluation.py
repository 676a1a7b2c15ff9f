"""Evaluates base and tuned model: held-out loss, and exact match of greedy answers."""

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
    matches = [0, 0]
    for count, row in enumerate(read.usable, 1):
        example = rows[row.index]
        answers = _labels(base, reft, example, max_length) if reft.method_config.labels else _greedy(base, reft, example, row.encoded)
        for column, answer in enumerate(answers):
            matches[column] += answer.strip() == example.answer.strip()
        if on_row:
            on_row(count)
    encoded = encoded_of(read.usable)
    base_figures, tuned_figures = (
        Figures(loss=objective.mean(encoded, reft, edited), exact_match=matches[edited] / len(encoded)) for edited in (False, True)
    )  # fmt: skip
    return Evaluation(
        base=base_figures, tuned=tuned_figures, rows=read.lines, examples=len(encoded), rows_left_out=read.lines_left_out,
        left_out=[row.reason for row in read.left_out],
    )  # fmt: skip


def _labels(base: Base, reft: Trainable, example: Example, max_length: int) -> list[str]:
    """The likeliest labels of base and tuned."""
    results = (classify(base, reft, [example.messages], max_length=max_length, edited=edited) for edited in (False, True))
    return [next(iter(probabilities)) for (probabilities,) in results]


def _greedy(base: Base, reft: Trainable, example: Example, row: EncodedExample) -> list[str]:
    """The greedy answers of base and tuned; generation stops early once neither can match."""
    max_tokens = len(row.answer_ids) + 8
    expected, answers = example.answer.strip(), ["", ""]

    def neither_matches() -> bool:
        return not any(expected.startswith(answer.strip()) for answer in answers)

    for delta in stream(base, example.messages, [None, reft], max_new_tokens=max_tokens, should_stop=neither_matches):
        answers[delta.column] += delta.text
    return answers
