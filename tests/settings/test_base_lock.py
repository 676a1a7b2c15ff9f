"""The base model in the worker's memory: one user at a time, each base model's own memory, and no other's edits or modes."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch

from app.handlers import train
from app.handlers.train import TrainForm
from app.worker import api, job
from app.worker.base_lock import BaseLock
from app.worker.job import run_job
from app.worker.resident import Resident
from reft_engine import ReftConfig, TrainConfig, generate
from reft_engine.data import load_examples
from reft_engine.spec import RunSpec
from storage import RunStatus
from tests.settings.house import LENGTH, PROMPT, House, conversation


@contextmanager
def watched(model: Any, pause: float = 0.001) -> Iterator[list[tuple[int, bool, bool]]]:
    """Each pass of the base model as it begins and ends: by which thread, whether it began, whether it learns.

    A pass takes a little longer than it must, so that another that may begin in its middle does.
    """
    seen: list[tuple[int, bool, bool]] = []

    def begun(*_: Any) -> None:
        seen.append((threading.get_ident(), True, torch.is_grad_enabled()))
        time.sleep(pause)

    def ended(*_: Any) -> None:
        seen.append((threading.get_ident(), False, torch.is_grad_enabled()))

    handles = [model.register_forward_pre_hook(begun), model.register_forward_hook(ended, always_call=True)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def one_at_a_time(seen: list[tuple[int, bool, bool]]) -> bool:
    """Whether no pass begins in another's middle."""
    return all(begun and not ended and one == other for (one, begun, _), (other, ended, _) in zip(seen[::2], seen[1::2], strict=True))


def changes(seen: list[tuple[int, bool, bool]]) -> int:
    """How often another thread goes on."""
    threads = [thread for thread, begun, _ in seen if begun]
    return sum(one != other for one, other in pairwise(threads))


def together(*jobs: Any) -> list[Any]:
    """What each gives; all begin at once."""
    results: list[Any] = [None] * len(jobs)
    start = threading.Barrier(len(jobs))

    def work(place: int) -> None:
        start.wait()
        results[place] = jobs[place]()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert None not in results
    return results


@pytest.mark.slow
def test_two_chats_never_use_the_base_model_at_once_and_each_is_finished_first(house):
    alone = [house.chat(columns=[None, run.id]) for run in (house.run, house.second)]
    base, _ = house.resident.run(house.run.id)
    with watched(base.model) as seen:
        found = together(*[lambda run=run: house.chat(columns=[None, run.id]) for run in (house.run, house.second, house.run)])
    assert found == [*alone, alone[0]]
    assert len({thread for thread, *_ in seen}) == 3 and one_at_a_time(seen)
    assert changes(seen) == 2, "an answer is written to its end before another is begun"


def queued(house: House, **form: Any) -> Any:
    settings = TrainForm(base=str(house.bases[0]), rank=2, positions="f2+l2", epochs=6, batch_size=6, held_out=0.0, **form)
    train.start(house.services, house.dataset.id, settings, f"turns {form}")
    held = house.services.storage.queue.claim("turns")
    assert held is not None
    return held


@pytest.mark.slow
def test_a_chat_and_a_step_of_training_never_use_the_base_model_at_once(house, monkeypatch):
    """With the run that is being trained itself, whose edit is in training mode between."""
    monkeypatch.setattr(job, "_check", lambda *_: None)  # a process of its own, which is no part of this
    house.chat()
    base, _ = house.resident.run(house.run.id)
    held = queued(house, dropout=0.2)
    over = threading.Event()

    def teach() -> bool:
        run_job(house.resident, held, lambda: False)
        over.set()
        return True

    def talk() -> int:
        count = 0
        while not over.is_set():
            running = house.resident.training_run
            house.chat(columns=[None, running or house.run.id], max_new_tokens=5)
            count += 1
        return count

    with watched(base.model) as seen:
        _, chats = together(teach, talk)
    assert house.services.storage.runs.get(held.run.id).status is RunStatus.FINISHED
    assert chats > 3 and any(learns for *_, learns in seen) and not all(learns for *_, learns in seen)
    assert one_at_a_time(seen)


@pytest.mark.parametrize("first", ["for_chat", "for_training"])
def test_a_turn_is_given_back_after_an_error(first):
    lock, done = BaseLock(), threading.Event()

    def next_one() -> None:
        for turn in (lock.for_chat, lock.for_training):
            with turn():
                pass
        done.set()

    with pytest.raises(ZeroDivisionError), getattr(lock, first)():
        raise ZeroDivisionError
    threading.Thread(target=next_one, daemon=True).start()
    assert done.wait(10), "whoever comes next waits for ever"


