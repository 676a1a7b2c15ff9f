"""HTML of the Train page."""

from collections.abc import Sequence

from app.components import html
from app.goals import GOALS
from app.handlers import train
from app.handlers.bases import STARTER
from app.handlers.train import Again, Estimate, TrainForm
from app.words import phrases, say, translate
from reft_engine import Setting, written
from storage import DatasetRecord


def group(title: str) -> str:
    """The headline of a group of settings."""
    return f'<h2 class="rs-caption">{html.text(title)}</h2>'


def info(row: Setting, why: str = "") -> str:
    """Help of a setting, with the unit of its number if the help does not name it, and why its value is suggested."""
    names_unit = not row.unit or row.unit.lower() in row.help.lower()
    shown = translate(f"settings.{row.name}.help", row.help if names_unit else f"{row.help[:-1]} ({row.unit}).")
    return f"{shown} {say('train.suggested', why=why)}" if why else shown


def about_goal(key: str) -> str:
    """What a goal is for, where its settings come from, and where the method is weak; empty without a goal."""
    if key not in GOALS:
        return ""
    told = {
        "style": (say("goals.style.help"), say("goals.style.source"), say("goals.style.weak")),
        "persona": (say("goals.persona.help"), say("goals.persona.source"), say("goals.persona.weak")),
        "classify": (say("goals.classify.help"), say("goals.classify.source"), say("goals.classify.weak")),
        "instructions": (say("goals.instructions.help"), say("goals.instructions.source"), say("goals.instructions.weak")),
        "reasoning": (say("goals.reasoning.help"), say("goals.reasoning.source"), say("goals.reasoning.weak")),
        "steer": (say("goals.steer.help"), say("goals.steer.source"), say("goals.steer.weak")),
    }[key]
    purpose, source, weak = map(html.text, told)
    return f'<div class="rs-goal"><p>{purpose}</p><p><b>{say("goals.weak")}</b> {weak}</p><p class="rs-facts">{source}</p></div>'


def teaching(dataset: DatasetRecord, form: TrainForm, values: Estimate | None) -> str:
    """What the run teaches to whom from what, and what it costs, as far as that is known; None while it is being counted."""
    count = values.check.usable_rows if values and values.check else dataset.usable_rows
    base = say("train.teach.starter") if form.base == STARTER else html.text(str(form.base))
    name = html.text(phrases.short(dataset.name, 60))
    said = say("train.teach.labels" if form.labels else "train.teach.examples", base=f"<b>{base}</b>", name=f"<b>{name}</b>", count=count)
    if values is None:
        return _sentence(f'{said}: <span class="rs-counting">{say("train.teach.counting")}</span>')
    time = [say("train.summary.about", value=phrases.duration(values.seconds))] if values.seconds is not None else []
    costs = [
        *(time or ([say("train.teach.later")] if values.incomplete else [])),
        *([_memory(values)] if values.memory_bytes is not None else []),
        *([say("train.teach.download", size=phrases.size(values.file_bytes))] if values.file_bytes is not None else []),
    ]
    fetched = "" if values.to_fetch == 0 else f" {_fetched(values.to_fetch)}"
    return _sentence(f"{said}: {', '.join(costs)}.{fetched}" if costs else f"{said}.{fetched}")


def _memory(values: Estimate) -> str:
    size = phrases.size(values.memory_bytes or 0)
    return say("train.teach.memory_rough", size=size) if values.memory_is_rough else say("train.teach.memory", size=size)


def _fetched(size: int | None) -> str:
    return say("train.teach.fetch", size=phrases.size(size)) if size else say("train.teach.fetch_unknown")


def _sentence(text: str) -> str:
    return f'<p class="rs-teaching" role="status">{text}</p>'


def estimate(values: Estimate) -> str:
    """The size and cost of a run."""
    exact = values.check is not None
    rows = [
        (say("train.summary.rows"), _count(values.rows, exact)),
        (html.term(say("train.summary.held_out"), say("train.summary.held_out_meaning")), _count(values.held_out, exact)),
        (html.term(say("train.summary.steps"), say("train.summary.steps_meaning")), _count(values.steps, exact)),
    ]
    if values.parameters is not None and values.base_parameters:
        share = values.parameters / values.base_parameters
        rows += [
            (html.term(say("train.summary.parameters"), say("train.summary.parameters_meaning")), f"{values.parameters:,}"),
            (say("train.summary.share"), f"{share:.2%}"),
            (say("train.summary.download"), say("train.summary.about", value=phrases.size(values.file_bytes or 0))),
        ]
    if values.seconds is not None:
        time = html.term(say("train.summary.time"), say("train.summary.time_meaning"))
        rows.append((time, say("train.summary.about", value=phrases.duration(values.seconds))))
    rows += _costs(values)
    lines = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="rs-estimate">{lines}</dl>'


def changes(names: Sequence[str], preset: TrainForm) -> str:
    """Which settings differ from the preset, each with the preset's value."""
    if not names:
        return f'<p class="rs-facts">{say("train.unchanged")}</p>'
    items = "".join(f"<li>{_change(name, getattr(preset, name))}</li>" for name in names)
    return f'<p class="rs-facts">{say("train.changed", count=len(names))}</p><ul class="rs-changes">{items}</ul>'


def _change(name: str, value: object) -> str:
    shown = html.text(phrases.short(written(value), 60)) or say("train.blank")
    return say("train.change", field=html.text(train.title_of(name)), value=f"<b>{shown}</b>")


def _costs(values: Estimate) -> list[tuple[str, str]]:
    """Epochs, where a later one is faster, and memory."""
    rows: list[tuple[str, str]] = []
    first, later = values.first_epoch_seconds, values.later_epoch_seconds
    if first is not None and later is not None and later < 0.9 * first:
        epochs = html.term(say("estimates.epochs"), say("estimates.epochs_meaning"))
        rows.append((epochs, say("estimates.first_and_later", first=phrases.duration(first), later=phrases.duration(later))))
    if values.memory_bytes is not None:
        meaning = say("estimates.memory_rough") if values.memory_is_rough else say("estimates.memory_measured")
        size = phrases.size(values.memory_bytes)
        about = say("estimates.roughly", value=size) if values.memory_is_rough else say("train.summary.about", value=size)
        rows.append((html.term(say("estimates.memory"), meaning), about))
    return rows


def _count(count: int, exact: bool) -> str:
    return f"{count:,}" if exact else say("train.summary.at_most", count=count)


def earlier_version(again: Again) -> str:
    """The entry of the list of datasets for the rows that a run learned from; not HTML."""
    version = again.dataset.version
    return say("train.dataset.earlier", name=again.dataset.name, number=version.number, rows=version.rows)


def again(values: Again) -> str:
    """Whose settings and rows these are; where its dataset has a newer version, that is offered."""
    own, current = values.dataset.version, values.current.version
    sentence = say("train.again.run", run=values.run.name, dataset=values.dataset.name, number=own.number)
    if own.id == values.run.version_id and own.id != current.id:
        return _note(f"{sentence} {say('train.again.newer')}", f"train?run={values.run.id}&rows=current", current.number)
    if own.id != values.run.version_id:
        taken = say("train.again.current", run=values.run.name, dataset=values.dataset.name, number=own.number)
        return _note(taken, f"train?run={values.run.id}", values.run.version_number)
    return html.notice(sentence)


def _note(sentence: str, link: str, number: int) -> str:
    """A sentence, and a link to the same page with another version."""
    go = f'<a href="{html.text(link)}">{html.text(say("train.again.take", number=number))}</a>'
    return f'<div class="rs-notice info" role="status">{html.text(sentence)} {go}</div>'
