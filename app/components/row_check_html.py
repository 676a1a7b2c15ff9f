"""What a base model can be trained on of some rows, as HTML."""

from app.components.html import notice, text
from app.words import say
from reft_engine.data import Finding, RowCheck


def row_check(check: RowCheck | None) -> str:
    """How many rows can be trained on, with which base model, and what is odd about them, with the rows to open."""
    if check is None:
        return f'<div class="rs-check">{notice(say("row_check.later"), "soft")}</div>'
    kind = "bad" if not check.can_start else "info" if check.findings else "good"
    findings = "".join(map(_finding, check.findings))
    return f'<div class="rs-check">{notice(check.sentence, kind)}{_facts(check) if check.can_start else ""}{findings}</div>'


def _facts(check: RowCheck) -> str:
    answers = say("row_check.rows" if check.examples == check.usable_rows else "row_check.answers", count=check.trained)
    longest = say("row_check.tokens", count=check.longest)
    if not check.held_out:
        return f'<p class="rs-facts">{say("row_check.facts", answers=answers, longest=longest)}</p>'
    return f'<p class="rs-facts">{say("row_check.facts_held_out", answers=answers, held_out=check.held_out, longest=longest)}</p>'


def _finding(found: Finding) -> str:
    listed_rows = zip(found.lines, found.excerpts, strict=True)
    items = [say(f"row_check.at.{found.unit}", number=line, excerpt=text(excerpt, 160)) for line, excerpt in listed_rows]
    rows = "".join(f"<li>{item}</li>" for item in items)
    more = found.count - len(found.lines)
    rest = f"<li>{say('row_check.more', count=more)}</li>" if rows and more > 0 else ""
    listed = f"<ul>{rows}{rest}</ul>" if rows else ""
    advice = f"<p>{text(found.advice)}</p>" if found.advice else ""
    return f'<details class="rs-problems" data-finding="{found.kind}"><summary>{text(found.text)}</summary>{advice}{listed}</details>'
