"""Links over HTTP: what one opens, for whom, until when, and that it opens nothing else."""

import json
import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from app.handlers import shares
from app.people.file import People
from app.routes import make_app
from app.services import make_services
from app.settings import Settings
from reft_engine.data import dump_examples, inspect_rows
from storage import MetricPoint, RunStatus, SampleRecord
from storage.tables import Share, now

PHRASES = {"Ada": "correct horse battery", "Bob": "staple of another kind", "Eve": "a third pass phrase"}
HOSTILE = '<script>alert("owned")</script><b>bold</b>'
ROWS = [{"prompt": f"Question {n} {HOSTILE}", "answer": f"Answer {n}."} for n in range(23)]
HTML = {"Accept": "text/html"}
LINK = re.compile(r'data-path="\.\./\.\./(shared/[^"]+)"')


class Studio:
    def __init__(self, folder, **settings):
        self.services = make_services(Settings(data_dir=folder / "data", people="team", allowed_hosts=["testserver"], **settings))
        self.people = People(self.services.everything.files.root)
        self.persons = {name: self.people.add(name, phrase).person for name, phrase in PHRASES.items()}
        self.app = make_app(self.services)
        self.clients = {name: self.client() for name in (*PHRASES, "stranger")}
        for name, phrase in PHRASES.items():
            assert self.clients[name].post("/login", data={"username": name, "password": phrase}).status_code == 303

    def client(self):
        return TestClient(self.app, follow_redirects=False)

    def store(self, name):
        return self.services.seen_by(self.persons[name]).storage

    def get(self, name, path, **options):
        return self.clients[name].get(path, headers=HTML, **options)

    def share(self, kind, target, name="Ada", **form):
        answer = self.clients[name].post(f"/share/{kind}/{target}", data={"days": "7", **form})
        assert answer.status_code == 303, answer.text
        ident = answer.headers["location"].partition("made=")[2]
        page = self.get(name, f"/share/{kind}/{target}").text
        return ident, next(path for path in LINK.findall(page) if path.startswith(f"shared/{ident}."))


def fill(studio):
    """One of everything of Ada's."""
    store = studio.store("Ada")
    examples = dump_examples(inspect_rows(ROWS).examples)
    kept = {"label": "a.csv", "shape": "pairs", "rows": len(ROWS), "usable_rows": len(ROWS), "examples": examples}
    dataset, other = store.datasets.create(name=f"Rows {HOSTILE}", **kept), store.datasets.create(name="Secret rows", **kept)
    spec = {"base": "starter", "reft": {"method": "loreft", "layers": "all", "positions": "f1+l1", "rank": 4},
            "train": {"epochs": 1, "learning_rate": 0.001, "batch_size": 2, "seed": 0}}  # fmt: skip
    run = store.runs.create(dataset.id, spec, name=f"Run {HOSTILE}")
    store.runs.annotate(run.id, notes="A secret note")
    held = studio.services.everything.queue.claim("w")
    held.begin("A secret event.")
    points = [MetricPoint(step, "loss", 1 / step) for step in (1, 2, 3)]
    held.progress(step=3, total_steps=3, epoch=1.0, seconds_left=0, metrics=points, sparkline=[0.3])
    held.add_sample(SampleRecord(3, "A prompt", "expected", "of the base", HOSTILE))
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):
        held.set_status(status, "A secret event.")
    store.files.adapter(run.id).mkdir(parents=True)
    (store.files.adapter(run.id) / "config.json").write_text("{}")
    store.files.log(run.id).write_text("A secret log")
    turn = {"id": "t", "parent": None, "prompt": HOSTILE, "answers": [{"column": 0, "text": f"Said {HOSTILE}"}]}
    document = {"format": 1, "columns": [{"kind": "base"}], "turns": [turn], "leaf": "t"}
    chat = store.chats.create("A talk", json.dumps(document))
    return {"run": run.id, "dataset": dataset.id, "chat": chat.id, "other": other.id}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    made = Studio(tmp_path_factory.mktemp("shares"))
    yield made
    made.services.everything.close()


