"""HTML of the Runs page."""

from collections.abc import Sequence
from typing import Any

from app.components import html
from app.handlers.runs import HeldOut, RunView
from app.handlers.verdict import Verdicts
from app.words import say, translate
from reft_engine import BASELINES, title_of
from storage import EventRecord, RunRecord, RunStatus, SampleRecord
from storage.upkeep import DiskUsage

_PHASES = frozenset({"read", "prepare", "measure", "score"})
"""What a run is at beside its steps, as far as this version has words for it."""


def run_status(found: RunView) -> str:
    """Where a run stands: status, sentence, progress, the figures that count."""
    run = found.run
    word, kind = html.status_word(run), html.STATUS_KINDS[run.status]
    share = 1.0 if run.status is RunStatus.FINISHED else run.step / run.total_steps if run.total_steps else 0.0
    sentence = _sentence(found)
    going_on = run.seconds_left is not None and not run.status.ended
    left = say("runs.status.left", time=html.duration(run.seconds_left or 0)) if going_on else ""
    steps = say("runs.status.step", step=run.step, total=run.total_steps) if run.total_steps else ""
    epochs = _epoch(run) if run.total_steps else ""
    facts = " · ".join(part for part in (steps, epochs, left) if part)
    if (phase := run.phase) and run.status.active:
        name = say(f"runs.phase.{phase.name}") if phase.name in _PHASES else phase.name
        facts = say("runs.status.phase", name=html.text(name), done=phase.done, total=phase.total)
        share = phase.done / max(phase.total, 1) if not run.step else share
    return (
        f'<div class="rs-status"><div class="rs-status-head"><span class="rs-pill {kind}">{word}</span>'
        f"<h2>{html.text(run.name, 80)}</h2></div>"
        f'<p class="rs-sentence">{html.text(sentence)}</p>{html.notice(found.trouble, "bad") if found.trouble else ""}'
        f'<div class="rs-bar {kind}" role="progressbar" aria-label="{say("runs.status.progress")}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share * 100:.0f}"><i style="width:{share * 100:.1f}%"></i></div><p class="rs-facts">{facts}</p>'
        f"{_figures(found)}</div>"
    )


def _sentence(found: RunView) -> str:
    run = found.run
    if run.failure:
        return run.failure.what
    queued = run.status is RunStatus.QUEUED and found.place is not None and found.place > 1
    sentence = say("runs.status.waiting", before=(found.place or 1) - 1) if queued else run.sentence
    if found.engine_up or run.status is RunStatus.INTERRUPTED:
        return sentence
    return f"{sentence} {say('runs.status.starting')}"


def failure(run: RunRecord) -> str:
    """Why a run failed, and what to do; what happened stands above it, where the status is."""
    if (told := run.failure) is None or run.status is not RunStatus.FAILED:
        return ""
    log = f'<a href="files/runs/{html.text(run.id)}/log.txt" target="_blank">{say("runs.failure.log")}</a>'
    lines = "".join(f"<p>{html.text(line)}</p>" for line in (told.why, told.advice) if line)
    return f'<div class="rs-failure" role="alert"><b>{say("runs.failure.what_to_do")}</b>{lines}<p class="rs-facts">{log}</p></div>'


def disk_usage(found: DiskUsage, bin_days: int) -> str:
    """What the data folder takes."""
    runs, datasets, free = html.size(found.runs), html.size(found.datasets), html.size(found.free)
    used = say("runs.disk.used", runs=runs, datasets=datasets, free=free)
    if found.bin:
        used = say("runs.disk.with_bin", runs=runs, datasets=datasets, bin=html.size(found.bin), free=free)
    return f'<p class="rs-facts">{used} {say("runs.disk.days", days=bin_days)}</p>'


def _epoch(run: RunRecord) -> str:
    epochs = run.spec["train"]["epochs"]
    done = min(epochs, int(run.epoch) + 1) if run.status.active else round(run.epoch)
    return say("runs.status.epoch", epoch=done, total=epochs)


