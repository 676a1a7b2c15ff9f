"""HTML of the Data page."""

from collections.abc import Sequence

from app.components import html
from app.handlers.datasets import PreviewRow, Token
from app.words import say
from reft_engine.data import Inspection
from storage import DatasetRecord

_PROBLEMS = 8
"""Maximum number of problems that are listed."""


_KNOWN = "instruction, input, output; prompt, completion; question, answer; text, label; messages; conversations"


def guide() -> str:
    """Example files."""
    examples = [
        (say("data.guide.pairs"), say("data.guide.pairs_example")),
        (say("data.guide.labels"), say("data.guide.labels_example")),
        (say("data.guide.chats"), say("data.guide.chats_example")),
    ]
    cards = "".join(f"<div><b>{html.text(name)}</b><pre>{html.text(example)}</pre></div>" for name, example in examples)
    sample = f'<a href="./">{say("data.guide.sample")}</a>'
    return (
        f'<h2 class="rs-section">{say("data.guide.title")}<small>{say("data.guide.names", known=_KNOWN)}</small></h2>'
        f'<div class="rs-guide">{cards}</div><p class="rs-facts">{say("data.guide.no_file", sample=sample)}</p>'
    )


def inspection(result: Inspection) -> str:
    """The recognised format of a file, and its problems."""
    kind = "good" if result.examples and not result.problem_count else "info" if result.examples or result.needs_mapping else "bad"
    pieces = [html.notice(result.sentence, kind)]
    pieces += [html.notice(note, "soft") for note in result.notes]
    if result.needs_mapping and result.format in ("csv", "tsv"):
        pieces.append(html.notice(say("data.found.first_line"), "soft"))
    if result.problems:
        items = "".join(f"<li>{html.text(problem.text, 300)}</li>" for problem in result.problems[:_PROBLEMS])
        more = result.problem_count - _PROBLEMS
        rest = f"<li>{say('data.found.more', count=more)}</li>" if more > 0 else ""
        summary = f"<summary>{say('data.found.problems')}</summary>"
        pieces.append(f'<details class="rs-problems" open>{summary}<ul>{items}{rest}</ul></details>')
    return "".join(pieces)


def preview(rows: Sequence[PreviewRow]) -> str:
    """Rows as they are trained."""
    if not rows:
        return ""
    tokens = any(row.tokens for row in rows)
    legend = _legend(marks=any("<|" in token.text for row in rows for token in row.tokens)) if tokens else ""
    count = say("data.preview.caption", count=len(rows))
    lines = [row.line for row in rows]
    # A JSON list may be a single line; its rows are numbered instead.
    numbers = range(1, len(lines) + 1) if len(lines) > 1 and len(set(lines)) == 1 else lines
    body = "".join(_preview_row(row, number) for row, number in zip(rows, numbers, strict=True))
    return f'<div class="rs-preview"><div class="rs-caption">{count}</div>{legend}{body}</div>'


def _legend(*, marks: bool) -> str:
    """The meaning of the colours of tokens and, with ``marks``, of the signs of a chat template."""
    return (
        f'<div class="rs-legend"><span><i class="tok edited"></i>{say("data.preview.edited")}</span>'
        f'<span><i class="tok"></i>{say("data.preview.prompt")}</span>'
        f'<span><i class="tok learned"></i>{say("data.preview.learned")}</span>'
        f"<span>{html.text(say('data.preview.marks')) if marks else ''}</span></div>"
    )


def _preview_row(row: PreviewRow, number: int) -> str:
    if row.problem:
        body = f'<p class="rs-bad">{html.text(row.problem)}</p>'
    elif row.tokens:
        body = f'<p class="rs-tokens">{_tokens(row.tokens)}</p>'
    else:
        turns = "".join(f"<p><b>{html.text(message.role)}</b> {html.text(message.content)}</p>" for message in row.example.messages)
        body = f'{turns}<p class="rs-answer"><b>{say("data.preview.answer")}</b> {html.text(row.example.answer)}</p>'
    cut = f'<span class="rs-chip warn">{say("data.preview.cut")}</span>' if row.cut else ""
    return f'<div class="rs-row"><span class="rs-line">{number}</span><div>{body}{cut}</div></div>'


def _tokens(tokens: Sequence[Token], limit: int = 220) -> str:
    """Tokens; beyond ``limit`` the middle is omitted."""
    visible = list(tokens) if len(tokens) <= limit else [*tokens[: limit // 2], None, *tokens[-limit // 2 :]]
    return "".join(_token(token) if token else '<span class="rs-gap">…</span>' for token in visible)


def _token(token: Token) -> str:
    kind = "learned" if token.learned else "edited" if token.edited else ""
    breaks = "<br>" * token.text.count("\n")
    return f'<span class="tok {kind}">{html.text(token.text.replace(chr(10), "⏎"))}</span>{breaks}' if token.text else ""


def dataset_lines(datasets: Sequence[DatasetRecord]) -> str:
    """All datasets; empty if there are none."""
    lines = "".join(map(dataset_line, datasets))
    return f'<h2 class="rs-section">{say("data.kept.title")}</h2><div>{lines}</div>' if datasets else ""


def dataset_line(dataset: DatasetRecord) -> str:
    """A dataset in a list."""
    whole = dataset.usable_rows == dataset.rows
    used = (
        say("data.kept.rows", rows=dataset.rows) if whole else say("data.kept.usable_rows", rows=dataset.rows, usable=dataset.usable_rows)
    )
    facts = f"{used} · {html.size(dataset.size_bytes)} · {html.ago(dataset.created_at)}"
    return f'<div class="rs-item"><b>{html.text(dataset.name, 80)}</b><span>{facts}</span></div>'
