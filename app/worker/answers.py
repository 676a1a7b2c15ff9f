"""Predictions of runs: base and tuned model answer every held-out row; this goes on when whoever asked for it has left."""

import contextvars
import copy
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from app import predictions
from app.fair_turns import FairTurns
from app.predictions import Kind, Prediction, is_right
from app.words import say, say_error
from app.worker.resident import Resident
from reft_engine import ReftError, RunSpec, Trainable, classify
from reft_engine.base import Base
from reft_engine.data import AnyExample, Example, Preference, StoredExamples, row_of
from reft_engine.inference import Asked, answers_in_order
from reft_engine.training import Objective, ReadRow, objective_for, read_rows
from storage import NotFoundError, RunRecord, RunStatus, StorageError

Answering = Generator[Prediction, None, None]
_log = logging.getLogger("reft_studio.worker")
_LEAST, _BEYOND = 64, 8
"""Tokens that every answer may have, and tokens beyond the expected answer that one may have."""
_AT_ONCE = 16
"""Rows that are classified or compared in one turn on the base model, so that a chat does not wait long."""
_LOOK_SECONDS = 0.25
"""How often it is told how far it is, and seen whether the run is still there."""
_TOLD_SECONDS = 30.0
"""How often it is told even if nothing has changed, so that nobody takes the worker for dead."""
_RESULT = (RunStatus.FINISHED, RunStatus.STOPPED)


