"""The file of people: who can log in, and that neither names nor pass phrases can be read or guessed from it."""

import json
import stat

import pytest

from app.errors import StudioError
from app.people.asking import LOCAL, NobodyError, Person, asked_by, asking
from app.people.file import FILE, People

PHRASE = "correct horse battery"


@pytest.fixture
def people(tmp_path):
    return People(tmp_path)


def test_whoever_was_added_is_verified_by_their_pass_phrase_alone(people, tmp_path):
    ada = people.add("Ada", PHRASE, operator=True)
    people.add("Bob", PHRASE + "!")
    again = People(tmp_path)
    assert again.verify("ada ", PHRASE) == ada and again.find(ada.id) == ada and ada.person == Person(ada.id, "Ada", operator=True)
    assert [
        again.verify(*wrong) for wrong in (("Ada", PHRASE + "!"), ("Bob", PHRASE), ("Eve", PHRASE), ("", ""), ("Ada", PHRASE * 50))
    ] == [None] * 5
    assert [member.name for member in again.all()] == ["Ada", "Bob"] and again.find("nothing") is None


def test_the_file_is_readable_by_its_owner_alone_and_holds_no_pass_phrase(people, tmp_path):
    people.add("Ada", PHRASE)
    path = tmp_path / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (kept,) = json.loads(path.read_text())["people"]
    assert kept["pass_phrase"].startswith("$argon2id$") and PHRASE not in path.read_text()


def test_two_people_with_one_pass_phrase_have_different_hashes(people):
    assert people.add("Ada", PHRASE).pass_phrase != people.add("Bob", PHRASE).pass_phrase


def test_a_running_studio_follows_what_the_command_line_changes(people, tmp_path):
    seen = People(tmp_path)
    assert seen.all() == []
    ada = people.add("Ada", PHRASE)
    assert seen.verify("Ada", PHRASE) == ada
    people.give_pass_phrase("ADA", "another phrase")
    assert seen.verify("Ada", PHRASE) is None and seen.verify("Ada", "another phrase").id == ada.id
    people.remove("ada")
    assert seen.find(ada.id) is None and people.add("Ada", PHRASE).id != ada.id, "whoever comes later is not who was there"


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "\u200b"])
def test_odd_names_are_refused(people, name):
    with pytest.raises(StudioError, match="1 to 64 characters"):
        people.add(name, PHRASE)


@pytest.mark.parametrize("phrase", ["", "1234567", "x" * 201])
def test_odd_pass_phrases_are_refused(people, phrase):
    with pytest.raises(StudioError, match="8 to 200 characters"):
        people.add("Ada", phrase)
    assert people.all() == []


def test_a_name_that_looks_the_same_is_the_same(people):
    people.add("Zoë", PHRASE)
    for same in ("ZOË", "Zoe\u0308", "\uff3aoë"):
        with pytest.raises(StudioError, match="already"):
            people.add(same, PHRASE)


def test_a_damaged_file_is_said_and_kept(people, tmp_path):
    (tmp_path / FILE).write_text("{")
    for act in (people.all, lambda: people.add("Ada", PHRASE)):
        with pytest.raises(StudioError, match=r"people\.json"):
            act()
    assert (tmp_path / FILE).read_text() == "{"


def test_nothing_is_done_for_nobody():
    with pytest.raises(NobodyError):
        asking()
    with asked_by(LOCAL):
        with asked_by(Person("a", "Ada")):
            assert asking().name == "Ada" and not asking().operator
        assert asking() is LOCAL
