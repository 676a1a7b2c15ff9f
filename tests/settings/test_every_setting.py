"""Every setting of the studio, as it is set: by its variable, and then by what the studio does."""

import dataclasses
import inspect
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from starlette.testclient import TestClient

from app.errors import StudioError
from app.handlers import bases, datasets, disk, runs, shares, train
from app.handlers.train import TrainForm
from app.patience import room_for
from app.people.asking import Person, asked_by
from app.people.file import People
from app.people.who import BehindProxy
from app.routes import make_app
from app.serve import _clean_up_hourly, _listen, serve
from app.services import Services, make_services
from app.settings import Settings, read_settings
from storage import NotFoundError, Storage
from storage.tables import Run
from storage.upkeep import clean_up
from tests.ports import free_port
from tests.serving import serving
from tests.settings.bounds import BOUNDS
from tests.settings.pages import read
from tests.waiting import until


@dataclasses.dataclass
class Place:
    folder: Path
    patch: pytest.MonkeyPatch

    def set(self, **values: str) -> Settings:
        """Settings as a process reads them whose variables are these."""
        self.patch.setenv("REFT_STUDIO_DATA_DIR", str(self.folder / "data"))
        for name, value in values.items():
            self.patch.setenv(f"REFT_STUDIO_{name.upper()}", value)
        return read_settings()

    def studio(self, **values: str) -> Services:
        return make_services(self.set(**values))

    def upload(self, name: str = "rows.csv") -> str:
        path = self.folder / name
        path.write_text("prompt,answer\n" + "".join(f"Number {n}?,It is {n}.\n" for n in range(9)))
        return str(path)


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    return Place(tmp_path, monkeypatch)


def data_dir(place: Place) -> None:
    services = place.studio(data_dir=str(place.folder / "elsewhere"))
    kept = datasets.save_upload(services, place.upload(), label="rows.csv")
    services.storage.close()
    assert (place.folder / "elsewhere/studio.db").is_file() and not (place.folder / "data").exists()
    assert services.storage.files.rows(kept.version).is_relative_to(place.folder / "elsewhere")


def host(place: Place) -> None:
    """Where it listens, and with that who may ask, and which base models."""
    for value, address, local in (("127.0.0.1", "127.0.0.1", True), ("0.0.0.0", "0.0.0.0", False), ("localhost", None, True)):
        settings = place.set(host=value)
        with _listen(dataclasses_replace(settings, port=free_port())) as listening:
            assert address is None or listening.getsockname()[0] == address
        assert settings.local is local
        if local:
            assert bases.check_base(settings, "owner/model") == "owner/model"
        else:
            with pytest.raises(StudioError, match="not offered here"):
                bases.check_base(settings, "owner/model")
    for value, custom in (("127.0.0.1", True), ("0.0.0.0", False)):
        services = place.studio(host=value)
        pages = read(services)
        for page, act in (("train", "_start"), ("data", "_counted")):
            assert pages.event(page, act).parts["base"].allow_custom_value is custom
        services.storage.close()


def dataclasses_replace(settings: Settings, **values: Any) -> Settings:
    return settings.model_copy(update=values)


def port(place: Place) -> None:
    wanted = free_port()
    with _listen(place.set(port=str(wanted))) as listening:
        assert listening.getsockname()[1] == wanted
        listening.listen()
        with pytest.raises(StudioError, match=f"Port {wanted} on 127.0.0.1 is taken"):
            _listen(place.set(port=str(wanted)))


def database_url(place: Place) -> None:
    services = place.studio(database_url=f"sqlite:///{place.folder / 'other.db'}")
    datasets.save_upload(services, place.upload(), label="rows.csv")
    services.storage.close()
    assert (place.folder / "other.db").is_file() and not (place.folder / "data/studio.db").exists()
    again = Storage(place.folder / "data", f"sqlite:///{place.folder / 'other.db'}")
    assert [dataset.name for dataset in again.datasets.all()] == ["rows"]
    again.close()


