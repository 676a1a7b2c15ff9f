"""The command line."""

from app.cli.main import COMMANDS, main

__all__ = ["COMMANDS", "main"]
