import http.client
import io
import json
import re
import socket
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import gradio as gr
import httpx
import pytest
from fastapi.testclient import TestClient

from app.errors import StoppedError
from app.handlers import datasets, uploads, workbench
from app.routes import _QUEUE_SECONDS, make_app
from app.samples import all_samples
from app.services import make_services
from app.settings import Settings
from tests.waiting import PATIENCE, until

ROUTES = ("/", "/data", "/train", "/runs", "/playground", "/dataset")
IDS = {
    "data": "dataset-upload dataset-preview dataset-save dataset-table dataset-report dataset-paste",
    "train": "train-dataset train-base-model train-method train-layers train-positions train-rank train-epochs train-start",
    "runs": "run-status run-loss-chart run-download",
    "playground": (
        "playground-run playground-prompt playground-send playground-stop playground-strength playground-columns playground-batch"
    ),
}


@pytest.fixture(scope="session")
def client(site):
    with httpx.Client(base_url=site, timeout=PATIENCE) as opened:
        yield opened


@pytest.fixture(scope="module")
def alone(tmp_path_factory, table_file):
    """A data folder whose engine is not up and which takes no large file, and its pages."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("alone") / "data", max_upload_mb=1))
    with TestClient(make_app(services), base_url="http://127.0.0.1") as client:
        yield SimpleNamespace(services=services, client=client, dataset=datasets.save_upload(services, str(table_file), label="a.csv"))
    services.storage.close()


def raw(site, method, path, **headers):
    """A request whose path nothing tidies up on the way."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=PATIENCE)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


# Start and health


def test_the_web_process_never_loads_the_engine(tmp_path, environment):
    program = """
import sys
from pathlib import Path
from app.routes import make_app
from app.services import make_services
from app.settings import Settings
from tests.waiting import PATIENCE
from fastapi.testclient import TestClient
app = make_app(make_services(Settings(data_dir=Path(sys.argv[1]))))
with TestClient(app, base_url="http://127.0.0.1") as client:
    assert all(client.get(path).status_code == 200 for path in ("/", "/data", "/train", "/runs", "/playground", "/healthz"))
print([name for name in ("torch", "transformers", "safetensors", "datasets") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "[]"


def test_health_says_whether_the_worker_is_up(client, alone):
    assert client.get("/healthz").json() == {"status": "ok", "worker": {"up": True, "training": None}}
    found = alone.client.get("/healthz")
    assert found.status_code == 200 and found.json()["worker"] == {"up": False, "training": None}


# Pages


class Links(HTMLParser):
    """What a browser fetches for a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if value and ((tag != "a" and name in ("src", "href", "srcset", "poster", "data", "action")) or name == "style"):
                self.found.append(value)


@pytest.mark.parametrize("path", ROUTES)
def test_a_page_is_served_and_asks_no_other_host_for_anything(client, site, path):
    page = client.get(path)
    assert page.status_code == 200 and "ReFT Studio" in page.text
    links = Links()
    links.feed(page.text)
    styles = re.findall(r"(?:url\(|@import\s)\s*['\"]?([^'\")]+)", page.text)
    fetched = [link for link in [*links.found, *styles] if re.match(r"(?:https?:)?//", link)]
    assert links.found
    assert [link for link in fetched if urlsplit(link).netloc != urlsplit(site).netloc] == []


def test_every_agreed_element_is_on_its_page(client):
    config = client.get("/config").json()
    shown = {component["props"].get("elem_id"): component["id"] for component in config["components"]}
    for page, names in IDS.items():
        for name in names.split():
            assert name in shown, f"{name} is missing"
            assert shown[name] in config["page"][page]["components"], f"{name} is not on {page}"


def test_no_event_is_listed_as_an_interface(client):
    found = client.get("/gradio_api/info").json()
    assert found["named_endpoints"] == {} and found["unnamed_endpoints"] == {}


# Downloads


