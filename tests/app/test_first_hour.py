"""What a newcomer meets at the command line: each time one sentence or the right thing."""

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest

from app.cli import main
from tests.ports import free_port
from tests.waiting import PATIENCE, until

QUICK = ["--rank", "1", "--positions", "l1", "--epochs", "1"]


class Terminal:
    """A studio as started in a terminal: what it prints, line by line, and Ctrl+C, which reaches its whole process group."""

    def __init__(self, arguments, environment):
        command = [sys.executable, "-m", "app", *arguments]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def says(self, words):
        until(lambda: self.process.poll() is not None or any(words in line for line in self.lines), f"a line with '{words}'")
        assert self.process.poll() is None, self.lines
        return self

    def ready(self):
        return self.says("is ready")

    def refused(self):
        """The exit code of a studio that does not come up."""
        until(lambda: self.process.poll() is not None or any("is ready" in line for line in self.lines), "a refusal")
        assert self.process.poll() is not None, self.lines
        return self.ended()

    def ctrl_c(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self):
        code = self.process.wait(timeout=PATIENCE)
        self._reader.join(timeout=PATIENCE)
        return code


@pytest.fixture
def terminal_of(environment):
    opened = []

    def open_terminal(*arguments, **changes):
        opened.append(Terminal(arguments, {**environment, **changes}))
        return opened[-1]

    yield open_terminal
    for each in opened:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.wait(timeout=PATIENCE)


@pytest.fixture
def terminal(terminal_of):
    return functools.partial(terminal_of, "serve", "--no-browser")


@contextmanager
def streaming(address):
    """What an open page holds: a stream that ends only with its server."""
    with httpx.stream("GET", f"{address}/gradio_api/heartbeat/page", timeout=PATIENCE) as answer:
        assert "ALIVE" in next(answer.iter_text())
        yield answer


# Starting and ending the pages


def test_ctrl_c_before_the_pages_are_up_says_one_sentence(terminal, tmp_path):
    studio = terminal("--port", str(free_port()), "--data-dir", str(tmp_path / "data"))
    until(lambda: studio.lines, "the first line")
    studio.ctrl_c()
    assert studio.ended() == 130
    assert studio.lines == ["Starting ReFT Studio ...", "reft-studio: stopped."]


