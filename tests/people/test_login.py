"""Logging in and out over HTTP, and what a stranger can do meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.people.attempts import OF_A_NAME, OF_AN_ADDRESS, WINDOW, Attempts
from app.people.file import People
from app.people.who import COOKIE, BehindProxy, Team
from app.routes.login import offer_login
from storage import Storage

PHRASE = "correct horse battery"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def studio(tmp_path, clock):
    store = Storage(tmp_path / "data")
    people = People(store.files.root)
    people.add("Ada", PHRASE, operator=True)
    people.add("Bob", PHRASE + "2")
    app = FastAPI()
    offer_login(app, people, store.sessions, attempts=Attempts(clock))
    yield TestClient(app, follow_redirects=False), Team(people, store.sessions), people, store
    store.close()


def log_in(client, name="Ada", phrase=PHRASE, query=""):
    return client.post(f"/login{query}", data={"username": name, "password": phrase})


def scope_of(client):
    return {"type": "http", "headers": [(b"cookie", f"{COOKIE}={client.cookies.get(COOKIE, '')}".encode())]}


def test_whoever_logs_in_is_known_until_they_log_out(studio):
    client, team, people, _ = studio
    assert team.of(scope_of(client)) is None
    answer = log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert team.of(scope_of(client)) == people.verify("Ada", PHRASE).person
    held = scope_of(client)
    assert client.post("/logout").headers["location"] == "/login" and COOKIE not in client.cookies
    assert team.of(held) is None, "also for whoever has copied what the browser held"


def test_what_the_browser_holds_no_script_reads_and_no_other_site_sends(studio):
    client, *_ = studio
    said = log_in(client).headers["set-cookie"]
    assert "HttpOnly" in said and "SameSite=lax" in said and "Max-Age=1209600" in said and "Secure" not in said
    client.base_url = "https://studio.test"
    assert "Secure" in log_in(client).headers["set-cookie"]


def test_a_removed_person_and_ended_sessions_are_strangers_at_once(studio):
    client, team, people, store = studio
    log_in(client)
    ada = people.verify("Ada", PHRASE)
    store.sessions.end_all(ada.id)
    assert team.of(scope_of(client)) is None
    log_in(client)
    people.remove("Ada")
    assert team.of(scope_of(client)) is None


def test_a_wrong_pass_phrase_and_a_name_that_there_is_not_are_refused_in_the_same_words(studio):
    client, *_ = studio
    wrong, unknown = log_in(client, "Ada", "wrong phrase"), log_in(client, "Eve")
    assert (
        wrong.status_code == unknown.status_code == 401
        and wrong.text == unknown.text.replace("Eve", "Ada")
        and "do not belong together" in wrong.text
    )
    assert COOKIE not in client.cookies


def test_too_many_wrong_pass_phrases_are_waited_for_and_lock_nobody_else_out(studio, clock):
    client, *_ = studio
    for _ in range(OF_A_NAME):
        assert log_in(client, "Ada", "wrong phrase").status_code == 401
    refused = log_in(client)
    assert refused.status_code == 429 and "15 minutes" in refused.text and int(refused.headers["retry-after"]) == WINDOW
    assert log_in(client, "Bob", PHRASE + "2").status_code == 303
    elsewhere = TestClient(client.app, client=("10.0.0.9", 1), follow_redirects=False)
    assert log_in(elsewhere).status_code == 303, "a stranger does not lock a person out"
    clock.now = WINDOW + 1
    assert log_in(client).status_code == 303


def test_an_address_cannot_try_name_after_name(clock):
    counted = Attempts(clock)
    found = [counted.attempt("10.0.0.1", f"name {number}") for number in range(OF_AN_ADDRESS + 1)]
    assert found == [0.0] * OF_AN_ADDRESS + [WINDOW]


def test_the_same_name_written_otherwise_is_counted_as_the_same(studio):
    client, *_ = studio
    found = [log_in(client, name, "wrong phrase").status_code for name in ("Ada", "ada", " ADA ", "\uff21da", "aDa", "adA")]
    assert found == [401] * OF_A_NAME + [429]


def test_pass_phrases_that_are_tried_at_once_are_counted_as_one_after_the_other(studio):
    client, *_ = studio
    with client, ThreadPoolExecutor(12) as pool:  # one event loop, as a server has it
        found = list(pool.map(lambda _: log_in(client, "Ada", "wrong phrase").status_code, range(12)))
    assert sorted(found) == [401] * OF_A_NAME + [429] * (12 - OF_A_NAME)


def test_whoever_has_a_network_of_addresses_has_one(clock):
    counted = Attempts(clock)
    assert [counted.attempt(f"2001:db8::{number}", "ada") for number in range(OF_A_NAME + 1)] == [0.0] * OF_A_NAME + [WINDOW]
    assert counted.attempt("2001:db8:1::1", "ada") == counted.attempt("10.0.0.1", "ada") == counted.attempt("10.0.0.2", "ada") == 0.0


def test_whoever_logs_in_all_day_is_not_taken_for_one_who_guesses(clock):
    counted = Attempts(clock)
    for _ in range(OF_AN_ADDRESS + 2):
        assert counted.attempt("10.0.0.1", "ada") == 0.0
        counted.succeeded("10.0.0.1", "ada")


@pytest.mark.parametrize(("wanted", "goes_on"), [
    ("/playground?run=1", "/playground?run=1"), ("//evil.test", "/"), ("https://evil.test/", "/"), ("/\\evil.test", "/"),
    ("/a\r\nSet-Cookie: x=1", "/"), ("javascript:alert(1)", "/"), ("", "/"), ("//[", "/"),
])  # fmt: skip
def test_one_goes_on_to_a_page_of_the_studio_only(studio, wanted, goes_on):
    client, *_ = studio
    shown = client.get("/login", params={"next": wanted})
    assert shown.status_code == 200 and "evil.test" not in shown.text and "<script" not in shown.text
    answer = client.post("/login", params={"next": wanted}, data={"username": "Ada", "password": PHRASE})
    assert answer.headers["location"] == goes_on and not urlsplit(answer.headers["location"]).netloc


@pytest.mark.parametrize("body", [b"x=" + b"y" * 20_000, b"", b"username=Ada", b"\xff\xfe"])
def test_odd_forms_are_refused_in_words(studio, body):
    client, *_ = studio
    answer = client.post("/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (401, 413) and 'role="alert"' in answer.text


@pytest.mark.parametrize("length", ["x", "-1", "", "1" * 5000, "\u0661"])
def test_a_form_of_an_odd_length_is_refused_in_words(studio, length):
    client, *_ = studio
    answer = client.post("/login", content=b"username=Ada", headers={"Content-Length": length.encode()})
    assert answer.status_code == 413 and 'role="alert"' in answer.text


def proxied(address, **headers):
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (address, 1), "headers": given}


def test_a_proxy_names_people_and_nobody_else_does():
    who = BehindProxy("X-Forwarded-User", ["10.0.0.0/8", "::1"], ["root"])
    ada = who.of(proxied("10.1.2.3", x_forwarded_user="ada"))
    assert (ada.name, ada.operator) == ("ada", False) and who.of(proxied("::1", x_forwarded_user="root")).operator
    assert ada.id and who.of(proxied("10.9.9.9", x_forwarded_user="ada")) == ada != who.of(proxied("10.1.2.3", x_forwarded_user="Ada"))
    assert who.of(proxied("192.168.0.1", x_forwarded_user="ada")) is None
    assert who.of(proxied("10.1.2.3", x_forwarded_user=" ")) is None and who.of(proxied("10.1.2.3", other="ada")) is None
    assert who.of({**proxied("10.1.2.3", x_forwarded_user="ada"), "client": None}) is None
    two = proxied("10.1.2.3", x_forwarded_user="root")
    assert who.of({**two, "headers": two["headers"] * 2}) is None, "of two one may be a stranger's"
    assert who.of(proxied("::ffff:10.1.2.3", x_forwarded_user="ada")) == ada, "as a socket of IPv6 has it"


def test_a_name_that_was_typed_stays_and_is_no_html(studio):
    client, *_ = studio
    page = log_in(client, '"><b>Eve</b>', "wrong phrase").text
    assert 'value="&quot;&gt;&lt;b&gt;Eve&lt;/b&gt;"' in page and "<b>Eve" not in page and "wrong phrase" not in page