def max_upload_mb(place: Place) -> None:
    services = place.studio(max_upload_mb="1")
    with serving(services) as site:
        found = [httpx.post(f"{site.address}/gradio_api/upload", files={"files": ("a.csv", b"x" * size)}) for size in (900_000, 1_100_000)]
    assert [answer.status_code for answer in found] == [200, 413]
    services.storage.close()
    services = place.studio(max_upload_mb="2")
    with serving(services) as site:
        assert httpx.post(f"{site.address}/gradio_api/upload", files={"files": ("a.csv", b"x" * 1_100_000)}).status_code == 200
    services.storage.close()


def max_data_mb(place: Place) -> None:
    """What is full takes nothing new: no dataset, no run, and no run is gone on with; what it has can still be thrown away."""
    services = place.studio(max_data_mb="1")
    kept = datasets.save_upload(services, place.upload(), label="rows.csv")
    waiting = train.start(services, kept.id, TrainForm(), "first")
    runs.stop(services, waiting.id)
    room = disk.room(services)
    (services.storage.files.dataset_folder(kept.id) / "more").write_bytes(b"x" * (1_000_000 - room.total))
    assert disk.room(services).total == 1_000_000
    second = train.start(services, kept.id, TrainForm(), "second")  # the last byte of what it may take
    (services.storage.files.dataset_folder(kept.id) / "one").write_bytes(b"x" * 100_000)
    for refused in (
        lambda: datasets.save_upload(services, place.upload("more.csv"), label="more.csv"),
        lambda: train.start(services, kept.id, TrainForm(), "third"),
        lambda: runs.resume(services, waiting.id),
    ):
        with pytest.raises(StudioError, match="may use 1 MB of this disk"):
            refused()
    runs.stop(services, second.id)
    runs.delete(services, second.id)
    services.storage.close()
    for most in ("0", "2"):
        roomy = place.studio(max_data_mb=most)
        assert train.start(roomy, kept.id, TrainForm(), f"roomy {most}").status.waiting
        roomy.storage.close()


def bin_days(place: Place) -> None:
    """A deleted run goes for good after so many days, at the start of the server, and the page says so."""
    services = place.studio(bin_days="3")
    kept = datasets.save_upload(services, place.upload(), label="rows.csv")
    found = [services.storage.runs.create(kept.id, {"base": "starter"}) for _ in range(2)]
    for run in found:
        runs.stop(services, run.id)
        runs.delete(services, run.id)
    with services.storage.database.transaction() as session:
        for run, age in zip(found, (2.9, 3.1), strict=True):
            session.get(Run, run.id).binned_at = datetime.now(UTC) - timedelta(days=age)
    pages = read(services)
    assert "stay in the bin for 3 days" in pages.fire("runs", "_measured")["usage"]
    clean_up(services.storage, 4)
    assert len(services.storage.runs.binned()) == 2
    ended = threading.Event()
    thread = threading.Thread(target=_clean_up_hourly, args=(services, ended), daemon=True)
    thread.start()
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while len(services.storage.runs.binned()) == 2 and datetime.now(UTC) < deadline:
        ended.wait(0.05)
    ended.set()
    thread.join(timeout=20)
    assert [run.id for run in services.storage.runs.binned()] == [found[0].id]
    services.storage.close()


def models(place: Place) -> None:
    """They are offered on both pages, and may be loaded by a server that offers nothing else."""
    services = place.studio(models='["owner/model", "/models/own"]', host="0.0.0.0")
    pages = read(services)
    for page, act, part in (("train", "_start", "base"), ("data", "_counted", "base")):
        assert [value for _, value in pages.event(page, act).parts[part].choices] == ["starter", "owner/model", "/models/own"]
    assert [bases.check_base(services.settings, name) for name in ("owner/model", "/models/own")] == ["owner/model", "/models/own"]
    services.storage.close()
    for name in ("owner/model", "/models/own"):
        with pytest.raises(StudioError):
            bases.check_base(place.set(models="[]"), name)