@dataclass(slots=True)
class _Job:
    """Predictions of one run's result: how far they are, and why they failed."""

    run: RunRecord
    of: int
    owner: str
    done: int = 0
    ended: bool = False
    problem: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, done: int) -> None:
        """So many rows are answered."""
        with self.changed:
            self.done = done
            self.changed.notify_all()

    def end(self, problem: str = "") -> None:
        """It has ended, or failed for this reason."""
        with self.changed:
            self.problem, self.ended = problem, True
            self.changed.notify_all()

    def wait(self, known: int) -> bool:
        """Wait until more rows than these are answered, or for a while; whether it has ended."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.done != known, _LOOK_SECONDS)
            return self.ended


class PredictionJobs:
    """Makes predictions of one run after another, whose askers take turns; who asks for those that are under way joins them."""

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._jobs: dict[str, _Job] = {}
        self._lock, self._turns = threading.Lock(), FairTurns()

    def follow(self, run_id: str, *, start: bool, has_left: Callable[[], bool], owner: str = "") -> Iterator[dict[str, Any]]:
        """Tell how far the predictions of a run are, until they have ended; without ``start`` none are begun.

        They are answered as a part of the share of whoever began them, by default of the run's own.

        Raises:
            NotFoundError, StorageError: there is no such run, it has no result, or nothing was held out.
            StorageError: they could not be made; also said later, until they are begun anew or the run has another result.
        """
        job = self._job(run_id, start=start, owner=owner)
        if job is None:
            return
        known, ended, told = -1, False, time.monotonic()
        while not (has_left() or job.problem):
            if job.done != known or time.monotonic() - told > _TOLD_SECONDS:
                known, told = job.done, time.monotonic()
                yield {"done": known, "of": job.of}
            elif ended:
                break
            ended = job.wait(known)
        if job.problem:
            raise StorageError(job.problem, kind="predictions.failed")

    def _job(self, run_id: str, *, start: bool, owner: str) -> _Job | None:
        """What is under way or has failed; with ``start`` what is under way or begins now."""
        with self._lock:
            job = self._jobs.get(run_id)
            if job is not None and not job.ended:
                return job
            if not start:
                failed = job is not None and self._resident.storage.runs.get(run_id).finished_at == job.run.finished_at
                return job if failed else None
            run, places = self._asked(run_id)
            job = self._jobs[run_id] = _Job(run, len(places), owner or run.id)
            said = contextvars.copy_context()  # in whose language it says what went wrong
            threading.Thread(target=said.run, args=(self._work, places, job), daemon=True).start()
            return job

    def _forget(self, job: _Job) -> None:
        with self._lock:
            if self._jobs.get(job.run.id) is job:
                del self._jobs[job.run.id]

    def _asked(self, run_id: str) -> tuple[RunRecord, list[int]]:
        """The run with its held-out rows. Raises NotFoundError, StorageError."""
        runs = self._resident.storage.runs
        run, places = runs.get(run_id), runs.held_out_places(run_id)
        if run.status not in _RESULT or run.binned_at is not None or not self._resident.storage.files.adapter(run_id).is_dir():
            raise NotFoundError(say("predictions.no_result"), kind="predictions.no_result")
        if not places:
            raise StorageError(say("predictions.none_held_out"), kind="predictions.none")
        return run, sorted(places)

    def _work(self, places: Sequence[int], job: _Job) -> None:
        problem = ""
        try:
            with self._turns.turn(job.owner):
                self._predict(places, job)
        except (ReftError, StorageError) as error:
            problem = say_error(error)
        except OSError as error:
            problem = say("predictions.not_written", reason=error.strerror or error)
        except Exception:  # noqa: BLE001 (the edge of a thread: whoever follows waits for an answer)
            _log.exception("predictions failed")
            problem = say("engine.failed")
        job.end(problem)
        if not problem:
            self._forget(job)

    def _predict(self, places: Sequence[int], job: _Job) -> None:
        run = job.run
        files, version = self._resident.storage.files, self._resident.storage.datasets.version(run.version_id)
        wanted = set(places)
        every = islice(StoredExamples(files.rows(version)), places[-1] + 1)
        examples = [example for place, example in enumerate(every) if place in wanted]
        self._still(run)  # before its adapter is looked for, whose absence would be said in other words
        try:
            base, reft = self._resident.run(run.id)
        except NotFoundError as error:  # deleted between the two
            raise _gone() from error
        kind, answered = predicted(self._resident, base, reft, RunSpec.read(run.spec), examples, owner=job.owner)
        rows, looked = list[Prediction](), time.monotonic()
        with closing(answered):
            for prediction in answered:
                rows.append(prediction)
                if time.monotonic() - looked > _LOOK_SECONDS:
                    self._still(run)
                    looked = time.monotonic()
                    job.tell(len(rows))
        self._still(run)
        try:
            predictions.write(files.predictions(run.id), run, kind, rows)
        except FileNotFoundError as error:  # its folder was removed meanwhile
            raise _gone() from error
        self._resident.storage.runs.has_changed(run.id)
        job.tell(len(rows))

    def _still(self, run: RunRecord) -> None:
        """Raises NotFoundError if the run was deleted or gone on with meanwhile."""
        now = next(iter(self._resident.storage.runs.some([run.id])), None)
        if now is None or now.binned_at is not None or now.finished_at != run.finished_at:
            raise _gone()


def _gone() -> NotFoundError:
    return NotFoundError(say("predictions.gone"), kind="predictions.gone")


def predicted(
    resident: Resident, base: Base, reft: Trainable, spec: RunSpec, examples: Sequence[AnyExample], *, owner: str
) -> tuple[Kind, Answering]:  # fmt: skip
    """The kind of predictions of a run's rows, and the predictions in the order of the rows; closing the iterator ends the work.

    Answers are rows in the background of the running batch, written as far as the expected ones and 8 tokens beyond, at least 64 tokens.
    Of preference pairs that are compared, the answer is the likelier of the two.

    Raises:
        ConfigError, DataError: the base model cannot answer these rows.
    """
    reft.eval()
    own = replace(base, tokenizer=copy.deepcopy(base.tokenizer))  # as chats have: one thread at a time tokenises with it
    whole = spec.train.model_copy(update={"answer_tokens": None})  # what is right is the whole answer, whatever was learned of it
    compares = spec.train.pairs == "compare"
    objective = objective_for(own, reft.method_config, spec.train if compares else whole, examples)
    read = read_rows(objective, examples).usable
    if reft.method_config.labels:
        return "labels", _labels(resident, own, reft, spec, [row.example for row in read])
    if any(isinstance(row.example, Preference) for row in read):
        return "pairs", _preferred(resident, objective, reft, read)
    return "answers", _answers(resident, base, reft, read, owner)


def _answers(resident: Resident, base: Base, reft: Trainable, rows: Sequence[ReadRow], owner: str) -> Answering:
    asked = (
        Asked(row.example.messages, (None, reft), max(_LEAST, len(row.encoded.answer_ids) + _BEYOND)) for row in rows
    )  # fmt: skip
    with closing(answers_in_order(resident.engine(base), asked, owner=owner)) as answers:
        for row, (before, after) in zip(rows, answers, strict=True):
            yield _prediction(row.example, before, after)


def _labels(resident: Resident, base: Base, reft: Trainable, spec: RunSpec, rows: Sequence[AnyExample]) -> Answering:
    for batch in _batches(rows):
        texts, found = [row.messages for row in batch], []
        for edited in (False, True):
            with resident.base_lock.for_chat():
                labels = classify(base, reft, texts, max_length=spec.train.max_length, edited=edited)
            found.append([next(iter(probabilities)) for probabilities in labels])
        for row, before, after in zip(batch, *found, strict=True):
            yield _prediction(row, before, after)


def _preferred(resident: Resident, objective: Objective[Any], reft: Trainable, rows: Sequence[ReadRow]) -> Answering:
    for batch in _batches(rows):
        found = []
        for edited in (False, True):
            with resident.base_lock.for_chat():
                found.append(objective.measure([row.encoded for row in batch], reft, edited))
        for row, before, after in zip(batch, *found, strict=True):
            pair = row.example
            assert isinstance(pair, Preference)
            first, second = (pair.chosen if each.right else pair.rejected for each in (before, after))
            yield Prediction(row_of(pair), _turns(pair), pair.chosen, first, second, before.right, after.right, pair.rejected)


def _prediction(row: AnyExample, before: str, after: str) -> Prediction:
    assert isinstance(row, Example)
    expected = row.answer
    return Prediction(row_of(row), _turns(row), expected, before, after, is_right(before, expected), is_right(after, expected))


def _turns(row: AnyExample) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.content) for message in row.messages)


def _batches(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[begin : begin + _AT_ONCE] for begin in range(0, len(rows), _AT_ONCE))
