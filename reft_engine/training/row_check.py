"""Counts what a base model can learn from rows, and finds what a person should know of them before training.

Everything that tells how many rows are trained on, held out or left out goes through `count_rows`, over what
`rows.read_rows` gave, which is what training itself uses.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.data import Example, LooseRow, Preference, as_rows, row_of
from reft_engine.data.row_check import FEW, Finding, FindingKind, RowCheck, counted
from reft_engine.data.shapes import shown
from reft_engine.spec import ReftConfig, TrainConfig
from reft_engine.tokens.spelling import badly_spelt
from reft_engine.training.objectives import Objective, objective_for
from reft_engine.training.rows import ReadRow, RowsRead, encoded_of, read_rows

LISTED = 50
"""Rows that a finding lists; all are counted."""
_EXCERPT = 60
_PLACEHOLDER = re.compile(
    r"\{\{\s*[A-Za-z_][\w .\-]{0,60}\}\}"  # {{name}} of Handlebars, Jinja and Mustache
    r"|\$\{[A-Za-z_][\w.]{0,60}\}"  # ${name} of shells and JavaScript
    r"|\{%.{1,80}?%\}|<%.{1,80}?%>"  # statements of Jinja and ERB
    r"|(?<![\\\w$^{}\"'\])])\{[a-z][a-z0-9]*(?:_[a-z0-9]+)*\}(?![{}])"  # {name} of Python, not LaTeX's \frac{a}{b}
)

Given = Example | Preference


def check_rows(
    base: Base,
    examples: Iterable[LooseRow],
    config: ReftConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    rows: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RowCheck:
    """Count what this base model would be trained on of these rows, and say what is odd about them.

    Args:
        base: the base model; its weights are not used.
        examples: the rows.
        config: what is edited; labels and marked positions matter here.
        train_config: how it is trained; the longest row, the held-out share and the seed of the split matter here.
        rows: rows of the file, those included that could not be read; the rows given when left out.
        on_progress: called now and then with the rows read and the rows there are.

    Raises:
        ConfigError: the base model cannot be trained on such rows.
        DataError: the rows are of two kinds.
    """
    given = as_rows(examples)
    objective = objective_for(base, config or ReftConfig(), train_config or TrainConfig(), given)
    return count_rows(read_rows(objective, given, on_progress), objective, rows=rows)


def count_rows(read: RowsRead, objective: Objective[Any], *, rows: int | None = None) -> RowCheck:
    """The same for rows that have been read, which costs little; the split is that of the objective's settings."""
    settings, base = objective.settings, objective.base
    trained, held_out = read.split(settings.held_out, settings.held_out_seed)
    max_length = objective.max_length
    total = read.lines + read.lines_left_out if rows is None else rows
    say = _Findings(read)
    say.left_out(total - read.lines - read.lines_left_out)
    say.cut(max_length)
    say.letters(base)
    say.placeholders()
    say.few()
    say.contradictions()
    say.leaks(trained, held_out)
    return RowCheck(
        base=base.name, max_length=max_length, rows=total, usable_rows=read.lines, rows_left_out=total - read.lines,
        examples=len(read.usable), trained=len(trained), held_out=len(held_out), cut_answers=sum(row.encoded.cut for row in read.usable),
        tokens=objective.length(encoded_of(trained)), longest=max((row.encoded.length for row in read.usable), default=0),
        findings=tuple(say.found),
    )  # fmt: skip


