"""``reft-studio chat`` and ``evaluate``: try and measure an adapter beside its base model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.output import finish, tell, write
from app.cli.rows import rows_of
from app.errors import StudioError
from app.words import say

if TYPE_CHECKING:
    from reft_engine import Trainable
    from reft_engine.base import Base


def _adapter(folder: Path) -> "tuple[Base, Trainable, int]":
    """The base model, the adapter, and the maximum sequence length of its training."""
    from reft_engine import TrainConfig, load_adapter
    from reft_engine.edits import load_base_of
    from reft_engine.formats import read_config

    folder = folder / "adapter" if (folder / "adapter").is_dir() else folder
    base = load_base_of(folder)
    max_length = read_config(folder)["training"].get("max_length")
    return base, load_adapter(folder, base), max_length if isinstance(max_length, int) else TrainConfig().max_length


def chat(options: argparse.Namespace) -> int:
    """Answer one prompt with the base model and the tuned model."""
    from reft_engine import Message, generate

    if not options.prompt.strip():
        raise StudioError(say("cli.chat.no_prompt"))
    if options.max_new_tokens < 1:
        raise StudioError(say("cli.chat.no_tokens"))
    if not 0 <= options.seed < 2**31:
        raise StudioError(say("cli.chat.seed", most=2**31 - 1))
    base, reft, _ = _adapter(options.dir)
    system = [Message("system", options.system.strip())] if options.system.strip() else []
    conversation = [*system, Message("user", options.prompt.strip())]
    answers = generate(
        base, conversation, [None, reft], max_new_tokens=options.max_new_tokens, temperature=options.temperature,
        seed=options.seed, strength=options.strength,
    )  # fmt: skip
    if not options.json:
        write(say("cli.chat.answers", base=answers[0], tuned=answers[1]))
    finish(options, {"base": answers[0], "tuned": answers[1]})
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure the base model and the tuned model on rows of a file; rows that training would skip are skipped."""
    from app.handlers.verdict import right_of
    from reft_engine import evaluate as measure

    inspection = rows_of(options)
    base, reft, max_length = _adapter(options.dir)
    figures = measure(base, reft, inspection.examples, max_length=max_length)
    left_out = inspection.rows - figures["rows"]
    for note in inspection.notes:
        tell(options, note)
    if left_out:
        tell(options, say("cli.evaluate.rows", rows=figures["rows"], total=inspection.rows, count=left_out))
        for reason in [problem.text for problem in inspection.problems][:10] + figures["left_out"][:10]:
            tell(options, reason)
    for name, each in (("base", figures["base"]), ("tuned", figures["tuned"])):
        right = right_of(round(each["exact_match"] * figures["examples"]), figures["examples"])
        tell(options, say("cli.evaluate.figures", name=name, loss=each["loss"], right=right))
    finish(options, {"base": figures["base"], "tuned": figures["tuned"], "rows": figures["rows"], "rows_left_out": left_out})
    return 0
