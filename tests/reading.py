"""Reads an upload in this process, by what the process that reads files does."""

from collections.abc import Callable
from pathlib import Path

from app.choices import Choices
from app.errors import StoppedError, StudioError
from app.words import say, say_error
from reft_engine import ReftError
from reft_engine.data import Inspection, import_file, load_inspection


class _StoppedError(Exception):
    """Nobody wants the file any more."""


def read_here(
    path: Path, folder: Path, choices: Choices, on_progress: Callable[[float], None], should_stop: Callable[[], bool]
) -> Inspection:  # fmt: skip
    """As `app.reader.client.read_in_process`."""

    def told(share: float) -> None:
        if should_stop():
            raise _StoppedError
        on_progress(share)

    try:
        import_file(path, folder, choices.columns, choices.options, choices.remedies, on_progress=told)
    except ReftError as error:
        raise StudioError(say_error(error)) from None
    except _StoppedError:
        raise StoppedError(say("reader.stopped")) from None
    return load_inspection(folder)