class _Findings:
    """Findings of some rows, one method a kind."""

    def __init__(self, read: RowsRead) -> None:
        self._read = read
        self._usable = [row.example for row in read.usable]
        self._all: list[Given] = [*self._usable, *(row.example for row in read.left_out)]
        # A JSON list may stand on a single line; then its rows are numbered.
        self._numbered = len({example.line for example in self._all}) < len({row_of(example) for example in self._all})
        self.found: list[Finding] = []

    def left_out(self, unreadable: int) -> None:
        """Rows that could not be read, and rows that the base model cannot be trained on."""
        if unreadable > 0:
            text = f"{counted(unreadable)} of the file {'is' if unreadable == 1 else 'are'} incomplete or unreadable."
            self.found.append(Finding(kind="unreadable", count=unreadable, text=text, advice="The file's own report says which, and why."))
        used = {row_of(example) for example in self._usable}
        lost = {row_of(row.example): row for row in reversed(self._read.left_out) if row_of(row.example) not in used}
        rows = [lost[number] for number in sorted(lost)]
        long = [row.example for row in rows if row.kind == "length"]
        self._add(
            "too_long", long, "{rows} left out: the prompt alone leaves no room for an answer.",
            "Shorten the prompts, raise the longest row, or choose a base model with a longer context.",
        )  # fmt: skip
        refused = [row for row in rows if row.kind != "length"]
        if refused:
            self._add("refused", [row.example for row in refused], "{rows} left out. The first: " + shown(refused[0].reason, 200), "")
        partly = [row.example for row in self._read.left_out if row_of(row.example) in used]
        self._add(
            "partly", partly, "{rows} with several answers lose some of them: too much is said before these answers.",
            "Cut long chats into parts, or raise the longest row.",
        )  # fmt: skip

    def cut(self, max_length: int) -> None:
        """Answers that do not fit as a whole."""
        cut = [row for row in self._read.usable if row.encoded.cut]
        text = f"{counted(len(cut), 'answer')} {'is' if len(cut) == 1 else 'are'} cut at the end to fit {max_length:,} tokens."
        self._add("cut", [row.example for row in cut], text, "The model learns to stop short there. Shorten them or raise the longest row.")

    def letters(self, base: Base) -> None:
        """Rows in letters that the tokenizer has no tokens for."""
        bad = badly_spelt(base, [_texts(example) for example in self._all])
        self._add(
            "letters", [example for example, hard in zip(self._all, bad, strict=True) if hard],
            f"{{rows}} in letters that {base.name} has no tokens for: it spells them in pieces, or not at all.",
            "Its answers to them may be garbled; choose a base model that knows the language.",
        )  # fmt: skip

    def placeholders(self) -> None:
        """Templates that were never filled in."""
        signs = [(example, sign) for example in self._usable if (sign := _placeholder(example))]
        such = f", such as {signs[0][1]}" if signs else ""
        self._add(
            "placeholders", [example for example, _ in signs], f"{{rows}} with placeholders that were not filled in{such}.",
            "The model will learn them as they stand; fill them in first.",
        )  # fmt: skip

    def few(self) -> None:
        """Fewer rows than a run can learn from."""
        if 0 < (count := len(self._usable)) < FEW:
            text = f"There {'is' if count == 1 else 'are'} only {counted(count, 'example')} to learn from."
            advice = "The model will repeat them and learn little else; give more."
            self.found.append(Finding(kind="few", count=count, text=text, advice=advice))

    def contradictions(self) -> None:
        """Different answers to one prompt."""
        groups: dict[Hashable, list[Given]] = defaultdict(list)
        for example in self._usable:
            groups[_asked(example)].append(example)
        against = [group for group in groups.values() if len(group) > 1 and _contradict(group)]
        prompts = f"{counted(len(against), 'prompt')} {'has' if len(against) == 1 else 'have'}"
        self._add(
            "contradictions", [example for group in against for example in group], f"{prompts} different answers, in {{rows}}.",
            "The model can give one of them only; keep the right one, or tell the prompts apart.",
        )  # fmt: skip

    def leaks(self, trained: Sequence[ReadRow], held_out: Sequence[ReadRow]) -> None:
        """Held-out rows whose prompt is learned from all the same."""
        learned = {_asked(row.example) for row in trained} if held_out else set()
        self._add(
            "leaks", [row.example for row in held_out if _asked(row.example) in learned],
            "{rows} held out with a prompt that is also learned from.",
            "The held-out loss will look better than it is; keep each prompt once.",
        )  # fmt: skip

    def _add(self, kind: FindingKind, examples: Sequence[Given], text: str, advice: str) -> None:
        """Add a finding of these rows, if there are any; ``{rows}`` in its text becomes their number."""
        concerned = list({row_of(example): example for example in reversed(examples)}.values())[::-1]
        if not concerned:
            return
        count, listed = len(concerned), concerned[:LISTED]
        self.found.append(
            Finding(
                kind=kind, count=count, text=text.replace("{rows}", counted(count)), advice=advice,
                lines=tuple(row_of(example) if self._numbered else example.line for example in listed),
                excerpts=tuple(map(_excerpt, listed)), unit="row" if self._numbered else "line",
            )
        )  # fmt: skip


def _answers(example: Given) -> tuple[str, ...]:
    return (example.answer,) if isinstance(example, Example) else (example.chosen, example.rejected)


def _texts(example: Given) -> list[str]:
    """All that is said in a row, the answers last."""
    return [*(message.content for message in example.messages), *_answers(example)]


def _placeholder(example: Given) -> str:
    """The first placeholder of a row; empty when there is none."""
    found = next(filter(None, map(_PLACEHOLDER.search, _texts(example))), None)
    return shown(found[0], 40) if found else ""


def _excerpt(example: Given) -> str:
    return f"{shown(example.messages[-1].content, _EXCERPT)} → {shown(_answers(example)[0], _EXCERPT)}"


def _plain(text: str) -> str:
    """A text without its case and the amount of its white space."""
    return " ".join(text.split()).casefold()


def _asked(example: Given) -> Hashable:
    """What is asked in a row, so that prompts that differ in case and white space alone are the same."""
    return tuple((message.role, _plain(message.content)) for message in example.messages)


def _contradict(group: Sequence[Given]) -> bool:
    """Whether rows with one prompt want different answers; of preference pairs, whether one prefers what another rejects."""
    pairs = [example for example in group if isinstance(example, Preference)]
    if pairs:
        return bool({_plain(pair.chosen) for pair in pairs} & {_plain(pair.rejected) for pair in pairs})
    return len({_plain(_answers(example)[0]) for example in group}) > 1
