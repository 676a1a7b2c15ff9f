import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from safetensors.torch import load_file

from app.errors import StudioError
from app.handlers import datasets, runs, train, workbench
from app.launchers.local import Supervisor
from app.people.behalf import behalf_headers
from app.worker.base_lock import BaseLock
from app.worker.client import WorkerClient
from app.worker.failures import explain_worker_exit
from app.worker.messages import ALREADY_SERVED
from app.worker.row_checks import RowChecks
from reft_engine import Example, ReftConfig, TrainConfig, load_base
from reft_engine import train as train_here
from reft_engine.base.loading import load_tokenizer
from reft_engine.data import Message, StoredExamples, dump_examples, load_examples
from reft_engine.spec import RunSpec
from reft_engine.training import check_rows
from storage import NotFoundError, RunStatus, StorageError
from tests.chatting import asked_of_both, column, columns, followed, said
from tests.hub import COMMIT, Hub
from tests.preloaded import Preloaded, run_worker
from tests.waiting import PATIENCE
from tests.waiting import until as wait_until

LONG = train.TrainForm(rank=2, positions="f2+l2", epochs=3000, batch_size=6, held_out=0.2, learning_rate=0.05)


@pytest.fixture(scope="session")
def raw(engine):
    """HTTP to the worker without our client, to see what goes over the wire."""
    transport = httpx.HTTPTransport(uds=str(engine.storage.files.socket))
    with httpx.Client(transport=transport, base_url="http://worker", timeout=PATIENCE, headers=behalf_headers(None)) as client:
        yield client


@pytest.fixture
def training(engine, kept, tiny_base, until, ended, request):
    """A run in the middle of its training."""
    run = train.start(engine, kept.id, replace(LONG, base=str(tiny_base)), request.node.name, "Long")
    until(lambda: runs.view(engine, run.id).run.step > 5, "the sixth step")
    yield run
    with suppress(NotFoundError):  # a test may have deleted it
        runs.stop(engine, run.id)
        ended(engine, run)


def running(pid):
    return Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()


@contextmanager
def supervised(settings, services):
    supervisor = Supervisor(settings, services.storage)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


# BaseLock


def test_one_at_a_time_uses_the_model():
    lock, busy, most, together = BaseLock(), [], [], threading.Barrier(6)

    def use(turn):
        together.wait(PATIENCE)
        for _ in range(10):
            with turn():
                busy.append(1)
                time.sleep(0.001)  # in which every other thread may come in, if it is let
                most.append(len(busy))
                busy.pop()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(use, (lock.for_chat, lock.for_training) * 3))
    assert len(most) == 60 and set(most) == {1}


def test_a_chat_goes_before_training_that_waited_longer(until):
    lock, order = BaseLock(), []

    def use(turn, name):
        with turn():
            order.append(name)

    with ThreadPoolExecutor(2) as pool, lock.for_training():
        pool.submit(use, lock.for_training, "training")
        until(lambda: len(lock._changed._waiters) == 1, "training that waits")
        pool.submit(use, lock.for_chat, "chat")
        until(lambda: len(lock._changed._waiters) == 2, "a chat that waits")
        assert order == []
    assert order == ["chat", "training"]


def test_a_turn_that_fails_is_given_back():
    lock = BaseLock()
    for turn in (lock.for_chat, lock.for_training):
        with pytest.raises(RuntimeError), turn():
            raise RuntimeError
    with lock.for_training():
        pass


# Over the wire


def test_the_worker_says_who_it_is_and_what_the_base_model_is(engine):
    assert running(engine.worker.health()["pid"])
    found = engine.worker.describe("starter")
    assert found["layers"] > 0 and found["hidden_size"] > 0 and found["parameters"] > 1e6 and found["context"] >= 256


