"""Who may come in is said before a studio serves others, and people are added, changed and removed from the command line."""

import io
import json
from datetime import timedelta

import pytest

from app.cli import main
from app.errors import StudioError
from app.people.choice import hand_over, require_people
from app.people.file import People
from app.settings import Settings
from storage import Storage

PHRASE = "correct horse battery"


@pytest.fixture
def store(tmp_path):
    made = Storage(tmp_path / "data")
    yield made
    made.close()


def settings(store, **values):
    return Settings(data_dir=store.files.root, **values)


@pytest.mark.parametrize(("values", "sentence"), [
    ({"host": "0.0.0.0"}, "say who may come in: --people team"), ({"host": "0.0.0.0", "people": "local"}, "REFT_STUDIO_HOST"),
    ({"people": "team"}, "nobody who could log in"), ({"people": "proxy"}, "REFT_STUDIO_PROXIES"),
    ({"host": "0.0.0.0", "people": "proxy", "proxies": ["10.0.0.1"]}, "REFT_STUDIO_ALLOWED_HOSTS"),
])  # fmt: skip
def test_what_is_not_said_is_asked_for(store, values, sentence):
    with pytest.raises(StudioError, match=sentence):
        require_people(settings(store, **values), store)


@pytest.mark.parametrize("values", [
    {}, {"people": "local"}, {"people": "team"}, {"host": "0.0.0.0", "people": "team", "allowed_hosts": ["a.test"]},
    {"host": "0.0.0.0", "people": "proxy", "proxies": ["10.0.0.1"], "allowed_hosts": ["a.test"]},
])  # fmt: skip
def test_what_is_said_is_enough(store, values):
    People(store.files.root).add("Ada", PHRASE)
    require_people(settings(store, **values), store)


def test_rows_from_before_go_to_the_operator_who_was_added_first(store):
    store.datasets.create(name="Rows", label="a.csv", shape="pairs", rows=1, usable_rows=1, examples=b"{}\n")
    people = People(store.files.root)
    people.add("Zed", PHRASE)
    assert hand_over(settings(store, people="team"), store) == "" and hand_over(settings(store), store) == ""
    ada = people.add("Mia", PHRASE, operator=True)
    people.add("Ada", PHRASE, operator=True)
    assert "1 rows" in hand_over(settings(store, people="team"), store) and "Mia" not in hand_over(settings(store, people="team"), store)
    assert len(store.seen_by(ada.id).datasets.all()) == 1 and store.seen_by("").datasets.all() == []


def command(monkeypatch, capsys, folder, *arguments, typed=""):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    code = main(["user", *arguments, "--data-dir", str(folder)])
    return code, capsys.readouterr()


def test_people_are_added_changed_and_removed(monkeypatch, capsys, store):
    folder = store.files.root
    people = People(folder)
    code, said = command(monkeypatch, capsys, folder, "add", "Ada", "--operator", typed=f"{PHRASE}\n")
    assert code == 0 and said.out == "Ada can log in now.\n" and people.verify("Ada", PHRASE).operator
    assert "Ada (operator)" in command(monkeypatch, capsys, folder, "list")[1].out
    token = store.sessions.begin(people.named("Ada").id, timedelta(days=1))
    code, said = command(monkeypatch, capsys, folder, "passphrase", "ada", "--json", typed="another phrase")
    assert (code, json.loads(said.out)["sessions_ended"]) == (0, 1) and store.sessions.find(token) is None
    assert people.verify("Ada", "another phrase") and not people.verify("Ada", PHRASE)
    assert command(monkeypatch, capsys, folder, "logout", "Ada")[0] == 0
    assert command(monkeypatch, capsys, folder, "remove", "Ada")[0] == 0 and people.all() == []


@pytest.mark.parametrize(("arguments", "typed", "sentence"), [
    (("add",), PHRASE, "Name the person"), (("add", "Ada"), "", "8 to 200 characters"), (("remove", "Eve"), "", "nobody called Eve"),
    (("add", "two\nlines"), PHRASE, "on one line"), (("logout", "Eve"), "", "nobody called Eve"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(monkeypatch, capsys, store, arguments, typed, sentence):
    code, said = command(monkeypatch, capsys, store.files.root, *arguments, typed=typed)
    assert code == 2 and sentence in said.err and said.err.count("\n") == 1
