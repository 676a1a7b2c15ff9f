"""Counts the rows that a base model can be trained on, and reports problems with them before training.

Rows are read once, into a `Checked`; any share and seed then divides them. All counts of trained, held-out and left-out rows come from
`Checked.counted`, by which a run counts its own rows, too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reft_engine.base.loading import Base
from reft_engine.collecting import no_collection
from reft_engine.data import Example, LooseRow, Preference, answers_of, as_rows, counted
from reft_engine.data.cells import shown
from reft_engine.data.oddities import placeholder_of
from reft_engine.data.row_check import FEW, Finding, FindingKind, Lengths, RowCheck
from reft_engine.data.splitting import Sides
from reft_engine.errors import DataError
from reft_engine.positions import PositionSpec
from reft_engine.spec import MethodConfig, ReftConfig, TrainConfig
from reft_engine.tokens.examples import with_prompt
from reft_engine.training.objectives import Objective, objective_for
from reft_engine.training.row_facts import CUT, LETTERS, PLACEHOLDER, TOO_LONG, USABLE, Examples, Listed, ReadAgain, RowFacts, in_order
from reft_engine.training.row_sizes import SizedRow, sized_row
from reft_engine.training.rows import LeftOut, ReadRow, RowsRead, RowsSplit, encoded_rows

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
    all_rows, train_config = as_rows(examples), train_config or TrainConfig()
    checked = read_checked(base, Listed(all_rows), config, train_config, on_progress=lambda done: on_progress(done, len(all_rows)))
    return checked.divided(train_config.held_out, train_config.held_out_seed, rows=rows)


def read_checked(
    base: Base,
    examples: Examples,
    config: MethodConfig | None = None,
    train_config: TrainConfig | None = None,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> "Checked":
    """Read rows to count them; none of them is kept. The held-out share and the seed of the split do not matter. See `check_rows`."""
    config, train_config = config or ReftConfig(), train_config or TrainConfig()
    first = next(iter(examples), None)
    objective = objective_for(base, config, train_config, [] if first is None else [first])

    def of_one_kind() -> Iterator[Row]:
        for example in examples:
            if type(example) is not type(first):
                objective_for(base, config, train_config, [example, *([first] if first else [])])
            yield example

    return _checked(objective, encoded_rows(objective, of_one_kind(), on_progress), examples)


@no_collection()
def split_and_count(
    read: RowsRead, objective: Objective[Any], train_config: TrainConfig, *, rows: int | None = None
) -> tuple[RowsSplit, RowCheck]:  # fmt: skip
    """Draw which of the rows that were read are held out, and count them all; see `RowsRead.split` and `check_rows`."""
    checked = _checked(objective, in_order(read), ReadAgain(read))
    trained, held_out = checked.sides.indices(train_config.held_out, train_config.held_out_seed)
    return read.divided(trained.tolist(), held_out.tolist()), checked.counted(trained, held_out, rows=rows)


def count_rows(split: RowsSplit, objective: Objective[Any], *, rows: int | None = None) -> RowCheck:
    """As `check_rows`, for rows that are read and split already."""
    import numpy as np

    checked = _checked(objective, in_order(split.read), ReadAgain(split.read))
    trained, held_out = (
        np.searchsorted(checked.places, np.asarray([row.index for row in side], np.uint32)) for side in (split.trained, split.held_out)
    )
    return checked.counted(trained, held_out, rows=rows)


def _checked(objective: Objective[Any], read: Iterable[ReadRow | LeftOut], examples: Examples) -> "Checked":
    import numpy as np

    facts = RowFacts(objective, read)
    numbers, flags = np.asarray(facts.rows), np.frombuffer(facts.flags, np.uint8)
    usable = np.flatnonzero(flags & USABLE)
    tokens = np.asarray(facts.tokens)
    lines = len(np.unique(numbers[usable]))
    all_lines = len(np.unique(numbers))
    # A JSON list may be on a single line; its rows are then numbered.
    findings = _Findings(facts, examples, is_numbered=len(np.unique(np.asarray(facts.lines))) < all_lines)
    findings.left_out(objective)
    findings.cut(objective.max_length)
    findings.letters(objective.base.name)
    findings.placeholders()
    findings.few(len(usable))
    findings.contradictions()
    return Checked(
        base=objective.base.name, max_length=objective.max_length, lines=lines, lines_left_out=all_lines - lines,
        places=usable.astype(np.uint32), rows=numbers[usable], tokens=tokens, prompts=facts.prompts.numbers(), sides=facts.sides.sides(),
        cut=int(np.count_nonzero(flags & CUT)), longest=facts.longest, prompt_lengths=facts.prompt_lengths,
        answer_lengths=facts.answer_lengths, learned=facts.learned / max(1, int(tokens.sum())), sample_lengths=facts.sample_lengths,
        lengths=np.asarray(facts.lengths).reshape(len(usable), len(facts.lengths) // (3 * max(1, len(usable))), 3),
        findings=tuple(findings.findings),
        is_numbered=findings.is_numbered, examples=examples,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """Rows that were read for one base model, one rule for positions and one maximum length, to be counted for any share and seed.

    It holds about 32 bytes of each example, no text, and neither the base model nor its tokenizer.

    Attributes:
        lines: rows with at least one usable example; ``lines_left_out``: rows without.
        places: of each usable example the index among all; ``rows``: the number of its row; ``tokens``: those of its sequences;
            ``prompts``: a number that is the same for equal prompts. Arrays of 32-bit integers, (usable examples,).
        sides: divides the usable examples.
        lengths: tokens of prompt and answer and the first edited token of each sequence, (usable examples, sequences, 3).
        findings: those that do not depend on how the rows are divided.
        examples: reads some of the examples again.
    """

    base: str
    max_length: int
    lines: int
    lines_left_out: int
    places: Any
    rows: Any
    tokens: Any
    prompts: Any
    sides: Sides
    cut: int
    longest: int
    prompt_lengths: Lengths
    answer_lengths: Lengths
    learned: float
    sample_lengths: tuple[tuple[int, int], ...]
    lengths: Any
    findings: tuple[Finding, ...]
    is_numbered: bool
    examples: Examples

    @property
    def size(self) -> int:
        """Bytes of the arrays, without those of ``examples``."""
        return self.sides.size + sum(int(each.nbytes) for each in (self.places, self.rows, self.tokens, self.prompts, self.lengths))

    def divided(self, share: float, seed: int, *, rows: int | None = None) -> RowCheck:
        """The count with this held-out share and this seed; see `check_rows`."""
        return self.counted(*self.sides.indices(share, seed), rows=rows)

    def sized(self, share: float, seed: int, rule: PositionSpec) -> tuple[list[SizedRow], list[SizedRow]]:
        """The lengths of the training rows and of the held-out rows, with this rule for positions."""
        trained, held_out = (
            [
                sized_row(index, lengths, rule)
                for index, lengths in zip(self.places[side].tolist(), self.lengths[side].tolist(), strict=True)
            ]
            for side in self.sides.indices(share, seed)
        )
        return trained, held_out

    def counted(self, trained: Any, held_out: Any, *, rows: int | None = None) -> RowCheck:
        """The count with these usable examples trained on and held out, given by their numbers."""
        total = self.lines + self.lines_left_out if rows is None else rows
        findings = [*_unreadable(total - self.lines - self.lines_left_out), *self.findings, *self._leaks(trained, held_out)]
        return RowCheck(
            base=self.base, max_length=self.max_length, rows=total, usable_rows=self.lines, rows_left_out=total - self.lines,
            examples=len(self.places), trained=len(trained), held_out=len(held_out), cut_answers=self.cut,
            tokens=int(self.tokens[trained].sum()), longest=self.longest, prompts=self.prompt_lengths, answers=self.answer_lengths,
            learned=self.learned, sample_lengths=self.sample_lengths, findings=tuple(findings),
        )  # fmt: skip

    def _leaks(self, trained: Any, held_out: Any) -> list[Finding]:
        """Held-out rows whose prompt is also trained on."""
        import numpy as np

        is_learned = np.zeros(len(self.prompts), np.bool_)
        is_learned[self.prompts[trained]] = True
        leaked = held_out[is_learned[self.prompts[held_out]]] if len(held_out) else held_out
        return _about(
            "leaks", self.places[leaked], self.rows[leaked], self.examples, "{rows} held out with a prompt that is also learned from.",
            "The held-out loss will look better than it is; keep each prompt once.", is_numbered=self.is_numbered,
        )  # fmt: skip


def _unreadable(count: int) -> list[Finding]:
    if count <= 0:
        return []
    text = f"{counted(count)} of the file {'is' if count == 1 else 'are'} incomplete or unreadable."
    return [Finding(kind="unreadable", count=count, text=text, advice="The file's own report says which, and why.")]


class _Findings:
    """Collects findings about rows; each method adds one kind."""

    def __init__(self, facts: RowFacts, examples: Examples, *, is_numbered: bool) -> None:
        import numpy as np

        self._facts, self._examples, self.is_numbered = facts, examples, is_numbered
        self._rows, self._flags = np.asarray(facts.rows), np.frombuffer(facts.flags, np.uint8)
        self.findings: list[Finding] = []

    def left_out(self, objective: Objective[Any]) -> None:
        """Rows that the base model cannot be trained on."""
        import numpy as np

        usable = self._flags & USABLE != 0
        in_usable_row = np.isin(self._rows, self._rows[usable])
        # A row that is left out has the reason of the first of its examples.
        first = np.zeros(len(self._rows), np.bool_)
        first[np.unique(self._rows, return_index=True)[1]] = True
        too_long = self._flags & TOO_LONG != 0
        alone = first & ~in_usable_row
        self._add(
            "too_long", alone & too_long, "{rows} left out: the prompt alone leaves no room for an answer.",
            "Shorten the prompts, raise the longest row, or choose a base model with a longer context.",
        )  # fmt: skip
        refused = np.flatnonzero(alone & ~too_long)
        if len(refused):
            self._add("refused", alone & ~too_long, "{rows} left out. The first: " + self._reason(objective, int(refused[0])), "")
        self._add(
            "partly", ~usable & in_usable_row, "{rows} with several answers lose some of them: too much is said before these answers.",
            "Cut long chats into parts, or raise the longest row.",
        )  # fmt: skip

    def _reason(self, objective: Objective[Any], place: int) -> str:
        """Why an example is refused."""
        try:
            objective.encode(with_prompt(objective.base, self._examples.at([place])[0]))
        except DataError as error:
            return shown(str(error), 200)
        return ""

    def cut(self, max_length: int) -> None:
        """Answers that are truncated."""
        import numpy as np

        cut = self._flags & CUT != 0
        count = int(np.count_nonzero(cut))
        text = f"{counted(count, 'answer')} {'is' if count == 1 else 'are'} cut at the end to fit {max_length:,} tokens."
        self._add("cut", cut, text, "The model learns to stop short there. Shorten them or raise the longest row.")

    def letters(self, base: str) -> None:
        """Rows with letters that the tokenizer has no tokens for."""
        self._add(
            "letters", self._flags & LETTERS != 0,
            f"{{rows}} in letters that {base} has no tokens for: it spells them in pieces, or not at all.",
            "Its answers to them may be garbled; choose a base model that knows the language.",
        )  # fmt: skip

    def placeholders(self) -> None:
        """Templates that were never filled in."""
        import numpy as np

        found = self._flags & PLACEHOLDER != 0
        instance = ""
        if found.any():
            first = self._examples.at([int(np.argmax(found))])[0]
            instance = f", such as {shown(placeholder_of(first), 40)}"
        self._add(
            "placeholders", found, f"{{rows}} with placeholders that were not filled in{instance}.",
            "The model will learn them as they stand; fill them in first.",
        )  # fmt: skip

    def few(self, count: int) -> None:
        """Too few rows to learn from."""
        if 0 < count < FEW:
            text = f"There {'is' if count == 1 else 'are'} only {counted(count, 'example')} to learn from."
            advice = "The model will repeat them and learn little else; give more."
            self.findings.append(Finding(kind="few", count=count, text=text, advice=advice))

    def contradictions(self) -> None:
        """Prompts with different answers."""
        import numpy as np

        found = self._facts.prompts.contradicting()
        opposed = np.zeros(len(self._rows), np.bool_)
        opposed[np.flatnonzero(self._flags & USABLE)[list(found.indices)]] = True
        prompts = f"{counted(found.prompts, 'prompt')} {'has' if found.prompts == 1 else 'have'}"
        self._add(
            "contradictions", opposed, f"{prompts} different answers, in {{rows}}.",
            "The model can give one of them only; keep the right one, or tell the prompts apart.",
        )  # fmt: skip

    def _add(self, kind: FindingKind, which: Any, text: str, advice: str) -> None:
        """Add a finding about the examples that are marked in ``which``, (all examples,)."""
        import numpy as np

        places = np.flatnonzero(which)
        self.findings += _about(kind, places, self._rows[places], self._examples, text, advice, is_numbered=self.is_numbered)


def _about(
    kind: FindingKind, places: Any, rows: Any, examples: Examples, text: str, advice: str, *, is_numbered: bool
) -> list[Finding]:  # fmt: skip
    """A finding about the examples at these places, if there are any; ``{rows}`` in its text becomes the number of their ``rows``."""
    import numpy as np

    if not len(places):
        return []
    of_rows = np.sort(np.unique(rows, return_index=True)[1])  # the first example of each row
    count, numbers, listed = len(of_rows), rows[of_rows[:LISTED]], examples.at(places[of_rows[:LISTED]].tolist())
    return [
        Finding(
            kind=kind, count=count, text=text.replace("{rows}", counted(count)), advice=advice,
            lines=tuple(numbers.tolist() if is_numbered else (example.line for example in listed)),
            excerpts=tuple(map(_excerpt, listed)), unit="row" if is_numbered else "line",
        )
    ]  # fmt: skip


def _excerpt(example: Row) -> str:
    answer = shown(answers_of(example)[0], _EXCERPT)
    return f"{shown(example.messages[-1].content, _EXCERPT)} → {answer}" if example.messages else answer
