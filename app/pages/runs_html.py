"""HTML of the Runs page."""

from collections.abc import Sequence
from typing import Any

from app.components import html
from app.handlers import run_live
from app.handlers.mix_parts import MixedPart, formula, parts_of
from app.handlers.run_live import Since
from app.handlers.runs import HeldOut, RunView
from app.handlers.verdict import Verdicts
from app.services import Services
from app.words import phrases, say, translate
from reft_engine import BASELINES, title_of
from storage import RunRecord, RunStatus
from storage.upkeep import DiskUsage

_PHASES = frozenset({"download", "encode", "prepare", "measure", "score", "look"})
"""Names of the phases that have texts."""


def run_status(view: RunView) -> str:
    """Status, sentence, progress and main figures of a run."""
    run = view.run
    word, kind = phrases.status_word(run), html.STATUS_KINDS[run.status]
    share = 1.0 if run.status is RunStatus.FINISHED else run.step / run.total_steps if run.total_steps else 0.0
    sentence = _sentence(view)
    going_on = run.seconds_left is not None and not run.status.ended
    left = say("runs.status.left", time=phrases.duration(run.seconds_left or 0)) if going_on else ""
    steps = say("runs.status.step", step=run.step, total=run.total_steps) if run.total_steps else ""
    epochs = _epoch(run) if run.total_steps else ""
    facts = " · ".join(fact for fact in (steps, epochs, left) if fact)
    return (
        f'<div class="rs-status"><div class="rs-status-head"><span class="rs-pill {kind}">{word}</span>'
        f"<h2>{html.text(run.name, 80)}</h2></div>"
        f'<p class="rs-sentence">{html.text(sentence)}</p>{html.notice(view.trouble, "bad") if view.trouble else ""}'
        f'<div class="rs-bar {kind}" role="progressbar" aria-label="{say("runs.status.progress")}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share * 100:.0f}"><i style="width:{share * 100:.1f}%"></i></div><p class="rs-facts">{facts}</p>'
        f"{_phase(run)}{figures(view)}</div>"
    )


def _phase(run: RunRecord) -> str:
    """What the run is at besides its steps, with a bar of its own."""
    phase = run.phase
    if phase is None or not run.status.active:
        return ""
    name = say(f"runs.phase.{phase.name}") if phase.name in _PHASES else phase.name
    told = say("runs.status.phase", name=html.text(name), done=phase.done, total=phase.total)
    share = 100 * phase.done / max(phase.total, 1)
    bar = (
        f'<div class="rs-bar live" role="progressbar" aria-label="{html.text(name)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share:.0f}"><i style="width:{share:.1f}%"></i></div>'
    )
    return f'<div class="rs-phase">{bar}<p class="rs-facts">{told}</p></div>'


def _sentence(view: RunView) -> str:
    run = view.run
    if run.failure:
        return run.failure.what
    queued = run.status is RunStatus.QUEUED and view.place is not None and view.place > 1
    sentence = say("runs.status.waiting", before=(view.place or 1) - 1) if queued else run.sentence
    if view.engine_up or run.status is RunStatus.INTERRUPTED:
        return sentence
    return f"{sentence} {say('runs.status.starting')}"


def failure(run: RunRecord) -> str:
    """Why a run failed, and advice; the status above it says what happened."""
    if (cause := run.failure) is None or run.status is not RunStatus.FAILED:
        return ""
    log = f'<a href="files/runs/{html.text(run.id)}/log.txt" target="_blank">{say("runs.failure.log")}</a>'
    lines = "".join(f"<p>{html.text(line)}</p>" for line in (cause.why, cause.advice) if line)
    return f'<div class="rs-failure" role="alert"><b>{say("runs.failure.what_to_do")}</b>{lines}<p class="rs-facts">{log}</p></div>'


def stored(held: tuple[int, int], bin_days: int) -> str:
    """What a person has stored of what they may."""
    told = say("bounds.stored", used=phrases.size(held[0]), most=phrases.size(held[1]))
    return f'<p class="rs-facts">{told} {say("runs.disk.days", days=bin_days)}</p>'


def disk_usage(usage: DiskUsage, bin_days: int) -> str:
    """Disk usage of the data folder."""
    runs, datasets, free = phrases.size(usage.runs), phrases.size(usage.datasets), phrases.size(usage.free)
    used = say("runs.disk.used", runs=runs, datasets=datasets, free=free)
    if usage.bin:
        used = say("runs.disk.with_bin", runs=runs, datasets=datasets, bin=phrases.size(usage.bin), free=free)
    return f'<p class="rs-facts">{used} {say("runs.disk.days", days=bin_days)}</p>'


def _epoch(run: RunRecord) -> str:
    epochs = run.spec["train"]["epochs"]
    done = min(epochs, int(run.epoch) + 1) if run.status.active else round(run.epoch)
    return say("runs.status.epoch", epoch=done, total=epochs)


