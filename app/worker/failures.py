"""Why a run failed, in words for a person who knows no Python: what happened, why, and what to do.

Nothing is repeated here that others wrote of the machine: no path, no address, no name out of a program. That is in the run's log.
"""

import errno
import re
import signal
from collections.abc import Iterator, Sequence
from typing import Any

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from app.words import say
from reft_engine import ConfigError, DataError, Kind, ModelLoadError, ReftError, TrainConfig, TrainingError
from storage import Failure, RunRecord, StorageError, UnavailableError

_CANNOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc")
_FEWEST_TOKENS, _MOST_TOKENS, _LESS_KEPT_MB = 64, 2048, 256
_PATH = re.compile(r"(?<![\w./:])~?/(?:[^\s/'\"]+/)*([^\s/'\"]+)")


def explain(error: BaseException, settings: TrainConfig) -> Failure:
    """What to tell of an error that ended a run with these settings."""
    text, causes = str(error), list(_chain(error))
    if isinstance(error, ModelLoadError):
        return _of_a_model(error, causes)
    if any(map(_is_memory, causes)):
        return out_of_memory(settings, say("failures.memory.card" if _of_a_card(causes) else "failures.memory.machine"))
    if isinstance(error, DataError):
        return _of_data(error)
    if isinstance(error, TrainingError):
        return Failure("numbers", _first(text), say("failures.numbers.why"), say("failures.numbers.advice"))
    if isinstance(error, ConfigError):
        return _of_settings(error)
    if isinstance(error, UnavailableError):
        return Failure("disk", _first(_before_details(text)), "", say("failures.database.advice"))
    if (system := _system(causes)) is not None or isinstance(error, OSError):
        return _of_a_disk(system or error)
    if isinstance(error, ReftError | StorageError):
        return Failure("bug", _before_details(text), "", say("failures.bug.advice"))
    return _failure("bug", "bug")


def _failure(kind: str, name: str) -> Failure:
    """One whose texts hold no values."""
    return Failure(kind, say(f"failures.{name}.what"), say(f"failures.{name}.why"), say(f"failures.{name}.advice"))


def out_of_memory(settings: TrainConfig, what: str) -> Failure:
    """Of a run that needed more memory than there was, with settings that need less and learn the same, as long as there are any."""
    why, less = say("failures.memory.reason"), _with_less_memory(settings)
    if not less:
        return Failure("memory", what, why, say("failures.memory.no_remedy"))
    label = say("failures.memory.button")
    return Failure("memory", what, why, say("failures.memory.remedy", button=label), less, label)


def explain_worker_exit(code: int, run: RunRecord) -> Failure:
    """Of a run whose worker ended with this code."""
    if code == -signal.SIGKILL:
        return out_of_memory(settings_of(run), say("failures.memory.killed"))
    return Failure("bug", say("failures.died.stopped", code=code), say("failures.died.why"), say("failures.died.advice"))


def explain_vanished_worker(run: RunRecord) -> Failure:
    """Of a run whose worker nobody saw dying: it went with its supervisor, or with its machine."""
    return out_of_memory(settings_of(run), say("failures.memory.gone"))


def settings_of(run: RunRecord) -> TrainConfig:
    """How a run is trained; the defaults where that cannot be read, as whoever tells of a failure must not fail."""
    try:
        return TrainConfig.read(run.spec.get("train", {}))
    except ConfigError:
        return TrainConfig()


