"""``reft-studio inspect``: what a file is recognised as, and what a base model can be trained on of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_engine.data import Inspection, Problem, RowCheck

if TYPE_CHECKING:
    from reft_engine.base import Base
    from reft_engine.training import ReadRow

PROBLEMS = 100
"""Problems that are listed; all are counted."""
_FIRST = 3


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file as one base model reads it; ``check`` is None where there is nothing to be read yet.

    Attributes:
        inspection: the file by itself.
        check: what the base model can be trained on.
        problems: of rows that cannot be read, and of rows that the base model cannot be trained on, by line; ``problem_count`` counts all.
        first: the first rows as they are trained.
    """

    inspection: Inspection
    check: RowCheck | None
    problems: tuple[Problem, ...]
    problem_count: int
    first: tuple[dict[str, Any], ...]

    @property
    def notes(self) -> list[str]:
        """What is to be said beside the problems, sentence by sentence."""
        return [*self.inspection.notes, *(self.check.notes if self.check else [])]

    def values(self, base: str, max_length: int) -> dict[str, Any]:
        """All of it as plain data; base model and longest row as they were asked for, where nothing was counted."""
        found, check = self.inspection, self.check
        return {
            "format": found.format, "encoding": found.encoding, "shape": found.shape, "columns": found.columns, "roles": found.roles,
            "rows": found.rows, "usable_rows": check.usable_rows if check else 0,
            "rows_left_out": check.rows_left_out if check else found.rows, "cut_answers": check.cut_answers if check else 0,
            "base": check.base if check else base, "max_length": check.max_length if check else max_length,
            "needs_mapping": found.needs_mapping, "problem_count": self.problem_count,
            "problems": [{"line": problem.line, "text": problem.text} for problem in self.problems],
            "findings": [finding.model_dump(mode="json") for finding in check.findings] if check else [],
            "first": self.first, "notes": self.notes,
        }  # fmt: skip


def file_report(found: Inspection, base_name: str, max_length: int) -> FileReport:
    """Count what a base model can be trained on of a file; its weights are not loaded. Raises ModelLoadError, ConfigError."""
    from reft_engine import ReftConfig, TrainConfig
    from reft_engine.base import load_tokenizer
    from reft_engine.training import count_rows, objective_for, read_rows

    settings = TrainConfig(max_length=max_length)
    if not found.examples:
        return FileReport(found, None, found.problems, found.problem_count, ())
    base = load_tokenizer(base_name)
    objective = objective_for(base, ReftConfig(), settings, found.examples)
    read = read_rows(objective, found.examples)
    split = read.split(settings.held_out, settings.held_out_seed)
    problems = [*found.problems, *(Problem(row.line, row.reason) for row in read.left_out[:PROBLEMS])]
    problems.sort(key=lambda problem: problem.line or 0)
    return FileReport(
        found, count_rows(split, objective, rows=found.rows), tuple(problems[:PROBLEMS]), found.problem_count + len(read.left_out),
        tuple(_as_trained(base, row) for row in read.usable[:_FIRST]),
    )  # fmt: skip


def _as_trained(base: "Base", row: "ReadRow") -> dict[str, Any]:
    """Messages and answer of a row, the answer cut where it is too long."""
    example = row.example
    answer = base.tokenizer.decode(row.encoded.answer_ids) if row.encoded.cut else getattr(example, "answer", "")
    return {"messages": [{"role": message.role, "content": message.content} for message in example.messages], "answer": answer}
