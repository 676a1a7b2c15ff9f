"""What Gradio says of calls that do not fit an event: in place of ``null`` and a traceback on standard error a sentence, and the log.

The studio's own functions never raise (see `app.components.wiring`), so that what fails there is Gradio's reading of what was sent, or
its writing of what they gave.
"""

import logging
import sys
import traceback
from types import SimpleNamespace
from typing import Any

from gradio import queueing, route_utils, routes, utils
from gradio.server_messages import UnexpectedErrorMessage

from app.incidents import failed, new_number, number, numbered
from app.routes.failures import MISFIT
from app.words import say

_log = logging.getLogger("reft_studio.pages")
_TOLD = "_reft_studio_told"
"""Of an error: what a person was told of it."""
_WRITING = frozenset({"postprocess_data", "postprocess"})
"""Functions that write what the studio gave; what fails there is a mistake of the program."""


def answer_in_sentences() -> None:
    """Replace what Gradio 6 uses to tell of errors; it has no setting for it."""
    utils.error_payload = _payload
    queueing.error_payload = _payload
    log = SimpleNamespace(**{**vars(traceback), "print_exc": _write_down})
    for module in (routes, queueing, route_utils):
        module.traceback = log
    routes.UnexpectedErrorMessage = _Unexpected


def _payload(error: BaseException | None, show_error: bool) -> dict[str, bool | str | float | None]:
    """What an event ends with that failed; not shown in a corner of the window, since the page says it beside the control."""
    told, kind = _tell(error)
    return {"error": told, "kind": kind, "visible": False, "duration": None}


def _write_down(*_: Any, **__: Any) -> None:
    """In place of printing a traceback."""
    _tell(sys.exc_info()[1])


def _tell(error: BaseException | None) -> tuple[str, str]:
    """The sentence of an error, and whether the call did not fit; it is written down once. Events of the queue have no number yet."""
    if (told := getattr(error, _TOLD, None)) is not None:
        return str(told[0]), str(told[1])
    with numbered(number() or new_number()):
        _log.error("a call did not fit its event", exc_info=error)
        names = {frame.name for frame in traceback.extract_tb(error.__traceback__)} if error else set()
        is_ours = bool(names & _WRITING)
        found = (failed(), "") if is_ours else (f"{say('failures.misfit')} {say('failures.tell', number=number())}", MISFIT)
    if error is not None:
        error.__dict__[_TOLD] = found
    return found


class _Unexpected(UnexpectedErrorMessage):  # type: ignore[misc]
    """The last word of a stream, without the text of whatever was raised."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**{**values, "message": say("failures.ended")})