def test_a_stream_holds_its_turn_from_the_first_token_to_the_last(house):
    """And gives it back at the end, also when its reader goes away."""
    request = {"columns": [house.run.id], "messages": [{"role": "user", "content": PROMPT}], "max_new_tokens": 60}
    stream = house.services.worker.chat(request)
    base, _ = house.resident.run(house.run.id)
    with watched(base.model, pause=0.05) as seen:
        next(stream)
        assert house.resident.base_lock._busy
        stream.close()
        deadline = time.monotonic() + 20
        while house.resident.base_lock._busy:
            assert time.monotonic() < deadline, "the turn is not given back"
            time.sleep(0.01)
    assert len(seen) < 2 * 40, "nobody reads what is written any more"


def test_an_edit_that_is_in_training_mode_answers_without_dropout_and_is_left_as_it_was(house):
    base, reft = house.resident.run(house.run.id)
    calm = house.chat()
    kept = reft.reft_config
    reft.reft_config = kept.model_copy(update={"dropout": 0.9})
    reft.train()
    try:
        assert house.chat() == calm and reft.training
    finally:
        reft.reft_config = kept
        reft.eval()
    house.chat()
    assert not reft.training and not base.model.training


# What was read before


LONG = "Tell me about the cat, the dog, the cow and the owl, the hen and the pig, and then say which of them is the largest one of all."


@pytest.mark.slow
def test_the_memory_of_one_base_model_is_not_anothers(house):
    """Of two base models of one shape the keys and values of one would fit into the other, and be wrong."""
    wanted = [house.wanted(run, LONG) for run in (house.run, house.foreign)]
    for _ in range(2):
        for run, answers in zip((house.run, house.foreign), wanted, strict=True):
            assert house.chat(columns=[None, run.id], messages=[{"role": "user", "content": LONG}]) == answers
    first, second = house.resident.run(house.run.id)[0], house.resident.run(house.foreign.id)[0]
    assert first.model is not second.model
    assert house.resident.prompt_cache(first) is not house.resident.prompt_cache(second)
    assert house.resident.prompt_cache(second) is house.resident.prompt_cache(second)


def test_what_is_remembered_of_a_base_model_is_let_go_with_it(house):
    resident = Resident(house.services.storage)
    base = resident.base(str(house.bases[0]))
    resident.prompt_cache(base)
    assert len(resident._prompt_caches) == 1
    resident.base(str(house.bases[1]))
    del base
    assert len(resident._bases) == 1


@pytest.mark.slow
def test_the_next_turn_of_a_chat_is_answered_as_if_it_were_read_anew(house):
    """Also with what an edit has touched before, at another strength, and by another edit."""
    turns = [
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": "The cow."},
        {"role": "user", "content": "Are you sure of that?"},
    ]
    for columns in ([None, house.run.id], [house.second.id, None]):
        for strength in (1.0, 2.0):
            for messages in (turns[:1], turns):
                base, _ = house.resident.run(house.run.id)
                edits = [house.resident.run(column)[1] if column else None for column in columns]
                anew = generate(base, messages, edits, max_new_tokens=LENGTH, strength=strength)
                assert house.chat(columns=columns, messages=messages, strength=strength) == anew


def test_the_runs_of_two_base_models_are_not_answered_side_by_side(house):
    from app.errors import StudioError

    with pytest.raises(StudioError, match="different base models"):
        house.chat(columns=[house.run.id, house.foreign.id])


@pytest.mark.slow
def test_a_run_is_answered_with_its_own_base_model_whatever_was_loaded_before(house):
    for run in (house.foreign, house.run, house.foreign):
        assert house.chat(columns=[None, run.id], base="starter") == house.wanted(run)


@pytest.mark.slow
def test_a_run_that_was_trained_on_is_answered_with_its_new_edit(house, monkeypatch):
    """An adapter in memory is of one end of its run."""
    before = house.chat(columns=[house.second.id])
    again = api.Resident(house.services.storage)
    record = house.services.storage.runs.get(house.second.id)
    base, reft = again.run(house.second.id)
    monkeypatch.setattr(type(again.storage.runs), "get", lambda self, run_id: record)
    assert generate(base, conversation(), [reft], max_new_tokens=LENGTH) == before
    assert again.run(house.second.id)[1] is reft, "it is read once"
    with torch.no_grad():
        reft.intervention.bias.add_(1.0)
    assert again.run(house.second.id)[1] is reft
    later = type(record)(**{name: getattr(record, name) for name in record.__slots__} | {"finished_at": record.created_at})
    monkeypatch.setattr(type(again.storage.runs), "get", lambda self, run_id: later)
    assert again.run(house.second.id)[1] is not reft


