"""Which rows a base model can be trained on: counts and findings, as pages and commands show them. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from reft_engine.data.records import counted
from reft_engine.data.splitting import HELD_OUT_LIMIT

FEW = 10
"""Fewer training rows than this teach little."""

SAMPLED = 64
"""Maximum number of sequences whose lengths a count gives one by one."""

FindingKind = Literal["unreadable", "too_long", "refused", "partly", "cut", "letters", "placeholders", "few", "contradictions", "leaks"]
LEFT_OUT: tuple[FindingKind, ...] = ("unreadable", "too_long", "refused")
"""Findings that leave their rows out; no row is left out for another reason."""


class Finding(BaseModel):
    """Something that a person should know about some rows before training.

    Attributes:
        kind: the finding's name, for programs.
        count: rows that it concerns.
        text: the finding as a sentence with the count.
        advice: what can be done.
        lines: the first of these rows by their numbers in the file, counted in ``unit``: in rows where several share a line.
        excerpts: the beginnings of prompt and answer of the same rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FindingKind
    count: NonNegativeInt
    text: str
    advice: str
    lines: tuple[int, ...] = ()
    excerpts: tuple[str, ...] = ()
    unit: Literal["line", "row"] = "line"


class Lengths(BaseModel):
    """How many tokens texts have.

    Attributes:
        half: half of the texts have at most so many tokens; ``longest``: the longest has so many.
        counts: number of texts by their tokens, in `BINS` bins: of 1, 2 to 3, 4 to 7, and so on; the last one has no upper end.
        over: those of them that are cut, or whose row is left out, because the row would be too long.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    half: NonNegativeInt = 0
    longest: NonNegativeInt = 0
    counts: tuple[NonNegativeInt, ...] = ()
    over: tuple[NonNegativeInt, ...] = ()

    @property
    def bins(self) -> list["LengthBin"]:
        """The bins from the first to the last that holds any."""
        filled = [number for number, count in enumerate(self.counts) if count]
        numbers = range(filled[0], filled[-1] + 1) if filled else ()
        return [LengthBin(number, self.counts[number], self.over[number]) for number in numbers]


BINS = 16
"""Bins of `Lengths`: number ``n`` begins at 2 ** n tokens."""


@dataclass(frozen=True, slots=True)
class LengthBin:
    """A bin of `Lengths`: its number, and the texts in it; those of them that are too long are ``over``."""

    number: int
    count: int
    over: int

    @property
    def first(self) -> int:
        """The fewest tokens."""
        return 1 << self.number

    @property
    def last(self) -> int | None:
        """The most tokens; None for the last bin."""
        return (2 << self.number) - 1 if self.number < BINS - 1 else None

    def __str__(self) -> str:
        """Its tokens, such as 4-7."""
        last = self.last
        return f"{self.first:,}+" if last is None else f"{self.first:,}-{last:,}" if last > self.first else f"{last}"


class RowCheck(BaseModel):
    """Which rows of a file one base model can be trained on, with one maximum sequence length and one held-out share.

    Attributes:
        base: name of the base model.
        max_length: maximum sequence length in tokens: the setting, or the base model's context if that is shorter.
        rows: rows of the file, including those that could not be read.
        usable_rows: rows that are trained on or held out; ``rows_left_out``: all others.
        examples: answers in the usable rows; a chat has several.
        trained: training examples; ``held_out``: held-out examples.
        cut_answers: usable examples whose answer (in classification, whose text) is cut to fit.
        tokens: tokens of one epoch.
        longest: tokens of the longest usable example.
        prompts: tokens of the prompts (in classification, of the texts); ``answers``: of all answers; both also of what is too long.
        learned: share of the tokens of all usable examples that is learned: the answers.
        sample_lengths: tokens of prompt and answer, as trained, of at most `SAMPLED` usable sequences, spread evenly over their lengths.
        findings: what a person should know; those that leave rows out come first.
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
    prompts: Lengths = Lengths()
    answers: Lengths = Lengths()
    learned: float = 0.0
    sample_lengths: tuple[tuple[NonNegativeInt, NonNegativeInt], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def can_start(self) -> bool:
        """Whether there is anything to learn from."""
        return self.trained > 0

    @property
    def sentence(self) -> str:
        """How many rows can be trained on with the base model, and why the others cannot."""
        if self.rows_left_out == 0:
            which = f"All {self.rows:,} rows" if self.rows > 1 else "The row" if self.rows else "No row"
            return f"{which} can be trained on with {self.base}."
        usable = f"{self.usable_rows:,}" if self.usable_rows else "none"
        return f"Of {counted(self.rows)}, {usable} can be trained on with {self.base}; {self._left_out()}."

    @property
    def run_sentence(self) -> str:
        """What a run does with these rows, as shown when it begins."""
        most = ", the most there can be" if self.held_out >= HELD_OUT_LIMIT else ""
        held_out = f"; {self.held_out:,} {_are(self.held_out)} held out to measure with{most}" if self.held_out else ""
        learned = counted(self.trained, "row" if self.examples == self.usable_rows else "answer")
        sentences = [f"Training on {learned}{held_out}."]
        if repeats := self.examples - self.trained - self.held_out:
            sentences.append(
                f"{repeats:,} more {_are(repeats)} not used: what is held out is measured once, however often it stands there."
            )
        if self.rows_left_out:
            sentences.append(f"Of the {counted(self.rows)} of the file, {self._left_out()}.")
        return " ".join([*sentences, *([self.cut_sentence] if self.cut_answers else [])])

    @property
    def cut_sentence(self) -> str:
        """How many answers are cut; empty when none is."""
        return next((finding.text for finding in self.findings if finding.kind == "cut"), "")

    @property
    def lengths_sentence(self) -> str:
        """How long prompts and answers are, and how much of all is learned; empty when no row can be trained on."""
        if not self.examples:
            return ""
        if not self.answers.longest:
            return f"Half of the texts have at most {counted(self.prompts.half, 'token')}, the longest {self.prompts.longest:,}."
        prompts, answers = (
            f"Half of the {name} have at most {counted(each.half, 'token')}, the longest {each.longest:,}"
            for name, each in (("prompts", self.prompts), ("answers", self.answers))
        )
        return f"{prompts}. {answers}; {self.learned:.0%} of all tokens are learned."

    @property
    def notes(self) -> list[str]:
        """The check in sentences: the count, then each finding that it does not cover, with its advice."""
        findings = [f"{finding.text} {finding.advice}".strip() for finding in self.findings if finding.kind not in LEFT_OUT]
        return [self.sentence, *findings]

    def _left_out(self) -> str:
        reasons = [
            (finding.count, _why(finding.kind, finding.count, self.max_length)) for finding in self.findings if finding.kind in LEFT_OUT
        ]
        head = f"{self.rows_left_out:,} {_are(self.rows_left_out)} left out"
        if len(reasons) == 1:
            return f"{head}: {reasons[0][1]}"
        return f"{head}: " + ", ".join(f"{count:,} because {why}" for count, why in reasons) if reasons else head


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _why(kind: FindingKind, count: int, max_length: int) -> str:
    if kind == "too_long":
        return f"the prompt alone fills all {max_length:,} tokens"
    if kind == "unreadable":
        return "it is incomplete or unreadable" if count == 1 else "they are incomplete or unreadable"
    return "it cannot be used as it is" if count == 1 else "they cannot be used as they are"
