"""The table of settings in the docs, which is made from the spec; ``python -m tests.test_settings_docs`` writes it anew."""

from pathlib import Path

import pytest

from app.cli.flags import flag_of
from reft_engine import GROUPS, Setting, all_settings

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
HEAD = """# Settings

Every setting of a run: on the Train page (those in **bold** at once, the others under *Advanced*), as a flag of `reft-studio train` and
`sweep`, in `run.yaml`, and as a field of `ReftConfig`, `TrainConfig` or `RunSpec`. This page is made from `reft_engine/spec.py`.
"""


def line(row: Setting) -> str:
    """The setting's row of the table."""
    title = row.title if row.advanced else f"**{row.title}**"
    names = ", ".join(f"`{value}`" for _, value in row.choices)
    takes = " ".join(part for part in (row.range, row.unit) if part) or names or ("on, off" if row.kind == "switch" else "a text")
    default = row.blank if row.default is None else f"`{row.default_text}`"
    return f"| {title} | `{row.name}`, `{flag_of(row)}` | {row.help} | {takes} | {default} | {row.why} |"


def page(settings: tuple[Setting, ...]) -> str:
    parts = [HEAD]
    for group in GROUPS:
        lines = [line(row) for row in settings if row.group == group]
        head = "| setting | field, flag | what it does | takes | default | because |\n|---|---|---|---|---|---|"
        parts.append("\n".join([f"## {group}", "", head, *lines, ""]))
    return "\n".join(parts)


def test_the_table_is_that_of_the_spec():
    assert GUIDE.read_text(encoding="utf-8") == page(all_settings()), "run python -m tests.test_settings_docs"


@pytest.mark.parametrize("row", all_settings(), ids=lambda row: row.name)
def test_a_setting_says_everything_about_itself(row):
    for text in (row.help, row.why):
        assert text[0].isupper() and text.endswith(".") and 15 < len(text) < 160 and "\n" not in text
    assert row.title and row.title[0].isupper() and len(row.title) < 40 and row.group in GROUPS
    assert bool(row.blank) == row.optional, "what a blank means is said where there can be one"
    if row.kind in ("integer", "number"):
        assert row.low is not None and row.range
    if row.choices and not row.free:
        assert row.default in [value for _, value in row.choices] or row.optional


def test_titles_and_flags_tell_settings_apart():
    rows = all_settings()
    assert len({row.title for row in rows}) == len({flag_of(row) for row in rows}) == len(rows) > 30


if __name__ == "__main__":
    GUIDE.write_text(page(all_settings()), encoding="utf-8")