def allowed_hosts(place: Place) -> None:
    """Beside those of the machine itself on a laptop; instead of all on a server."""
    wanted = {
        "127.0.0.1": ({"studio.example", "localhost", "127.0.0.1"}, {"evil.example"}),
        "0.0.0.0": ({"studio.example"}, {"localhost", "evil.example"}),
    }
    for host, (taken, refused) in wanted.items():
        services = place.studio(allowed_hosts='["studio.example"]', host=host)
        with serving(services) as site:
            found = {name: httpx.get(f"{site.address}/alive", headers={"Host": name}).status_code for name in taken | refused}
        assert found == {**dict.fromkeys(taken, 200), **dict.fromkeys(refused, 400)}
        services.storage.close()


def _alive(services: Services, **headers: str) -> int:
    with serving(services) as site:
        return httpx.get(f"{site.address}/alive", headers=headers).status_code


def people(place: Place) -> None:
    """Who is let in: the one person of this machine, whoever has logged in, or whom a proxy has."""
    for value, status in (("local", 200), ("team", 401), ("proxy", 401)):
        services = place.studio(people=value, proxies='["127.0.0.1"]')
        assert _alive(services) == status
        services.storage.close() if value == "local" else services.everything.close()


def proxies(place: Place) -> None:
    """Of them alone a header is believed."""
    for value, status in (('["127.0.0.1"]', 200), ('["10.0.0.0/8", "127.0.0.0/30"]', 200), ('["10.0.0.1"]', 401)):
        services = place.studio(people="proxy", proxies=value)
        assert _alive(services, **{"X-Forwarded-User": "ada"}) == status
        services.everything.close()


def proxy_header(place: Place) -> None:
    for value, status in (("Remote-User", 200), ("X-Forwarded-User", 401)):
        services = place.studio(people="proxy", proxies='["127.0.0.1"]', proxy_header=value)
        assert _alive(services, **{"Remote-User": "ada"}) == status
        services.everything.close()


def operators(place: Place) -> None:
    settings = place.set(people="proxy", proxies='["127.0.0.1"]', operators='["ada"]')
    who = BehindProxy(settings.proxy_header, settings.proxies, settings.operators)
    for name, is_one in (("ada", True), ("bob", False)):
        scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": [(b"x-forwarded-user", name.encode())]}
        assert who.of(scope).operator is is_one


def a_shared_chat(place: Place, **values: str) -> tuple[Services, Person, str]:
    """A studio of a team, somebody of it, and a conversation of theirs."""
    services = place.studio(people="team", allowed_hosts='["testserver"]', **values)
    ada = (People(services.everything.files.root).all() or [People(services.everything.files.root).add("Ada", "correct horse")])[0].person
    chats = services.seen_by(ada).storage.chats
    return services, ada, chats.create("A talk", '{"format": 1, "columns": [{"kind": "base"}], "turns": [], "leaf": null}').id


def share_days(place: Place) -> None:
    """The longest life of a link that is offered, and that is made; none at 0."""
    for days, offered in (("3", (1, 3)), ("30", (1, 7, 30)), ("0", ())):
        services, ada, chat = a_shared_chat(place, share_days=days)
        with asked_by(ada):
            own = services.seen_by_whoever_asks()
            if not offered:
                with pytest.raises(NotFoundError):
                    shares.sharing(own, "chat", chat)
                assert not shares.can_share(services.settings)
                services.everything.close()
                continue
            assert shares.sharing(own, "chat", chat).days == offered
            made = shares.share(own, "chat", chat, days=days, with_adapter=False, anyone=False)
            assert made.expires_at - made.created_at == timedelta(days=int(days))
            with pytest.raises(StudioError, match=f"1 to {days} days"):
                shares.share(own, "chat", chat, days=str(int(days) + 1), with_adapter=False, anyone=False)
        services.everything.close()


def share_with_strangers(place: Place) -> None:
    """A link for anyone opens for somebody who is not logged in, and only where the operator says so."""
    services, ada, chat = a_shared_chat(place, share_with_strangers="true")
    with asked_by(ada):
        made = shares.share(services.seen_by_whoever_asks(), "chat", chat, days="1", with_adapter=False, anyone=True)
    path = f"/shared/{services.everything.shares.token(made)}"
    services.everything.close()
    for allowed, status in (("true", 200), ("false", 401)):
        services = place.studio(people="team", allowed_hosts='["testserver"]', share_with_strangers=allowed)
        assert TestClient(make_app(services)).get(path).status_code == status
        services.everything.close()