def test_a_finished_run_is_downloaded(client, engine, finished):
    found = client.get(f"/files/runs/{finished.id}/adapter.zip")
    assert found.status_code == 200 and found.headers["content-type"] == "application/zip"
    assert found.headers["content-disposition"] == 'attachment; filename="Animals.zip"'
    archive = zipfile.ZipFile(io.BytesIO(found.content))
    assert set(archive.namelist()) == {"README.md", "reft_config.json", "reft_model.safetensors"}
    for name in archive.namelist():
        assert archive.read(name) == (engine.storage.files.adapter(finished.id) / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "nothing", "..", "%2e%2e", "..%2f..%2fstudio.db", "%2fetc%2fpasswd", "..%5c..%5cstudio.db", "%00", "a%00b", "%252e%252e", "%ff%fe",
        "x" * 4000, "%0d%0aSet-Cookie:%20a=b", "..;", "%c0%ae%c0%ae", "*", "%25",
    ],
)  # fmt: skip
def test_a_download_of_nothing_is_not_found(site, finished, name):
    for path in (f"/files/runs/{name}/adapter.zip", f"/files/runs/{finished.id}/../{name}/adapter.zip"):
        status, body = raw(site, "GET", path)
        assert status == 404, body
        assert b"Traceback" not in body and b"SQLite" not in body


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_version_of_a_dataset_is_downloaded_and_leaves_no_file(alone, form):
    found = alone.client.get(f"/files/datasets/{alone.dataset.id}/1.{form}")
    assert found.status_code == 200 and found.headers["cache-control"] == "no-store"
    assert found.headers["content-disposition"].endswith(f"a%20v1.{form}")
    assert found.content[:4] == {"jsonl": b'{"pr', "csv": b"\xef\xbb\xbfp", "parquet": b"PAR1"}[form]
    assert not [path for path in alone.services.storage.files.uploads.glob("*/rows.*") if path.parent.name != "read"]


@pytest.mark.parametrize(
    "path", ["nothing/1.jsonl", "ID/2.jsonl", "ID/0.csv", "ID/1.exe", "ID/x.csv", "..%2f..%2fstudio.db/1.csv", "ID/1.csv%00"]
)
def test_a_dataset_that_is_not_there_is_not_downloaded(alone, path):
    found = alone.client.get(f"/files/datasets/{path.replace('ID', alone.dataset.id)}")
    assert found.status_code in (404, 422) and "Traceback" not in found.text


def test_a_log_is_text_and_of_a_run_that_is_here(site, engine, finished):
    status, body = raw(site, "GET", f"/files/runs/{finished.id}/log.txt")
    assert status == 200 and b"held-out loss" in body
    for name in ("nothing", "..", "%2e%2e", "%00", "x" * 4000):
        status, body = raw(site, "GET", f"/files/runs/{name}/log.txt")
        assert status == 404 and b"Traceback" not in body


@pytest.mark.parametrize("name", ["studio.db", "log.txt.1", "checkpoint/state.safetensors", "adapter/reft_config.json", "adapter.zip/", ""])
def test_nothing_but_the_adapter_and_the_log_can_be_downloaded(site, finished, name):
    status, _ = raw(site, "GET", f"/files/runs/{finished.id}/{name}")
    assert status in (307, 404)
    assert raw(site, "GET", f"/files/{name}")[0] == 404


@pytest.mark.slow
def test_a_run_that_waits_has_no_download(alone):
    run = alone.services.storage.runs.create(alone.dataset.id, {"base": "starter"})
    found = alone.client.get(f"/files/runs/{run.id}/adapter.zip")
    assert found.status_code == 404 and "nothing to download yet" in found.json()["error"]


# Gradio's own routes


def hidden(engine):
    """Files that nobody may read through the page."""
    root = engine.storage.files.root
    run = engine.storage.runs.newest(9)[-1]
    return [root / "studio.db", root / "studio.db-wal", root / "worker.log", engine.storage.files.log(run.id)]


@pytest.mark.parametrize(
    "route", ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/stream/", "/static/", "/assets/", "/gradio_api/proxy="]
)
@pytest.mark.parametrize(
    "style",
    [
        str, lambda path: quote(path, safe=""), lambda path: quote(quote(path, safe=""), safe=""), lambda path: f"/tmp/../{path}",
        lambda path: f"/{path}", lambda path: f"..{path}",
    ],
    ids=["plain", "encoded", "encoded twice", "up and down", "two slashes", "upwards"],
)  # fmt: skip
def test_no_file_route_reads_the_database_or_the_environment(site, engine, finished, route, style):
    for path in [*map(str, hidden(engine)), "/proc/self/environ", "/etc/passwd", "/proc/self/root/etc/passwd", "app/routes.py"]:
        status, body = raw(site, "GET", route + style(path))
        assert status in (400, 403, 404, 405, 422), (path, status)
        assert b"SQLite format" not in body and b"PATH=" not in body and b"root:" not in body and b"import uvicorn" not in body


