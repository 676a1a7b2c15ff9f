"""HTML of the operators' page."""

from collections.abc import Sequence

from app.components import html, plain
from app.handlers.operators import Going, Overview, Somebody
from app.words import phrases, say


def page(found: Overview, told: str) -> str:
    """The page; ``told`` is what has just been done, empty for nothing."""
    done = html.notice(told, "good") if told else ""
    return (
        f"{plain.header('./')}"
        f'<main class="rs-shared"><div class="rs-title"><h1>{say("operators.title")}</h1><p>{say("operators.line")}</p></div>{done}'
        f"{_disk(found)}{_queue(found)}{_people(found)}</main>"
    )


def _disk(found: Overview) -> str:
    disk = found.disk
    most = phrases.size(found.most) if found.most else say("operators.no_bound")
    training = found.engine.get("training") if found.engine else None
    rows = [
        (say("operators.disk.folder"), html.text(found.folder)), (say("operators.disk.used"), phrases.size(disk.total)),
        (say("operators.disk.bound"), most), (say("operators.disk.free"), phrases.size(disk.free)),
        (say("operators.disk.datasets"), phrases.size(disk.datasets)), (say("operators.disk.runs"), phrases.size(disk.runs)),
        (say("operators.disk.bin"), phrases.size(disk.bin)), (say("operators.disk.uploads"), phrases.size(disk.uploads)),
        (say("operators.disk.database"), phrases.size(disk.database)), (say("operators.sessions"), f"{found.sessions:,}"),
        (say("operators.engine"), say("operators.engine_up" if found.engine else "operators.engine_away")),
        (say("operators.training"), html.text(training) if training else say("operators.trains_nothing")),
    ]  # fmt: skip
    trouble = str(found.engine.get("trouble") or "") if found.engine else ""
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    told = html.notice(trouble, "bad") if trouble else ""
    return _card(say("operators.state"), f'{told}<dl class="rs-pairs short">{body}</dl>')


def _queue(found: Overview) -> str:
    paused = html.notice(say("operators.paused")) if found.paused else ""
    line = f'<p class="rs-facts">{say("operators.waiting", count=found.waiting)}</p>' if found.going else ""
    heads = (say("operators.run"), say("operators.owner"), say("operators.status"), say("operators.steps"), say("operators.stop"))
    return _card(say("operators.queue"), f"{paused}{line}{_table(say('operators.queue'), heads, [_run(each) for each in found.going])}")


def _run(going: Going) -> Sequence[str]:
    run = going.run
    steps = f"{run.step:,} / {run.total_steps:,}" if run.total_steps else ""
    word = say("operators.leave_queue" if run.status.waiting else "operators.stop")
    sure = _sure("operator/stop", "run", run.id, word, say("operators.sure_stop"), f"{word}: {run.id}") if going.stoppable else ""
    return f"<code>{html.text(run.id)}</code>", html.text(going.owner), say(f"status.{run.status}"), steps, sure


def _people(found: Overview) -> str:
    heads = [
        say("operators.name"), say("operators.datasets"), say("operators.runs"), say("operators.queued"), say("operators.running"),
        say("operators.stored"), say("operators.last_seen"), *([say("operators.sessions")] if found.has_sessions else []),
    ]  # fmt: skip
    rows = [_person(each, found.has_sessions) for each in found.people]
    return _card(say("operators.people"), _table(say("operators.people"), heads, rows))


def _person(person: Somebody, has_sessions: bool) -> Sequence[str]:
    holding = person.holding
    name = f"{html.text(person.name)}{' · ' + say('operators.operator') if person.operator else ''}"
    counts = [f"{count:,}" for count in (holding.datasets, holding.runs, holding.queued, holding.running)]
    seen = phrases.ago(person.last_seen) if person.last_seen else say("operators.never")
    ends = say("operators.end_sessions", count=holding.sessions)
    sure = _sure("operator/sessions", "person", person.id, ends, say("operators.sure_sessions"), f"{ends}: {person.name}")
    sessions = [sure if holding.sessions else "0"] if has_sessions else []
    return name, *counts, phrases.size(holding.stored), seen, *sessions


def _sure(action: str, field: str, value: str, word: str, question: str, named: str) -> str:
    """Something that is asked once more before it is done, without any script."""
    return (
        f'<details class="sure"><summary aria-label="{html.text(named)}">{html.text(word)}</summary><form method="post" action="{action}">'
        f'<p>{html.text(question)}</p><input type="hidden" name="{field}" value="{html.text(value)}">'
        f'<button name="sure" value="yes">{say("operators.yes")}</button></form></details>'
    )


def _table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f'<p class="rs-facts">{say("operators.nothing")}</p>'
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows)
    return (
        f'<div class="rs-rows" tabindex="0" role="region" aria-label="{name}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _card(title: str, body: str) -> str:
    return f'<section class="rs-card"><h2 class="rs-caption">{title}</h2>{body}</section>'
