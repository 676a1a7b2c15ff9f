"""What a run is expected to cost, before it is queued: tokens that it reads, and bytes that it writes."""

from contextlib import suppress

from app.errors import StudioError
from app.handlers.datasets import check_dataset
from app.services import Services
from app.words import say
from reft_engine import RunSpec
from reft_engine.data import RowCheck

_BYTES_OF_A_TOKEN = 4
"""Of usual text, roughly; for rows that nobody has tokenised yet."""
_COPIES = 15
"""Of what is learned, at most: the result, what was learned at eight earlier steps, and two checkpoints with two moments each."""
_BESIDE = 200_000
"""Bytes of logs, settings and figures."""


def require_affordable(services: Services, dataset_id: str, spec: RunSpec, check: RowCheck | None = None) -> None:
    """Raises StudioError if a run would read more tokens than one may.

    Args:
        services: of whoever asks.
        dataset_id: reference of the dataset.
        spec: of the run.
        check: which rows of it can be trained on, if that is known already.
    """
    most = services.settings.of_person("person_run_tokens")
    if not most:
        return
    tokens = tokens_of(services, dataset_id, spec, check)
    if tokens > most:
        epochs = max(1, spec.train.epochs * most // tokens)
        raise StudioError(say("bounds.run_tokens", tokens=tokens, most=most, epochs=epochs, has=spec.train.epochs))


def tokens_of(services: Services, dataset_id: str, spec: RunSpec, check: RowCheck | None = None) -> int:
    """Tokens that a run reads: those of its rows in each epoch, counted if the engine can, else by the size of the file of rows."""
    if check is None:
        with suppress(StudioError):  # the engine is away, or does not have the base model
            check = check_dataset(services, dataset_id, spec)
    if check is not None:
        return check.tokens * spec.train.epochs
    path = services.storage.files.rows(services.storage.datasets.get(dataset_id).version)
    return (path.stat().st_size if path.is_file() else 0) // _BYTES_OF_A_TOKEN * spec.train.epochs


def bytes_of(parameters: int) -> int:
    """Bytes that a run writes which trains so many parameters."""
    return parameters * 4 * _COPIES + _BESIDE
