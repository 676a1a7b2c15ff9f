"""HTML of a row check: the rows that a base model can be trained on."""

from app.components.bars_html import Bar, bars
from app.components.html import notice, text
from app.words import say
from reft_engine.data import Finding, Lengths, RowCheck


def row_check(check: RowCheck | None, *, filters: bool = False) -> str:
    """The number of rows that a base model can be trained on, and findings, each with its rows.

    With ``filters`` each finding has a button that shows its rows in the table of the page.
    """
    if check is None:
        return f'<div class="rs-check">{notice(say("row_check.later"), "soft")}</div>'
    kind = "bad" if not check.can_start else "info" if check.findings else "good"
    findings = "".join(_finding(finding, filters) for finding in check.findings)
    return f'<div class="rs-check">{notice(check.sentence, kind)}{_facts(check) if check.can_start else ""}{findings}</div>'


def lengths(check: RowCheck | None) -> str:
    """How long the prompts and the answers are, in a sentence and in a chart each; empty while nothing is known."""
    if check is None or not check.prompts.bins:
        return ""
    charts = [_chart(kind, each, check.max_length) for kind, each in _charts(check)]
    ends = any(bar.ends for _, made in charts for bar in made)
    room = say("row_check.lengths.room_line" if ends else "row_check.lengths.room", count=check.max_length)
    drawn = "".join(bars(caption, say("row_check.lengths.tokens"), made) for caption, made in charts)
    title = f'<h2 class="rs-section">{say("row_check.lengths.title")}</h2>'
    return f'<div class="rs-lengths">{title}<p class="rs-facts">{text(check.lengths_sentence)} {room}</p><div>{drawn}</div></div>'


def _charts(check: RowCheck) -> list[tuple[str, Lengths]]:
    answers = [("answers", check.answers)] if check.answers.bins else []
    return [("prompts" if answers else "texts", check.prompts), *answers]


def _chart(kind: str, lengths: Lengths, room: int) -> tuple[str, list[Bar]]:
    """The caption of a chart, and a bar for each bin; below the last one whose texts can fit there is a line."""
    made = [Bar(str(each), each.count, each.over, ends=each.first < room <= (each.last or room) + 1) for each in lengths.bins]
    return say(f"row_check.lengths.by.{kind}"), made


def _facts(check: RowCheck) -> str:
    answers = say("row_check.rows" if check.examples == check.usable_rows else "row_check.answers", count=check.trained)
    longest = say("row_check.tokens", count=check.longest)
    if not check.held_out:
        return f'<p class="rs-facts">{say("row_check.facts", answers=answers, longest=longest)}</p>'
    return f'<p class="rs-facts">{say("row_check.facts_held_out", answers=answers, held_out=check.held_out, longest=longest)}</p>'


def _finding(finding: Finding, filters: bool) -> str:
    listed_rows = zip(finding.lines, finding.excerpts, strict=True)
    items = [say(f"row_check.at.{finding.unit}", number=line, excerpt=text(excerpt, 160)) for line, excerpt in listed_rows]
    rows = "".join(f"<li>{item}</li>" for item in items)
    more = finding.count - len(finding.lines)
    rest = f"<li>{say('row_check.more', count=more)}</li>" if rows and more > 0 else ""
    listed = f"<ul>{rows}{rest}</ul>" if rows else ""
    advice = f"<p>{text(finding.advice)}</p>" if finding.advice else ""
    body = f"{advice}{listed}{_filter(finding) if filters and finding.lines else ''}"
    return f'<details class="rs-problems" data-finding="{finding.kind}"><summary>{text(finding.text)}</summary>{body}</details>'


def _filter(finding: Finding) -> str:
    only = f"{finding.unit}:{','.join(map(str, finding.lines))}"
    return f'<button type="button" class="rs-quiet" data-only="{only}" aria-pressed="false">{say("data.report.show")}</button>'
