"""Why a run failed, in words: what happened, why, and what to do."""

import errno
from collections.abc import Iterator

from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from jinja2 import TemplateError

from reft_engine.errors import AdapterError, ConfigError, DataError, ModelLoadError, ReftError, TrainingError
from reft_engine.spec import TrainConfig
from storage import Failure, RunRecord, StorageError

_CANNOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FEWEST_TOKENS = 64
_LABEL = "Continue with less memory"
DIED_OF_MEMORY = "The engine was ended by the system, most likely because it ran out of memory."
"""What a supervisor says of an engine that was ended by signal 9."""


def explain(error: BaseException, settings: TrainConfig) -> Failure:
    """What to tell of an error that ended a run with these settings."""
    text, causes = str(error), list(_chain(error))
    if any(map(_is_memory, causes)):
        return out_of_memory(settings, "This machine ran out of memory.")
    if any(isinstance(each, TemplateError) for each in causes):
        return Failure("template", text, "The base model's own rule for writing down a chat cannot take this dataset's rows.",
                       "Choose another base model, or leave out system messages and turns that it does not know.")  # fmt: skip
    if isinstance(error, ModelLoadError):
        return _of_a_model(text, causes)
    if isinstance(error, DataError):
        return Failure("data", text, "", "The Data page shows each row as it is trained. Correct the file and upload it again.")
    if isinstance(error, TrainingError):
        return Failure("numbers", text, "Steps that are too large drive the numbers away.",
                       "The last good state is kept; a new run with a third of the learning rate is the surest way on.")  # fmt: skip
    if isinstance(error, ConfigError):
        return Failure("settings", text, "", "Start a new run with other settings.")
    if (system := next((each for each in causes if isinstance(each, OSError) and each.errno in _FULL | _CANNOT_WRITE), None)) is not None:
        return _of_a_disk(system)
    if isinstance(error, AdapterError | ReftError | StorageError):
        return Failure("bug", text, "", "The run's log has the details; continuing is safe.")
    if isinstance(error, OSError):
        return Failure("disk", f"A file of the run could not be written or read: {error.strerror or error}.", "",
                       "Look whether the disk of the data folder is in order, then continue the run.")  # fmt: skip
    return Failure("bug", "Something went wrong inside the program.", "This is a mistake of ours, not of your data.",
                   "The run's log has the details. What was learned up to the last checkpoint is kept; continuing is safe.")  # fmt: skip


def out_of_memory(settings: TrainConfig, what: str) -> Failure:
    """Of a run that needed more memory than there was, with settings that need less and learn the same."""
    tokens = max(_FEWEST_TOKENS, min(settings.pass_tokens or 2048, 2048) // 4)
    remedy = {"pass_tokens": tokens, "gradient_checkpointing": True, "reuse_memory_mb": min(settings.reuse_memory_mb, 256)}
    return Failure(
        "memory", what, "The base model, its rows and what is kept of them need more than this machine has free.",
        "Close other programs, go on with smaller passes (the same result, a little slower), or choose a smaller base model.",
        remedy, _LABEL,
    )  # fmt: skip


def gone(run: RunRecord) -> Failure:
    """Of a run whose worker nobody saw dying: it went with its supervisor, or with its machine."""
    return out_of_memory(TrainConfig.model_validate(run.spec["train"]), "The engine went away in the middle of the run.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_memory(error: BaseException) -> bool:
    # torch says it of a GPU by a class of its own, and of a CPU in the words of a RuntimeError.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError | OSError) and any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "Cannot allocate memory", "out of memory")
    )


def _of_a_model(text: str, causes: list[BaseException]) -> Failure:
    if any(isinstance(each, GatedRepoError) for each in causes):
        return Failure("access", text, "Its owner asks everybody to accept terms first.",
                       "Accept them on the model's page, log in with `hf auth login` where the studio runs, then continue.")  # fmt: skip
    if any(isinstance(each, RepositoryNotFoundError) for each in causes):
        return Failure("access", text, "", "Look whether the name is right, as it stands on the model's page.")
    if "cannot be reached" in text:
        return Failure("network", text, "", "When the network is back, continue the run; nothing is lost.")
    if (system := next((each for each in causes if isinstance(each, OSError) and each.errno in _FULL), None)) is not None:
        return _of_a_disk(system)
    return Failure("model", text, "", "Choose another base model.")


def _of_a_disk(error: OSError) -> Failure:
    if error.errno in _FULL:
        return Failure("disk", "The disk is full.", "A file of the run could not be written.",
                       "Free some space (the bin on the Runs page may hold some), then continue; the last checkpoint is kept.")  # fmt: skip
    return Failure("disk", "The data folder cannot be written.", f"The system says: {error.strerror}.",
                   "Let the studio write there again, then continue; the last checkpoint is kept.")  # fmt: skip
