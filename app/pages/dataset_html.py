"""HTML of the Dataset page."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.components import html
from app.handlers.datasets import PreviewRow
from app.handlers.kept import FORMS, Kept, Sides
from app.pages import data_html
from app.words import phrases, say
from reft_engine.data import TRAIN, Differences, row_of
from storage import DatasetVersionRecord


@dataclass(frozen=True, slots=True)
class Compared:
    """What a version has other than the one with this number."""

    number: int
    differences: Differences


def top(found: Kept, *, can_share: bool = False) -> str:
    """Name, facts, tags, and what can be done with a dataset; ``can_share`` if there are people to share it with."""
    dataset, version = found.dataset, found.version
    tags = "".join(f'<span class="rs-chip">{html.text(tag)}</span>' for tag in dataset.tags)
    number = say("kept.version", number=version.number)
    facts = f"{data_html.facts(version)} · {number} · {phrases.ago(version.created_at)}"
    notice = "" if found.is_current else html.notice(say("kept.is_older", number=dataset.version.number))
    if dataset.binned_at is not None:
        notice = html.notice(say("kept.is_binned"))
    train = f'<a class="rs-button" href="train?dataset={html.text(dataset.id)}">{say("kept.train")}</a>' if found.is_current else ""
    share = ""
    if can_share and found.is_current and dataset.binned_at is None:
        share = f'<a href="share/dataset/{html.text(dataset.id)}">{say("shares.share")}</a>'
    files = "".join(
        f'<a href="files/datasets/{html.text(dataset.id)}/{version.number}.{form}" download>{say(f"kept.form.{form}")}</a>'
        for form in FORMS
    )
    return (
        f'<div class="rs-title"><h1 dir="auto">{html.text(dataset.name)}</h1><p>{facts}</p>{tags}</div>{notice}'
        f'<div class="rs-deeds rs-take">{train}<span>{say("kept.download")}</span>{files}{share}</div>{_uses(found)}'
    )


def _uses(found: Kept) -> str:
    if not found.uses.newest:
        return f'<p class="rs-facts">{say("kept.unused")}</p>'
    runs = ", ".join(
        f'<a href="runs?run={html.text(use.run_id)}">{html.text(use.run_name, 60)}</a> ({say("kept.version", number=use.version_number)})'
        for use in found.uses.newest
    )
    more = found.uses.total - len(found.uses.newest)
    return f'<p class="rs-facts rs-uses">{say("kept.used_by")} {runs}{say("kept.more_runs", count=more) if more > 0 else ""}</p>'


def sides(found: Sides | None) -> str:
    """How a version is divided."""
    if found is None:
        return html.notice(say("kept.split.none"), "soft")
    trained = found.counts.get(TRAIN, 0)
    held_out = sum(count for side, count in found.counts.items() if side != TRAIN)
    counts = html.notice(say("kept.split.counts", trained=trained, held_out=held_out), "good")
    if not found.shared:
        return counts + html.notice(say("kept.split.no_leak"), "soft")
    return counts + html.notice(say("kept.split.leak", count=found.shared), "bad")


def learned(rows: Sequence[PreviewRow], positions: str) -> str:
    """The rows of the page as they are trained."""
    if not rows:
        return ""
    at = html.text(say("data.preview.positions", positions=positions))
    shown = data_html.preview(rows, [row_of(row.example) for row in rows])
    return f'<h2 class="rs-section">{say("table.shown.learned")}<small>{at}</small></h2>{shown}'


def versions(found: Kept, compared: Compared | None) -> str:
    """All versions, each with what was changed, and what the shown one has other than another."""
    lines = "".join(_version(found, version) for version in found.versions)
    shown = _differences(found, compared) if compared else ""
    return f'<h2 class="rs-section">{say("kept.versions")}</h2><ul class="rs-versions">{lines}</ul>{shown}'


def _version(found: Kept, version: DatasetVersionRecord) -> str:
    address = f"dataset?id={html.text(found.dataset.id)}"
    what = html.text(version.change) if version.change else html.text(say("kept.first", file=version.label))
    name = say("kept.version", number=version.number)
    shown = version.id == found.version.id
    link = f'<b aria-current="true">{name}</b>' if shown else f'<a href="{address}&amp;version={version.number}">{name}</a>'
    against = f'<a href="{address}&amp;version={found.version.number}&amp;against={version.number}">{say("kept.compare")}</a>'
    used = found.uses.counts.get(version.number, 0)
    runs = f" · {say('kept.runs', count=used)}" if used else ""
    facts = f"{say('kept.rows', count=version.usable_rows)} · {phrases.ago(version.created_at)}{runs}"
    return f"<li>{link}<span>{what}</span><span>{facts}</span>{'' if shown else against}</li>"


def _differences(found: Kept, compared: Compared) -> str:
    what = compared.differences
    counts = [
        (what.changed, say("kept.differ.changed", count=what.changed)), (what.dropped, say("kept.differ.dropped", count=what.dropped)),
        (what.added, say("kept.differ.added", count=what.added)), (what.moved, say("kept.differ.moved", count=what.moved)),
    ]  # fmt: skip
    sentence = " ".join(text for count, text in counts if count) or say("kept.differ.nothing")
    heading = say("kept.differ.title", number=found.version.number, other=compared.number)
    rows = "".join(
        f'<tr><th scope="row">{change.row}</th><td dir="auto"><del>{html.text(change.before)}</del></td>'
        f'<td dir="auto"><ins>{html.text(change.after)}</ins></td></tr>'
        for change in what.texts
    )
    heads = "".join(
        f'<th scope="col">{text}</th>'
        for text in (say("table.shown.row"), say("kept.version", number=compared.number), say("kept.version", number=found.version.number))
    )
    region = html.text(heading)
    table = (
        f'<div class="rs-rows" tabindex="0" role="region" aria-label="{region}"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows else ""
    )  # fmt: skip
    return f'<div id="kept-differences"><h3 class="rs-section">{region}</h3><p class="rs-facts">{sentence}</p>{table}</div>'
