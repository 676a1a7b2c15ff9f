"""Uploads over the real server: whose they are, how many, how large, and what is left of them."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.arrived import ARRIVING, remove_old_uploads
from app.routes import uploads as door

pytestmark = pytest.mark.process
UPLOAD = "/gradio_api/upload"
ROWS = b"prompt,answer\nWho?,Ada\n"


def send(client, *files, **query):
    return client.post(UPLOAD, params=query, files=[("files", (name, content)) for name, content in files])


def event(client, site, path, page_session="s"):
    """What the first event that takes a file answers, given this path."""
    return client.post("/gradio_api/queue/join", json={
        "data": [{"path": path, "meta": {"_type": "gradio.FileData"}}], "fn_index": 0, "session_hash": page_session,
    })  # fmt: skip


def test_a_file_of_another_is_like_one_that_does_not_exist(ada, bob, site, uploads):
    path = send(ada, ("hers.csv", ROWS)).json()[0]
    assert (uploads / path).read_bytes() == ROWS
    nothing = event(bob, site, path.replace("hers.csv", "none.csv"))
    assert nothing.status_code == 404
    for tried in (path, path.upper(), f"/x/..{path}", "/etc/passwd", "http://127.0.0.1/x", str(uploads.parent / "studio.db"), ""):
        answer = event(bob, site, tried)
        assert (answer.status_code, answer.text) == (nothing.status_code, nothing.text), tried
    assert event(ada, site, path).status_code == 200
    same = send(bob, ("hers.csv", ROWS)).json()[0]
    assert event(bob, site, same).status_code == 200, "the same file of his own"


def test_a_path_is_found_however_deep_and_without_marks_of_a_file(ada, bob, site):
    path = send(ada, ("deep.csv", ROWS)).json()[0]
    for value in ({"path": path}, [[{"x": {"path": path}}]], {"value": {"path": path, "url": "x"}}, {"path": path, "is_stream": True}):
        body = {"data": [value], "fn_index": 0, "session_hash": "s", "event_data": None}
        for where in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/api/predict", "/gradio_api/call/x"):
            assert bob.post(where, json=body).status_code == 404, (where, value)
        escaped = json.dumps(body).replace("path", "p\\u0061th")
        assert bob.post("/gradio_api/queue/join", content=escaped, headers={"Content-Type": "application/json"}).status_code == 404


def test_no_route_serves_an_upload(ada, bob, site):
    path = send(ada, ("served.csv", b"prompt,answer\nsecret,words\n")).json()[0]
    ways = [
        "/gradio_api/file={}", "/gradio_api/%66ile={}", "/file={}", "//file={}", "/gradio_api//file={}", "/gradio_api/file/{}",
        "/static/{}", "/assets/{}", "/theme/{}", "/svelte/{}", "/gradio_api/stream/{}", "/gradio_api/stream/x/0/0/playlist-file",
        "/gradio_api/proxy={}", "/gradio_api/deep_link?session_hash={}", "/gradio_api/custom_component/x/client/component/{}",
        "/gradio_api/file%3D{}", "/gradio_api/file%253D{}", "/gradio_api\\file={}", "/./gradio_api/file={}", "/{}",
        "/custom_component/x/client/component/{}", "/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f{}", "/gradio_api/upload/../file={}",
    ]  # fmt: skip
    for client in (ada, bob):
        for way in ways:
            for written in (path, path.lstrip("/"), path.replace("/", "%2f"), path.replace("/", "\\")):
                answer = client.get(way.format(written))
                assert b"secret,words" not in answer.content, way
    assert bob.get(ways[0].format(path)).status_code == bob.get(ways[1].format(path)).status_code == 404


@pytest.mark.parametrize(
    "segment", ["component_server", "process_recording", "vibe-edit/", "dev/reload", "run-history/connect", "deep_link", "monitoring"]
)
def test_what_no_page_needs_of_gradio_is_closed(ada, segment):
    for method in ("GET", "POST"):
        assert ada.request(method, f"/gradio_api/{segment}", json={} if method == "POST" else None).status_code == 404


def test_a_file_that_is_a_little_too_large_is_told_so(ada):
    answer = send(ada, ("a.csv", b"x" * 1_050_000))
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["error"]


@pytest.mark.parametrize("with_length", [True, False])
def test_a_request_has_one_limit_however_many_files_it_has(ada, uploads, with_length):
    before = sorted(uploads.rglob("*"))
    files = [(f"{number}.csv", b"x" * 400_000) for number in range(3)]
    if with_length:
        answer = send(ada, *files)
    else:
        request = ada.build_request("POST", UPLOAD, files=[("files", each) for each in files])
        body = request.read()
        answer = ada.post(UPLOAD, content=iter([body[:700_000], body[700_000:]]), headers={"Content-Type": request.headers["content-type"]})
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["error"]
    assert "xxx" not in answer.text
    assert sorted(uploads.rglob("*")) == before


def test_parts_are_counted_also_of_fields_without_a_file(ada, uploads):
    many = [("files", (f"{number}.csv", ROWS)) for number in range(21)]
    assert ada.post(UPLOAD, files=many).status_code == 413
    boundary = "b" * 30
    field = f'--{boundary}\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert ada.post(UPLOAD, content=field * 30 + f"--{boundary}--\r\n", headers=headers).status_code == 413
    assert not list(uploads.glob(f"{ARRIVING}*"))


@pytest.mark.parametrize(("kind", "body"), [
    ("application/json", b"{}"), ("multipart/form-data", b"x"), ("multipart/form-data; boundary=b", b"--b\r\nContent-Dis"),
    ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--b--\r\n'),
    ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\nx\r\n'),
    ("multipart/form-data; boundary=b; charset=none", b'--b\r\nContent-Disposition: form-data; name="f\xff"\r\n\r\nx\r\n--b--\r\n'),
])  # fmt: skip
def test_what_is_no_form_leaves_nothing_behind(ada, uploads, kind, body):
    before = sorted(uploads.rglob("*"))
    answer = ada.post(UPLOAD, params={"upload_id": "u"}, content=body, headers={"Content-Type": kind})
    assert answer.status_code in (200, 400)
    assert answer.json() == [] or answer.json()["error"].startswith("No file was found")
    assert sorted(uploads.rglob("*")) == before


def test_many_small_files_and_large_ones_stay_within_what_a_person_has(bob, uploads):
    for number in range(door._FILES + 20):
        assert send(bob, (f"{number}.csv", b"%d" % number)).status_code == 200
    assert len(list(uploads.glob("?" * 64))) <= door._FILES + 10
    for number in range(4):
        assert send(bob, ("large.csv", b"%d" % number + b"x" * 900_000)).status_code == 200
    assert sum(path.stat().st_size for path in uploads.rglob("*") if path.is_file()) < 3_000_000


def test_uploads_at_once_are_counted():
    kept = door.Kept(None, 10, at_once=2)  # type: ignore[arg-type]
    with kept.arriving("a"), kept.arriving("a"):
        with pytest.raises(door.BodyError), kept.arriving("a"):
            pass
        with kept.arriving("b"):
            pass
    with kept.arriving("a"):
        pass


def test_a_full_disk_is_said_while_it_arrives(ada, uploads, monkeypatch):
    monkeypatch.setattr(door, "_LEAST_FREE", 10**18)
    answer = send(ada, ("a.csv", ROWS))
    assert answer.status_code == 507
    assert "nearly full" in answer.json()["error"]
    assert not list(uploads.glob(f"{ARRIVING}*"))


def test_nobody_follows_the_upload_of_another(ada, bob):
    assert send(ada, ("followed.csv", ROWS), upload_id="known").status_code == 200
    progress = "/gradio_api/upload_progress"
    assert '"done"' in ada.get(progress, params={"upload_id": "known"}).text
    assert send(ada, ("followed.csv", ROWS), upload_id="known").status_code == 200
    with ThreadPoolExecutor(2) as both:
        known, unknown = both.map(lambda name: bob.get(progress, params={"upload_id": name}), ("known", "nobody's"))
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) and known.status_code == 404


def test_what_nobody_saved_goes_after_an_hour(tmp_path):
    for name, hours in (("a" * 64, 2), ("b" * 64, 0), (f"{ARRIVING}x", 2), (f"{ARRIVING}y", 25), ("c" * 32, 30)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    remove_old_uploads(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{ARRIVING}x", "b" * 64, "c" * 32]