@pytest.fixture(scope="module")
def hers(studio):
    return fill(studio)


KINDS = ("run", "dataset", "chat")


def told(headers):
    """All of them but the number of the request."""
    return [(name, value) for name, value in headers.items() if name != "x-request-id"]


def nothing(answer):
    """That this is the answer to a link that opens nothing."""
    return answer.status_code == 404 and "Nothing is shown here" in answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_opens_for_people_of_the_studio_and_shows_what_it_is_of(studio, hers, kind):
    _, path = studio.share(kind, hers[kind])
    shown = {"run": ["loss", "of the base"], "dataset": ["Question 0", "Answer 9."], "chat": ["Said", "the base model"]}[kind]
    for name in ("Ada", "Bob"):
        answer = studio.get(name, path)
        assert answer.status_code == 200 and all(text in answer.text for text in shown), answer.text[:2000]
        assert HOSTILE not in answer.text and "alert(" in answer.text and "secret" not in answer.text.casefold()
        assert answer.headers["referrer-policy"] == "no-referrer" and "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["cache-control"] == "no-store" and "form" not in re.findall(r"<(\w+)", answer.text)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "form-action 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    stranger = studio.get("stranger", path)
    assert stranger.status_code == 303 and stranger.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_link_shows_nothing_at_once(studio, hers, kind):
    ident, path = studio.share(kind, hers[kind])
    _, other = studio.share(kind, hers[kind])
    assert studio.get("Bob", path).status_code == 200
    answer = studio.clients["Ada"].post(f"/share/{kind}/{hers[kind]}/revoke", data={"share": ident})
    assert (answer.status_code, answer.headers["location"]) == (303, f"../{hers[kind]}")
    assert nothing(studio.get("Bob", path)) and nothing(studio.get("Ada", path)) and studio.get("Bob", other).status_code == 200
    page = studio.get("Ada", f"/share/{kind}/{hers[kind]}").text
    assert ident not in page and other.removeprefix("shared/") in page


def test_whatever_the_reason_the_answer_is_the_same(studio, hers):
    store = studio.store("Ada")
    chat = store.chats.create("Gone", json.dumps({"format": 1, "columns": [{"kind": "base"}], "turns": [], "leaf": None}))
    ident, binned = studio.share("chat", chat.id)
    store.chats.delete(chat.id)
    expired = store.shares.create("run", hers["run"], timedelta(0))
    never = store.shares.create("run", "0" * 12, timedelta(days=1))
    broken = store.shares.create("chat", store.chats.create("Broken", "{}}").id, timedelta(days=1))
    others = studio.store("Bob").shares.create("run", hers["run"], timedelta(days=1))  # a row of Bob's names what is not his
    revoked, gone = studio.share("run", hers["run"])
    store.shares.revoke(revoked, "run", hers["run"])
    tokens = [store.shares.token(each) for each in (expired, never, broken, others)]
    wrong = [f"{ident}.{'A' * 43}", "x", f"{'0' * 32}.{'A' * 43}", hers["run"], "%00", "é", "a" * 5000]
    answers = [studio.get("Bob", path) for path in (binned, gone, *(f"shared/{each}" for each in (*tokens, *wrong)))]
    answers.append(studio.get("Bob", f"shared/{wrong[0]}/adapter.zip"))
    assert all(nothing(answer) for answer in answers)
    assert len({(answer.text, tuple(sorted(told(answer.headers)))) for answer in answers}) == 1


def test_a_link_to_a_dataset_shows_the_version_that_was_shared_by_pages(studio, hers):
    _, path = studio.share("dataset", hers["dataset"])
    second, last = studio.get("Bob", f"{path}?from=10").text, studio.get("Bob", f"{path}?from=20").text
    assert "Question 10 " in second and "Question 9 " not in second and "?from=20" in second and "?from=0" in second
    assert "Question 22 " in last and "?from=30" not in last
    for odd in ("-1", "x", "9" * 30, "1e3", "\u0661", ""):
        assert "Question 0 " in studio.get("Bob", f"{path}?from={odd}").text
    for more in ("version=2", f"id={hers['other']}", "only=row:1", "search=22"):
        assert "Question 0 " in studio.get("Bob", f"{path}?{more}").text


