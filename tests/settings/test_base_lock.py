"""The base model in the worker's memory: one user at a time, each base model's own memory, and no other's edits or modes."""

import asyncio
import gc
import json
import os
import socket
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from app.handlers import train
from app.handlers.train import TrainForm
from app.people.behalf import PAGE, behalf_headers
from app.worker import api, job
from app.worker import base_lock as base_lock_module
from app.worker import client as client_module
from app.worker import resident as resident_module
from app.worker.base_lock import BaseLock
from app.worker.check import FreshCheck
from app.worker.job import run_job
from app.worker.resident import Resident
from reft_engine import ReftConfig, TrainConfig, generate
from reft_engine.data import load_examples
from reft_engine.spec import RunSpec
from reft_engine.tokens import prompts
from storage import RunStatus
from tests.chatting import columns
from tests.serving import serving
from tests.settings.house import LENGTH, PROMPT, House, conversation
from tests.waiting import until


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
def test_two_chats_never_use_the_base_model_at_once_and_share_its_passes(house):
    alone = [house.chat(columns=[None, run.id]) for run in (house.run, house.second)]
    base, _ = house.resident.run(house.run.id)
    with watched(base.model) as seen:
        house.chat(columns=[None, house.run.id])
    passes = len(seen) // 2
    with watched(base.model) as seen:
        found = together(*[lambda run=run: house.chat(columns=[None, run.id]) for run in (house.run, house.second, house.run)])
    assert found == [*alone, alone[0]]
    assert one_at_a_time(seen) and len(seen) // 2 < 2.5 * passes, "a pass is for all who wait"


def queued(house: House, **form: Any) -> Any:
    settings = TrainForm(base=str(house.bases[0]), rank=2, positions="f2+l2", epochs=6, batch_size=6, held_out=0.0, **form)
    train.start(house.services, house.dataset.id, settings, f"turns {form}")
    held = house.services.storage.queue.claim("turns")
    assert held is not None
    return held


@pytest.mark.slow
def test_a_chat_and_a_step_of_training_never_use_the_base_model_at_once(house, monkeypatch):
    """With the run that is being trained itself, whose edit is in training mode between."""
    monkeypatch.setattr(FreshCheck, "check", lambda *_: "")  # a process of its own, which is no part of this
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


def test_an_answer_ends_with_the_next_token_when_its_reader_has_gone(house):
    """And the turn is given back after each token, so that training goes on meanwhile."""
    request = {"columns": columns(house.run.id), "messages": [{"role": "user", "content": PROMPT}], "max_new_tokens": 60}
    stream = house.services.worker.chat(request)
    base, _ = house.resident.run(house.run.id)
    with watched(base.model, pause=0.05) as seen:
        next(stream)
        with house.resident.base_lock.for_training():
            assert not house.resident.engine(base).is_idle, "a step is made in the middle of an answer"
        stream.close()
        deadline = time.monotonic() + 20
        while not house.resident.engine(base).is_idle:
            assert time.monotonic() < deadline, "the row is not free"
            time.sleep(0.01)
    assert len(seen) < 2 * 40, "nobody reads what is written any more"


@pytest.mark.slow
def test_three_hundred_requests_of_one_client_do_not_keep_an_honest_person_waiting(house):
    """Over the worker's HTTP, counted in passes of the base model, by which everybody waits alike."""
    base, _ = house.resident.run(house.run.id)
    engine = house.resident.engine(base)
    transport = httpx.AsyncHTTPTransport(uds=str(house.services.storage.files.socket), limits=httpx.Limits(max_connections=400))
    turns = [{"role": "user", "content": PROMPT}]

    async def ask(client: httpx.AsyncClient, page: str, seen: list[Any]) -> int:
        """Passes until the first piece of text."""
        body = {"columns": columns(None), "base": str(house.bases[0]), "messages": turns, "max_new_tokens": 20}
        begun, first = len(seen), 0
        async with client.stream("POST", "/chat", json=body, headers={PAGE: page}) as answer:
            async for line in answer.aiter_lines():
                if json.loads(line).get("text") and not first:
                    first = (len(seen) - begun) // 2
        return first

    async def heard(look: Callable[[], bool]) -> None:
        await asyncio.to_thread(until, look, "what was asked")

    async def answered() -> tuple[int, list[int]]:
        async with httpx.AsyncClient(transport=transport, base_url="http://worker", timeout=120, headers=behalf_headers(None)) as client:
            with watched(base.model, pause=0.02) as seen:
                # No pass is made until all are heard, so that none of them counts how long this machine takes to hear three hundred.
                with house.resident.base_lock.for_training():
                    flood = [asyncio.create_task(ask(client, "flood", seen)) for _ in range(300)]
                    await heard(lambda: engine.waiting + sum(each.done() for each in flood) == len(flood))  # some are refused
                    before = engine.waiting
                    honest = asyncio.create_task(ask(client, "honest", seen))
                    await heard(lambda: engine.waiting == before + 1)
                return await honest, [await each for each in flood]

    honest, waited = asyncio.run(answered())
    assert 0 < honest < max(waited) / 2, "it is read at once, while whoever asks three hundred times waits for itself"


@pytest.mark.slow
def test_adapters_are_kept_within_their_memory_and_the_latest_stay(house, monkeypatch):
    resident = Resident(house.services.storage)
    first, second = resident.run(house.run.id)[1], resident.run(house.second.id)[1]
    assert resident.run(house.run.id)[1] is first and resident.run(house.second.id)[1] is second
    monkeypatch.setattr("app.worker.resident._ADAPTER_BYTES", 1)
    resident._adapters.popitem(last=False)
    again = resident.run(house.run.id)[1]
    assert again is not first and len(resident._adapters) == 1 and resident.run(house.run.id)[1] is again


