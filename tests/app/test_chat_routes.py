"""Saved conversations over the real server: what a browser sends, what it is answered, and what is refused."""

import http.client
import json
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest

from app.handlers import disk
from app.services import make_services
from app.settings import Settings
from storage.chats import LIMIT
from tests.serving import serving
from tests.waiting import PATIENCE

DOCUMENT = {
    "columns": [{"kind": "base"}],
    "turns": [{"id": "a", "prompt": "What is 2 cat?", "seed": 7, "answers": [{"column": 0, "text": "cat 2. ```\n</b>", "ids": [5, 6]}]}],
    "leaf": "a",
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """The pages of a data folder whose engine is not up."""
    services = make_services(Settings(data_dir=tmp_path_factory.mktemp("chats") / "data", bin_days=3))
    with serving(services) as site, httpx.Client(base_url=site.address, timeout=PATIENCE) as client:
        yield SimpleNamespace(services=services, client=client, address=site.address)
    services.storage.close()


@pytest.fixture
def client(studio):
    """A client of a studio without conversations."""
    yield studio.client
    chats = studio.services.storage.chats
    for chat in chats.page(500)[0]:
        chats.delete(chat.id)
    chats.empty_bin()


def saved(client, name=None, **changes):
    answer = client.post("/play/chats", json={"document": {**DOCUMENT, **changes}, **({"name": name} if name else {})})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_conversation_is_saved_opened_and_saved_again(client):
    made = saved(client)
    assert made["name"] == "What is 2 cat?" and made["version"] == 1 and not made["binned"]
    opened = client.get(f"/play/chats/{made['id']}")
    assert opened.headers["cache-control"] == "no-store"
    found = opened.json()
    document = found.pop("document")
    assert found == made and document["turns"][0]["answers"][0]["text"] == "cat 2. ```\n</b>" and document["format"] == 1
    turn = {"id": "b", "parent": "a", "prompt": "And 3?"}
    again = {"document": {**document, "turns": [*document["turns"], turn], "leaf": "b"}, "version": 1}
    assert client.post(f"/play/chats/{made['id']}", json=again).json()["version"] == 2
    assert [each["id"] for each in client.get(f"/play/chats/{made['id']}").json()["document"]["turns"]] == ["a", "b"]


def test_what_another_window_has_saved_is_not_overwritten(client):
    made = saved(client)
    theirs, ours = ({"document": {**DOCUMENT, "settings": {"top_k": top_k}}, "version": 1} for top_k in (1, 2))
    assert client.post(f"/play/chats/{made['id']}", json=theirs).status_code == 200
    refused = client.post(f"/play/chats/{made['id']}", json=ours)
    assert refused.status_code == 409 and "saved in another window" in refused.json()["error"]
    assert client.post(f"/play/chats/{made['id']}", json=theirs).status_code == 200, "the same once more, after an answer that was lost"
    assert client.get(f"/play/chats/{made['id']}").json()["document"]["settings"]["top_k"] == 1


def test_the_list_is_sent_in_pages_with_what_there_is_in_all(client):
    names = [saved(client, name)["name"] for name in "abc"]
    first = client.get("/play/chats", params={"limit": 2}).json()
    assert [chat["name"] for chat in first["chats"]] == names[:0:-1] and (first["total"], first["binned"], first["days"]) == (3, 0, 3)
    assert [chat["name"] for chat in client.get("/play/chats", params={"limit": 2, "offset": 2}).json()["chats"]] == ["a"]
    assert "document" not in first["chats"][0]


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 501}, {"offset": -1}, {"binned": "perhaps"}, {"text": "x"}])
def test_a_list_out_of_range_is_refused(client, asked):
    assert client.get("/play/chats", params=asked).status_code == 422


def test_a_conversation_is_renamed_deleted_put_back_and_removed(client):
    made = saved(client)
    address = f"/play/chats/{made['id']}"
    assert client.post(f"{address}/rename", json={"name": " Cats\n "}).json()["name"] == "Cats"
    assert client.post(f"{address}/rename", json={"name": " "}).json()["error"] == "Give the conversation a name first."
    assert client.post(f"{address}/remove").status_code == 422, "it is not in the bin"
    assert client.post(f"{address}/delete").json()["binned"]
    assert client.get("/play/chats").json() == {"chats": [], "total": 0, "binned": 1, "days": 3, "shared": False}
    assert client.get("/play/chats", params={"binned": True}).json()["chats"][0]["name"] == "Cats"
    refused = client.post(address, json={"document": DOCUMENT, "version": 1})
    assert refused.status_code == 409 and "deleted meanwhile" in refused.json()["error"]
    assert [client.get(path).status_code for path in (address, f"/files/chats/{made['id']}.md")] == [404, 404]
    assert not client.post(f"{address}/restore").json()["binned"] and client.get(address).status_code == 200
    client.post(f"{address}/delete")
    assert client.post(f"{address}/remove").json() == {"id": made["id"]}
    assert client.post(f"{address}/restore").status_code == 404


