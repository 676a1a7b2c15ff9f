"""What a command writes: its result on standard output, what happens meanwhile on standard error, one line of JSON where asked for."""

import argparse
import json
import sys
from typing import Any


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")


def tell(options: argparse.Namespace, text: str) -> None:
    """What a command is asked for: on standard output, unless a line of JSON takes its place there."""
    note(text) if options.json else say(text)


def refuse(text: str) -> int:
    """One sentence on standard error, and the exit code of bad input."""
    note(f"reft-studio: {' '.join(text.split())}")
    return 2


def finish(options: argparse.Namespace, values: dict[str, Any]) -> None:
    """The line of JSON, where it is asked for."""
    if options.json:
        say(json.dumps(values, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))