def test_an_answer_comes_in_lines_of_json_and_ends(raw, finished):
    request = {
        "columns": columns(None, finished.id, None),
        "messages": [{"role": "user", "content": "What is 2 cat?"}],
        "max_new_tokens": 12,
    }
    with raw.stream("POST", "/chat", json=request) as response:
        assert response.headers["content-type"].startswith("application/x-ndjson")
        lines = [json.loads(line) for line in response.iter_lines()]
    assert lines[-1] == {"done": True}
    texts = ["".join(line["text"] for line in lines[:-1] if line["column"] == column) for column in range(3)]
    assert texts[0] == texts[2] != texts[1]
    assert sorted(line["column"] for line in lines[:-1] if line["ended"]) == [0, 1, 2]


@pytest.mark.parametrize("run_id", ["nothing", "", "../../etc/passwd", "x" * 10_000])
def test_an_unknown_run_cannot_answer(engine, run_id):
    request = {"columns": [column(), {"kind": "run", "run": run_id}], "messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(StudioError, match="no such run" if run_id == "nothing" else "out of range"):
        list(engine.worker.chat(request))


@pytest.mark.parametrize(
    "change",
    [
        {"columns": []}, {"columns": [column()] * 9}, {"columns": "x"}, {"columns": [None]}, {"messages": []},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}] * 101}, {"messages": [{"role": "user", "content": "x" * 200_001}]},
        {"messages": [{"role": "user", "content": "x", "name": "y"}]}, {"max_new_tokens": 4000}, {"columns": [column(strength=11)]},
        {"columns": [column(strength="NaN")]}, {"seed": -1}, {"temperature": "hot"}, {"output_dir": "/tmp"}, {"base": "x" * 400},
    ],
)  # fmt: skip
def test_a_request_out_of_range_is_refused_before_anything_is_done(raw, engine, change):
    request = {"columns": [column()], "messages": [{"role": "user", "content": "x"}], "max_new_tokens": 2}
    assert raw.post("/chat", json={**request, **change}).status_code == 422
    with pytest.raises(StudioError, match="out of range"):
        list(engine.worker.chat({**request, **change}))
    assert list(engine.worker.chat(request))[-1] == {"done": True}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/chat"), ("POST", "/health")]
)
def test_there_is_nothing_else_to_ask(raw, method, path):
    assert raw.request(method, path).status_code in (404, 405)


def test_rows_are_previewed_and_a_preview_that_is_no_row_is_refused(engine):
    row = {"line": 3, "messages": [["user", "a cat"]], "answer": "yes"}
    odd = {**row, "messages": [{"role": "user", "content": "a cat"}]}
    (found,) = engine.worker.preview("starter", [row], {"positions": "l1"})
    assert found["line"] == 3 and found["problem"] is None
    assert found["prompt_tokens"] + found["answer_tokens"] == len(found["tokens"])
    assert [index for index, (_, _, edited) in enumerate(found["tokens"]) if edited] == [found["prompt_tokens"] - 1]
    for rows, config in (([{}], {}), ([odd], {}), ([row] * 51, {}), ([row], {"positions": "f0"}), ([row], {"code": "x"})):
        with pytest.raises(StudioError):
            engine.worker.preview("starter", rows, config)
    assert engine.worker.preview("starter", [row], {})


def test_rows_are_read_once_whatever_the_seed_and_the_held_out_share(tmp_path):
    checks, loads = RowChecks(), []
    path = tmp_path / "rows.jsonl"
    path.write_bytes(dump_examples(Example(line, (Message("user", f"<reft>{line}</reft>"),), "yes") for line in range(12)))

    def check(content="a", reft=None, rows=None, **settings):
        def load():
            loads.append(content)
            return StoredExamples(path)

        return checks.check(content, load, base, reft or ReftConfig(), TrainConfig(**settings), rows)

    base = load_tokenizer()
    first = check()
    assert first == check(epochs=7, learning_rate=1e-3, reft=ReftConfig(rank=2, positions="l1")) and loads == ["a"]
    for change in ({"held_out": 0.5}, {"seed": 1}, {"rows": 13}):
        rows = change.get("rows")
        settings = TrainConfig(**{name: value for name, value in change.items() if name != "rows"})
        assert check(**change) == check_rows(base, load_examples(path), None, settings, rows=rows)
    assert loads == ["a"], "another division needs no row again"
    for change in ({"content": "b"}, {"max_length": 12}, {"answer_tokens": 1}, {"reft": ReftConfig(positions="marked")},
                   {"reft": ReftConfig(labels=("yes", "no"))}):  # fmt: skip
        check(**change)
    assert len(loads) == 6


