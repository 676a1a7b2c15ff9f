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

from reft_engine import ConfigError, DataError, Kind, ModelLoadError, ReftError, TrainConfig, TrainingError
from storage import Failure, RunRecord, StorageError, UnavailableError

_CANNOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory", "out of memory", "ALLOC_FAILED", "bad_alloc")
_FEWEST_TOKENS, _MOST_TOKENS, _LESS_KEPT_MB = 64, 2048, 256
_LABEL = "Continue with less memory"
_PATH = re.compile(r"(?<![\w./:])~?/(?:[^\s/'\"]+/)*([^\s/'\"]+)")
_LOG_IN = "log in with the command hf auth login on the machine where the studio runs"


def explain(error: BaseException, settings: TrainConfig) -> Failure:
    """What to tell of an error that ended a run with these settings."""
    text, causes = str(error), list(_chain(error))
    if isinstance(error, ModelLoadError):
        return _of_a_model(error, causes)
    if any(map(_is_memory, causes)):
        return out_of_memory(settings, f"{_whose_memory(causes)} ran out of memory.")
    if isinstance(error, DataError):
        return _of_data(error)
    if isinstance(error, TrainingError):
        return Failure(
            "numbers", _first(text), "A learning rate that is too high drives the numbers out of all bounds.",
            "Start a new run with a third of the learning rate. This one can be continued from its last checkpoint, which is sound, "
            "but with the same settings it will most likely end at the same step again.",
        )  # fmt: skip
    if isinstance(error, ConfigError):
        return _of_settings(error)
    if isinstance(error, UnavailableError):
        return Failure("disk", _first(_before_details(text)), "", "When the database can be used again, continue the run.")
    if (system := _system(causes)) is not None or isinstance(error, OSError):
        return _of_a_disk(system or error)
    if isinstance(error, ReftError | StorageError):
        return Failure("bug", _before_details(text), "",
                       "What was learned up to the last checkpoint is kept: continue the run. Its log has the details.")  # fmt: skip
    return Failure("bug", "Something went wrong inside the program.", "This is a mistake of ours, not of your data.",
                   "What was learned up to the last checkpoint is kept: continue the run. Its log has the details.")  # fmt: skip


def out_of_memory(settings: TrainConfig, what: str) -> Failure:
    """Of a run that needed more memory than there was, with settings that need less and learn the same, as long as there are any."""
    why = "The base model, its rows and what is kept of them need more than is free."
    less = _with_less_memory(settings)
    if not less:
        advice = "Close other programs and continue the run, or start a new one with shorter rows or a smaller base model."
        return Failure("memory", what, why, advice)
    return Failure(
        "memory", what, why,
        f"Press '{_LABEL}': the run goes on from its last checkpoint in smaller portions, which gives the same result a little later. "
        "Closing other programs helps too.",
        less, _LABEL,
    )  # fmt: skip


def explain_worker_exit(code: int, run: RunRecord) -> Failure:
    """Of a run whose worker ended with this code."""
    if code == -signal.SIGKILL:
        return out_of_memory(settings_of(run), "The engine was ended by the system, most likely because it ran out of memory.")
    return Failure("bug", f"The engine stopped unexpectedly (code {code}).", "This is a mistake of ours, or of a library that it uses.",
                   "Continue the run. If it happens again, worker.log in the data folder has the details.")  # fmt: skip


def explain_vanished_worker(run: RunRecord) -> Failure:
    """Of a run whose worker nobody saw dying: it went with its supervisor, or with its machine."""
    return out_of_memory(settings_of(run), "The engine went away in the middle of the run, most likely because it ran out of memory.")


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


def _whose_memory(causes: Sequence[BaseException]) -> str:
    return "The graphics card" if any(type(each).__name__ == "OutOfMemoryError" for each in causes) else "This machine"


def _system(causes: Sequence[BaseException]) -> OSError | None:
    """What the system said when it did not let a file be written."""
    return next((each for each in causes if isinstance(each, OSError) and each.errno in _FULL | _CANNOT_WRITE), None)


def _of_data(error: DataError) -> Failure:
    first = _first(str(error))
    if error.kind == "template":
        # Whoever wrote the template may have said why in a sentence; what the template language says of itself is none.
        told = _plain(error.detail).rstrip(".")
        return Failure(
            "template", "The base model's own rule for writing down a chat (its chat template) takes none of the dataset's rows.",
            f"It says: {told}." if told[:1].isupper() else "",
            "Choose another base model, or leave out of the rows what this one does not know, such as system messages.",
        )  # fmt: skip
    if error.kind not in ("row", "length"):
        return Failure("data", first, "", "Upload a whole file on the Data page and start a new run with it.")
    why = f"For example, {first[0].lower()}{first[1:]}"
    if error.kind == "length":
        advice = "Start a new run with a greater Longest row or a base model that reads longer texts, or shorten the prompts."
    else:
        advice = "Correct the file, look on the Data page how its rows are trained, and start a new run with it."
    return Failure("data", "None of the dataset's rows can be used.", why, advice)


