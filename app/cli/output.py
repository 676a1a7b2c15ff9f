"""What a command writes: its result on standard output, its progress on standard error, and one line of JSON if requested."""

import argparse
import json
import sys
from typing import Any

from app.words import say


def write(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{text}\n")


def tell(options: argparse.Namespace, text: str) -> None:
    """Write a result: to standard output, or to standard error if a line of JSON is the output."""
    note(text) if options.json else write(text)


def refuse(text: str) -> int:
    """Write one sentence to standard error; returns the exit code for bad input."""
    note(say("cli.refused", sentence=" ".join(text.split())))
    return 2


def finish(options: argparse.Namespace, values: dict[str, Any]) -> None:
    """Write the line of JSON, if requested."""
    if options.json:
        write(json.dumps(values, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))