def figures(view: RunView) -> str:
    """Main figures of a run, each with its meaning."""
    cells = []
    if view.loss is not None:
        cells.append((html.term(say("runs.loss.term"), say("runs.loss.meaning")), f"{view.loss:.3f}", say("runs.loss.rows")))
    if (held := view.held_out) is not None:
        compared = say("runs.held_out.lower" if held.loss < held.loss_base else "runs.held_out.not_lower", base=held.loss_base)
        term = html.term(say("runs.held_out.term"), say("runs.held_out.meaning"))
        cells += [(term, f"{held.loss:.3f}", f"{compared}{_of_step(view)}"), *_right(held)]
    figures = (f"<div><span>{name}</span><b>{value}</b><small>{words}</small></div>" for name, value, words in cells)
    return f'<div class="rs-figures">{"".join(figures)}</div>' if cells else ""


def _of_step(view: RunView) -> str:
    """The best step so far, while the run continues, because the last measurement is not always the best."""
    if view.run.status.ended or view.best_step is None:
        return ""
    return say("runs.held_out.best", step=view.best_step)


def _right(held: HeldOut) -> list[tuple[str, str, str]]:
    if held.rows is None or held.right is None or held.right_base is None:
        return []
    tuned, base = say("runs.right.tuned", right=held.right, rows=held.rows), say("runs.right.base", right=held.right_base, rows=held.rows)
    return [(html.term(say("runs.right.term"), say("runs.right.meaning")), tuned, base)]


def facts(run: RunRecord, begins_with: str = "") -> str:
    """Main settings of a run, and the name of the run whose edit it begins with, if any."""
    train, mixed = run.spec["train"], parts_of(run)
    trained = _baseline(run.spec["peft"]) if "peft" in run.spec else _edit(run.spec["reft"])
    rows = [
        (say("runs.facts.dataset"), run.dataset_name), (say("runs.facts.base"), run.base), *trained, *(_mixed(mixed) or _training(train)),
    ]  # fmt: skip
    if begins_with:
        rows.append((say("runs.facts.begins_with"), begins_with))
    if run.summary:
        rows += [
            (say("runs.facts.parameters"), f"{run.summary['trainable_parameters']:,}"),
            (say("runs.facts.time"), phrases.duration(run.summary["seconds"])),
        ]
    body = "".join(f"<dt>{name}</dt><dd>{html.text(value, 120)}</dd>" for name, value in rows)
    return f'<div class="rs-card"><div class="rs-caption">{say("runs.facts.title")}</div><dl class="rs-pairs short">{body}</dl></div>'


def _mixed(parts: Sequence[MixedPart]) -> list[tuple[str, Any]]:
    """Of which runs it was mixed; these were trained, and it was not."""
    return [(say("mixes.facts"), formula([part])) for part in parts]


def _training(train: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (say("runs.facts.epochs"), train["epochs"]), (say("runs.facts.learning_rate"), f"{train['learning_rate']:g}"),
        (say("runs.facts.batch_size"), train["batch_size"]), (say("runs.facts.seed"), train["seed"]),
    ]  # fmt: skip


def _method(name: str) -> str:
    return translate(f"methods.{name}.title", title_of(name))


def _edit(reft: dict[str, Any]) -> list[tuple[str, Any]]:
    layers = reft["layers"] if isinstance(reft["layers"], str) else ", ".join(str(layer) for layer in reft["layers"])
    return [
        (say("runs.facts.method"), _method(reft["method"])), (say("runs.facts.layers"), layers),
        (say("runs.facts.positions"), reft["positions"]), (say("runs.facts.rank"), reft["rank"]),
    ]  # fmt: skip


def _baseline(peft: dict[str, Any]) -> list[tuple[str, Any]]:
    method = BASELINES[peft["method"]]
    label = say("runs.facts.rank") if method.size == "rank" else say("runs.facts.virtual_tokens")
    size = [(label, peft[method.size])] if method.size else []
    return [(say("runs.facts.method"), translate(f"baselines.{method.name}.title", method.title)), *size]


def notes(rendered: str) -> str:
    """The notes of a run, which are HTML already; empty if there are none."""
    return f'<div class="rs-card rs-notes" dir="auto">{rendered}</div>' if rendered else ""


def live(services: Services, run_id: str, since: Since) -> dict[str, Any]:
    """What is new of a run, with its status."""
    view, found = run_live.look(services, run_id, since)
    return found | {"status": html.notice(found["sentence"]) if view is None else run_status(view)}


def verdict(verdicts: Verdicts | None, *, deeds: bool = True) -> str:
    """The verdict, its reasons and next steps, which lead to pages; empty if there is none."""
    if verdicts is None:
        return ""
    lines = "".join(f"<p>{html.text(sentence)}</p>" for sentence in verdicts.sentences)
    links = "".join(f'<a class="rs-button rs-deed" href="{html.text(deed.link)}">{html.text(deed.label)}</a>' for deed in verdicts.deeds)
    after = f'<div class="rs-deeds">{links}</div>' if links and deeds else ""
    return (
        f'<section class="rs-verdict {verdicts.tone}" aria-label="{say("runs.verdict")}" data-verdict="{verdicts.name}">'
        f"<h3>{html.text(verdicts.title)}</h3>{lines}{after}</section>"
    )