def test_the_worker_counts_an_upload_and_the_dataset_that_it_becomes_alike(engine, kept, table_file):
    upload = workbench.find_upload(engine, workbench.take(engine, str(table_file)))
    check = datasets.check_upload(engine, datasets.read_upload(str(upload)))
    assert (check.base, check.rows, check.usable_rows, check.trained, check.held_out) == ("starter", 24, 24, 22, 2)
    assert datasets.check_dataset(engine, kept.id, RunSpec()) == check
    for elsewhere in (str(table_file), "/etc/passwd", "../../rows.jsonl", ""):
        with pytest.raises(StudioError, match="not in the form"):
            engine.worker.check({"upload": elsewhere, "base": "starter"})


def test_what_is_not_on_this_machine_is_not_fetched_to_count_with(engine, kept):
    assert datasets.check_dataset(engine, kept.id, RunSpec(base="nobody/nothing")) is None
    with pytest.raises(StudioError, match="neither"):
        datasets.check_dataset(engine, kept.id, RunSpec(base="/etc/passwd"))


def test_a_count_that_cannot_be_is_refused(engine):
    row = {"line": 1, "messages": [["user", "a"]], "answer": "b"}
    for change in ({"rows": [{}]}, {"dataset": "../x"}, {"dataset": "nothing"}, {"train": {"epochs": 0}}, {"reft": {"x": 1}}, {"x": 1}):
        with pytest.raises((StudioError, NotFoundError)):
            engine.worker.check({"rows": [row], **change})


def test_a_base_model_that_is_not_here_is_refused_in_words(engine):
    for name, words in (("nobody/nothing", "not on this machine"), ("/etc/passwd", "neither"), ("https://example.org/x", "neither")):
        with pytest.raises(StudioError, match=words):
            engine.worker.describe(name)


def test_without_a_worker_the_client_says_so_at_once(tmp_path):
    client = WorkerClient(tmp_path / "no.sock")
    assert client.health() is None
    for ask in (lambda: client.describe("starter"), lambda: list(client.chat({})), lambda: client.preview("starter", [], {})):
        with pytest.raises(StudioError, match="still starting"):
            ask()


def test_a_worker_that_says_nonsense_is_not_up(tmp_path):
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def reply():
            for _ in range(2):
                taken, _ = listening.accept()
                with taken:
                    taken.recv(65536)
                    taken.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 7\r\nConnection: close\r\n\r\nno json")

        with ThreadPoolExecutor(1) as pool:
            both = pool.submit(reply)
            assert WorkerClient(path).health() is None
            with pytest.raises(StudioError, match="its log has the details"):
                WorkerClient(path).describe("starter")
            both.result(PATIENCE)


def test_none_but_its_owner_may_talk_to_the_worker(engine):
    assert stat.S_IMODE(engine.storage.files.socket.stat().st_mode) == 0o600


# While it trains


def test_a_run_in_training_answers_has_one_worker_alone_and_is_deleted_once_it_is_stopped(engine, training, until, ended):
    """Three claims of one run, which is stopped in the last: to start and to end another for each costs much more than to look."""
    it_answers_while_it_trains_and_training_goes_on(engine, training, until)
    a_second_worker_refuses_and_the_first_goes_on(engine, training, until)
    it_is_not_deleted_while_it_is_in_hand_and_can_be_taken_away_when_stopped(engine, training, ended)


def it_answers_while_it_trains_and_training_goes_on(engine, training, until):
    assert engine.worker.health()["training"] == training.id

    def ask():
        lines = followed(engine, asked_of_both(training.id, "What is 2 cat?"))
        assert lines[-1] == {"done": True}
        return said(lines)

    base, tuned = ask()
    assert base and tuned
    until(lambda: ask()[1] != tuned, "another answer")
    assert ask()[0] == base