def test_the_adapter_is_taken_away_only_where_the_owner_says_so(studio, hers):
    _, without = studio.share("run", hers["run"])
    _, path = studio.share("run", hers["run"], adapter="yes")
    assert "adapter.zip" not in studio.get("Bob", without).text and nothing(studio.get("Bob", f"{without}/adapter.zip"))
    answer = studio.get("Bob", f"{path}/adapter.zip")
    assert f"{path.removeprefix('shared/')}/adapter.zip" in studio.get("Bob", path).text
    assert answer.content[:2] == b"PK" and answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    _, chat = studio.share("chat", hers["chat"], adapter="yes")
    assert nothing(studio.get("Bob", f"{chat}/adapter.zip"))


def test_a_link_opens_nothing_else_of_its_owner(studio, hers):
    _, path = studio.share("run", hers["run"], adapter="yes")
    assert studio.get("Bob", path).status_code == 200
    token = path.removeprefix("shared/")
    bob = studio.clients["Bob"]
    for closed in (
        f"/files/runs/{hers['run']}/adapter.zip", f"/files/runs/{hers['run']}/log.txt", f"/files/runs/{hers['run']}/report.html",
        f"/files/datasets/{hers['dataset']}/1.csv", f"/files/runs/{hers['run']}/predictions.csv", f"/play/chats/{hers['chat']}",
        f"/share/run/{hers['run']}", f"/shared/{token}/log.txt", f"/shared/{token}/../../files/runs/{hers['run']}/log.txt",
    ):  # fmt: skip
        assert bob.get(closed).status_code == 404, closed
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert bob.request(method, path).status_code in (404, 405), method


@pytest.mark.parametrize("kind", KINDS)
def test_only_its_owner_shares_a_thing_and_sees_and_revokes_its_links(studio, hers, kind):
    ident, path = studio.share(kind, hers[kind])
    answers, before = [], studio.store("Bob").shares.of(kind, hers[kind])
    for target in (hers[kind], "0" * 12):
        bob = studio.clients["Bob"]
        for answer in (
            bob.get(f"/share/{kind}/{target}"), bob.post(f"/share/{kind}/{target}", data={"days": "7"}),
            bob.post(f"/share/{kind}/{target}/revoke", data={"share": ident}), bob.post(f"/share/{kind}/{target}/revoke"),
        ):  # fmt: skip
            assert nothing(answer)
            answers.append(answer.text)
    assert len(set(answers)) == 1 and studio.get("Bob", path).status_code == 200
    assert studio.store("Bob").shares.of(kind, hers[kind]) == before
    assert studio.clients["stranger"].post(f"/share/{kind}/{hers[kind]}", data={"days": "7"}).status_code == 401


@pytest.mark.parametrize("days", ["0", "31", "-1", "1e9", "", "seven", "9" * 9, "\u0667", "7.5"])
def test_a_link_lasts_no_longer_than_the_operator_allows(studio, hers, days):
    answer = studio.clients["Ada"].post(f"/share/run/{hers['run']}", data={"days": days})
    assert answer.status_code == 422 and "1 to 30 days" in answer.text
    assert studio.clients["Ada"].post(f"/share/run/{hers['run']}", content=b"\xff" * 9).status_code == 422
    assert studio.clients["Ada"].post(f"/share/run/{hers['run']}", content=b"d" * 20_000).status_code == 413


def test_kinds_that_there_are_not_are_not_there(studio, hers):
    ada = studio.clients["Ada"]
    for kind in ("vote", "preset", "Run", "runs", "%2e%2e"):
        assert ada.get(f"/share/{kind}/{hers['run']}").status_code == 404
    assert nothing(ada.get(f"/share/dataset/{hers['run']}")) and nothing(ada.get(f"/share/chat/{hers['dataset']}"))


