"""HTML of the Data page."""

from collections.abc import Sequence

from app.components import html
from app.handlers.datasets import PreviewRow, Token
from reft_engine.data import Inspection
from storage import DatasetRecord

_PROBLEMS = 8
"""Problems that are listed."""


_EXAMPLES = (
    ("A table with a question and an answer", "question,answer\nWhat does a cat say?,Meow!\nWhat does a dog say?,Woof!"),
    ("A table of texts and labels", "text,label\nThe film was wonderful.,positive\nI want my money back.,negative"),
    ("Chats, one in each line", '{"messages": [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Ahoy!"}]}'),
)
_KNOWN = "instruction, input, output; prompt, completion; question, answer; text, label; messages; conversations"


def guide() -> str:
    """What a file can look like, for those who have none ready."""
    cards = "".join(f"<div><b>{html.text(name)}</b><pre>{html.text(example)}</pre></div>" for name, example in _EXAMPLES)
    return (
        f'<h2 class="rs-section">What a file can look like<small>Names that are recognised: {_KNOWN}. With other names you say which '
        f'column is which.</small></h2><div class="rs-guide">{cards}</div>'
        '<p class="rs-facts">No file at hand? <a href="./">Start with a sample.</a></p>'
    )


def inspection(found: Inspection) -> str:
    """What a file was recognised as, and what is wrong with it."""
    kind = "good" if found.examples and not found.problem_count else "info" if found.examples or found.needs_mapping else "bad"
    parts = [html.notice(found.sentence, kind)]
    parts += [html.notice(note, "soft") for note in found.notes]
    if found.needs_mapping and found.format in ("csv", "tsv"):
        parts.append(html.notice("The file's first line is taken as the names of its columns.", "soft"))
    if found.problems:
        items = "".join(f"<li>{html.text(problem.text, 300)}</li>" for problem in found.problems[:_PROBLEMS])
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
        body = f'<p class="rs-bad">{html.text(row.problem)}</p>'
    elif row.tokens:
        body = f'<p class="rs-tokens">{_tokens(row.tokens)}</p>'
    else:
        turns = "".join(f"<p><b>{html.text(message.role)}</b> {html.text(message.content)}</p>" for message in row.example.messages)
        body = f'{turns}<p class="rs-answer"><b>answer</b> {html.text(row.example.answer)}</p>'
    cut = '<span class="rs-chip warn">cut to fit</span>' if row.cut else ""
    return f'<div class="rs-row"><span class="rs-line">{number}</span><div>{body}{cut}</div></div>'


def _tokens(tokens: Sequence[Token], limit: int = 220) -> str:
    """Tokens, the middle left out when there are very many."""
    shown = list(tokens) if len(tokens) <= limit else [*tokens[: limit // 2], None, *tokens[-limit // 2 :]]
    return "".join(_token(token) if token else '<span class="rs-gap">…</span>' for token in shown)


def _token(token: Token) -> str:
    kind = "learned" if token.learned else "edited" if token.edited else ""
    breaks = "<br>" * token.text.count("\n")
    return f'<span class="tok {kind}">{html.text(token.text.replace(chr(10), "⏎"))}</span>{breaks}' if token.text else ""


def dataset_line(dataset: DatasetRecord) -> str:
    """A dataset in a list."""
    whole = dataset.usable_rows == dataset.rows
    used = f"{dataset.rows:,} rows" if whole else f"{dataset.rows:,} rows, {dataset.usable_rows:,} of which can be read"
    facts = f"{used} · {html.size(dataset.size_bytes)} · {html.ago(dataset.created_at)}"
    return f'<div class="rs-item"><b>{html.text(dataset.name, 80)}</b><span>{facts}</span></div>'