def a_second_worker_refuses_and_the_first_goes_on(engine, training, until):
    first = engine.worker.health()["pid"]
    with supervised(engine.settings, engine) as other:
        until(lambda: other._process and other._process.poll() is not None, "the end of the second worker")
        assert other._process.returncode == ALREADY_SERVED
    assert "another worker already serves" in engine.storage.files.worker_log.read_text()
    health = engine.worker.health()
    assert (health["pid"], health["training"], health["trouble"]) == (first, training.id, "")
    told = [event.text for event in engine.storage.events.all(training.id)]
    assert not any("unexpectedly" in text for text in told)


def it_is_not_deleted_while_it_is_in_hand_and_can_be_taken_away_when_stopped(engine, training, ended):
    with pytest.raises(StorageError, match="stop it first"):
        runs.delete(engine, training.id)
    runs.stop(engine, training.id)
    run = ended(engine, training)
    assert run.status is RunStatus.STOPPED and f"after step {run.step} of {run.total_steps}" in run.sentence
    assert 5 < run.step < run.total_steps
    assert runs.adapter_zip(engine, run.id)[0] == "Long.zip"
    runs.delete(engine, run.id)
    assert engine.storage.files.run_folder(run.id).is_dir(), "it may be taken out of the bin again"
    runs.empty_bin(engine)
    assert not engine.storage.files.run_folder(run.id).exists()


def test_chatting_with_a_run_changes_nothing_of_what_it_learns(engine, kept, tiny_base, ended, tmp_path):
    form = train.TrainForm(base=str(tiny_base), rank=2, epochs=40, batch_size=6, held_out=0, dropout=0.3, seed=5)
    run = train.start(engine, kept.id, form, "disturbed")
    answered = 0
    while answered < 12 and not engine.storage.runs.get(run.id).status.ended:
        with suppress(StudioError):  # it has not begun yet
            answered += followed(engine, asked_of_both(run.id, "What is 2 cat?", settings={"max_new_tokens": 3}))[-1] == {"done": True}
    assert answered
    assert ended(engine, run).status is RunStatus.FINISHED
    same = undisturbed(engine, kept, train.read_form(engine.settings, form), tmp_path / "same")
    one = load_file(engine.storage.files.adapter(run.id) / "reft_model.safetensors")
    assert one and one.keys() == same.keys() and all(one[name].equal(same[name]) for name in one)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no row to train on"), (b"{}\n", "damaged"), (None, "damaged")],
)
def test_a_dataset_that_is_damaged_fails_in_words_and_the_next_run_goes_on(engine, table_file, quick, ended, content, words):
    spoilt = datasets.save_upload(engine, str(table_file), label="spoilt.csv")
    path = engine.storage.files.rows(spoilt.version)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(StudioError, match=r"damaged|none can be trained on"):
        train.start(engine, spoilt.id, quick, "spoilt")
    run = ended(engine, engine.storage.runs.create(spoilt.id, train.read_form(engine.settings, quick).model_dump(mode="json")))
    assert run.status is RunStatus.FAILED and words in run.sentence and run.failure.kind == "data"


def test_a_run_is_trained_on_its_own_version_of_the_rows(engine, table_file, quick, ended):
    kept = datasets.save_upload(engine, str(table_file), label="versions.csv")
    few = b"".join(engine.storage.files.rows(kept.version).read_bytes().splitlines(keepends=True)[:8])
    changed = engine.storage.datasets.add_version(
        kept.id, label="versions.csv", shape="pairs", rows=8, usable_rows=8, examples=few, change="16 rows were dropped."
    )
    spec = train.read_form(engine.settings, quick).model_dump(mode="json")
    made = [engine.storage.runs.create(kept.id, spec, version_id=version) for version in (kept.version.id, changed.version.id)]
    assert [ended(engine, run).summary["rows"] for run in made] == [24, 8]