def _figures(found: RunView) -> str:
    if found.loss is None:
        return ""
    cells = [(html.term(say("runs.loss.term"), say("runs.loss.meaning")), f"{found.loss:.3f}", say("runs.loss.rows"))]
    if (held := found.held_out) is not None:
        compared = say("runs.held_out.lower" if held.loss < held.loss_base else "runs.held_out.not_lower", base=held.loss_base)
        term = html.term(say("runs.held_out.term"), say("runs.held_out.meaning"))
        cells += [(term, f"{held.loss:.3f}", f"{compared}{_of_step(found)}"), *_right(held)]
    shown = (f"<div><span>{name}</span><b>{value}</b><small>{words}</small></div>" for name, value, words in cells)
    return f'<div class="rs-figures">{"".join(shown)}</div>'


def _of_step(found: RunView) -> str:
    """Which step's edit the figures are of, while the run goes on: the last measurement is not always the best."""
    if found.run.status.ended or found.best_step is None:
        return ""
    return say("runs.held_out.best", step=found.best_step)


def _right(held: HeldOut) -> list[tuple[str, str, str]]:
    if held.rows is None or held.right is None or held.right_base is None:
        return []
    tuned, base = say("runs.right.tuned", right=held.right, rows=held.rows), say("runs.right.base", right=held.right_base, rows=held.rows)
    return [(html.term(say("runs.right.term"), say("runs.right.meaning")), tuned, base)]


def sample(found: SampleRecord | None) -> str:
    """What base and tuned answer to a held-out prompt."""
    if found is None:
        return ""
    texts = [
        (say("runs.sample.prompt"), "prompt", found.prompt), (say("runs.sample.expected"), "expected", found.expected),
        (say("runs.sample.base"), "base model", found.base), (say("runs.sample.tuned"), "tuned", found.tuned),
    ]  # fmt: skip
    nothing = f"<em>{say('runs.sample.nothing')}</em>"
    body = "".join(f'<dt>{name}</dt><dd class="{style}">{html.text(value) or nothing}</dd>' for name, style, value in texts)
    caption = f'<div class="rs-caption">{say("runs.sample.caption", step=found.step)}</div>'
    return f'<div class="rs-card">{caption}<dl class="rs-pairs">{body}</dl></div>'


def facts(run: RunRecord) -> str:
    """What the run was started with."""
    train = run.spec["train"]
    trained = _baseline(run.spec["peft"]) if "peft" in run.spec else _edit(run.spec["reft"])
    rows = [
        (say("runs.facts.dataset"), run.dataset_name), (say("runs.facts.base"), run.base), *trained,
        (say("runs.facts.epochs"), train["epochs"]), (say("runs.facts.learning_rate"), f"{train['learning_rate']:g}"),
        (say("runs.facts.batch_size"), train["batch_size"]), (say("runs.facts.seed"), train["seed"]),
    ]  # fmt: skip
    if run.summary:
        rows += [
            (say("runs.facts.parameters"), f"{run.summary['trainable_parameters']:,}"),
            (say("runs.facts.time"), html.duration(run.summary["seconds"])),
        ]
    body = "".join(f"<dt>{name}</dt><dd>{html.text(value, 120)}</dd>" for name, value in rows)
    return f'<div class="rs-card"><div class="rs-caption">{say("runs.facts.title")}</div><dl class="rs-pairs short">{body}</dl></div>'


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


def events(found: Sequence[EventRecord]) -> str:
    """What happened, newest last."""
    items = "".join(f"<li><time>{event.at.astimezone():%H:%M:%S}</time>{html.text(event.text, 300)}</li>" for event in found[-12:])
    return f'<div class="rs-card"><div class="rs-caption">{say("runs.events.title")}</div><ol class="rs-events">{items}</ol></div>'


def verdict(found: Verdicts | None) -> str:
    """The verdict, what it rests on, and what to do about it; empty while there is none."""
    if found is None:
        return ""
    lines = "".join(f"<p>{html.text(sentence)}</p>" for sentence in found.sentences)
    deeds = "".join(f'<a class="rs-button rs-deed" href="{html.text(deed.link)}">{html.text(deed.label)}</a>' for deed in found.deeds)
    after = f'<div class="rs-deeds">{deeds}</div>' if deeds else ""
    return (
        f'<section class="rs-verdict {found.tone}" aria-label="{say("runs.verdict")}" data-verdict="{found.name}">'
        f"<h3>{html.text(found.title)}</h3>{lines}{after}</section>"
    )
