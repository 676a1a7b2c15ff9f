"""``reft-studio inspect``: reports the format of a file, the rows that a base model can be trained on, and the problems."""

import argparse
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from app.cli.flags import given_settings
from app.cli.output import finish, tell
from app.cli.rows import inspected, local_file, remarks
from app.words import say
from reft_engine import RunSpec
from reft_engine.data import Inspection, Preference, Problem, RowCheck

if TYPE_CHECKING:
    from reft_engine.base import Base
    from reft_engine.training import ReadRow

READ_WITH = ("base", "max_length")
"""Settings on which the count of rows depends."""
_PROBLEMS = 100
"""Number of problems that are listed; all are counted."""
_FIRST = 3


def inspect(options: argparse.Namespace) -> int:
    """Report the format of a file, the rows that a base model can be trained on, and the problems."""
    spec = RunSpec.of_settings(given_settings(options))
    base, max_length = spec.base, spec.train.max_length
    report = _file_report(inspected(local_file(options.file, options), options), base, max_length)
    for sentence in [report.inspection.sentence, *_candidates(report.inspection), *report.notes]:
        tell(options, sentence)
    for line in report.figures:
        tell(options, line)
    for problem in report.problems[:20]:
        tell(options, problem.text)
    if report.problem_count > 20:
        tell(options, say("cli.rows.more", count=report.problem_count - 20))
    finish(options, report.values(base, max_length))
    return 0


def _candidates(inspection: Inspection) -> list[str]:
    """How else the letters of a file may be read, each with its first sample line."""
    if not inspection.encodings:
        return []
    return [say("cli.rows.unsure"), *_lines(inspection)]


def _lines(inspection: Inspection) -> list[str]:
    return [say("cli.rows.candidate", name=each.name, line=" / ".join(each.lines)[:200]) for each in inspection.encodings]


@dataclass(frozen=True, slots=True)
class _FileReport:
    """A file as one base model reads it; ``check`` is None if the file has no examples.

    Attributes:
        inspection: the file by itself.
        check: the rows that the base model can be trained on.
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
        """Remarks besides the problems, one sentence each."""
        return [*remarks(self.inspection, self.check), *(self.check.notes if self.check else [])]

    @property
    def figures(self) -> list[str]:
        """How long prompts and answers are, in a sentence and in numbers; then each answer with its number, where they are few."""
        lines = []
        if self.check and (sentence := self.check.lengths_sentence):
            lines.append(sentence)
            for kind, lengths in (("prompts", self.check.prompts), ("answers", self.check.answers)):
                bins = ", ".join(f"{each}: {each.count:,}" for each in lengths.bins)
                lines += [say(f"cli.lengths.{kind}", bins=bins)] if bins else []
        return lines + [say("cli.rows.answer", answer=answer, count=count) for answer, count in self.inspection.answers]

    def values(self, base: str, max_length: int) -> dict[str, Any]:
        """The report as plain data; with the requested base model and maximum length if no rows were counted."""
        inspection, check = self.inspection, self.check
        return {
            "format": inspection.format, "encoding": inspection.encoding, "shape": inspection.shape,
            "encodings": [{"name": each.name, "lines": each.lines} for each in inspection.encodings],
            "columns": inspection.columns, "roles": inspection.roles, "suggested_roles": inspection.read_as.of(inspection.columns),
            "template": inspection.read_as.template, "options": inspection.options.model_dump(), "sheets": inspection.sheets,
            "lists": inspection.lists, "lost_lines": inspection.lost_lines, "bad_answers": inspection.bad_answers,
            "report": [asdict(item) for item in inspection.report], "answers": inspection.answers,
            "lengths": {
                "prompts": check.prompts.model_dump(), "answers": check.answers.model_dump(), "learned": check.learned,
            } if check else None,
            "rows": inspection.rows, "usable_rows": check.usable_rows if check else 0,
            "rows_left_out": check.rows_left_out if check else inspection.rows, "cut_answers": check.cut_answers if check else 0,
            "base": check.base if check else base, "max_length": check.max_length if check else max_length,
            "needs_mapping": inspection.needs_mapping, "problem_count": self.problem_count,
            "problems": [{"line": problem.line, "text": problem.text} for problem in self.problems],
            "findings": [finding.model_dump(mode="json") for finding in check.findings] if check else [],
            "first": self.first, "notes": self.notes,
        }  # fmt: skip


def _file_report(inspection: Inspection, base_name: str, max_length: int) -> _FileReport:
    """Count the rows that a base model can be trained on, without loading its weights. Raises ModelLoadError, ConfigError."""
    from reft_engine import ReftConfig, TrainConfig
    from reft_engine.base import load_tokenizer
    from reft_engine.training import count_rows, objective_for, read_rows

    settings = TrainConfig(max_length=max_length)
    if not inspection.examples:
        return _FileReport(inspection, None, inspection.problems, inspection.problem_count, ())
    base = load_tokenizer(base_name)
    objective = objective_for(base, ReftConfig(), settings, inspection.examples)
    read = read_rows(objective, inspection.examples)
    split = read.split(settings.held_out, settings.held_out_seed)
    problems = [*inspection.problems, *(Problem(row.line, row.reason) for row in read.left_out[:_PROBLEMS])]
    problems.sort(key=lambda problem: problem.line or 0)
    return _FileReport(
        inspection, count_rows(split, objective, rows=inspection.rows), tuple(problems[:_PROBLEMS]),
        inspection.problem_count + len(read.left_out), tuple(_as_trained(base, row) for row in read.usable[:_FIRST]),
    )  # fmt: skip


def _as_trained(base: "Base", row: "ReadRow") -> dict[str, Any]:
    """Messages and answer of a row; an answer that is too long is truncated."""
    example = row.example
    messages = [{"role": message.role, "content": message.content} for message in example.messages]
    if isinstance(example, Preference):
        return {"messages": messages, "answer": example.chosen, "rejected": example.rejected}
    return {"messages": messages, "answer": base.tokenizer.decode(row.encoded.answer_ids) if row.encoded.cut else example.answer}
