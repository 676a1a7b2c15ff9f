"""HTML of the Data page."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.components import html
from app.components.bars_html import Bar, bars
from app.handlers import hub
from app.handlers.datasets import PreviewRow, Token
from app.handlers.workbench import Learned, Look
from app.samples import all_samples
from app.words import phrases, say, translate
from reft_engine.data import TITLES, ChatPart, Encoding, ReportItem, answers_of
from storage import DatasetRecord, DatasetUses, DatasetVersionRecord

_PROBLEMS = 8
"""Maximum number of problems that are listed."""
_AROUND = 24
"""Letters that are shown on either side of the one by which encodings are told apart."""
NAMED_RUNS = 3
"""Maximum number of runs that a card names."""
_NOTES = 3
"""More notes than these are folded away."""

_KNOWN = "instruction, input, output; prompt, completion; question, answer; text, label; messages; conversations"


def guide() -> str:
    """Example files."""
    examples = [
        (say("data.guide.pairs"), say("data.guide.pairs_example")),
        (say("data.guide.labels"), say("data.guide.labels_example")),
        (say("data.guide.chats"), say("data.guide.chats_example")),
    ]
    cards = "".join(f"<div><b>{html.text(name)}</b><pre>{html.text(example)}</pre></div>" for name, example in examples)
    return (
        f'<h2 class="rs-section">{say("data.guide.title")}<small>{say("data.guide.names", known=_KNOWN)}</small></h2>'
        f'<div class="rs-guide">{cards}</div>'
    )


def samples() -> str:
    """Links that show a bundled sample as any other file."""
    links = "".join(
        f'<li><a href="data?sample={html.text(sample.key)}">{html.text(translate(f"samples.{sample.key}.title", sample.title))}</a></li>'
        for sample in all_samples()
    )
    return f'<ul class="rs-sample-links">{links}</ul>'


def delimiters(own: str | None = None) -> list[tuple[str, str]]:
    """What may stand between cells, by its name; a file may have one of its own."""
    known = [
        (say("data.reading.comma"), ","), (say("data.reading.semicolon"), ";"), (say("data.reading.tab"), "\t"),
        (say("data.reading.bar"), "|"), (say("data.reading.one_column"), ""),
    ]  # fmt: skip
    return known if own is None or own in [sign for _, sign in known] else [*known, (own, own)]


def quotes() -> list[tuple[str, str]]:
    """What may stand around cells, by its name."""
    return [(say("data.reading.double"), '"'), (say("data.reading.single"), "'"), (say("data.reading.none"), "")]


def encodings(candidates: Sequence[Encoding]) -> list[tuple[str, str]]:
    """Encodings that a file may have, each with some lines as they read in it; not escaped."""
    lines = {each.name: " · ".join(map(_around_odd, each.lines)) for each in candidates}
    return [(say("data.reading.encoding_entry", name=name, lines=sample), name) for name, sample in lines.items()]


def _around_odd(line: str) -> str:
    """The part of a line in which encodings differ: around its first letter that is not English."""
    at = next((index for index, letter in enumerate(line) if not letter.isascii()), 0)
    begin = max(0, at - _AROUND)
    return f"{'…' if begin else ''}{phrases.short(line[begin:].strip(), 2 * _AROUND)}"


def found(look: Look) -> str:
    """What a file is recognised as, what a person should decide, its notes and its problems."""
    result = look.inspection
    sentence = say("data.found.guessed", count=result.rows) if look.said.guessed else result.sentence
    pieces = [html.notice(sentence, _kind(look)), *(html.notice(advice) for advice in _advice(look)), *map(_part, result.parts)]
    if look.origin:
        pieces += [html.notice(said, "soft") for said in (hub.origin_sentence(look.origin), *look.origin.notes)]
    notes = [note for note in result.notes if note not in {part.text for part in result.parts}]
    if len(notes) > _NOTES:
        items = "".join(f"<li>{html.text(note)}</li>" for note in notes)
        summary = f"<summary>{say('data.found.notes', count=len(notes))}</summary>"
        pieces.append(f'<details class="rs-problems">{summary}<ul>{items}</ul></details>')
    else:
        pieces += [html.notice(note, "soft") for note in notes]
    if result.problems:
        items = "".join(f"<li>{html.text(problem.text, 300)}</li>" for problem in result.problems[:_PROBLEMS])
        more = result.problem_count - _PROBLEMS
        rest = f"<li>{say('data.found.more', count=more)}</li>" if more > 0 else ""
        summary = f"<summary>{say('data.found.problems')}</summary>"
        pieces.append(f'<details class="rs-problems" open>{summary}<ul>{items}{rest}</ul></details>')
    return "".join(pieces)


def _part(part: ChatPart) -> str:
    """A part of chats, with the button that learns it or leaves it out."""
    deed = say("data.found.leave_out") if part.learned else say("data.found.learn")
    button = f'<button type="button" class="rs-quiet" data-include="{part.kind}" aria-pressed="{str(part.learned).lower()}">{deed}</button>'
    return f'<div class="rs-notice soft" role="status">{html.text(part.text)} {button}</div>'


def _kind(look: Look) -> str:
    result = look.inspection
    if result.examples and not result.problem_count and look.can_keep and not look.said.guessed:
        return "good"
    return "info" if result.examples or result.needs_mapping else "bad"


def _advice(look: Look) -> list[str]:
    if look.inspection.needs_encoding:
        return [say("data.found.encoding")]
    if look.inspection.needs_mapping:
        return [say("data.found.roles")]
    return []


def report(look: Look) -> str:
    """What a person should know about the rows, each with the button that shows them and the one that drops them."""
    if not look.inspection.rows or look.inspection.needs_mapping:
        return ""
    return report_items(look.inspection.report, look.inspection.answers, look.said.remedies, look.said.only)


def report_items(
    found: Sequence[ReportItem], answers: Sequence[tuple[str, int]], remedies: Sequence[str] = (), only: str = ""
) -> str:  # fmt: skip
    """A report and how often each answer comes, with the remedies that are taken and the item whose rows are shown."""
    items = "".join(_item(item, item.remedy in remedies, item.kind == only) for item in found)
    body = f'<ul class="rs-report">{items}</ul>' if items else f'<p class="rs-facts">{say("data.report.well")}</p>'
    return f'<h2 class="rs-section">{say("data.report.title")}</h2>{body}{_balance(answers)}'


def _balance(answers: Sequence[tuple[str, int]]) -> str:
    """How often each answer comes, where they are few."""
    made = [Bar(answer, count) for answer, count in answers]
    return bars(say("data.report.balance"), say("data.report.answer"), made) if made else ""


def _item(item: ReportItem, dropped: bool, shown: bool) -> str:
    words = html.text(item.text)
    pressed = str(shown).lower()
    named = (
        f'<button type="button" data-only="{item.kind}" aria-pressed="{pressed}">{words}</button>' if item.rows else f"<span>{words}</span>"
    )
    if item.remedy is None:
        return f"<li>{named}</li>"
    deed = say("data.report.undo") if dropped else say("data.report.drop")
    button = f'<button type="button" class="rs-quiet" data-remedy="{item.remedy}" aria-pressed="{str(dropped).lower()}">{deed}</button>'
    gone = f'<span class="rs-chip">{say("data.report.dropped")}</span>' if dropped else ""
    return f"<li>{named}{gone}{button}</li>"


NONE_LEARNED = {"html": "", "caption": "", "at": 0, "later": False}
"""Of rows that could not be shown; others may be asked for."""


def facts(version: DatasetVersionRecord) -> str:
    """What a version is: its shape, its rows and its size; escaped."""
    whole = version.usable_rows == version.rows
    rows = say("kept.rows", count=version.rows) if whole else say("data.kept.usable_rows", rows=version.rows, usable=version.usable_rows)
    shape = say("data.kept.chosen") if version.shape == "mapped" else TITLES.get(version.shape, version.shape)
    return f"{html.text(shape, 80)} · {rows} · {phrases.size(version.size_bytes)}"


def learned(page: Learned) -> dict[str, Any]:
    """The rows as they are trained, for the table of them."""
    last = page.at + page.count
    caption = say("data.preview.caption", first=page.at + 1, last=last, count=page.total) if page.count else say("data.preview.none")
    at = html.text(say("data.preview.positions", positions=page.positions))
    return {
        "html": f'<p class="rs-facts">{at}</p>{preview(page.examples)}' if page.examples else "",
        "caption": caption,
        "at": page.at,
        "later": last < page.total,
    }


def preview(rows: Sequence[PreviewRow], numbers: Sequence[int] = ()) -> str:
    """Rows as they are trained, by their lines in the file or by other ``numbers``."""
    if not rows:
        return ""
    tokens = any(row.tokens for row in rows)
    legend = _legend(marks=any("<|" in token.text for row in rows for token in row.tokens)) if tokens else ""
    lines = [row.line for row in rows]
    # A JSON list may be a single line; its rows are numbered instead.
    numbers = numbers or (range(1, len(lines) + 1) if len(lines) > 1 and len(set(lines)) == 1 else lines)
    body = "".join(_preview_row(row, number) for row, number in zip(rows, numbers, strict=True))
    return f'<div class="rs-preview">{legend}{body}</div>'


def _legend(*, marks: bool) -> str:
    """The meaning of the colours of tokens and, with ``marks``, of the signs of a chat template."""
    return (
        f'<div class="rs-legend"><span><i class="tok edited"></i>{say("data.preview.edited")}</span>'
        f'<span><i class="tok"></i>{say("data.preview.prompt")}</span>'
        f'<span><i class="tok learned"></i>{say("data.preview.learned")}</span>'
        f"<span>{html.text(say('data.preview.marks')) if marks else ''}</span></div>"
    )


def _preview_row(row: PreviewRow, number: int) -> str:
    if row.problem:
        body = f'<p class="rs-bad">{html.text(row.problem)}</p>'
    elif row.tokens:
        body = f'<p class="rs-tokens">{_tokens(row.tokens)}</p>'
    else:
        answer = " | ".join(answers_of(row.example))
        turns = "".join(f"<p><b>{html.text(message.role)}</b> {html.text(message.content)}</p>" for message in row.example.messages)
        body = f'{turns}<p class="rs-answer"><b>{say("data.preview.answer")}</b> {html.text(answer)}</p>'
    cut = f'<span class="rs-chip warn">{say("data.preview.cut")}</span>' if row.cut else ""
    return f'<div class="rs-row"><span class="rs-line">{number}</span><div>{body}{cut}</div></div>'


def _tokens(tokens: Sequence[Token], limit: int = 220) -> str:
    """Tokens; beyond ``limit`` the middle is omitted."""
    visible = list(tokens) if len(tokens) <= limit else [*tokens[: limit // 2], None, *tokens[-limit // 2 :]]
    return "".join(_token(token) if token else '<span class="rs-gap">…</span>' for token in visible)


def _token(token: Token) -> str:
    kind = "learned" if token.learned else "edited" if token.edited else ""
    breaks = "<br>" * token.text.count("\n")
    return f'<span class="tok {kind}">{html.text(token.text.replace(chr(10), "⏎"))}</span>{breaks}' if token.text else ""


def stored(held: tuple[int, int] | None, datasets: int, most: int) -> str:
    """What a person has of what they may have; empty where nothing is bounded."""
    told = [say("bounds.stored", used=phrases.size(held[0]), most=phrases.size(held[1]))] if held else []
    told += [say("bounds.datasets", there=datasets, most=most)] if most else []
    return f'<p class="rs-facts">{" ".join(told)}</p>' if told else ""


def dataset_lines(datasets: Sequence[DatasetRecord], uses: Mapping[str, DatasetUses]) -> str:
    """All datasets, each with the runs that learn from it, by its id; empty if there are none."""
    lines = "".join(dataset_line(dataset, uses[dataset.id]) for dataset in datasets)
    return f'<h2 class="rs-section">{say("data.kept.title")}</h2><ul class="rs-cards">{lines}</ul>' if datasets else ""


def dataset_line(dataset: DatasetRecord, uses: DatasetUses) -> str:
    """A dataset in a list."""
    ident = html.text(dataset.id)
    tags = "".join(f'<span class="rs-chip">{html.text(tag)}</span>' for tag in dataset.tags)
    version = f"{say('kept.version', number=dataset.version.number)} · " if dataset.version.number > 1 else ""
    names = ", ".join(f'<a href="runs?run={html.text(use.run_id)}">{html.text(use.run_name, 40)}</a>' for use in uses.newest)
    more = say("kept.more_runs", count=uses.total - len(uses.newest)) if uses.total > len(uses.newest) else ""
    used = f'<span class="rs-uses">{say("kept.used_by")} {names}{more}</span>' if uses.newest else ""
    return (
        f'<li class="rs-dataset"><b dir="auto"><a href="dataset?id={ident}">{html.text(dataset.name, 80)}</a></b>'
        f"<span>{facts(dataset.version)}</span><span>{version}{phrases.ago(dataset.created_at)}</span>"
        f"{f'<span>{tags}</span>' if tags else ''}{used}"
        f'<span class="rs-links"><a href="dataset?id={ident}">{say("data.kept.open")}</a>'
        f'<a href="train?dataset={ident}">{say("pages.train")}</a></span></li>'
    )