def _of_settings(error: ConfigError) -> Failure:
    text, field = str(error), error.field
    if error.kind == "format" and field:  # what the page would not have let through
        return Failure("settings", "The settings of this run are not those of this version of the program.",
                       f"It does not know, or does not allow, what they say of {field}.", "Start a new run.")  # fmt: skip
    if field != "base":
        return Failure("settings", _first(text), "", _rest(text) or "Start a new run with other settings.")
    advice = "Start a new run with another base model."
    if error.kind == "model":  # what it cannot do is enough; what the engine names are insides of the model
        return Failure("model", f"This base model cannot {error.detail}.", "", advice)
    return Failure("model", "This base model cannot be trained in this way.", f"The reason: {_plain(_first(text))}", advice)


def _of_a_model(error: ModelLoadError, causes: Sequence[BaseException]) -> Failure:
    """Of a base model that could not be loaded."""
    if any(map(_is_memory, causes)):
        return Failure("memory", f"The base model does not fit into the memory that {_whose_memory(causes).lower()} has free.", "",
                       "Close other programs and continue the run, or start a new one with a smaller base model.")  # fmt: skip
    if told := _of_access(causes):
        return told
    if (system := _system(causes)) is not None:
        return _of_the_models_disk(system)
    if any(map(_is_network, causes)):
        return Failure(
            "network", "The base model is not on this machine yet, and the Hub cannot be reached.",
            "The network is away, the connection broke off, the Hub has trouble of its own, or this machine is kept from it.",
            "When the Hub can be reached, continue the run. The starter needs no network.",
        )  # fmt: skip
    if error.kind == "package":  # for whoever runs the studio
        return Failure("model", str(error), "", "When it is installed, start the studio again and continue the run.")
    if told := _MODELS.get(error.kind):
        return told
    return Failure("model", "The base model could not be loaded.",
                   "Its files are damaged or incomplete, or it is of a kind that this program cannot edit.",
                   "Start a new run with another base model. The run's log has the details.")  # fmt: skip


_MODELS: dict[Kind, Failure] = {
    "name": Failure(
        "access", "There is no base model of this name.", "A base model is the starter or one of the Hub, such as owner/model.",
        "Start a new run with the right name.",
    ),
    "weights": Failure(
        "model", "The base model has no weights in the format safetensors.", "Other formats can hide programs, so they are not opened.",
        "Start a new run with a base model that has such weights.",
    ),
    "code": Failure(
        "model", "The base model needs program code of its own.", "Such code could do anything on this machine, so it is never run.",
        "Start a new run with another base model.",
    ),
    "device": Failure(
        "model", "The graphics card of this machine cannot be used.", "Another program may hold it, or its driver does not work.",
        "When that is put right, start the studio again and continue the run; "
        "with CUDA_VISIBLE_DEVICES=-1 in its environment it uses the processor instead.",
    ),
}  # fmt: skip
"""By the kind of the engine's error."""


def _of_access(causes: Sequence[BaseException]) -> Failure | None:
    """Of a base model that the Hub does not hand out."""
    if any(isinstance(each, GatedRepoError) for each in causes):
        return Failure(
            "access", "The base model is gated: its owner wants everybody to accept terms first.",
            "This machine is not logged in to the Hub, or its account has not been let in yet.",
            f"Accept the terms on the model's page, {_LOG_IN}, then continue the run.",
        )  # fmt: skip
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return Failure("access", "There is no such base model on the Hub, or it is private.", "",
                       f"Compare the name with that on the model's page. If it is private, {_LOG_IN}, then continue the run.")  # fmt: skip
    if any(isinstance(each, RevisionNotFoundError) for each in causes):
        return Failure("model", "The version of the base model that this run was begun with is no longer on the Hub.", "",
                       "Start a new run; it takes the version that is there now.")  # fmt: skip
    if any(_status(each) in (401, 403) for each in causes):
        return Failure("access", "The Hub does not hand out this base model to this machine.",
                       "The machine's login is no longer valid, or does not go for this model.",
                       f"{_LOG_IN.capitalize()}, then continue the run.")  # fmt: skip
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
        return Failure("disk", "The disk is full.", "The base model could not be stored.",
                       "Free some space on the disk where the studio keeps base models, then continue the run.")  # fmt: skip
    return Failure("disk", "The files of the base model cannot be read or written.", f"The system says: {error.strerror}.",
                   "Let the studio into the folder where it keeps base models, then continue the run.")  # fmt: skip


def _of_a_disk(error: BaseException) -> Failure:
    number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    if number in _FULL:
        return Failure("disk", "The disk is full.", "A file of the run could not be written.",
                       "Free some space (the bin on the Runs page may hold some), then continue; the last checkpoint is kept.")  # fmt: skip
    if number in _CANNOT_WRITE:
        return Failure("disk", "The data folder cannot be written.", f"The system says: {reason}.",
                       "Let the studio write there again, then continue the run; its last checkpoint is kept.")  # fmt: skip
    return Failure("disk", "A file of the run could not be written or read.", f"The system says: {reason}." if reason else "",
                   "Look whether the disk of the data folder is in order, then continue the run.")  # fmt: skip


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
