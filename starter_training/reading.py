"""A blind reading of two models: ``python -m starter_training read OLD NEW`` writes what both answer, in an order that chance decides.

Whoever reads writes ``A``, ``B`` or ``t`` (alike) for each prompt into a line of ``verdicts.txt`` beside it; the same command then counts.
"""

import json
from pathlib import Path
from random import Random

from starter_training.loaded import Starter

PROMPTS = (Path(__file__).parent / "prompts.txt").read_text(encoding="utf-8").splitlines()
_TOKENS = 120


def read(old: Path, new: Path, out: Path, seed: int = 99) -> str:
    """Write the answers, or count the verdicts on them once there are any."""
    random = Random(seed)
    swapped = [random.random() < 0.5 for _ in PROMPTS]
    verdicts = out / "verdicts.txt"
    if verdicts.is_file():
        return json.dumps(_count(verdicts.read_text(encoding="utf-8").split(), swapped))
    answers = [Starter(folder).answers([[("user", prompt)] for prompt in PROMPTS], limit=_TOKENS) for folder in (old, new)]
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (prompt, first, second, swap) in enumerate(zip(PROMPTS, *answers, swapped, strict=True), 1):
        shown = (second, first) if swap else (first, second)
        lines.append(f"{number}. {prompt}\n   A: {shown[0].strip()}\n   B: {shown[1].strip()}")
    (out / "answers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"Read {out / 'answers.txt'} and write {verdicts}."


def _count(verdicts: list[str], swapped: list[bool]) -> dict[str, int]:
    if len(verdicts) != len(swapped) or not set(verdicts) <= {"A", "B", "t"}:
        raise SystemExit(f"There must be {len(swapped)} verdicts, each A, B or t.")
    new = sum((verdict == "A") == swap for verdict, swap in zip(verdicts, swapped, strict=True) if verdict != "t")
    alike = verdicts.count("t")
    return {"new is better": new, "alike": alike, "old is better": len(verdicts) - new - alike}