def events(config, target):
    """The pages' own events that take a component's value, or that it sets off; Home and Data share some, Home's come first."""
    numbers = {component["id"] for component in config["components"] if component["props"].get("elem_id") == target}
    own = [event for event in config["dependencies"] if event["backend_fn"]]
    return [event for event in own if numbers & {*event["inputs"], *(component for component, _ in event["targets"])}]


def send(client, event, data):
    """Send a page's event, and what it ends with."""
    session = "test"
    body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": None, "trigger_id": None}
    joined = client.post("/gradio_api/queue/join", content=json.dumps(body), headers={"Content-Type": "application/json"})
    if joined.status_code != 200:
        return {"success": False, "status": joined.status_code}
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
        for line in answer.iter_lines():
            message = json.loads(line[5:]) if line.startswith("data:") else {}
            if message.get("msg") == "process_completed":
                return message
    return {"success": False}


def test_a_file_that_was_not_uploaded_is_not_taken_for_an_upload(client, site, engine, finished):
    on_home, on_data = events(client.get("/config").json(), "dataset-upload")
    shown = datasets.use_sample(engine, "sentiment")
    readable = [engine.storage.files.source(shown.version), all_samples()[2].path, "/etc/passwd", "app/samples/sentiment.csv"]
    for path in [*map(str, [*hidden(engine), *readable]), "/proc/self/environ", "/tmp/../etc/passwd", f"{site}/healthz"]:
        for event in (on_home, on_data):
            ended = send(client, event, [{"path": path, "meta": {"_type": "gradio.FileData"}}])
            assert ended["success"] is False and "zero bytes" not in json.dumps(ended), path
            assert "root:" not in json.dumps(ended) and "sentiment" not in json.dumps(ended.get("output", ""))


def test_a_real_upload_is_shown_row_by_row_and_stays_within_the_cap(client, alone, table_file):
    config = client.get("/config").json()
    event = events(config, "dataset-upload")[-1]
    reads = next(each for each in config["dependencies"] if each["trigger_after"] == event["id"] and each["backend_fn"])
    (path,) = client.post("/gradio_api/upload", files={"files": ("../../animals.csv", table_file.read_bytes())}).json()
    taken = send(client, event, [{"path": path, "meta": {"_type": "gradio.FileData"}}])
    ended = send(client, reads, [taken["output"]["data"][0]])
    assert ended["success"] is True and "Recognised as prompts with answers" in json.dumps(ended)
    sent = {size: alone.client.post("/gradio_api/upload", files={"files": ("a.csv", b"x" * size)}) for size in (1_200_000, 800_000)}
    assert {size: answer.status_code for size, answer in sent.items()} == {1_200_000: 413, 800_000: 200}


def test_an_event_with_odd_values_ends_in_a_sentence_and_not_in_a_traceback(client):
    config = client.get("/config").json()
    for target in ("dataset-upload", "dataset-paste", "dataset-table", "train-rank", "run-stop", "playground-run"):
        bound = events(config, target)[:2]
        assert bound
        for event in bound:
            for value in (None, [], {}, "x" * 100_000, -1, 1e308, ["\ud800"], {"__type__": "update"}):
                ended = send(client, event, [value] * len(event["inputs"]))
                text = json.dumps(ended)
                assert "Traceback" not in text and 'File \\"' not in text and "sqlalchemy" not in text
    assert client.get("/healthz").json()["worker"]["up"]


# Strangers


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1.evil.example", "null", "", "http://[", "file://", "http://localhost:1"]
)
def test_what_another_sites_page_sends_is_refused(client, origin):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/run/x", "/healthz"):
            found = client.request(method, path, headers={"Origin": origin}, json={})
            assert found.status_code == 403 and "another site" in found.json()["error"]


def test_what_its_own_page_sends_is_taken(client, site):
    found = client.post("/gradio_api/queue/join", headers={"Origin": site}, json={})
    assert found.status_code == 422


