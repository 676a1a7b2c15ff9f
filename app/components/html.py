"""Pieces of HTML. Whatever comes from a person, a file or a model goes through `text` and is shown, never interpreted."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from app.handlers.datasets import PreviewRow, Token
from app.handlers.runs import HeldOut, RunView
from app.handlers.train import Estimate
from app.samples import Sample
from reft_engine.data import Inspection
from reft_engine.methods import title_of
from storage import DatasetRecord, EventRecord, RunRecord, RunStatus, SampleRecord
from storage.housekeeping import Usage

PAGES = (("./", "Home"), ("data", "Data"), ("train", "Train"), ("runs", "Runs"), ("playground", "Playground"))
_SHOWN_TEXT = 600
_PROBLEMS = 8


def short(value: object, limit: int) -> str:
    """Text, cut where it is too long; not for HTML."""
    shown = str(value)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def text(value: object, limit: int = _SHOWN_TEXT) -> str:
    """Text from anywhere, made harmless and short."""
    return escape(short(value, limit), quote=True)


def term(word: str, meaning: str) -> str:
    """A word of the field, explained on hover."""
    return f'<abbr title="{text(meaning)}" tabindex="0">{text(word)}</abbr>'


def header(active: str) -> str:
    """Brand and navigation."""
    links = "".join(f'<a href="{path}"{" class=active aria-current=page" if name == active else ""}>{name}</a>' for path, name in PAGES)
    mark = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 17c4 0 4-10 9-10s5 10 9 10"/><circle cx="12" cy="7" r="2.6"/></svg>'
    brand = f'<a class="rs-brand" href="./">{mark}<span>ReFT Studio</span></a>'
    return f'<header class="rs-header">{brand}<nav aria-label="Pages">{links}</nav></header>'


def title(name: str, line: str) -> str:
    """A page's head line; ``line`` is ours and may hold terms."""
    return f'<div class="rs-title"><h1>{text(name)}</h1><p>{line}</p></div>'


def notice(message: str, kind: str = "info") -> str:
    """A sentence that is not to be overlooked."""
    return f'<div class="rs-notice {kind}" role="status">{text(message)}</div>'


def refusal(message: str, count: int = 0) -> str:
    """Why something was not done, for a place that reads out what changes; another ``count`` makes the same sentence a new one."""
    return f'<div class="rs-notice bad" data-told="{count}">{text(message)}</div>'


def empty(message: str, link: str, label: str) -> str:
    """What stands where nothing is yet, and the way on."""
    return f'<div class="rs-empty"><p>{text(message)}</p><a class="rs-button" href="{text(link)}">{text(label)}</a></div>'


_ICONS = {
    "face": '<circle cx="12" cy="12" r="9"/><path d="M8 14.2c1 1.7 2.4 2.5 4 2.5s3-.8 4-2.5M9 9.4v.1M15 9.4v.1"/>',
    "tag": '<path d="M4 4h7.6l8.4 8.4-7.6 7.6L4 11.6z"/><circle cx="8.4" cy="8.4" r="1.2"/>',
    "braces": '<path d="M8.6 4c-2.4 0-2.6 1.4-2.6 3.4S5.6 11 4 12c1.6 1 2 2.6 2 4.6S6.2 20 8.6 20'
    'M15.4 4c2.4 0 2.6 1.4 2.6 3.4s.4 3.6 2 4.6c-1.6 1-2 2.6-2 4.6s-.2 3.4-2.6 3.4"/>',
    "person": '<circle cx="12" cy="8.2" r="3.6"/><path d="M5 20c.6-4 3.3-6 7-6s6.4 2 7 6"/>',
    "route": '<circle cx="6" cy="6" r="2.2"/><circle cx="18" cy="5.5" r="2.2"/><circle cx="18" cy="18.5" r="2.2"/>'
    '<path d="M8.2 6h7.6M6 8.2c0 6.5 3.5 10.3 9.8 10.3"/>',
    "shield": '<path d="M12 3.6l7 2.6v5.3c0 4.3-2.8 7.3-7 8.9-4.2-1.6-7-4.6-7-8.9V6.2zM8.8 12h6.4"/>',
    "question": '<path d="M5 5h14v11h-7.5L7.5 19.5V16H5zM10.3 9c.1-1 .8-1.6 1.8-1.6s1.8.7 1.8 1.6c0 1.3-1.8 1.3-1.8 2.6M12.1 13.5v.1"/>',
    "anchor": '<circle cx="12" cy="5" r="2.2"/><path d="M12 7.2V20M5 12.6c0 4.3 3 7.4 7 7.4s7-3.1 7-7.4M8.4 10.6h7.2"/>',
}


