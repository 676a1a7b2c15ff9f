"""The library installs without the app, and the command says what it lacks then.

That what `pip install reft-studio` brings is enough for the library is shown by the README's own lines, in `test_readme.py`.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
APP = ["gradio", "sqlalchemy", "alembic", "pydantic_settings", "argon2", "datasets", "fastapi", "uvicorn", "httpx", "pandas", "peft"]
"""What only the app needs, by the names that are imported."""
WITHOUT = "import sys\nfor name in {names}:\n    sys.modules[name] = None\n"

pytestmark = pytest.mark.process


def run_without(names: list[str], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(names=names) + code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["sqlalchemy", "pydantic_settings", "gradio", "argon2"])
def test_the_command_says_what_to_install_where_the_app_is_not_installed(name, tmp_path):
    done = run_without([name], "sys.argv = ['reft-studio', '--no-browser']\nfrom app.__main__ import main\nsys.exit(main())", tmp_path)
    assert done.returncode == 2
    assert "pip install 'reft-studio[app]'" in done.stderr and "Traceback" not in done.stderr


def test_what_is_required_of_torch_has_no_upper_bound_and_one_version_is_tested():
    (torch,) = [each for each in PROJECT["dependencies"] if each.startswith("torch")]
    assert torch == "torch>=2.10"
    assert re.search(r"^torch==\d+\.\d+\.\d+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("package", ["app", "reft_engine", "storage"])
def test_every_file_of_a_package_is_installed_with_it(package):
    named = SETTINGS["tool"]["setuptools"]["package-data"]
    patterns = [*named[package], *(f"**/{each}" for each in named["*"])]
    installed = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
    files = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".mako")}
    assert files and files - installed == set()