def test_a_run_whose_folder_cannot_be_written_fails_in_words(engine, kept, quick, ended):
    run = engine.storage.runs.create(kept.id, train.read_form(engine.settings, quick).model_dump(mode="json"))
    folder = engine.storage.files.run_folder(run.id)
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_text("a file where a folder goes")
    run = ended(engine, run)
    assert run.status is RunStatus.FAILED and "could not be written" in run.sentence and run.failure.kind == "disk"


# Alone


def kill(services, until):
    pid = services.worker.health()["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not services.worker.health(), "the death of the worker")
    return pid


@pytest.mark.process
def test_a_run_whose_worker_is_killed_goes_on_from_its_checkpoint(services, dataset, tiny_base, until, ended, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret too")
    monkeypatch.setenv("REFT_STUDIO_MODELS", '["secret/model"]')
    form = train.TrainForm(base=str(tiny_base), rank=2, positions="f2+l2", epochs=30, batch_size=1, held_out=0.2, dropout=0.1)
    services = replace(services, settings=services.settings.model_copy(update={"models": [str(tiny_base)]}))
    run = train.start(services, dataset.id, form, "page")
    with supervised(services.settings, services) as supervisor:
        checkpoints = services.storage.files.run_folder(run.id) / "checkpoint"
        until(lambda: list(checkpoints.glob("*.safetensors")), "a checkpoint")
        given = Path(f"/proc/{services.worker.health()['pid']}/environ").read_bytes().split(b"\0")
        killed = kill(services, until)
        seen = []
        with suppress(StudioError):  # the engine is up again, the run perhaps not yet
            followed(services, asked_of_both(run.id, "What is 2 cat?", settings={"max_new_tokens": 3}), seen)
        assert seen[0] == {"starting": True}
        assert until(services.worker.health, "another worker")["pid"] != killed
        done = ended(services, run)
        pid = supervisor._process.pid
    assert not running(pid) and not running(killed)
    assert done.status is RunStatus.FINISHED and done.step == done.total_steps == 30 * 19
    told = [event.text for event in services.storage.events.all(run.id)]
    assert any("most likely because it ran out of memory" in text for text in told)
    assert any("goes on from its last checkpoint" in text for text in told)
    log = services.storage.files.log(run.id).read_text()
    assert log.count("step 0: held-out") == 1
    steps = [point.step for point in services.storage.metrics.after(run.id) if point.name == "loss"]
    assert steps == list(range(1, done.total_steps + 1))
    assert {entry.partition(b"=")[0] for entry in given} & {b"HF_TOKEN", b"AWS_SECRET_ACCESS_KEY", b"REFT_STUDIO_MODELS"} == set()
    assert b"OMP_WAIT_POLICY=PASSIVE" in given
    same = undisturbed(services, dataset, train.read_form(services.settings, form), tmp_path / "same")
    one = load_file(services.storage.files.adapter(run.id) / "reft_model.safetensors")
    assert one and one.keys() == same.keys() and all(one[name].equal(same[name]) for name in one)


def undisturbed(services, dataset, spec, out):
    """What the same run ends with when nothing happens to it."""
    train_here(load_base(spec.base), load_examples(services.storage.files.rows(dataset.version)), spec.reft, spec.train, folder=out)
    return load_file(out / "adapter" / "reft_model.safetensors")


def test_a_run_that_kills_its_worker_three_times_is_given_up_and_may_be_tried_again(services, dataset):
    run = train.start(services, dataset.id, LONG, "page")
    supervisor = Supervisor(services.settings, services.storage)

    def die():
        services.storage.queue.claim("w").begin("Training.")
        supervisor._recover("w", partial(explain_worker_exit, -signal.SIGKILL))
        return services.storage.runs.get(run.id)

    assert [die().status for _ in range(3)] == [RunStatus.INTERRUPTED, RunStatus.INTERRUPTED, RunStatus.FAILED]
    failure = services.storage.runs.get(run.id).failure
    assert failure.kind == "memory" and "three times at the same step" in failure.what
    before = services.storage.runs.get(run.id).spec["train"]["pass_tokens"]
    assert runs.remedy(services, run.id).spec["train"]["pass_tokens"] < (before or 2048)
    assert die().status is RunStatus.INTERRUPTED, "what was tried before does not count against it"


def be_the_parent(data, born, when):
    """The parent of a worker, which may begin only when it is an orphan."""
    parent = os.getpid()
    if os.fork():
        return signal.pause()
    born.write_text(str(os.getpid()))
    wait_until(lambda: when == "once it answers" or os.getppid() != parent, "the end of the parent")
    os._exit(run_worker(["--data-dir", str(data), "--parent", str(parent)]))


@pytest.mark.process
@pytest.mark.parametrize("when", ["once it answers", "before it has begun"])
def test_the_worker_ends_with_its_parent(services, environment, until, tmp_path, when):
    born, said = tmp_path / "born", services.storage.files.worker_log
    parent = Preloaded(partial(be_the_parent, services.storage.files.root, born, when), environment, said)
    worker = int(until(lambda: born.exists() and born.read_text(), "the worker"))
    if when == "once it answers":
        until(services.worker.health, "the worker's first word")
    parent.kill()
    parent.wait()
    until(lambda: not running(worker), "the end of the worker")
    assert "Traceback" not in said.read_text()


@pytest.mark.process
def test_a_supervisor_stopped_while_it_starts_leaves_no_worker(services):
    for _ in range(3):
        with supervised(services.settings, services) as supervisor:
            pass
        supervisor._thread.join(timeout=PATIENCE)
        assert not supervisor._thread.is_alive()
        assert supervisor._process is None or supervisor._process.poll() is not None


@pytest.mark.process
def test_the_password_of_a_database_is_not_among_the_workers_arguments(services, tmp_path, until):
    url = f"sqlite:///{tmp_path / 'secret.db'}"
    settings = services.settings.model_copy(update={"database_url": url})
    with supervised(settings, services) as supervisor:
        until(lambda: supervisor._process, "a worker")
        pid = supervisor._process.pid
        assert b"secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert f"REFT_STUDIO_DATABASE_URL={url}".encode() in Path(f"/proc/{pid}/environ").read_bytes()


# Base models of the Hub

TRAIN_HERE = """
import json, sys
from pathlib import Path
from app.worker import job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine.formats.adapter import read_config
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from storage import Storage

folder, chatted, *asked = sys.argv[1:]
storage = Storage(Path(folder))
dataset = storage.datasets.all()[0]
resident, check = Resident(storage), FreshCheck.check
resident.base("owner/tiny", chatted)
found = []
for revision in asked:
    spec = RunSpec(base="owner/tiny", revision=revision or None, reft=ReftConfig(rank=1), train=TrainConfig(epochs=1))
    run = storage.runs.create(dataset.id, spec.model_dump(mode="json"))
    FreshCheck.check = check if revision else lambda check, adapter, base: ""  # what is not the newest is the harder one
    job.run_job(resident, storage.queue.claim("test"), lambda: False)
    ended = storage.runs.get(run.id)
    found.append([ended.status, ended.spec["revision"], read_config(storage.files.adapter(run.id))["base_model"]["revision"]])
print(json.dumps(found))
"""


def test_a_run_is_of_the_newest_revision_of_its_base_or_of_the_one_that_it_was_begun_with(
    services, dataset, tiny_base, tmp_path, environment
):
    """Also where another revision has been loaded to chat with."""
    earlier, begun = "a" * 40, "b" * 40
    hub = Hub({"owner/tiny": tiny_base})
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    command = [sys.executable, "-c", TRAIN_HERE, str(services.storage.files.root), earlier, "", begun]
    kept = {key: value for key, value in environment.items() if not key.startswith(("HF_", "HUGGING"))}
    there = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, env={**kept, **there}, capture_output=True, text=True, timeout=PATIENCE, check=False)
    hub.shutdown()
    hub.server_close()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [["finished", COMMIT, COMMIT], ["finished", begun, begun]]