def test_a_conversation_is_taken_away_as_markdown_and_as_json_lines(client):
    made = saved(client, 'Cats & ../dogs\r\n"ö"')
    found = {form: client.get(f"/files/chats/{made['id']}.{form}") for form in ("md", "jsonl")}
    assert [each.headers["content-disposition"] for each in found.values()] == [
        f'attachment; filename="Cats------dogs.{form}"' for form in found
    ]  # fmt: skip
    assert found["md"].headers["content-type"] == "text/markdown; charset=utf-8"
    assert all(each.headers["x-content-type-options"] == "nosniff" for each in found.values())
    assert "````\ncat 2. ```\n</b>\n````" in found["md"].text and "Seed 7" in found["md"].text
    (row,) = map(json.loads, found["jsonl"].text.splitlines())
    assert (
        row["messages"][1]["content"] == "cat 2. ```\n</b>" and row["column"]["title"] == "the base model" and row["settings"]["seed"] == 7
    )


def test_a_run_is_named_in_a_file_by_its_name(client, studio):
    storage = studio.services.storage
    dataset = storage.datasets.create(name="d", label="d", shape="pairs", rows=1, usable_rows=1, examples=b"{}\n")
    run = storage.runs.create(dataset.id, {"base": "starter", "train": {}}, name="Pirates")
    answers = [{"column": 0, "text": "Arr", "made_by": {"kind": "run", "run": run.id}}]
    made = saved(client, turns=[{"id": "a", "prompt": "Hi", "answers": answers}])
    assert "### `Pirates`" in client.get(f"/files/chats/{made['id']}.md").text
    storage.runs.delete(run.id)
    assert "### `Pirates`" in client.get(f"/files/chats/{made['id']}.md").text, "also from the bin"


# What is refused


def raw(site, method, path, body=b"", **headers):
    """A request whose path nothing tidies up on the way."""
    connection = http.client.HTTPConnection(urlsplit(site).netloc, timeout=PATIENCE)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


ODD_IDS = ["nothing", "%2e%2e", "..%2f..%2fstudio.db", "%00", "a%00b", "x" * 4000, "%ff%fe", "%25", "*", "%0d%0aSet-Cookie:%20a=b"]


@pytest.mark.parametrize("chat_id", ODD_IDS)
def test_an_odd_id_is_answered_like_one_that_is_not_there(client, studio, chat_id):
    body = json.dumps({"document": DOCUMENT, "version": 1}).encode()
    asked = [
        ("GET", f"/play/chats/{chat_id}", b""), ("POST", f"/play/chats/{chat_id}", body),
        ("POST", f"/play/chats/{chat_id}/rename", b'{"name": "x"}'), ("GET", f"/files/chats/{chat_id}.md", b""),
        *(("POST", f"/play/chats/{chat_id}/{deed}", b"") for deed in ("delete", "restore", "remove")),
    ]  # fmt: skip
    for method, path, content in asked:
        status, told = raw(studio.address, method, path, content)
        assert status in (404, 405) if "%2f" in chat_id else status == 404, (path, status)
        assert b"Traceback" not in told and b"SQLite" not in told
        if "%2f" not in chat_id:
            found = json.loads(told)["error"]
            assert found == "There is no such conversation any more."


def test_a_first_save_that_is_sent_twice_is_one_conversation_with_the_same_answer(client):
    sent = {"document": DOCUMENT, "key": "page-1"}
    first, second = (client.post("/play/chats", json=sent) for _ in range(2))
    assert first.status_code == 200 and first.json() == second.json() and client.get("/play/chats").json()["total"] == 1


def test_nothing_is_saved_on_a_full_disk(client, monkeypatch):
    """Neither for the first time nor again."""
    made = saved(client)
    monkeypatch.setattr(disk, "_LEAST_FREE", 10**18)
    for address, body in (("/play/chats", {"document": DOCUMENT}), (f"/play/chats/{made['id']}", {"document": DOCUMENT, "version": 1})):
        found = client.post(address, json=body)
        assert found.status_code == 422 and "disk" in found.json()["error"].lower()


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "offset=-1", "limit=3000000000", "binned=perhaps", "unknown=1"])
def test_an_odd_query_is_answered_with_a_sentence(client, query):
    found = client.get(f"/play/chats?{query}")
    assert found.status_code == 422 and found.json()["error"].startswith("This cannot be read, or is out of range: ")
    assert query.partition("=")[0] in found.json()["error"] and "detail" not in found.json()