def sample_card(sample: Sample) -> str:
    """What a bundled sample teaches, with one of its rows."""
    prompt, answer = sample.example
    row = f'<div class="rs-example"><span>{text(prompt)}</span><b>{text(answer)}</b></div>'
    icon = f'<svg class="rs-icon" viewBox="0 0 24 24" aria-hidden="true">{_ICONS[sample.icon]}</svg>'
    kind = Path(sample.file).suffix[1:].upper().replace("JSONL", "JSON Lines")
    facts = f'<p class="rs-facts">{sample.rows:,} rows, {kind}</p>'
    return f"{icon}<h3>{text(sample.title)}</h3><p>{text(sample.description)}</p>{row}{facts}"


def ago(moment: datetime) -> str:
    """How long ago, in words."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count != 1 else ''} ago"
    return "just now"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1_000_000:
        return f"{count / 1000:,.0f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.1f} GB"


# Data


_EXAMPLES = (
    ("A table with a question and an answer", "question,answer\nWhat does a cat say?,Meow!\nWhat does a dog say?,Woof!"),
    ("A table of texts and labels", "text,label\nThe film was wonderful.,positive\nI want my money back.,negative"),
    ("Chats, one in each line", '{"messages": [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Ahoy!"}]}'),
)
_KNOWN = "instruction, input, output; prompt, completion; question, answer; text, label; messages; conversations"


def guide() -> str:
    """What a file can look like, for those who have none ready."""
    cards = "".join(f"<div><b>{text(name)}</b><pre>{text(example)}</pre></div>" for name, example in _EXAMPLES)
    return (
        f'<h2 class="rs-section">What a file can look like<small>Names that are recognised: {_KNOWN}. With other names you say which '
        f'column is which.</small></h2><div class="rs-guide">{cards}</div>'
        '<p class="rs-facts">No file at hand? <a href="./">Start with a sample.</a></p>'
    )


def inspection(found: Inspection) -> str:
    """What a file was recognised as, and what is wrong with it."""
    kind = "good" if found.examples and not found.problem_count else "info" if found.examples or found.needs_mapping else "bad"
    parts = [notice(found.sentence, kind)]
    parts += [notice(note, "soft") for note in found.notes]
    if found.needs_mapping and found.format in ("csv", "tsv"):
        parts.append(notice("The file's first line is taken as the names of its columns.", "soft"))
    if found.problems:
        items = "".join(f"<li>{text(problem.text, 300)}</li>" for problem in found.problems[:_PROBLEMS])
        more = found.problem_count - _PROBLEMS
        rest = f"<li>and {more:,} more</li>" if more > 0 else ""
        parts.append(f'<details class="rs-problems" open><summary>What cannot be used</summary><ul>{items}{rest}</ul></details>')
    return "".join(parts)


_MARKS = "Signs such as &lt;|im_start|&gt; tell the model who is speaking."


def preview(rows: Sequence[PreviewRow]) -> str:
    """Rows as they are trained."""
    if not rows:
        return ""
    tokens = any(row.tokens for row in rows)
    legend = (
        '<div class="rs-legend"><span><i class="tok edited"></i>prompt, edited</span><span><i class="tok"></i>prompt</span>'
        '<span><i class="tok learned"></i>answer to learn</span>'
        f"<span>{_MARKS if any('<|' in token.text for row in rows for token in row.tokens) else ''}</span></div>"
        if tokens
        else ""
    )
    count = f"The first {len(rows)} rows, as they will be trained" if len(rows) > 1 else "The row, as it will be trained"
    lines = [row.line for row in rows]
    # A JSON list may be a single line; then its rows are counted.
    numbers = range(1, len(lines) + 1) if len(lines) > 1 and len(set(lines)) == 1 else lines
    body = "".join(_preview_row(row, number) for row, number in zip(rows, numbers, strict=True))
    return f'<div class="rs-preview"><div class="rs-caption">{count}</div>{legend}{body}</div>'


def _preview_row(row: PreviewRow, number: int) -> str:
    if row.problem:
        body = f'<p class="rs-bad">{text(row.problem)}</p>'
    elif row.tokens:
        body = f'<p class="rs-tokens">{_tokens(row.tokens)}</p>'
    else:
        turns = "".join(f"<p><b>{text(message.role)}</b> {text(message.content)}</p>" for message in row.example.messages)
        body = f'{turns}<p class="rs-answer"><b>answer</b> {text(row.example.answer)}</p>'
    cut = '<span class="rs-chip warn">cut to fit</span>' if row.cut else ""
    return f'<div class="rs-row"><span class="rs-line">{number}</span><div>{body}{cut}</div></div>'


def _tokens(tokens: Sequence[Token], limit: int = 220) -> str:
    """Tokens, the middle left out when there are very many."""
    shown = list(tokens) if len(tokens) <= limit else [*tokens[: limit // 2], None, *tokens[-limit // 2 :]]
    return "".join(_token(token) if token else '<span class="rs-gap">…</span>' for token in shown)


def _token(token: Token) -> str:
    kind = "learned" if token.learned else "edited" if token.edited else ""
    breaks = "<br>" * token.text.count("\n")
    return f'<span class="tok {kind}">{text(token.text.replace(chr(10), "⏎"))}</span>{breaks}' if token.text else ""


def dataset_line(dataset: DatasetRecord) -> str:
    """A dataset in a list."""
    whole = dataset.usable_rows == dataset.rows
    used = f"{dataset.rows:,} rows" if whole else f"{dataset.rows:,} rows, {dataset.usable_rows:,} of which can be read"
    facts = f"{used} · {size(dataset.size_bytes)} · {ago(dataset.created_at)}"
    return f'<div class="rs-item"><b>{text(dataset.name, 80)}</b><span>{facts}</span></div>'


# Train


def estimate(found: Estimate | None, problem: str = "") -> str:
    """What a run will be, or why it cannot be."""
    if problem or found is None:
        return f'<div class="rs-summary"><div class="rs-caption">This run</div>{notice(problem or "Pick a dataset first.", "bad")}</div>'
    most = "" if found.check else "at most "
    rows = [
        ("Rows to learn from", f"{most}{found.rows:,}"),
        (term("Held-out rows", "Kept away from training, to measure what was learned rather than memorised."), f"{most}{found.held_out:,}"),
        (term("Steps", "How many times the edit is corrected, each time from one batch of rows."), f"{most}{found.steps:,}"),
    ]
    if found.parameters is not None and found.base_parameters:
        share = found.parameters / found.base_parameters
        rows += [
            (term("Trained numbers", "The whole edit. The base model's own numbers stay as they are."), f"{found.parameters:,}"),
            ("of the base model", f"{share:.2%}"),
            ("Download", f"about {size(found.file_bytes or 0)}"),
        ]
    if found.seconds is not None:
        rows.append((term("Time to train", "From two steps on rows of this dataset, made on this machine."),
                     f"about {duration(found.seconds)}"))  # fmt: skip
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<div class="rs-summary"><div class="rs-caption">This run</div><dl>{lines}</dl></div>'


# Runs


_WORDS = {
    RunStatus.QUEUED: ("Waiting", "info"),
    RunStatus.PREPARING: ("Preparing", "live"),
    RunStatus.TRAINING: ("Training", "live"),
    RunStatus.CHECKING: ("Checking", "live"),
    RunStatus.FINISHED: ("Finished", "good"),
    RunStatus.STOPPING: ("Stopping", "live"),
    RunStatus.STOPPED: ("Stopped", "info"),
    RunStatus.INTERRUPTED: ("Interrupted", "warn"),
    RunStatus.FAILED: ("Failed", "bad"),
}


_LOSS = term("Loss", "How surprised the model is by the right answers, averaged over tokens. Lower is better.")
_HELD_OUT = term("Held-out loss", "The same on rows that the run does not learn from: what was learned, not memorised.")


_RIGHT = term("Exactly right", "Held-out rows that are answered word for word as they should be, always taking the likeliest piece.")
_PHASES = {
    "read": "Reading the rows", "prepare": "Asking the base model about each pair", "measure": "Measuring the held-out rows",
    "score": "Scoring the edit on the held-out rows",
}  # fmt: skip
"""What a run is at beside its steps."""


def status_word(run: RunRecord) -> str:
    """A run's status in a word."""
    return _WORDS[run.status][0]


