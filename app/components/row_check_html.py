"""What a base model can be trained on of some rows, as HTML."""

from app.components.html import notice, text
from reft_engine.data import Finding, RowCheck, counted

_NOT_COUNTED = "Which rows this base model can be trained on is counted when a run with it starts."


def row_check(check: RowCheck | None) -> str:
    """How many rows can be trained on, with which base model, and what is odd about them, with the rows to open."""
    if check is None:
        return f'<div class="rs-check">{notice(_NOT_COUNTED, "soft")}</div>'
    kind = "bad" if not check.can_start else "info" if check.findings else "good"
    findings = "".join(map(_finding, check.findings))
    return f'<div class="rs-check">{notice(check.sentence, kind)}{_facts(check) if check.can_start else ""}{findings}</div>'


def _facts(check: RowCheck) -> str:
    held_out = f", {check.held_out:,} to measure with" if check.held_out else ""
    answers = counted(check.trained, "row" if check.examples == check.usable_rows else "answer")
    return f'<p class="rs-facts">{answers} to learn from{held_out}; the longest has {counted(check.longest, "token")}.</p>'


def _finding(found: Finding) -> str:
    listed_rows = zip(found.lines, found.excerpts, strict=True)
    rows = "".join(f"<li>{found.unit.capitalize()} {line:,}: {text(excerpt, 160)}</li>" for line, excerpt in listed_rows)
    more = found.count - len(found.lines)
    rest = f"<li>and {more:,} more</li>" if rows and more > 0 else ""
    listed = f"<ul>{rows}{rest}</ul>" if rows else ""
    advice = f"<p>{text(found.advice)}</p>" if found.advice else ""
    return f'<details class="rs-problems" data-finding="{found.kind}"><summary>{text(found.text)}</summary>{advice}{listed}</details>'