@pytest.mark.parametrize("form", ["html", "exe", "md%00", "JSONL", "x" * 500])
def test_there_is_no_file_of_another_kind(client, form):
    made = saved(client)
    found = client.get(f"/files/chats/{made['id']}.{form}")
    assert found.status_code == 404 and "no file of the kind" in found.json()["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "no JSON"), (b"{", "no JSON"), (b"\xff", "no JSON"), (b"[" * 100_000, "no JSON"),
        (b"[]", "cannot be read"),
        (b"{}", "document: it is missing"), (b'{"document": {"format": 2}}', "document.format"),
        (b'{"document": {"leaf": "x"}}', "the turn x is shown and is not there"),
        (b'{"document": {}, "version": 1}', "version: it is not known here"),
        (b'{"document": {}, "name": 3}', "name"),
        (json.dumps({"document": {"columns": [{"kind": "base"}] * 65}}).encode(), "has had too many columns: at most 64. Begin a new"),
        (json.dumps({"document": {"shown": [0] * 8}}).encode(), "too many columns: at most 7 answer at once"),
        (json.dumps({"document": {"turns": [{"id": "a", "prompt": "x"}] * 501}}).encode(), "at most 500, with all its branches"),
        (json.dumps({"document": {"settings": {"stop": ["x"] * 9}}}).encode(), "too many stop texts: at most 8"),
        (json.dumps({"document": {"settings": {"system": "x" * 200_001}}}).encode(), "A text is too long: at most 200,000 characters"),
        (b'{"document": {}, "key": "a b"}', "key: it has signs that it cannot have"),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused_with_a_sentence(client, body, sentence):
    found = client.post("/play/chats", content=body)
    assert found.status_code == 422 and sentence in found.json()["error"] and "Traceback" not in found.text
    assert client.get("/play/chats").json()["total"] == 0


@pytest.mark.parametrize("version", [0, -1, "x", None, 2**31, 1.5])
def test_a_version_out_of_range_is_refused(client, version):
    made = saved(client)
    assert client.post(f"/play/chats/{made['id']}", json={"document": DOCUMENT, "version": version}).status_code == 422


@pytest.mark.parametrize("size", [LIMIT + 200_000, 3 * LIMIT])
def test_a_body_that_is_too_long_is_refused_with_a_sentence(client, size):
    made = saved(client)
    body = json.dumps({"document": {**DOCUMENT, "leaf": "a"}, "version": 1}).encode() + b" " * size
    for address in ("/play/chats", f"/play/chats/{made['id']}", f"/play/chats/{made['id']}/rename"):
        found = client.post(address, content=body)
        assert found.status_code == 413 and "at most 4 MB" in found.json()["error"]
    assert client.get(f"/play/chats/{made['id']}").json()["version"] == 1


def test_a_document_that_is_too_long_is_refused_with_its_size(client):
    turns = [{"id": str(number), "prompt": "x" * 193_000} for number in range(21)]
    found = client.post("/play/chats", json={"document": {"turns": turns, "leaf": "0"}})
    assert found.status_code == 413 and found.json()["error"] == "This conversation has 4.05 MB and can have 4. Begin a new one."


def test_what_another_sites_page_sends_is_refused(client):
    made = saved(client)
    for path in ("", f"/{made['id']}", *(f"/{made['id']}/{deed}" for deed in ("rename", "delete", "restore", "remove"))):
        found = client.post(f"/play/chats{path}", json={"document": DOCUMENT, "version": 1}, headers={"Origin": "http://evil.example"})
        assert found.status_code == 403 and "another site" in found.json()["error"]
    for path in ("/play/chats", f"/play/chats/{made['id']}", f"/files/chats/{made['id']}.md"):
        found = client.get(path, headers={"Origin": "http://evil.example"})
        assert found.headers.get("access-control-allow-origin") not in ("*", "http://evil.example")
    assert client.get(f"/play/chats/{made['id']}").json()["version"] == 1


def test_a_conversation_that_was_damaged_is_told_of_in_a_sentence(client, studio):
    made = studio.services.storage.chats.create("Odd", '{"format": 9}')
    found = [client.get(f"/play/chats/{made.id}"), client.get(f"/files/chats/{made.id}.md")]
    assert all("a later version of the studio may have saved it" in each.json()["error"] for each in found)


def test_a_full_disk_takes_no_new_conversation_and_says_so(client, studio, monkeypatch):
    monkeypatch.setattr(studio.services.settings, "max_data_mb", 1)
    (studio.services.storage.files.root / "large.bin").write_bytes(b"x" * 2_000_000)
    try:
        found = client.post("/play/chats", json={"document": DOCUMENT})
    finally:
        (studio.services.storage.files.root / "large.bin").unlink()
    assert found.status_code == 422 and "may use 1 MB of this disk" in found.json()["error"]
