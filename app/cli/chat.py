"""``reft-studio chat`` and ``evaluate``: what an adapter folder does, beside its base model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import finish, say, tell
from app.cli.rows import rows_of
from app.errors import StudioError

if TYPE_CHECKING:
    from reft_engine import Trainable
    from reft_engine.base import Base


def _adapter(folder: Path) -> "tuple[Base, Trainable, int]":
    """Base model and what was trained beside it, from a folder, and the longest row that it was trained with."""
    from reft_engine import TrainConfig, load_adapter
    from reft_engine.edits import load_base_of
    from reft_engine.formats import read_config

    folder = folder / "adapter" if (folder / "adapter").is_dir() else folder
    base = load_base_of(folder)
    max_length = read_config(folder)["training"].get("max_length")
    return base, load_adapter(folder, base), max_length if isinstance(max_length, int) else TrainConfig().max_length


def chat(options: argparse.Namespace) -> int:
    """Answer one prompt with base and tuned."""
    from reft_engine import Message, generate

    if not options.prompt.strip():
        raise StudioError("The prompt is empty.")
    if options.max_new_tokens < 1:
        raise StudioError("An answer has one token at least; --max-new-tokens is 1 or more.")
    if not 0 <= options.seed < 2**31:
        raise StudioError("--seed is a whole number from 0 to 2147483647.")
    base, reft, _ = _adapter(options.dir)
    before = [Message("system", options.system.strip())] if options.system.strip() else []
    conversation = [*before, Message("user", options.prompt.strip())]
    answers = generate(
        base, conversation, [None, reft], max_new_tokens=options.max_new_tokens, temperature=options.temperature,
        seed=options.seed, strength=options.strength,
    )  # fmt: skip
    if not options.json:
        say(f"base:  {answers[0]}\ntuned: {answers[1]}")
    finish(options, {"base": answers[0], "tuned": answers[1]})
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure base and tuned on rows of a file; what training would leave out is left out here too."""
    from app.handlers.verdict import right_of
    from reft_engine import evaluate as measure

    found = rows_of(options)
    base, reft, max_length = _adapter(options.dir)
    figures = measure(base, reft, found.examples, max_length=max_length)
    left_out = found.rows - figures["rows"]
    for note in found.notes:
        tell(options, note)
    if left_out:
        tell(options, f"Measured on {figures['rows']:,} of {found.rows:,} rows; {left_out:,} {'is' if left_out == 1 else 'are'} left out.")
        for reason in [problem.text for problem in found.problems][:10] + figures["left_out"][:10]:
            tell(options, reason)
    for name, each in (("base", figures["base"]), ("tuned", figures["tuned"])):
        right = right_of(round(each["exact_match"] * figures["examples"]), figures["examples"])
        tell(options, f"{name:5}  loss {each['loss']:.4f}  exactly right {right}")
    finish(options, {"base": figures["base"], "tuned": figures["tuned"], "rows": figures["rows"], "rows_left_out": left_out})
    return 0
