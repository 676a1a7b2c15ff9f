import re
from pathlib import Path

import pytest

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["serve", "train", "sweep", "inspect", "chat", "evaluate", "doctor", "backup", "user"])
def test_the_flags_in_the_readme_are_those_of_the_command(command, capsys):
    from app.cli import main

    with pytest.raises(SystemExit):
        main([command, "--help"])
    offered = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    (row,) = re.findall(rf"^\| `reft-studio \[?{command}\b.*$", README, re.MULTILINE)
    assert set(re.findall(r"--[a-z][a-z-]*", row)) <= offered


def test_the_space_and_the_container_agree_on_the_port():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "sdk: docker" in README
    assert re.search(r"app_port: (\d+)", README)[1] == re.search(r"EXPOSE (\d+)", dockerfile)[1] == "7860"


def test_every_setting_is_in_the_hosting_guide():
    guide = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    assert {f"REFT_STUDIO_{name.upper()}" for name in Settings.model_fields} == set(re.findall(r"`(REFT_STUDIO_[A-Z_]+)`", guide))


def test_links_between_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
