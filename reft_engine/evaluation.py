"""How well answers fit: held-out loss, and how often the greedy answer is exactly the expected one."""

from collections.abc import Callable, Sequence

from reft_engine.base_models import Base
from reft_engine.classification import classify
from reft_engine.data import Example, LooseRow, as_rows
from reft_engine.encoding import EncodedExample
from reft_engine.errors import DataError
from reft_engine.generation import stream
from reft_engine.model import ReftModel, check_edit
from reft_engine.objectives import objective_for
from reft_engine.spec import TrainConfig


def evaluate(
    base: Base, reft: ReftModel, examples: Sequence[LooseRow], *, max_length: int = 512, on_row: Callable[[int], None] | None = None
) -> dict[str, dict[str, float]]:
    """Compare base and tuned on rows that were not trained on.

    Returns:
        ``{"base": {"loss", "exact_match"}, "tuned": {...}}``; loss in nats per answer token, exact match as a share
        of rows whose greedy answer equals the expected one but for white space at its ends. Of a classifier: loss per
        row and the share of right labels; "base" is then the same head over the base model's own hidden states.

    Raises:
        ConfigError: ``reft`` is no edit of this base model.
        DataError: there are no rows; or a row cannot be encoded, or is a preference pair, which has no expected answer.
    """
    check_edit(base, reft)
    given = as_rows(examples)
    if not given:
        raise DataError("There are no rows to measure on.")
    rows = [row for row in given if isinstance(row, Example)]
    if len(rows) < len(given):
        raise DataError("A preference pair has no expected answer; measure on prompts with answers.")
    reft.eval()
    objective = objective_for(base, reft.config, TrainConfig(max_length=max_length), rows)
    encoded = [objective.encode(example) for example in rows]
    hits = [0, 0]
    for index, example in enumerate(rows):
        answers = _labels(base, reft, example, max_length) if reft.config.labels else _greedy(base, reft, example, encoded[index])
        for column, answer in enumerate(answers):
            hits[column] += answer.strip() == example.answer.strip()
        if on_row:
            on_row(index + 1)
    return {
        name: {"loss": objective.mean(encoded, reft, edited), "exact_match": hits[column] / len(rows)}
        for column, (name, edited) in enumerate((("base", False), ("tuned", True)))
    }


def _labels(base: Base, reft: ReftModel, example: Example, max_length: int) -> list[str]:
    found = (classify(base, reft, [example.messages], max_length=max_length, edited=edited) for edited in (False, True))
    return [next(iter(shares)) for (shares,) in found]


def _greedy(base: Base, reft: ReftModel, example: Example, row: EncodedExample) -> list[str]:
    """The greedy answers of base and tuned, given up as soon as neither can become the expected one."""
    budget = len(row.answer_ids) + 8
    expected, answers = example.answer.strip(), ["", ""]

    def hopeless() -> bool:
        return not any(expected.startswith(answer.strip()) for answer in answers)

    for delta in stream(base, example.messages, [None, reft], max_new_tokens=budget, should_stop=hopeless):
        answers[delta.column] += delta.text
    return answers