def _with_less_memory(settings: TrainConfig) -> dict[str, Any]:
    """Settings that need less and differ from these; none when these need the least already."""
    wanted: dict[str, Any] = {
        "pass_tokens": max(_FEWEST_TOKENS, min(settings.pass_tokens or _MOST_TOKENS, _MOST_TOKENS) // 4),
        "gradient_checkpointing": True,
        "reuse_memory_mb": _LESS_KEPT_MB if settings.reuse_memory_mb > _LESS_KEPT_MB else 0,
    }
    return wanted if any(getattr(settings, name) != value for name, value in wanted.items()) else {}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_memory(error: BaseException) -> bool:
    # torch says it of a GPU by a class of its own, and of a CPU in the words of a RuntimeError.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in _NO_MEMORY)


def _of_a_card(causes: Sequence[BaseException]) -> bool:
    """Whether it is a graphics card's memory that was too small."""
    return any(type(each).__name__ == "OutOfMemoryError" for each in causes)


def _system(causes: Sequence[BaseException]) -> OSError | None:
    """What the system said when it did not let a file be written."""
    return next((each for each in causes if isinstance(each, OSError) and each.errno in _FULL | _CANNOT_WRITE), None)


def _of_data(error: DataError) -> Failure:
    first = _first(str(error))
    if error.group == "template":
        # Whoever wrote the template may have said why in a sentence; what the template language says of itself is none.
        told = _plain(error.detail).rstrip(".")
        why = say("failures.template.says", reason=told) if told[:1].isupper() else ""
        return Failure("template", say("failures.template.what"), why, say("failures.template.advice"))
    if error.group not in ("row", "length"):
        return Failure("data", first, "", say("failures.file.advice"))
    why = say("failures.rows.example", row=f"{first[0].lower()}{first[1:]}")
    advice = say("failures.rows.too_long" if error.group == "length" else "failures.rows.advice")
    return Failure("data", say("failures.rows.what"), why, advice)


def _of_settings(error: ConfigError) -> Failure:
    text, field = str(error), error.field
    if error.group == "format" and field:  # what the page would not have let through
        why = say("failures.version.field", field=field)
        return Failure("settings", say("failures.version.what"), why, say("failures.version.advice"))
    if field != "base":
        return Failure("settings", _first(text), "", _rest(text) or say("failures.settings.advice"))
    advice = say("failures.unfit.advice")
    if error.group == "model":  # what it cannot do is enough; what the engine names are insides of the model
        return Failure("model", say("failures.unfit.cannot", act=error.detail), "", advice)
    return Failure("model", say("failures.unfit.what"), say("failures.unfit.reason", reason=_plain(_first(text))), advice)


def _of_a_model(error: ModelLoadError, causes: Sequence[BaseException]) -> Failure:
    """Of a base model that could not be loaded."""
    if any(map(_is_memory, causes)):
        return _failure("memory", "large_for_card" if _of_a_card(causes) else "large_for_machine")
    if told := _of_access(causes):
        return told
    if (system := _system(causes)) is not None:
        return _of_the_models_disk(system)
    if any(map(_is_network, causes)):
        return _failure("network", "network")
    if error.group == "package":  # for whoever runs the studio
        return Failure("model", str(error), "", say("failures.package.advice"))
    if known := _MODELS.get(error.group):
        return _failure(*known)
    return _failure("model", "model")


_MODELS: dict[Kind, tuple[str, str]] = {
    "name": ("access", "no_such_name"), "weights": ("model", "no_weights"), "code": ("model", "own_code"), "device": ("model", "device"),
}  # fmt: skip
"""What failed, and the name of its texts, by the kind of the engine's error."""


def _of_access(causes: Sequence[BaseException]) -> Failure | None:
    """Of a base model that the Hub does not hand out."""
    if any(isinstance(each, GatedRepoError) for each in causes):
        return _failure("access", "gated")
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return _failure("access", "not_on_the_hub")
    if any(isinstance(each, RevisionNotFoundError) for each in causes):
        return _failure("model", "no_revision")
    if any(_status(each) in (401, 403) for each in causes):
        return _failure("access", "refused")
    return None


def _status(error: BaseException) -> int:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else 0


def _is_network(error: BaseException) -> bool:
    # The Hub's library has changed the library that it asks with, which keeps its name and those of its errors.
    unanswered = type(error).__module__.startswith("httpx") and type(error).__name__ != "HTTPStatusError"
    cut_short = isinstance(error, OSError) and "Consistency check failed" in str(error)
    unable = _status(error) >= 500 or _status(error) == 429
    return unanswered or cut_short or unable or isinstance(error, LocalEntryNotFoundError | ConnectionError | TimeoutError)


def _of_the_models_disk(error: OSError) -> Failure:
    if error.errno in _FULL:
        return _failure("disk", "models_disk_full")
    why = say("failures.disk.system", reason=error.strerror)
    return Failure("disk", say("failures.models_disk.what"), why, say("failures.models_disk.advice"))


def _of_a_disk(error: BaseException) -> Failure:
    number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    if number in _FULL:
        return _failure("disk", "disk_full")
    why = say("failures.disk.system", reason=reason) if reason or number in _CANNOT_WRITE else ""
    if number in _CANNOT_WRITE:
        return Failure("disk", say("failures.disk_closed.what"), why, say("failures.disk_closed.advice"))
    return Failure("disk", say("failures.disk.what"), why, say("failures.disk.advice"))


def _first(text: str) -> str:
    """The first sentence; the engine's second one is advice."""
    return re.split(r"(?<=[.!?]) (?=[A-Z])", text, maxsplit=1)[0]


def _rest(text: str) -> str:
    return text[len(_first(text)) :].strip()


def _before_details(text: str) -> str:
    """What stands before a colon; behind it are others' words."""
    return f"{text.partition(': ')[0].rstrip('.')}."


def _plain(text: str) -> str:
    """Without folders of this machine."""
    return _PATH.sub(r"\1", text)
