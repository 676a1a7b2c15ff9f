"""What a base model can learn from rows: counts and findings, as every page and command shows them. Imports no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from reft_engine.data.splitting import HELD_OUT_LIMIT

FEW = 10
"""With fewer rows to learn from, little can be learned."""

FindingKind = Literal["unreadable", "too_long", "refused", "partly", "cut", "letters", "placeholders", "few", "contradictions", "leaks"]
LEFT_OUT: tuple[FindingKind, ...] = ("unreadable", "too_long", "refused")
"""Findings whose rows are left out; together they are all that is left out."""


class Finding(BaseModel):
    """Something that a person should know of some rows before training.

    Attributes:
        kind: what it is, for programs.
        count: rows that it concerns.
        text: what it is, in a sentence with the count.
        advice: what can be done.
        lines: where the first of these rows stand in the file, in ``unit``: rows are numbered where several share a line.
        excerpts: of the same rows the beginning of prompt and answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FindingKind
    count: NonNegativeInt
    text: str
    advice: str
    lines: tuple[int, ...] = ()
    excerpts: tuple[str, ...] = ()
    unit: Literal["line", "row"] = "line"


class RowCheck(BaseModel):
    """What one base model can be trained on of the rows of a file, with one longest row and one held-out share.

    Attributes:
        base: name of the base model that the rows were counted for.
        max_length: tokens of the longest row that fits: what was asked for, at most the base model's context.
        rows: rows of the file, those that could not be read included.
        usable_rows: rows that are trained on or held out; ``rows_left_out``: all others.
        examples: answers in the usable rows; a chat has several.
        trained: examples that are learned from; ``held_out``: those that are measured with.
        cut_answers: usable examples whose answer (of a text to classify, the text) is cut to fit.
        tokens: tokens of one epoch.
        longest: tokens of the longest usable example.
        findings: what a person should know, what is left out first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    max_length: int
    rows: NonNegativeInt
    usable_rows: NonNegativeInt
    rows_left_out: NonNegativeInt
    examples: NonNegativeInt
    trained: NonNegativeInt
    held_out: NonNegativeInt
    cut_answers: NonNegativeInt
    tokens: NonNegativeInt
    longest: NonNegativeInt
    findings: tuple[Finding, ...] = ()

    @property
    def can_start(self) -> bool:
        """Whether there is anything to learn from."""
        return self.trained > 0

    @property
    def sentence(self) -> str:
        """How many rows can be trained on, with which base model, and why the others cannot."""
        if self.rows_left_out == 0:
            which = f"All {self.rows:,} rows" if self.rows > 1 else "The row" if self.rows else "No row"
            return f"{which} can be trained on with {self.base}."
        usable = f"{self.usable_rows:,}" if self.usable_rows else "none"
        return f"Of {counted(self.rows)}, {usable} can be trained on with {self.base}; {self._left_out()}."

    @property
    def run_sentence(self) -> str:
        """What a run with these rows does, as it is told when the run begins."""
        most = ", the most there can be" if self.held_out >= HELD_OUT_LIMIT else ""
        held = f"; {self.held_out:,} {_are(self.held_out)} held out to measure with{most}" if self.held_out else ""
        learned = counted(self.trained, "row" if self.examples == self.usable_rows else "answer")
        parts = [f"Training on {learned}{held}."]
        if repeats := self.examples - self.trained - self.held_out:
            parts.append(f"{repeats:,} more {_are(repeats)} not used: what is held out is measured once, however often it stands there.")
        if self.rows_left_out:
            parts.append(f"Of the {counted(self.rows)} of the file, {self._left_out()}.")
        return " ".join([*parts, *([self.cut_sentence] if self.cut_answers else [])])

    @property
    def cut_sentence(self) -> str:
        """How many answers are cut; empty when none is."""
        return next((finding.text for finding in self.findings if finding.kind == "cut"), "")

    @property
    def notes(self) -> list[str]:
        """All of it in sentences: the count, then each finding that it does not tell already, with what to do."""
        told = [f"{finding.text} {finding.advice}".strip() for finding in self.findings if finding.kind not in LEFT_OUT]
        return [self.sentence, *told]

    def _left_out(self) -> str:
        reasons = [(found.count, _why(found.kind, found.count, self.max_length)) for found in self.findings if found.kind in LEFT_OUT]
        head = f"{self.rows_left_out:,} {_are(self.rows_left_out)} left out"
        if len(reasons) == 1:
            return f"{head}: {reasons[0][1]}"
        return f"{head}: " + ", ".join(f"{count:,} because {why}" for count, why in reasons) if reasons else head


def counted(count: int, what: str = "row") -> str:
    """A number of things: 1 row, 1,200 rows."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _why(kind: FindingKind, count: int, max_length: int) -> str:
    if kind == "too_long":
        return f"the prompt alone fills all {max_length:,} tokens"
    if kind == "unreadable":
        return "it is incomplete or unreadable" if count == 1 else "they are incomplete or unreadable"
    return "it cannot be used as it is" if count == 1 else "they cannot be used as they are"