def person_uploads_mb(place: Place) -> None:
    """What is older makes way for what is new."""
    place.patch.setenv("GRADIO_TEMP_DIR", str(place.folder / "data/uploads"))
    services = place.studio(person_uploads_mb="1")
    with serving(services) as site:
        for letter in (b"a", b"b"):
            answer = httpx.post(f"{site.address}/gradio_api/upload", files={"files": ("a.csv", letter * 700_000)})
            assert answer.status_code == 200
        assert len(list(services.storage.files.uploads.glob("*/a.csv"))) == 1
        answer = httpx.post(f"{site.address}/gradio_api/upload", files={"files": ("a.csv", b"x" * 1_100_000)})
        assert answer.status_code == 413
    services.storage.close()


def upload_hours(place: Place) -> None:
    """An upload that nobody saves goes after so many hours, at the start of the server and once an hour."""
    services = place.studio(upload_hours="2")
    old, new = (services.storage.files.uploads / (letter * 64) for letter in "ab")
    for folder, hours in ((old, 2.1), (new, 1.9)):
        folder.mkdir()
        os.utime(folder, (time.time() - 3600 * hours,) * 2)
    ended = threading.Event()
    thread = threading.Thread(target=_clean_up_hourly, args=(services, ended), daemon=True)
    thread.start()
    until(lambda: not old.exists(), "the removal of the old upload")
    ended.set()
    thread.join(timeout=20)
    assert new.exists()
    services.storage.close()


def person_requests(place: Place) -> None:
    """The next stream is refused."""
    services = place.studio(person_requests="20")
    with serving(services) as site, ExitStack() as stack, httpx.Client(base_url=site.address, timeout=60) as client:
        found = [stack.enter_context(client.stream("GET", f"/gradio_api/heartbeat/{number}")).status_code for number in range(21)]
    assert found == [200] * 20 + [429]
    services.storage.close()


def max_connections(place: Place) -> None:
    """They reach the server; what it does with them: see tests/door."""
    assert place.set(max_connections="77").max_connections == 77
    assert room_for(77) == 77


def max_connections_per_address(place: Place) -> None:
    """As those of all addresses."""
    assert place.set(max_connections_per_address="9").max_connections_per_address == 9


TABLE: dict[str, Callable[[Place], None]] = {
    "data_dir": data_dir, "host": host, "port": port, "database_url": database_url, "max_upload_mb": max_upload_mb,
    "max_data_mb": max_data_mb, "bin_days": bin_days, "models": models, "allowed_hosts": allowed_hosts,
    "people": people, "proxies": proxies, "proxy_header": proxy_header, "operators": operators,
    "share_days": share_days, "share_with_strangers": share_with_strangers,
    **BOUNDS,
    "person_uploads_mb": person_uploads_mb, "upload_hours": upload_hours, "person_requests": person_requests,
    "max_connections": max_connections, "max_connections_per_address": max_connections_per_address,
}  # fmt: skip
REFUSED = {
    "port": ("0", "65536", "x"), "max_upload_mb": ("0", "10001", "x"), "max_data_mb": ("-1", "1.5"), "bin_days": ("-1", "3651"),
    "models": ("owner/model", "3"), "allowed_hosts": ("studio.example",),
    "people": ("space", "everybody"), "proxies": ("10.0.0.1", '["a proxy"]', '["0.0.0.0/0"]', '["*"]'),
    "proxy_header": ("", "X User", "a\r\nb"),
    "operators": ("ada",),
    **dict.fromkeys(BOUNDS, ("-1", "1.5", "x")),
    "share_days": ("-1", "3651", "x"), "share_with_strangers": ("perhaps",),
    "person_uploads_mb": ("0",), "upload_hours": ("0", "169"), "person_requests": ("19",), "max_connections": ("15",),
    "max_connections_per_address": ("7",),
}  # fmt: skip


def test_every_setting_has_a_row_here():
    assert set(Settings.model_fields) == set(TABLE)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_a_setting_acts(place, name):
    TABLE[name](place)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_setting_that_cannot_be_is_refused(place, name, value):
    with pytest.raises(StudioError, match=r"REFT_STUDIO_"):
        place.set(**{name: value})


