"""HTML of small bar charts: a table whose rows have a bar each, so that everybody reads the same numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.components.html import text
from app.words import say


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: what it stands for, how many there are, and how many of them are ``over`` a limit; ``ends`` draws a line below it."""

    name: str
    count: int
    over: int = 0
    ends: bool = False


def bars(caption: str, names: str, bars: Sequence[Bar]) -> str:
    """A chart with a bar below another; ``names`` says what the bars stand for. What is over the limit is hatched, and told in words."""
    most = max((bar.count for bar in bars), default=0)
    rows = "".join(_row(bar, most) for bar in bars)
    head = f'<thead><tr><th scope="col">{text(names)}</th><th scope="col" colspan="2">{say("bars.count")}</th></tr></thead>'
    return f'<table class="rs-bars"><caption>{text(caption)}</caption>{head}<tbody>{rows}</tbody></table>'


def _row(bar: Bar, most: int) -> str:
    fits, over = (100 * count / max(1, most) for count in (bar.count - bar.over, bar.over))
    beyond = f'<i class="over" style="width:{over:.1f}%"></i>' if bar.over else ""
    drawn = f'<div aria-hidden="true"><i style="width:{fits:.1f}%"></i>{beyond}</div>'
    count = say("bars.over", count=bar.count, over=bar.over) if bar.over else f"{bar.count:,}"
    ends = ' class="rs-ends"' if bar.ends else ""
    return f'<tr{ends}><th scope="row" dir="auto">{text(bar.name, 60)}</th><td>{drawn}</td><td>{count}</td></tr>'
