"""The studio that is attacked: the real command, a team of two, a real worker with a tiny model, and whoever asks it over HTTP."""

import functools
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from app.handlers import datasets, train
from app.people.asking import Person, asked_by
from app.people.file import People
from app.people.who import COOKIE
from app.services import Services
from storage import RunRecord, VotedAnswer
from tests.faults.studio import BASE, LARGER, ROOT, ROWS, TINY, Studio, make_base, wait

PHRASES = {"Ada": "a phrase of Ada's alone", "Bob": "what Bob alone knows"}
MARK = "adas-secret-words"
"""Stands in everything of Ada's; nobody else may ever be answered with it."""
SECRETS = {"HF_TOKEN": "hf_ThisIsTheServersOwnToken", "SOME_API_KEY": "key-of-the-house-1234"}
UPLOAD_MB = 20
"""Most that one upload may have here, so that going over it costs little."""
GROWTH = 500.0
"""Megabytes that web process and worker may grow by together."""
_PATIENCE = 60.0
"""Seconds after which whoever asks has been kept waiting for ever."""
_TALKS = re.compile(rb'Traceback \(most recent|File \\?"/|sqlalchemy|site-packages|sqlite3\.', re.IGNORECASE)
"""What only a traceback says."""


class House(Studio):
    """A studio with people, whose processes have secrets in their environment."""

    def __init__(self, folder: Path, *, models: tuple[Path, ...] = (), **environment: str) -> None:
        super().__init__(folder)
        self._more = environment
        self._models = [str(BASE), str(LARGER), *map(str, models)]
        self.people: dict[str, Person] = {}
        self.hers: dict[str, str] = {}
        self.run_of: dict[str, str] = {}
        self._sessions: dict[str, str] = {}
        self._logging_in = threading.Lock()

    def environment(self, **more: str) -> dict[str, str]:
        """See `Studio.environment`."""
        own = {
            "REFT_STUDIO_MODELS": json.dumps(self._models),
            "REFT_STUDIO_MAX_UPLOAD_MB": str(UPLOAD_MB),
            "REFT_STUDIO_PERSON_UPLOADS_MB": str(10 * UPLOAD_MB),
            **SECRETS,
            **self._more,
        }
        return super().environment(**{**own, **more})

    def serving(self, port: int) -> list[str]:
        """See `Studio.serving`."""
        return [*super().serving(port), "--people", "team"]

    def _answers(self) -> bool:
        """See `Studio._answers`: what strangers may ask."""
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/healthz", timeout=1).status_code == 200
        return False

    def open(self) -> None:
        """Add the people by the command, give Ada one of everything, and serve."""
        for base in (BASE, LARGER):
            make_base(base)
        for name, phrase in PHRASES.items():
            command = [sys.executable, "-m", "app.cli", "user", "add", name, "--data-dir", str(self.folder)]
            command += ["--operator"] if name == "Ada" else []
            subprocess.run(command, input=f"{phrase}\n", text=True, env=self.environment(), cwd=ROOT, check=True, capture_output=True)
        self.people = {member.name: member.person for member in People(self.folder).all()}
        self.start()
        before = os.umask(0o077)  # as the studio's own processes have it
        self.hers, his = _one_of_everything(self.of("Ada"), MARK), _one_of_everything(self.of("Bob"), "bobs-words")
        os.umask(before)
        self.run_of = {"Ada": self.hers["run_id"], "Bob": his["run_id"]}
        wait(lambda: all(self.runs(name)[-1].status.ended for name in PHRASES), what="the end of the first runs")
        self.hers["upload"] = self.visitor("Ada").upload("hers.csv", f"prompt,answer\n{MARK},{MARK}\n".encode())

    def of(self, name: str) -> Services:
        """The services as somebody sees them, without the pages."""
        return self.services.seen_by(self.people[name])

    def runs(self, name: str) -> list[RunRecord]:
        """Somebody's runs, the oldest last."""
        return self.of(name).storage.runs.newest(500)

    @functools.cached_property
    def pages(self) -> "Pages":
        """What the pages are made of."""
        return Pages(self.visitor("Bob").get("/config").json())

    def visitor(self, name: str | None = None) -> "Visitor":
        """Somebody who has logged in, once for all attacks, or a stranger."""
        found = Visitor(self.address)
        if name:
            with self._logging_in:
                if name not in self._sessions:
                    self._sessions[name] = self.log_in(name)
            found.run = self.run_of.get(name, "")
            found.cookies.set(COOKIE, self._sessions[name], domain="127.0.0.1", path="/")
        return found

    def logged_out(self) -> list[str]:
        """Whose session, which all attacks share, is over; from now on they have another, so that the next attack tries what it says."""
        gone = [name for name in list(self._sessions) if self.visitor(name).get("/play/chats").status_code == 401]
        for name in gone:
            del self._sessions[name]
        return gone

    def log_in(self, name: str) -> str:
        """Begin a session of somebody's; what their browser then holds."""
        with Visitor(self.address) as asking:
            answer = asking.post("/login", data={"username": name, "password": PHRASES[name]})
            assert answer.status_code == 303, f"{name} cannot log in: {answer.status_code} {answer.text[:300]}"
            return str(asking.cookies[COOKIE])

    def megabytes(self) -> float:
        """Memory of the web process and all that it has started."""
        if self.web is None:
            return 0.0
        found = 0.0
        with suppress(psutil.NoSuchProcess):
            web = psutil.Process(self.web.pid)
            for process in [web, *web.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    found += process.memory_info().rss / 1e6
        return found

    @contextmanager
    def growth(self) -> Iterator[Callable[[], float]]:
        """Megabytes by which its processes have grown at most meanwhile, looked at ten times a second."""
        before, most, ended = self.megabytes(), 0.0, threading.Event()

        def look() -> None:
            nonlocal most
            while not ended.wait(0.1):
                most = max(most, self.megabytes())

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield lambda: max(most - before, 0.0)
        finally:
            ended.set()
            thread.join()

    def lives(self) -> bool:
        """Whether its pages answer, with the engine up."""
        try:
            return self.served and bool(self.visitor().get("/healthz").json()["worker"]["up"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    def output(self) -> str:
        """What its processes have written to the terminal."""
        path = self.folder.parent / "output.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def disk(self) -> float:
        """Megabytes of what was uploaded."""
        found = 0
        for path in (self.folder / "uploads").rglob("*"):
            with suppress(OSError):
                found += path.stat().st_size if path.is_file() else 0
        return found / 1e6


class Pages:
    """The events of the pages, as the server publishes them to everybody."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.components = {each["id"]: each for each in config["components"]}
        self.events = [each for each in config["dependencies"] if each["backend_fn"]]

    def name(self, number: int) -> str:
        """What a component is called."""
        return str(self.components.get(number, {}).get("props", {}).get("elem_id") or "")

    def event(self, trigger: str, *inputs: str) -> dict[str, Any]:
        """The last event that a component sets off and that takes these inputs."""
        found = [each for each in self.events if trigger in {self.name(number) for number, _ in each["targets"]}]
        return next(each for each in reversed(found) if set(inputs) <= {self.name(number) for number in each["inputs"]})

    def opening(self, name: str) -> dict[str, Any]:
        """The event of opening a page that fills in a component; a menu takes only what its page has been given."""
        found = [each for each in self.events if any(kind == "load" for _, kind in each["targets"])]
        return next(each for each in found if name in {self.name(number) for number in each["outputs"]})

    def after(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event that follows another one."""
        return next(each for each in self.events if each["trigger_after"] == event["id"])

    def values(self, event: dict[str, Any], **changes: Any) -> list[Any]:
        """What an untouched page sends with an event, with changes by the names of components (``_`` for ``-``)."""
        found = []
        for number in event["inputs"]:
            name, component = self.name(number), self.components[number]
            given = changes.get(name.replace("-", "_"), component["props"].get("value"))
            found.append(None if component["type"] == "state" else given)
        return found


@dataclass(frozen=True)
class Told:
    """What came of an event: its status, what was said, and all of it as text."""

    status: int
    text: str

    @property
    def is_clear(self) -> bool:
        """Whether it says in words what is wrong, or has succeeded, and nothing that is meant for programmers."""
        return self.status < 500 and '"error":null' not in self.text.replace(" ", "") and not _TALKS.search(self.text.encode())

    @property
    def data(self) -> list[Any]:
        """The values that it gave."""
        try:
            return list(json.loads(self.text).get("data", []))
        except (ValueError, AttributeError):
            return []

    @property
    def was_refused(self) -> bool:
        """Whether a sentence of refusal stands in it."""
        return self.status >= 400 or "rs-notice bad" in self.text.replace("\\", "")


class Visitor(httpx.Client):
    """Whoever asks: a browser's session, or a program that holds one."""

    def __init__(self, address: str, headers: dict[str, str] | None = None) -> None:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=20)
        super().__init__(base_url=address, timeout=_PATIENCE, headers=headers, limits=limits)
        self.run = ""

    def event(self, event: dict[str, Any], values: list[Any], session: str = "s") -> Told:
        """Call a page's event as its page does; what streams is asked for without its queue, and refused."""
        body = {"fn_index": event["id"], "data": values, "session_hash": session, "event_data": None, "trigger_id": None}
        # Written by hand, since httpx refuses what JSON does not know.
        return self.raw("/gradio_api/run/predict", json.dumps(body).encode("utf-8", "surrogatepass"))

    def trains(self, pages: Pages, session: str, dataset: str, **changes: Any) -> Told:
        """Open the Train page and press its button."""
        opening, start = pages.opening("train-dataset"), pages.event("train-start")
        self.event(opening, pages.values(opening), session)
        return self.event(start, pages.values(start, train_dataset=dataset, **{"train_base_model": str(BASE), **changes}), session)

    def raw(self, path: str, body: bytes, method: str = "POST", **headers: str) -> Told:
        """Send bytes as JSON."""
        try:
            answer = self.request(method, path, content=body, headers={"Content-Type": "application/json", **headers})
        except httpx.TimeoutException:
            return Told(599, f"{path} does not answer")
        return Told(answer.status_code, answer.text)

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file as the pages do; where it lies on the server."""
        answer = self.post("/gradio_api/upload", files={"files": (name, content)})
        assert answer.status_code == 200, f"an honest upload is refused: {answer.status_code} {answer.text[:200]}"
        return str(answer.json()[0])

    def chat(self, prompt: str, column: dict[str, Any] | None = None, **more: Any) -> Told:
        """Ask one's own run, or another column, until it has answered."""
        return self.raw("/play/chat", json.dumps({**self.asking(prompt, 12), **({"columns": [column]} if column else {}), **more}).encode())

    def asking(self, prompt: str, tokens: int = 200, **more: Any) -> dict[str, Any]:
        """What the Playground sends for a prompt to one's own run."""
        column = {"kind": "run", "run": self.run, "messages": [{"role": "user", "content": prompt}]}
        return {"columns": [column], "max_new_tokens": tokens, **more}


def is_clear(answer: httpx.Response) -> bool:
    """Whether an answer is none of a program that has come to grief: fine, or a refusal of one sentence or a page that says it."""
    if _TALKS.search(answer.content) or (answer.status_code >= 500 and answer.status_code != 503):
        return False
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return True
    if answer.headers.get("content-type", "").startswith("text/html"):
        return bool(answer.content)
    try:
        found = answer.json()
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("error"), str) and 0 < len(found["error"]) < 1000


def hand(address: str, head: str, body: bytes = b"", patience: float = 10.0) -> tuple[int, bytes]:
    """Send a request that nothing tidies up on the way; status and answer, 0 where the server hangs up."""
    parts = urlsplit(address)
    with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 80), timeout=patience) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1", "replace") + b"\r\n" + body)
        answer = b""
        with suppress(OSError):
            while len(answer) < 1_000_000 and (piece := connection.recv(65536)):
                answer += piece
        found = re.match(rb"HTTP/1\.1 (\d+)", answer)
        return int(found[1]) if found else 0, answer
    return 0, b""


def _one_of_everything(services: Services, words: str) -> dict[str, str]:
    """A dataset, a run that trains, a chat and a vote of somebody's, with their words in all of them; their ids."""
    person = services.person
    assert person is not None
    with asked_by(person):
        store = services.storage
        table = store.files.root / "uploads" / f"{words}.csv"
        table.write_text("prompt,answer\n" + "".join(f"{prompt} {words},{answer}\n" for prompt, answer in ROWS), encoding="utf-8")
        dataset = datasets.save_upload(services, str(table), label=f"{words}.csv")
        run = train.start(services, dataset.id, TINY, words)
        turns = {"format": 1, "columns": [{"kind": "base"}], "shown": [0], "turns": [], "leaf": None}
        chat = store.chats.create(f"{words} chat", json.dumps(turns))
        answers = [VotedAnswer({"kind": "base"}, name, words) for name in ("One", "Other")]
        vote = store.votes.add([("user", words)], answers, "tie")
    return {"dataset_id": dataset.id, "run_id": run.id, "run": run.id, "chat_id": chat.id, "vote_id": vote.id}
