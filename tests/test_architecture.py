"""The list of modules in docs/architecture.md, made from their docstrings; ``python -m tests.test_architecture`` writes it anew."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "architecture.md"
HEAD = """## Every module

Each line is the first sentence of the module's own docstring; `python -m tests.test_architecture` writes them here.
"""
ROOMS = {
    path.parent.relative_to(ROOT): sorted(each for each in path.parent.glob("*.py") if each.name != "__init__.py")
    for package in ("app", "reft_engine", "storage") for path in sorted((ROOT / package).rglob("__init__.py"))
}  # fmt: skip


def purpose(path: Path) -> str:
    """What the file is for, in the one sentence of its own."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def listing() -> str:
    parts = [HEAD]
    for room, modules in ROOMS.items():
        lines = [f"- `{path.name}`: {purpose(path)}" for path in modules]
        parts.append("\n".join([f"**`{room}/`** {purpose(ROOT / room / '__init__.py')}", "", *lines, ""]))
    return "\n".join(parts)


def above() -> str:
    """What is written by hand."""
    return GUIDE.read_text(encoding="utf-8").partition(HEAD)[0]


def test_the_list_is_that_of_the_docstrings():
    assert GUIDE.read_text(encoding="utf-8") == above() + listing(), "run python -m tests.test_architecture"


def test_no_module_is_left_out():
    listed = {path for modules in ROOMS.values() for path in modules}
    every = {path for package in ("app", "reft_engine", "storage") for path in (ROOT / package).rglob("*.py")}
    left = {path for path in every - listed if path.name != "__init__.py"}
    assert {path.relative_to(ROOT).parts[1] for path in left} == {"migrations"}, "a folder of modules has an __init__.py"


@pytest.mark.parametrize("path", [each for room, modules in ROOMS.items() for each in [ROOT / room / "__init__.py", *modules]], ids=str)
def test_a_module_says_what_it_is_for(path):
    assert 15 < len(purpose(path)) < 160 and purpose(path).endswith(".")


def test_every_room_is_in_the_drawing():
    drawing = above().partition("```\n")[2].partition("```")[0]
    assert [room.name for room in ROOMS if f"{room.name}/" not in drawing] == []


if __name__ == "__main__":
    GUIDE.write_text(above() + listing(), encoding="utf-8")
