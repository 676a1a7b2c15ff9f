"""``reft-studio evaluate``: measures an adapter and its base model on rows of a file."""

import argparse

from app.cli.adapter import open_adapter
from app.cli.output import finish, tell
from app.cli.rows import rows_of
from app.words import say


def evaluate(options: argparse.Namespace) -> int:
    """Measure the base model and the tuned model on rows of a file; rows that training would skip are skipped."""
    from app.handlers.verdict import right_of
    from reft_engine import evaluate as measure

    inspection = rows_of(options)
    base, reft, max_length = open_adapter(options.dir)
    figures = measure(base, reft, inspection.examples, max_length=max_length)
    left_out = inspection.rows - figures["rows"]
    for note in inspection.remarks:
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
