"""HTML of the Runs page."""

from collections.abc import Sequence

from app.components import html
from app.handlers.runs import HeldOut, RunView
from app.handlers.verdict import Verdicts
from reft_engine import title_of
from storage import EventRecord, RunRecord, RunStatus, SampleRecord
from storage.upkeep import DiskUsage

_LOSS = html.term("Loss", "How surprised the model is by the right answers, averaged over tokens. Lower is better.")
_HELD_OUT = html.term("Held-out loss", "The same on rows that the run does not learn from: what was learned, not memorised.")


_RIGHT = html.term("Exactly right", "Held-out rows that are answered word for word as they should be, always taking the likeliest piece.")
_PHASES = {
    "read": "Reading the rows", "prepare": "Asking the base model about each pair", "measure": "Measuring the held-out rows",
    "score": "Scoring the edit on the held-out rows",
}  # fmt: skip
"""What a run is at beside its steps."""


def run_status(found: RunView) -> str:
    """Where a run stands: status, sentence, progress, the figures that count."""
    run = found.run
    word, kind = html.status_word(run), html.STATUS_KINDS[run.status]
    share = 1.0 if run.status is RunStatus.FINISHED else run.step / run.total_steps if run.total_steps else 0.0
    sentence = _sentence(found)
    left = f"about {html.duration(run.seconds_left)} left" if run.seconds_left is not None and not run.status.ended else ""
    steps = f"step {run.step:,} of {run.total_steps:,}" if run.total_steps else ""
    epochs = f"epoch {_epoch(run)}" if run.total_steps else ""
    facts = " · ".join(part for part in (steps, epochs, left) if part)
    if (phase := run.phase) and run.status.active:
        facts = f"{html.text(_PHASES.get(phase.name, phase.name))}: {phase.done:,} of {phase.total:,}"
        share = phase.done / max(phase.total, 1) if not run.step else share
    return (
        f'<div class="rs-status"><div class="rs-status-head"><span class="rs-pill {kind}">{word}</span>'
        f"<h2>{html.text(run.name, 80)}</h2></div>"
        f'<p class="rs-sentence">{html.text(sentence)}</p>{html.notice(found.trouble, "bad") if found.trouble else ""}'
        f'<div class="rs-bar {kind}" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share * 100:.0f}"><i style="width:{share * 100:.1f}%"></i></div><p class="rs-facts">{facts}</p>'
        f"{_figures(found)}</div>"
    )


def _sentence(found: RunView) -> str:
    run = found.run
    if run.failure:
        return run.failure.what
    behind = run.status is RunStatus.QUEUED and found.place is not None and found.place > 1
    sentence = f"Waiting for its turn; {(found.place or 1) - 1} before it." if behind else run.sentence
    if found.engine_up or run.status is RunStatus.INTERRUPTED:
        return sentence
    return f"{sentence} The engine is starting."


def failure(run: RunRecord) -> str:
    """Why a run failed, and what to do; what happened stands above it, where the status is."""
    if (told := run.failure) is None or run.status is not RunStatus.FAILED:
        return ""
    log = f'<a href="files/runs/{html.text(run.id)}/log.txt" target="_blank">Open the log</a>'
    lines = "".join(f"<p>{html.text(line)}</p>" for line in (told.why, told.advice) if line)
    return f'<div class="rs-failure" role="alert"><b>What to do</b>{lines}<p class="rs-facts">{log}</p></div>'


def disk_usage(found: DiskUsage, bin_days: int) -> str:
    """What the data folder takes."""
    parts = [f"Runs take {html.size(found.runs)}", f"datasets {html.size(found.datasets)}"]
    parts += [f"the bin {html.size(found.bin)}"] if found.bin else []
    kept = f"Deleted runs stay in the bin for {bin_days} days."
    return f'<p class="rs-facts">{", ".join(parts)}; {html.size(found.free)} of the disk are free. {kept}</p>'


def _epoch(run: RunRecord) -> str:
    epochs = run.spec["train"]["epochs"]
    return f"{min(epochs, int(run.epoch) + 1):,} of {epochs:,}" if run.status.active else f"{run.epoch:,.0f} of {epochs:,}"