def test_what_was_read_before_is_not_read_again(house):
    """Of a prompt that is asked again; every base model reads only what is new, or what an edit reaches."""
    turns = [{"role": "user", "content": f"{LONG} {LONG}"}]
    base, _ = house.resident.run(house.run.id)
    lengths: list[int] = []
    handle = base.model.register_forward_pre_hook(lambda _, args, given: lengths.append(given["input_ids"].shape[1]), with_kwargs=True)
    counts = []
    for _ in range(2):
        lengths.clear()
        house.chat(columns=[None], messages=turns, max_new_tokens=2)
        counts.append(max(lengths))
    handle.remove()
    assert counts[0] > 60 and counts[1] == 1


@pytest.mark.slow
def test_another_prompt_is_not_answered_with_what_was_read_of_the_first(house):
    """Also where it is as long, and where it begins alike and goes on otherwise."""
    for other in (LONG.replace("cat", "owl"), LONG.replace("largest", "smallest"), f"{LONG[:60]} What now?"):
        for text in (LONG, other):
            turns = [{"role": "user", "content": text}]
            assert house.chat(columns=[None], messages=turns) == house.wanted(prompt=text)[:1]
            assert house.chat(messages=turns) == house.wanted(prompt=text)


@pytest.mark.slow
def test_what_an_edit_has_touched_is_no_memory_of_the_base_model(house):
    """Whichever column is the base model's."""
    for columns in ([None, house.run.id], [house.run.id, None]):
        turns = [{"role": "user", "content": f"{LONG} Of {len(columns[0] or '')}."}]
        wanted = house.wanted(prompt=turns[0]["content"])[0]
        assert house.chat(columns=columns, messages=turns)[columns.index(None)] == wanted
        assert house.chat(columns=[None], messages=turns) == [wanted]
        more = [*turns, {"role": "assistant", "content": wanted}, {"role": "user", "content": "Are you sure?"}]
        base, _ = house.resident.run(house.run.id)
        assert house.chat(columns=[None], messages=more) == generate(base, more, max_new_tokens=LENGTH)


# What the worker trains with, and what the client says to it


def test_a_run_is_trained_with_every_setting_of_its_spec(house, monkeypatch):
    """What the engine is told is what the run's row holds; the rows are those of its dataset."""
    told: list[Any] = []

    class ToldError(Exception):
        pass

    def spy(base: Any, examples: Any, *wanted: Any, **given: Any) -> None:
        told.append((base, examples, *wanted, given["file_rows"], given["folder"], given["exclusive"]))
        raise ToldError

    monkeypatch.setattr(job, "train", spy)
    for dataset in (house.dataset, house.other_dataset):
        reft = ReftConfig(method="direft", rank=3, layers=(0, 2), positions="f1+l3", tied=False, dropout=0.1)
        settings = TrainConfig(epochs=4, learning_rate=0.0125, batch_size=3, held_out=0.3, max_length=64, keep="last", patience=6, seed=7)
        spec = RunSpec(base=str(house.bases[1]), reft=reft, train=settings)
        run = house.services.storage.runs.create(dataset.id, spec.model_dump(mode="json"))
        held = house.services.storage.queue.claim("spy")
        run_job(house.resident, held, lambda: False)
        base, examples, *wanted, rows, folder, exclusive = told.pop()
        assert (base.name, wanted, rows) == (spec.base, [reft, settings], dataset.rows)
        assert examples == load_examples(house.services.storage.files.rows(dataset.version))
        assert folder == house.services.storage.files.run_folder(run.id) and exclusive == house.resident.base_lock.for_training
        assert house.services.storage.runs.get(run.id).status is RunStatus.FAILED


def test_the_client_passes_on_whatever_it_is_given(house):
    client, (first, second) = house.services.worker, map(str, house.bases)
    row = {"line": 3, "messages": [["user", "a cat and a dog"]], "answer": "yes, it is one of them"}
    assert client.preview(first, [row], {}, 18)[0]["cut"] and not client.preview(first, [row], {})[0]["cut"]
    assert "Listen" in "".join(text for text, *_ in client.preview(second, [row], {})[0]["tokens"])
    house.chat(columns=[None])
    assert not client.describe(second, load=False)["loaded"]
    found = client.describe(second)
    assert found["context"] == 96 and found["loaded"]
    assert client.health() == {"pid": os.getpid(), "training": None, "trouble": ""}


def test_health_tells_what_trains_and_what_is_wrong(house):
    """What the pages and the address for health say comes from here."""
    base, reft = house.resident.run(house.run.id)
    house.resident.set_training("a run", base, reft)
    house.resident.set_trouble("The disk is full.")
    try:
        assert house.services.worker.health() == {"pid": os.getpid(), "training": "a run", "trouble": "The disk is full."}
    finally:
        house.resident.clear_training("a run")
        house.resident.set_trouble("")
    assert house.services.worker.health()["training"] is None