@pytest.mark.parametrize(
    ("module", "command"), [("app.cli", "doctor"), ("sqlalchemy", "backup x.zip"), ("gradio", "serve"), ("uvicorn", "serve")]
)
def test_ctrl_c_while_the_program_is_being_read_says_one_sentence(environment, tmp_path, module, command):
    """Also where a library swallows what Python makes of the key press."""
    program = f"""
import contextlib, os, signal, sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == {module!r}:
            with contextlib.suppress(BaseException):
                os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted())
from app.__main__ import main
sys.exit(main())
"""
    begun = [sys.executable, "-c", program, *command.split(), "--data-dir", str(tmp_path)]
    done = subprocess.run(begun, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (130, "reft-studio: stopped.\n")


def test_ctrl_c_ends_a_command_in_order_and_says_whether_it_goes_on(terminal_of, table_file, tiny_base, tmp_path):
    asked = ["--data", str(table_file), "--base", str(tiny_base), "--out", str(tmp_path / "out"), *QUICK]
    training = terminal_of("train", *asked, "--epochs", "5000")
    training.says("step 10/")
    training.ctrl_c()
    assert training.ended() == 130
    assert training.lines[-1] == "reft-studio: stopped; the same command continues." and "Traceback" not in "".join(training.lines)


def test_a_taken_port_is_said_with_one_that_is_free(tmp_path, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--no-browser", "--port", str(port), "--data-dir", str(tmp_path / "data")]) == 2
    said = capfd.readouterr().err
    begin = f"reft-studio: Port {port} on 127.0.0.1 is taken. Choose another (--port "
    assert said.startswith(begin)
    offered = int(said[len(begin) :].partition(",")[0])
    assert said == f"{begin}{offered}, or make run PORT={offered}).\n"
    assert offered != port
    with socket.socket() as free:
        free.bind(("127.0.0.1", offered))


def test_a_port_or_an_address_that_cannot_be_had_is_said(tmp_path, capfd):
    assert main(["serve", "--no-browser", "--host", "no.such.host.invalid", "--data-dir", str(tmp_path / "data")]) == 2
    assert "Port 7860 on no.such.host.invalid cannot be used: " in capfd.readouterr().err


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_data_folder_that_cannot_be_made_is_said(tmp_path, capfd, place):
    (tmp_path / "file").write_text("")
    assert main(["serve", "--no-browser", "--port", str(free_port()), "--data-dir", str(tmp_path / place)]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"reft-studio: The data folder {tmp_path / place} cannot be used: ") and "--data-dir DIR" in said


@pytest.fixture(scope="module")
def opened(tmp_path_factory, environment):
    """A studio that finds something of an ended one in its data folder, and where Gradio's own place cannot even be a folder."""
    folder = tmp_path_factory.mktemp("opened")
    (folder / "tmp").mkdir()
    (folder / "tmp" / "gradio").write_text("somebody else's")
    left = folder / "data" / "uploads" / "abc"
    left.mkdir(parents=True)
    (left / "rows.csv").write_text("old")
    (left.parent / "file").write_text("old")
    port = free_port()
    given = {**environment, "TMPDIR": str(folder / "tmp"), "GRADIO_TEMP_DIR": ""}
    studio = Terminal(["serve", "--no-browser", "--port", str(port), "--data-dir", str(folder / "data")], given)
    try:
        yield studio.ready(), f"http://127.0.0.1:{port}", folder / "data"
    finally:
        if studio.process.poll() is None:
            studio.ctrl_c()
        studio.ended()


def test_what_an_ended_studio_left_among_the_uploads_goes_at_the_next_start(opened):
    _, _, data = opened
    assert not (data / "uploads" / "abc").exists() and not (data / "uploads" / "file").exists()


def test_uploads_lie_in_the_data_folder_and_not_where_all_users_of_the_machine_would_share_them(opened):
    """Gradio's own place belongs to whoever used it first."""
    _, address, data = opened
    answer = httpx.post(f"{address}/gradio_api/upload", files={"files": ("rows.csv", b"prompt,answer\na,b\n")}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    (path,) = answer.json()
    assert path.startswith(f"{data}/uploads/")
    assert httpx.get(f"{address}/gradio_api/file={path}", timeout=PATIENCE).status_code in (403, 404), "nobody reads another's upload"


def test_what_libraries_print_of_their_own_failures_goes_to_the_log(opened):
    """Gradio prints a traceback, for example, when an event names a choice that there is no more."""
    studio, address, data = opened
    config = httpx.get(f"{address}/config", timeout=PATIENCE).json()
    runs = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "playground-run")
    event = next(each["id"] for each in config["dependencies"] if each["inputs"] == [runs] and each["backend_fn"])
    body = {"fn_index": event, "data": ["a run of yesterday"], "session_hash": "x"}
    answer = httpx.post(f"{address}/gradio_api/run/predict", json=body, timeout=PATIENCE)
    number = answer.headers["x-request-id"]
    assert answer.status_code == 422 and number in answer.json()["error"]
    found = until(lambda: re.search(rf" {number} .*\n(    .*\n)*", (data / "web.log").read_text()), "the number in the log")
    assert "Traceback" in found.group() and "a run of yesterday" in found.group()
    assert len(studio.lines) == 2, "that it starts and that it is ready"


def test_ctrl_c_reaches_the_worker_only_through_the_studio_which_ends_it_in_order(opened):
    studio, _, data = opened
    worker = until(lambda: health(data), "the worker")["pid"]
    assert os.getsid(worker) != os.getsid(studio.process.pid)
    studio.ctrl_c()
    studio.ctrl_c()  # pressed twice
    assert studio.ended() == 0 and not any("Traceback" in line for line in studio.lines)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def health(data):
    """What the worker of a data folder says of itself."""
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(data / "worker.sock")), base_url="http://worker", timeout=5) as client:
            return client.get("/health").json()
    except httpx.HTTPError:
        return None


