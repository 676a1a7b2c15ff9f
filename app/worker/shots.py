"""Few-shot columns: a run's training rows before a conversation, and what that costs beside its edit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.worker.resident import Resident
from app.worker.run_rows import RunRows, ShownRow, shown
from reft_engine import Message
from reft_engine.base import Base
from reft_engine.data import AnyExample
from reft_engine.inference import FewShotPrompt, bytes_of_token, pays_off_after, with_shots
from reft_engine.training import objective_for, read_rows

_SAMPLED = 256
"""Most training rows by which the tokens of a row are counted."""


@dataclass(frozen=True, slots=True)
class Shots:
    """One few-shot column: what is asked, and what it costs. How many tokens an answer has read anew, its request tells (`Request.tokens`).

    Attributes:
        base: the base model that answers.
        messages: the conversation behind the rows.
        rows: the rows that are shown, in their order.
        left_out: drawn rows without room beside conversation and answer; ``refused``: drawn rows that the chat template refuses, or that
            can be no turns.
        altered: shown rows of whose answers the chat template shows less than there is.
        prompt_tokens: tokens of the prompt; ``shot_tokens``: how many more they are than those of the conversation alone;
            ``after_tokens``: how many stand behind the rows.
        cache_bytes: memory of the rows' keys and values while they are kept; None for models of another form.
        trained_tokens: tokens that the run's training has read, about; 0 before its first step.
        pays_off_after: after so many answers the edit has cost less than rows that are read anew for each; None without any.
    """

    base: Base
    messages: tuple[Message, ...]
    rows: tuple[ShownRow, ...]
    left_out: int
    refused: int
    altered: int
    prompt_tokens: int
    shot_tokens: int
    after_tokens: int
    cache_bytes: int | None
    trained_tokens: int
    pays_off_after: int | None


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """Training rows of a run that are shown before conversations, drawn once; nothing is loaded any more for another conversation.

    Attributes:
        base: the base model that answers.
        writing: the same with a tokenizer of its own.
        rows: all rows of the run.
        places: of the drawn ones, and ``examples`` those themselves.
    """

    base: Base
    writing: Base
    rows: RunRows
    places: list[int]
    examples: Sequence[AnyExample]

    def before(self, messages: Sequence[Message], max_new_tokens: int, should_stop: Callable[[], bool] = lambda: False) -> FewShotPrompt:
        """The rows before a conversation. Raises ConfigError, DataError, StoppedError as `reft_engine.inference.with_shots`."""
        return with_shots(
            self.writing, messages, self.examples, len(self.examples), max_new_tokens, seed=None, marked=self.rows.marked,
            should_stop=should_stop,
        )  # fmt: skip


def drawn_rows(resident: Resident, run_id: str, shots: int, seed: int = 0) -> DrawnRows:
    """Draw training rows of a run. Raises as `few_shot`, for the run."""
    rows = resident.rows_of_runs.of(run_id)
    base = resident.base_of(rows.run)
    places = rows.drawn(shots, seed)
    return DrawnRows(base, resident.engine(base).base, rows, places, rows.at(places)[:])


def few_shot(
    resident: Resident, run_id: str, messages: Sequence[Message], shots: int, seed: int = 0, max_new_tokens: int = 128,
    should_stop: Callable[[], bool] = lambda: False,
) -> Shots:  # fmt: skip
    """Put training rows of a run before a conversation.

    Args:
        resident: the models in memory.
        run_id: whose training rows; none that has anything to do with a held-out one.
        messages: the conversation, whose own system message is the only one.
        shots: number of rows; 0 leaves the conversation as it is.
        seed: draws the rows and their order; fewer shots are the first of those of more.
        max_new_tokens: room that is left for the answer.
        should_stop: asked while the rows are measured.

    Raises:
        NotFoundError, StorageError: the run or its dataset is not there any more, or its rows were not divided yet.
        ConfigError, DataError, StoppedError: as from `reft_engine.inference.with_shots`.
    """
    drawn = drawn_rows(resident, run_id, shots, seed)
    base, rows, places = drawn.base, drawn.rows, drawn.places
    made = drawn.before(messages, max_new_tokens, should_stop)
    a_token, trained = bytes_of_token(base), _trained_tokens(resident, rows, drawn.writing)
    cached = None if a_token is None else made.shot_tokens * a_token
    return Shots(
        base, made.messages, tuple(shown(rows, [(places[index], 0.0) for index in made.used])), made.left_out, made.refused,
        len(made.altered), made.prompt_tokens, made.shot_tokens, made.after_tokens, cached, trained,
        pays_off_after(trained, made.shot_tokens),
    )  # fmt: skip


def _trained_tokens(resident: Resident, rows: RunRows, base: Base) -> int:
    """Tokens that the run's training has read: tokens of a row, by some of them as they are trained, times rows and epochs so far."""
    if not len(rows.trained) or not rows.run.epoch:
        return 0
    a_row = resident.rows_of_runs.tokens_of_a_row(rows.run.id, lambda: _mean_tokens(rows, base))
    return round(a_row * len(rows.trained) * rows.run.epoch)


def _mean_tokens(rows: RunRows, base: Base) -> float:
    some, spec = rows.at(rows.drawn(_SAMPLED))[:], rows.spec
    objective = objective_for(base, spec.trained, spec.train, some)
    return objective.length([row.encoded for row in read_rows(objective, some).usable]) / len(some)