def _figures(found: RunView) -> str:
    if found.loss is None:
        return ""
    cells = [(_LOSS, f"{found.loss:.3f}", "training rows")]
    if (held := found.held_out) is not None:
        lower = "lower" if held.loss < held.loss_base else "not lower"
        cells += [
            (_HELD_OUT, f"{held.loss:.3f}", f"{lower} than the base model's {held.loss_base:.3f}{_of_step(found)}"),
            *_right(held),
        ]
    shown = (f"<div><span>{name}</span><b>{value}</b><small>{words}</small></div>" for name, value, words in cells)
    return f'<div class="rs-figures">{"".join(shown)}</div>'


def _of_step(found: RunView) -> str:
    """Which step's edit the figures are of, while the run goes on: the last measurement is not always the best."""
    if found.run.status.ended or found.best_step is None:
        return ""
    return f"; best so far after step {found.best_step:,}"


def _right(held: HeldOut) -> list[tuple[str, str, str]]:
    if held.rows is None or held.right is None or held.right_base is None:
        return []
    return [(_RIGHT, f"{held.right:,} of {held.rows:,}", f"base model {held.right_base:,} of {held.rows:,}")]


def sample(found: SampleRecord | None) -> str:
    """What base and tuned answer to a held-out prompt."""
    if found is None:
        return ""
    parts = [("Prompt", found.prompt), ("Expected", found.expected), ("Base model", found.base), ("Tuned", found.tuned)]
    body = "".join(f'<dt>{name}</dt><dd class="{name.lower()}">{html.text(value) or "<em>nothing</em>"}</dd>' for name, value in parts)
    caption = f'<div class="rs-caption">A held-out row, after step {found.step:,}</div>'
    return f'<div class="rs-card">{caption}<dl class="rs-pairs">{body}</dl></div>'


def facts(run: RunRecord) -> str:
    """What the run was started with."""
    reft, train = run.spec["reft"], run.spec["train"]
    layers = reft["layers"] if isinstance(reft["layers"], str) else ", ".join(str(layer) for layer in reft["layers"])
    rows = [
        ("Dataset", run.dataset_name), ("Base model", run.base), ("Method", title_of(reft["method"])),
        ("Layers", layers), ("Positions", reft["positions"]), ("Rank", reft["rank"]), ("Epochs", train["epochs"]),
        ("Learning rate", f"{train['learning_rate']:g}"), ("Batch size", train["batch_size"]), ("Seed", train["seed"]),
    ]  # fmt: skip
    if run.summary:
        rows += [("Trained numbers", f"{run.summary['trainable_parameters']:,}"), ("Time", html.duration(run.summary["seconds"]))]
    body = "".join(f"<dt>{name}</dt><dd>{html.text(value, 120)}</dd>" for name, value in rows)
    return f'<div class="rs-card"><div class="rs-caption">Settings</div><dl class="rs-pairs short">{body}</dl></div>'


def events(found: Sequence[EventRecord]) -> str:
    """What happened, newest last."""
    items = "".join(f"<li><time>{event.at.astimezone():%H:%M:%S}</time>{html.text(event.text, 300)}</li>" for event in found[-12:])
    return f'<div class="rs-card"><div class="rs-caption">What happened</div><ol class="rs-events">{items}</ol></div>'


def verdict(found: Verdicts | None) -> str:
    """The verdict, what it rests on, and what to do about it; empty while there is none."""
    if found is None:
        return ""
    lines = "".join(f"<p>{html.text(sentence)}</p>" for sentence in found.sentences)
    deeds = "".join(f'<a class="rs-button rs-deed" href="{html.text(deed.link)}">{html.text(deed.label)}</a>' for deed in found.deeds)
    after = f'<div class="rs-deeds">{deeds}</div>' if deeds else ""
    return (
        f'<section class="rs-verdict {found.tone}" aria-label="Verdict" data-verdict="{found.name}">'
        f"<h3>{html.text(found.title)}</h3>{lines}{after}</section>"
    )