@pytest.mark.slow
def test_whoever_chats_waits_for_no_other_adapter_and_for_no_rows_that_are_tokenised(house, monkeypatch):
    """An adapter that takes long to load, and a file that takes long to encode, are waited for only by who needs them."""
    resident, first = Resident(house.services.storage), house.run.id
    base, _ = resident.run(first)
    begun, released, load = threading.Event(), threading.Event(), resident_module.load_adapter

    def slow(folder: Any, model: Any) -> Any:
        begun.set()
        assert released.wait(60)
        return load(folder, model)

    monkeypatch.setattr(resident_module, "load_adapter", slow)
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(resident.run(house.second.id)), daemon=True)
    waiting.start()
    assert begun.wait(60)
    engine = resident.engine(base)
    with prompts._TOKENISING.setdefault(base.tokenizer, threading.Lock()):
        answers = in_time(lambda: engine.submit("Hi", [resident.run(first)[1]], max_new_tokens=3).texts())
    assert len(answers) == 1 and not found
    released.set()
    waiting.join(60)
    assert found[0][0] is base and resident.run(house.second.id)[1] is found[0][1]


def in_time(act: Any) -> Any:
    """What a thread gives, which must not wait for anything that is held here."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(act()), daemon=True)
    thread.start()
    thread.join(60)
    assert found, "it waits"
    return found[0]


def test_training_gets_a_turn_in_ten_while_chats_go_on():
    lock, order = BaseLock(), list[str]()

    def take(name: str, turn: Any, count: int) -> None:
        for _ in range(count):
            with turn():
                order.append(name)
                time.sleep(0.002)

    threads = [threading.Thread(target=take, args=("chat", lock.for_chat, 60)) for _ in range(3)]
    threads.append(threading.Thread(target=take, args=("step", lock.for_training, 12)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = [place for place, name in enumerate(order) if name == "step"]
    assert steps[-1] < 150, "a busy chat does not starve it"
    assert all(later - earlier >= 9 for earlier, later in pairwise(steps[1:])), "and it takes no more than its share"


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
    assert house.resident.engine(first) is not house.resident.engine(second)
    assert house.resident.engine(second) is house.resident.engine(second)


def test_what_is_remembered_of_a_base_model_is_let_go_with_it(house):
    resident = Resident(house.services.storage)
    base = resident.base(str(house.bases[0]))
    kept = weakref.ref(resident.engine(base))
    resident.base(str(house.bases[1]))
    del base
    gc.collect()
    assert len(resident._bases) == 1 and kept() is None


@pytest.mark.slow
def test_the_next_turn_of_a_chat_is_answered_as_if_it_were_read_anew(house):
    """Also with what an edit has touched before, at another strength, and by another edit."""
    turns = [
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": "The cow."},
        {"role": "user", "content": "Are you sure of that?"},
    ]
    for pair in ([None, house.run.id], [house.second.id, None]):
        for strength in (1.0, 2.0):
            for messages in (turns[:1], turns):
                base, _ = house.resident.run(house.run.id)
                edits = [house.resident.run(column)[1] if column else None for column in pair]
                anew = generate(base, messages, edits, max_new_tokens=LENGTH, strength=strength)
                assert house.chat(columns=pair, messages=messages, strength=strength) == anew


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
    for pair in ([None, house.run.id], [house.run.id, None]):
        turns = [{"role": "user", "content": f"{LONG} Of {len(pair[0] or '')}."}]
        wanted = house.wanted(prompt=turns[0]["content"])[0]
        assert house.chat(columns=pair, messages=turns)[pair.index(None)] == wanted
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
    assert client.health() == {"pid": os.getpid(), "training": None, "trouble": "", "stands": 0.0}


def test_health_tells_what_trains_and_what_is_wrong(house):
    """What the pages and the address for health say comes from here."""
    base, reft = house.resident.run(house.run.id)
    house.resident.set_training("a run", base, reft)
    house.resident.set_trouble("The disk is full.")
    try:
        assert house.services.worker.health() == {"pid": os.getpid(), "training": "a run", "trouble": "The disk is full.", "stands": 0.0}
    finally:
        house.resident.clear_training("a run")
        house.resident.set_trouble("")
    assert house.services.worker.health()["training"] is None


def test_health_says_that_the_engine_stands(house, monkeypatch):
    monkeypatch.setattr(client_module, "_STUCK_SECONDS", 0.0)
    with serving(house.services) as site:
        assert httpx.get(f"{site.address}/healthz").json()["status"] == "ok"
        monkeypatch.setattr(base_lock_module, "_USUAL", 0.0)
        with house.resident.base_lock.for_training():
            assert house.services.worker.is_stuck()
            found = httpx.get(f"{site.address}/healthz")
            assert found.status_code == 503 and found.json()["status"] == "stuck" and found.json()["worker"]["up"]
        found = httpx.get(f"{site.address}/healthz")
        assert found.status_code == 200 and found.json()["status"] == "ok"


def test_a_step_that_is_as_long_as_those_before_is_no_trouble():
    lock = BaseLock()
    assert lock.stands == 0.0
    lock._longest = base_lock_module._LONGEST
    with lock.for_chat():
        assert lock.stands == 0.0
    lock._longest = 0.0
    with lock.for_chat():
        assert lock.stands > 0.0


@pytest.mark.slow
def test_an_engine_that_takes_a_call_and_says_nothing_is_stuck_and_one_that_is_not_there_is_not(monkeypatch):
    monkeypatch.setattr(client_module, "_STUCK_SECONDS", -1.0)
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:  # its path is short
        silent = client_module.WorkerClient(Path(folder) / "s")
        assert not silent.is_stuck()
        listening.bind(str(Path(folder) / "s"))
        listening.listen()
        assert silent.is_stuck() and silent.health() is None
