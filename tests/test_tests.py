"""What no test may do, read from the tests themselves."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.kinds import kind_of

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))


def is_fixture(node: ast.AST) -> bool:
    """Whether a definition is one of a fixture."""
    return isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(each) for each in node.decorator_list)


def own(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """Names that stand for something else within a function: what it is given, and what it defines."""
    given = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    inner = [each for each in ast.walk(function) if each is not function]
    defined = {each.name for each in inner if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    imported = {name.asname or name.name for each in inner if isinstance(each, ast.Import | ast.ImportFrom) for name in each.names}
    return given | defined | imported | {each.id for each in inner if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}


def taken_for_values(node: ast.AST, fixtures: set[str]) -> Iterator[str]:
    """Fixtures that are used without being asked for, so that what is used is the function and not what it gives."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.Lambda):
            yield from taken_for_values(each, fixtures - own(each))
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load) and each.id in fixtures:
            yield f"line {each.lineno}: {each.id}"
        else:
            yield from taken_for_values(each, fixtures)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_fixture_is_asked_for_and_a_skip_tells_what_is_missing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    fixtures = {node.name for node in tree.body if is_fixture(node)}
    assert list(taken_for_values(tree, fixtures)) == []
    calls = [f"line {node.lineno}" for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in SKIPS]
    assert path.name == "needed.py" or calls == [], "tests.needed skips, and fails in CI"


SKIPS = ("pytest.skip", "pytest.importorskip", "unittest.skip")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_clock_is_set_for_everybody(path):
    """A clock that stands still in one test puts event loops of servers that other tests share to sleep, for as long as it was wrong."""
    found = re.findall(r"setattr\((?:\w+\.)*time, .*", path.read_text(encoding="utf-8"))
    assert found == [], "put a stand-in for `time` into the module that asks it: monkeypatch.setattr(module, 'time', ...)"


def test_what_is_looked_for_is_found():
    fixtures, good, bad = {"hub"}, "def test(hub):\n  f(hub)\n  [hub for hub in x]", "def test(x):\n  return lambda: f'{hub}'"
    assert list(taken_for_values(ast.parse(good), fixtures)) == []
    assert list(taken_for_values(ast.parse(bad), fixtures)) == ["line 2: hub"]


def test_each_test_is_of_one_kind(collected):
    assert collected
    assert {name: said for name, said in collected.items() if len(said) != 1} == {}


@pytest.mark.parametrize(
    ("path", "fixtures", "params", "kind"),
    [
        ("tests/app/test_x.py", ["tmp_path"], {}, "unit"),
        ("tests/app/test_x.py", ["tmp_path", "environment"], {}, "process"),
        ("tests/storage/test_x.py", ["url"], {"url": "postgresql"}, "process"),
        ("tests/storage/test_x.py", ["url"], {"url": "sqlite"}, "unit"),
        ("tests/app/test_x.py", ["services"], {"services": "postgresql"}, "process"),
        ("tests/journeys/test_x.py", ["environment"], {}, "journey"),
        ("tests/faults/test_x.py", [], {}, "fault"),
    ],
)
def test_what_a_test_is_follows_from_its_folder_and_from_what_it_asks_for(path, fixtures, params, kind):
    assert kind_of(SimpleNamespace(path=Path(path), fixturenames=fixtures, callspec=SimpleNamespace(params=params))) == kind


def test_a_unit_test_cannot_start_a_process_nor_hide_that_it_tried(started):
    for start in (lambda: subprocess.run(["true"], check=True), os.fork, lambda: os.system("true")):
        with pytest.raises(RuntimeError, match="a unit test starts no process"):
            start()
    assert started == ["subprocess.Popen", "os.fork", "os.system"]
    started.clear()