def run_status(found: RunView) -> str:
    """Where a run stands: status, sentence, progress, the figures that count."""
    run = found.run
    word, kind = _WORDS[run.status]
    share = 1.0 if run.status is RunStatus.FINISHED else run.step / run.total_steps if run.total_steps else 0.0
    sentence = _sentence(found)
    left = f"about {duration(run.seconds_left)} left" if run.seconds_left is not None and not run.status.ended else ""
    steps = f"step {run.step:,} of {run.total_steps:,}" if run.total_steps else ""
    epochs = f"epoch {_epoch(run)}" if run.total_steps else ""
    facts = " · ".join(part for part in (steps, epochs, left) if part)
    if (phase := run.phase) and run.status.active:
        facts = f"{text(_PHASES.get(phase.name, phase.name))}: {phase.done:,} of {phase.total:,}"
        share = phase.done / max(phase.total, 1) if not run.step else share
    return (
        f'<div class="rs-status"><div class="rs-status-head"><span class="rs-pill {kind}">{word}</span><h2>{text(run.name, 80)}</h2></div>'
        f'<p class="rs-sentence">{text(sentence)}</p>{notice(found.trouble, "bad") if found.trouble else ""}'
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
    log = f'<a href="files/runs/{text(run.id)}/log.txt" target="_blank">Open the log</a>'
    lines = "".join(f"<p>{text(line)}</p>" for line in (told.why, told.advice) if line)
    return f'<div class="rs-failure" role="alert"><b>What to do</b>{lines}<p class="rs-facts">{log}</p></div>'


def usage(found: Usage, bin_days: int) -> str:
    """What the data folder takes."""
    parts = [f"Runs take {size(found.runs)}", f"datasets {size(found.datasets)}"]
    parts += [f"the bin {size(found.bin)}"] if found.bin else []
    kept = f"Deleted runs stay in the bin for {bin_days} days."
    return f'<p class="rs-facts">{", ".join(parts)}; {size(found.free)} of the disk are free. {kept}</p>'


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
    body = "".join(f'<dt>{name}</dt><dd class="{name.lower()}">{text(value) or "<em>nothing</em>"}</dd>' for name, value in parts)
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
        rows += [("Trained numbers", f"{run.summary['trainable_parameters']:,}"), ("Time", duration(run.summary["seconds"]))]
    body = "".join(f"<dt>{name}</dt><dd>{text(value, 120)}</dd>" for name, value in rows)
    return f'<div class="rs-card"><div class="rs-caption">Settings</div><dl class="rs-pairs short">{body}</dl></div>'


def events(found: Sequence[EventRecord]) -> str:
    """What happened, newest last."""
    items = "".join(f"<li><time>{event.at.astimezone():%H:%M:%S}</time>{text(event.text, 300)}</li>" for event in found[-12:])
    return f'<div class="rs-card"><div class="rs-caption">What happened</div><ol class="rs-events">{items}</ol></div>'


# Playground


def answer(value: str, *, waiting: bool = False) -> str:
    """An answer; a caret while it is being written."""
    caret = '<span class="rs-caret"></span>' if waiting else ""
    return f'<div class="rs-answer-text">{text(value, 100_000)}{caret}</div>'
