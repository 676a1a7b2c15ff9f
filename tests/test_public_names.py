"""What the engine exports: the app uses nothing else of it, and each room's list is true."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import reft_engine

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ["reft_engine", *(f"reft_engine.{path.parent.name}" for path in sorted(Path(reft_engine.__file__).parent.glob("*/__init__.py")))]


def imports_of(path: Path) -> list[tuple[str, str]]:
    """Each name that is taken from the engine, with the module it is taken from."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reft_engine")]
    return [(node.module or "", name.name) for node in found for name in node.names]


def test_the_app_imports_exported_names_only():
    taken = {(path, *pair) for path in (ROOT / "app").rglob("*.py") for pair in imports_of(path)}
    assert len(taken) > 50
    assert [(str(path), module, name) for path, module, name in taken if name not in getattr(import_module(module), "__all__", ())] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_exported_name_is_there_and_others_are_not(room):
    module = import_module(room)
    assert all(getattr(module, name) is not None for name in module.__all__) and len(set(module.__all__)) == len(module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.process
@pytest.mark.parametrize("name", ["reft_engine.spec", "reft_engine.data", "reft_engine.methods", "reft_engine.training.verdict"])
def test_what_the_pages_need_of_the_engine_costs_no_torch(name):
    code = f"import sys, {name}\nfrom reft_engine import ReftConfig, RunSpec, METHODS\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