def test_a_nearly_full_disk_takes_nothing_new(place, monkeypatch):
    services = place.studio()
    for free, refused in ((99_999_999, True), (100_000_000, False)):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        if refused:
            with pytest.raises(StudioError, match="nearly full"):
                disk.require_room(services)
        else:
            disk.require_room(services)
    services.storage.close()


@pytest.mark.slow
def test_the_server_is_started_with_its_settings(place, monkeypatch):
    """Port, housekeeping and worker are all given the same ones."""
    seen: dict[str, Any] = {}
    settings = place.set(port=str(free_port()), bin_days="5")

    class Supervisor:
        def __init__(self, settings: Settings, storage: Storage) -> None:
            seen["supervised"] = settings, storage.files.root

        def start(self) -> None:
            seen["started"] = True

        def stop(self) -> None:
            seen["stopped"] = True

    monkeypatch.setattr("app.serve.Supervisor", Supervisor)
    monkeypatch.setattr("app.serve.clean_up", lambda storage, days: seen.update(days=days))
    monkeypatch.setattr("app.serve.signal.signal", lambda *_: None)
    monkeypatch.setattr("app.serve.Server.run", lambda self, sockets: seen.update(port=sockets[0].getsockname()[1], app=self.config.app))
    assert serve(settings, browser=False) == 0
    assert seen["supervised"] == (settings, (place.folder / "data").absolute()) and seen["port"] == settings.port and seen["stopped"]
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while "days" not in seen and datetime.now(UTC) < deadline:
        threading.Event().wait(0.02)
    assert seen["days"] == 5


# What lies in the data folder


@pytest.mark.slow
def test_nothing_of_the_data_folder_is_served_as_a_file_even_where_it_lies_among_the_uploads(tmp_path, monkeypatch, table):
    """Of that folder Gradio hands out everything else; so it may be set in a container with one lasting disk."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    services = make_services(Settings(data_dir=tmp_path / "uploads/data"))
    root = services.storage.files.root
    kept = datasets.save_upload(services, str(table), label="animals.csv")
    run = services.storage.runs.create(kept.id, {"base": "starter"})
    for path in (
        services.storage.files.adapter(run.id) / "reft_config.json",
        services.storage.files.log(run.id),
        root / "worker.log",
        root / "worker.sock",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret of the house")
    hidden = [path for path in root.rglob("*") if path.is_file()]
    rows, source = services.storage.files.rows(kept.version).name, services.storage.files.source(kept.version).name
    assert {"studio.db", "worker.log", "worker.sock", rows, source, "reft_config.json"} <= {path.name for path in hidden}
    with serving(services) as site:
        (mine,) = httpx.post(f"{site.address}/gradio_api/upload", files={"files": ("mine.csv", b"mine,own\n")}).json()
        for path in [*hidden, Path(mine)]:
            for written in (str(path), quote(str(path), safe=""), f"{root.parent}/x/../{path.relative_to(root.parent)}"):
                found = httpx.get(f"{site.address}/gradio_api/file={written}")
                assert found.status_code in (403, 404), (written, found.status_code)
                assert b"secret" not in found.content and b"SQLite" not in found.content and b"animal" not in found.content
                assert b"mine" not in found.content, "nor what somebody has uploaded"
    services.storage.close()


@pytest.mark.slow
def test_every_way_into_the_studio_is_behind_its_guards(tmp_path):
    """Strangers' pages and foreign names are refused on what was added since, too."""
    services = make_services(Settings(data_dir=tmp_path / "data"))
    with serving(services) as site:
        assert {each.cls.__name__ for each in site.app.user_middleware} >= {"Peers", "Refusals", "Gate"}
        for path in ("/alive", "/healthz", "/gradio_api/upload", "/files/runs/x/log.txt"):
            assert httpx.post(f"{site.address}{path}", headers={"Origin": "http://evil.example"}).status_code == 403
            if path != "/healthz":  # which whoever looks after a server asks by its address
                assert httpx.get(f"{site.address}{path}", headers={"Host": "evil.example"}).status_code == 400
    assert inspect.isfunction(make_app)
    services.storage.close()