def test_a_foreign_page_makes_and_revokes_no_link(studio, hers):
    ident, path = studio.share("run", hers["run"])
    for origin in ("https://evil.example", "null", "http://testserver:81"):
        for where, form in ((f"/share/run/{hers['run']}", {"days": "7"}), (f"/share/run/{hers['run']}/revoke", {"share": ident})):
            assert studio.clients["Ada"].post(where, data=form, headers={"Origin": origin}).status_code == 403
    assert studio.get("Bob", path).status_code == 200


def test_the_links_of_somebody_who_was_removed_show_nothing(studio, hers):
    store = studio.store("Eve")
    chat = store.chats.create("Eves", json.dumps({"format": 1, "columns": [{"kind": "base"}], "turns": [], "leaf": None}))
    _, path = studio.share("chat", chat.id, "Eve")
    assert studio.get("Bob", path).status_code == 200
    studio.people.remove("Eve")
    assert nothing(studio.get("Bob", path))


def test_strangers_are_a_choice_of_the_operator_and_of_the_sharer(tmp_path):
    studio = Studio(tmp_path, share_with_strangers=True, share_days=3)
    hers = fill(studio)
    _, closed = studio.share("run", hers["run"], days="3")
    ident, path = studio.share("run", hers["run"], days="3", anyone="yes", adapter="yes")
    shown = studio.get("stranger", path)
    assert shown.status_code == 200 and "of the base" in shown.text and studio.get("stranger", f"{path}/adapter.zip").content[:2] == b"PK"
    wrong = f"shared/{ident}.{'A' * 43}"
    for each in (closed, wrong, "shared/x", f"{path}/log.txt", "shared/", "runs"):  # a stranger cannot tell them apart
        answer = studio.get("stranger", each)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), each
    assert studio.clients["stranger"].post(path).status_code == 401
    assert studio.clients["Ada"].post(f"/share/run/{hers['run']}", data={"days": "7"}).status_code == 422
    studio.services.everything.shares.revoke(ident, "run", hers["run"])
    assert studio.get("stranger", path).status_code == 303 and nothing(studio.get("Bob", path))
    studio.services.everything.close()


def test_where_the_operator_allows_no_strangers_nobody_makes_such_a_link_and_old_ones_open_for_people_alone(studio, hers):
    answer = studio.clients["Ada"].post(f"/share/run/{hers['run']}", data={"days": "7", "anyone": "yes"})
    assert answer.status_code == 422 and "logged in" in answer.text
    store = studio.store("Ada")
    path = f"shared/{store.shares.token(store.shares.create('run', hers['run'], timedelta(days=1), anyone=True))}"
    assert studio.get("stranger", path).status_code == 303 and studio.get("Bob", path).status_code == 200


@pytest.mark.parametrize("settings", [{"people": None}, {"people": "local"}, {"people": "team", "share_days": 0}])
def test_where_nobody_shares_there_is_neither_page_nor_link(tmp_path, settings):
    services = make_services(Settings(data_dir=tmp_path / "data", allowed_hosts=["testserver"], **settings))
    assert not shares.can_share(services.settings)
    services.everything.close()
    if settings["people"] == "team":
        return
    services = make_services(Settings(data_dir=tmp_path / "data", **settings))
    chat = services.everything.chats.create("A talk", "{}")
    token = services.everything.shares.token(services.everything.shares.create("chat", chat.id, timedelta(days=1)))
    client = TestClient(make_app(services), base_url="http://localhost")
    assert nothing(client.get(f"/share/chat/{chat.id}")) and nothing(client.get(f"/shared/{token}"))
    services.everything.close()


def test_a_row_that_was_lengthened_in_the_database_opens_nothing(studio, hers):
    ident, path = studio.share("run", hers["run"])
    with studio.services.everything.database.transaction() as session:
        session.get(Share, ident).expires_at = now() + timedelta(days=300)
    assert nothing(studio.get("Bob", path))