def test_a_page_of_another_site_may_not_read_an_answer(client):
    for path in ("/healthz", "/config", "/gradio_api/info"):
        found = client.get(path, headers={"Origin": "http://evil.example"})
        assert found.headers.get("access-control-allow-origin") not in ("*", "http://evil.example")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:7860", "localhost.evil.example", "", "[::2]"])
def test_a_local_server_answers_under_its_own_names_only(site, host):
    for path in (*ROUTES, "/alive", "/config"):
        status, body = raw(site, "GET", path, Host=host)
        assert status == 400 and b"ReFT Studio</" not in body
    assert raw(site, "GET", "/healthz", Host=host)[0] == 200, "whoever looks after a server asks by its address"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:7860", "[::1]:7860"])
def test_a_local_server_answers_under_each_of_its_names(site, host):
    assert raw(site, "GET", "/alive", Host=host)[0] == 200


@pytest.mark.slow
def test_a_public_server_answers_under_the_names_it_was_given(tmp_path):
    for names, found in (
        (["studio.example"], {"studio.example": 200, "studio.example:8443": 200, "evil.example": 400, "127.0.0.1": 400}),
        (["studio.example:8443"], {"studio.example:8443": 200, "studio.example": 400, "studio.example:80": 400}),
        ([], {"any.example": 400, "localhost": 400}),
    ):
        made = make_services(Settings(data_dir=tmp_path / "data", host="0.0.0.0", allowed_hosts=names))
        with TestClient(make_app(made)) as public:
            assert {host: public.get("/alive", headers={"Host": host}).status_code for host in found} == found
        made.storage.close()


def test_gradio_left_alone_looks_for_events_more_often_than_in_the_studio():
    assert gr.Blocks().queue()._queue.sleep_when_free < _QUEUE_SECONDS  # so that the name still means what the studio sets


def test_nothing_is_documented_to_strangers(client):
    for path in ("/docs", "/redoc", "/gradio_api/docs", "/monitoring", "/monitoring/summary", "/gradio_api/monitoring/x"):
        assert client.get(path).status_code in (403, 404)


def test_a_half_sent_request_does_not_keep_others_waiting(site, client):
    address = urlsplit(site)
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nhalf")
        assert client.get("/healthz").status_code == 200


# Files that are read


@pytest.mark.parametrize("token", ["0" * 32, "x", "..%2F..%2Fstudio.db", "0" * 31, "%00", "read-1"])
def test_of_an_upload_that_is_not_here_nobody_is_told_more_than_that_nobody_reads_it(alone, token):
    asked = alone.client.get(f"/uploads/{token}/reading"), alone.client.post(f"/uploads/{token}/stop")
    unknown = alone.client.get(f"/uploads/{'f' * 32}/reading"), alone.client.post(f"/uploads/{'f' * 32}/stop")
    assert [(each.status_code, each.text) for each in asked] == [(each.status_code, each.text) for each in unknown] or "%2F" in token
    assert all(each.status_code == 404 for each in asked) if "%2F" in token else [each.text for each in asked] == ["null", "null"]


def test_a_reading_is_followed_and_ended_by_the_token_of_its_upload(alone, table_file, monkeypatch):
    begun = threading.Event()

    def read(path, folder, choices, note, should_stop):
        note(0.42)
        begun.set()
        until(should_stop, "the end of the reading")
        raise StoppedError("It was ended.")

    monkeypatch.setattr(uploads, "read_in_process", read)
    token = workbench.take(alone.services, str(table_file))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(workbench.look, alone.services, workbench.Said(token=token, count=3))
        assert begun.wait(PATIENCE)
        told = alone.client.get(f"/uploads/{token}/reading")
        assert told.json() == {"share": 0.42, "waits": False} and told.headers["cache-control"] == "no-store"
        assert alone.client.post(f"/uploads/{token}/stop?session=another&before=9").status_code == 200
        assert alone.client.get(f"/uploads/{token}/reading").json(), "what another page has asked is not this one's to take back"
        foreign = alone.client.post(f"/uploads/{token}/stop", headers={"Origin": "https://example.org"})
        assert foreign.status_code == 403 and not asked.done()
        assert alone.client.post(f"/uploads/{token}/stop").status_code == 200
        with pytest.raises(StoppedError):
            asked.result(PATIENCE)
    assert alone.client.get(f"/uploads/{token}/reading").json() is None
