"""Links to one thing: they open until they expire or are revoked, and nothing of them can be changed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from storage import NotFoundError, StorageError
from storage.shares import KEY_FILE, MOST_OF_ONE, ShareStore
from storage.tables import Share, now

WEEK = timedelta(days=7)


@pytest.fixture
def hers(store):
    return store.seen_by("ada").shares


def test_a_link_opens_what_it_was_made_for_also_in_another_process(store, hers, reopen):
    made = hers.create("dataset", "d1", WEEK, version=3)
    found = reopen().shares.open(hers.token(made))
    assert found == made and (found.owner, found.kind, found.target, found.version) == ("ada", "dataset", "d1", 3)
    assert (found.with_adapter, found.anyone, found.expires_at - found.created_at) == (False, False, WEEK)


def test_a_link_is_listed_and_revoked_by_its_owner_alone(store, hers):
    made, other = hers.create("run", "r1", WEEK), hers.create("run", "r2", WEEK)
    token, his = hers.token(made), store.seen_by("bob").shares
    assert hers.of("run", "r1") == [made] and his.of("run", "r1") == [] and hers.of("chat", "r1") == []
    with pytest.raises(NotFoundError):
        his.revoke(made.id, "run", "r1")
    with pytest.raises(NotFoundError):
        hers.revoke(made.id, "run", "r2")
    assert store.shares.open(token) == made
    hers.revoke(made.id, "run", "r1")
    assert store.shares.open(token) is None and hers.of("run", "r1") == [] and store.shares.open(hers.token(other)) == other
    hers.revoke(made.id, "run", "r1")  # once more changes nothing


def test_a_link_that_has_expired_opens_nothing_and_its_row_goes_with_the_next(store, hers):
    gone = hers.create("chat", "c1", timedelta(0))
    assert store.shares.open(hers.token(gone)) is None and hers.of("chat", "c1") == []
    hers.create("chat", "c2", WEEK)
    with store.database.reading() as session:
        assert session.get(Share, gone.id) is None


@pytest.mark.parametrize("values", [
    {"kind": "chat"}, {"target_id": "r2"}, {"version": 2}, {"with_adapter": True}, {"anyone": True},
    {"expires_at": now() + timedelta(days=400)},
])  # fmt: skip
def test_a_row_that_was_changed_opens_nothing(store, hers, values):
    token = hers.token(hers.create("run", "r1", WEEK))
    with store.database.transaction() as session:
        session.execute(update(Share).values(**values))
    assert store.shares.open(token) is None


def test_a_signature_is_of_one_link(store, hers):
    made, other = hers.create("run", "r1", WEEK), hers.create("run", "r1", WEEK)
    token, second = hers.token(made), hers.token(other)
    ident, signature = token.split(".")
    last = "A" if signature[-1] != "A" else "B"
    for wrong in (
        ident, f"{ident}.", f"{ident}.{second.split('.')[1]}", f"{other.id}.{signature}", f"{token}.", f" {token}", f"{token}\n",
        token.upper(), f"{ident}.{signature[:-1]}{last}", f"{ident}.{signature[:-1]}é", "", "." * 80, "x" * 100_000, f"{ident}.{'0' * 43}",
        "%00",
    ):  # fmt: skip
        assert store.shares.open(wrong) is None, wrong[:80]


def test_the_secret_is_the_owners_of_the_folder_and_without_it_links_open_nothing(store, hers):
    made = hers.create("run", "r1", WEEK)
    token, path = hers.token(made), store.files.root / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_bytes()) == 32
    assert [each.name for each in store.files.root.iterdir() if each.name.startswith(f"{KEY_FILE}.")] == []
    path.unlink()
    assert store.shares.open(token) is None and ShareStore(store.database, store.files).token(made) != token
    path.write_bytes(b"short")
    with pytest.raises(StorageError, match=KEY_FILE):
        store.shares.token(made)


def test_the_secret_is_made_once_also_where_files_cannot_be_linked(store, hers, monkeypatch):
    def refuse(*_paths):
        raise PermissionError

    monkeypatch.setattr("storage.shares.os.link", refuse)
    made = hers.create("run", "r1", WEEK)
    token, path = hers.token(made), store.files.root / KEY_FILE
    assert hers.token(made) == token and path.stat().st_mode & 0o777 == 0o600 and len(path.read_bytes()) == 32


def test_an_owner_has_so_many_links_and_no_more(store, hers):
    made = [hers.create("run", "r1", WEEK) for _ in range(MOST_OF_ONE)]
    with pytest.raises(StorageError, match=str(MOST_OF_ONE)):
        hers.create("run", "r1", WEEK)
    store.seen_by("bob").shares.create("run", "r1", WEEK)
    hers.revoke(made[0].id, "run", "r1")
    assert replace(hers.create("run", "r1", WEEK), id="") == replace(hers.of("run", "r1")[0], id="")


def test_links_go_with_the_rows_to_whoever_gets_these(store, hers):
    made = hers.create("run", "r1", WEEK)
    assert store.hand_over("ada", "eve") == 1
    assert [share.id for share in store.seen_by("eve").shares.of("run", "r1")] == [made.id]
    assert store.shares.open(hers.token(made)).owner == "eve"
