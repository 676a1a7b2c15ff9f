"""Counts the rows that a base model can be trained on, and reports problems with them before training.

All counts of trained, held-out and left-out rows come from `count_rows`, applied to the result of `rows.read_rows`, which
training itself uses.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, answers_of, as_rows, counted, row_of
from reft_engine.data.cells import shown
from reft_engine.data.oddities import Prompts, placeholder_of, prompt_key, texts_of
from reft_engine.data.row_check import FEW, Finding, FindingKind, RowCheck
from reft_engine.spec import ReftConfig, TrainConfig
from reft_engine.tokens.spelling import badly_spelt
from reft_engine.training.objectives import Objective, objective_for
from reft_engine.training.rows import ReadRow, RowsRead, RowsSplit, encoded_of, read_rows

LISTED = 50
"""Maximum number of rows that a finding lists; all are counted."""
_EXCERPT = 60

Row = Example | Preference


def check_rows(
    base: Base,
    examples: Iterable[LooseRow],
    config: ReftConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    rows: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RowCheck:
    """Count the rows that this base model would be trained on, and report problems with them.

    Args:
        base: the base model; its weights are not used.
        examples: the rows.
        config: the edit; its labels and positions matter here.
        train_config: the training settings; the maximum length, the held-out share and the seed of the split matter here.
        rows: number of rows of the file, unreadable ones included; by default the number of ``examples``' rows.
        on_progress: called now and then with the number of rows read and of all rows.

    Raises:
        ConfigError: the base model cannot be trained on such rows.
        DataError: the rows are of two kinds.
    """
    all_rows = as_rows(examples)
    train_config = train_config or TrainConfig()
    objective = objective_for(base, config or ReftConfig(), train_config, all_rows)
    split = read_rows(objective, all_rows, on_progress).split(train_config.held_out, train_config.held_out_seed)
    return count_rows(split, objective, rows=rows)


def count_rows(split: RowsSplit, objective: Objective[Any], *, rows: int | None = None) -> RowCheck:
    """As `check_rows`, for rows that are read and split already."""
    base, read, max_length = objective.base, split.read, objective.max_length
    total = read.lines + read.lines_left_out if rows is None else rows
    report = _Findings(read)
    report.left_out(total - read.lines - read.lines_left_out)
    report.cut(max_length)
    report.letters(base)
    report.placeholders()
    report.few()
    report.contradictions()
    report.leaks(split.trained, split.held_out)
    return RowCheck(
        base=base.name, max_length=max_length, rows=total, usable_rows=read.lines, rows_left_out=total - read.lines,
        examples=len(read.usable), trained=len(split.trained), held_out=len(split.held_out),
        cut_answers=sum(row.encoded.cut for row in read.usable), tokens=objective.length(encoded_of(split.trained)),
        longest=max((row.encoded.length for row in read.usable), default=0),
        findings=tuple(report.findings),
    )  # fmt: skip


class _Findings:
    """Collects findings about rows; each method adds one kind."""

    def __init__(self, read: RowsRead) -> None:
        self._read = read
        self._usable = [row.example for row in read.usable]
        self._all: list[Row] = [*self._usable, *(row.example for row in read.left_out)]
        # A JSON list may be on a single line; its rows are then numbered.
        self._numbered = len({example.line for example in self._all}) < len({row_of(example) for example in self._all})
        self.findings: list[Finding] = []

    def left_out(self, unreadable: int) -> None:
        """Rows that are unreadable, and rows that the base model cannot be trained on."""
        if unreadable > 0:
            text = f"{counted(unreadable)} of the file {'is' if unreadable == 1 else 'are'} incomplete or unreadable."
            self.findings.append(
                Finding(kind="unreadable", count=unreadable, text=text, advice="The file's own report says which, and why.")
            )
        usable = {row_of(example) for example in self._usable}
        left_out = {row_of(row.example): row for row in reversed(self._read.left_out) if row_of(row.example) not in usable}
        rows = [left_out[number] for number in sorted(left_out)]
        long = [row.example for row in rows if row.error.group == "length"]
        self._add(
            "too_long", long, "{rows} left out: the prompt alone leaves no room for an answer.",
            "Shorten the prompts, raise the longest row, or choose a base model with a longer context.",
        )  # fmt: skip
        refused = [row for row in rows if row.error.group != "length"]
        if refused:
            self._add("refused", [row.example for row in refused], "{rows} left out. The first: " + shown(refused[0].reason, 200), "")
        partly = [row.example for row in self._read.left_out if row_of(row.example) in usable]
        self._add(
            "partly", partly, "{rows} with several answers lose some of them: too much is said before these answers.",
            "Cut long chats into parts, or raise the longest row.",
        )  # fmt: skip

    def cut(self, max_length: int) -> None:
        """Answers that are truncated."""
        cut = [row for row in self._read.usable if row.encoded.cut]
        text = f"{counted(len(cut), 'answer')} {'is' if len(cut) == 1 else 'are'} cut at the end to fit {max_length:,} tokens."
        self._add("cut", [row.example for row in cut], text, "The model learns to stop short there. Shorten them or raise the longest row.")

    def letters(self, base: Base) -> None:
        """Rows with letters that the tokenizer has no tokens for."""
        flags = badly_spelt(base, [texts_of(example) for example in self._all])
        self._add(
            "letters", [example for example, flag in zip(self._all, flags, strict=True) if flag],
            f"{{rows}} in letters that {base.name} has no tokens for: it spells them in pieces, or not at all.",
            "Its answers to them may be garbled; choose a base model that knows the language.",
        )  # fmt: skip

    def placeholders(self) -> None:
        """Templates that were never filled in."""
        matches = [(example, placeholder) for example in self._usable if (placeholder := placeholder_of(example))]
        instance = f", such as {shown(matches[0][1], 40)}" if matches else ""
        self._add(
            "placeholders", [example for example, _ in matches], f"{{rows}} with placeholders that were not filled in{instance}.",
            "The model will learn them as they stand; fill them in first.",
        )  # fmt: skip

    def few(self) -> None:
        """Too few rows to learn from."""
        if 0 < (count := len(self._usable)) < FEW:
            text = f"There {'is' if count == 1 else 'are'} only {counted(count, 'example')} to learn from."
            advice = "The model will repeat them and learn little else; give more."
            self.findings.append(Finding(kind="few", count=count, text=text, advice=advice))

    def contradictions(self) -> None:
        """Prompts with different answers."""
        asked = Prompts()
        for example in self._usable:
            asked.add(example)
        found = asked.contradicting()
        prompts = f"{counted(found.prompts, 'prompt')} {'has' if found.prompts == 1 else 'have'}"
        self._add(
            "contradictions", [self._usable[index] for index in found.indices], f"{prompts} different answers, in {{rows}}.",
            "The model can give one of them only; keep the right one, or tell the prompts apart.",
        )  # fmt: skip

    def leaks(self, trained: Sequence[ReadRow], held_out: Sequence[ReadRow]) -> None:
        """Held-out rows whose prompt is also trained on."""
        prompts = {prompt_key(row.example) for row in trained} if held_out else set()
        self._add(
            "leaks", [row.example for row in held_out if prompt_key(row.example) in prompts],
            "{rows} held out with a prompt that is also learned from.",
            "The held-out loss will look better than it is; keep each prompt once.",
        )  # fmt: skip

    def _add(self, kind: FindingKind, examples: Sequence[Row], text: str, advice: str) -> None:
        """Add a finding about these examples, if there are any; ``{rows}`` in its text becomes the number of their rows."""
        rows = list({row_of(example): example for example in reversed(examples)}.values())[::-1]
        if not rows:
            return
        count, listed = len(rows), rows[:LISTED]
        self.findings.append(
            Finding(
                kind=kind, count=count, text=text.replace("{rows}", counted(count)), advice=advice,
                lines=tuple(row_of(example) if self._numbered else example.line for example in listed),
                excerpts=tuple(map(_excerpt, listed)), unit="row" if self._numbered else "line",
            )
        )  # fmt: skip


def _excerpt(example: Row) -> str:
    prompt = example.messages[-1].content if example.messages else ""
    return f"{shown(prompt, _EXCERPT)} → {shown(answers_of(example)[0], _EXCERPT)}"