def test_a_second_studio_on_a_data_folder_says_where_the_first_one_is(terminal, tmp_path):
    port, data = free_port(), tmp_path / "data"
    first = terminal("--port", str(port), "--data-dir", str(data)).ready()
    second = terminal("--port", str(free_port()), "--data-dir", str(data))
    assert second.refused() == 2
    assert second.lines == [
        f"reft-studio: A studio is running on the data folder {data} already at http://127.0.0.1:{port}. Use that one, end it, or name "
        "another folder (--data-dir DIR, or make run DATA=DIR)."
    ]
    again = terminal("--port", str(port), "--data-dir", str(data))  # the same command once more
    assert again.refused() == 2 and again.lines == second.lines
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE).status_code == 200
    first.process.kill()  # whatever ends it, the folder is free again
    first.ended()
    third = terminal("--port", str(port), "--data-dir", str(data)).ready()
    ctrl_c_ends_it_with_a_page_open_and_says_one_sentence(third, port, data)


def ctrl_c_ends_it_with_a_page_open_and_says_one_sentence(studio, port, data):
    with streaming(f"http://127.0.0.1:{port}"):
        studio.ctrl_c()
        assert studio.ended() == 0
    assert studio.lines == [
        "Starting ReFT Studio ...",
        f"ReFT Studio is ready: http://127.0.0.1:{port}  (data in {data}; Ctrl+C ends it)",
        "Ending. What is in training goes on when the studio is started again.",
    ]
    assert "Traceback" not in (data / "web.log").read_text(), "the page's stream was ended, not broken off"


# What a command is asked for


@pytest.fixture(scope="module")
def adapter(tmp_path_factory, table_file, tiny_base):
    out = tmp_path_factory.mktemp("first") / "out"
    assert main(["train", "--data", str(table_file), "--base", str(tiny_base), "--out", str(out), *QUICK]) == 0
    return out


def commands(adapter, table_file, base, folder):
    data = ["--data-dir", str(folder / "data")]
    rows = ["--data", str(table_file), "--base", str(base)]
    return {
        "train": ["train", *rows, "--out", str(folder / "run"), *QUICK],
        "train again": ["train", *rows, "--out", str(folder / "run"), *QUICK],
        "sweep": ["sweep", *rows, "--out", str(folder / "runs"), *QUICK],
        "inspect": ["inspect", str(table_file)],
        "chat": ["chat", str(adapter), "--prompt", "Hi", "--max-new-tokens", "2"],
        "evaluate": ["evaluate", str(adapter), "--data", str(table_file)],
        "doctor": ["doctor"],
        "backup": ["backup", str(folder / "b.zip"), *data],
        "restore": ["restore", str(folder / "b.zip"), "--data-dir", str(folder / "back")],
    }


@pytest.mark.slow
def test_the_outcome_of_a_command_is_on_standard_output(adapter, table_file, tiny_base, tmp_path, services, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("plain", "json"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data").symlink_to(services.storage.files.root)
    for name, command in commands(adapter, table_file, tiny_base, tmp_path / "plain").items():
        capfd.readouterr()
        assert main(command) == 0, name
        assert capfd.readouterr().out.strip(), f"{name} says nothing on standard output"
    for name, command in commands(adapter, table_file, tiny_base, tmp_path / "json").items():
        capfd.readouterr()
        assert main([*command, "--json"]) == 0, name
        assert len(capfd.readouterr().out.splitlines()) == 1, f"{name} --json is one line"
