"""Saved conversations: their documents, versions and bin, and what backup, doctor and the hourly cleaning know of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from storage import ConflictError, NotFoundError, Storage, StorageError, TooLargeError
from storage.chats import LIMIT, MOST
from storage.upkeep import clean_up, disk_usage, find_problems, restore_backup, write_backup

TEXT = '{"text":"\\u0000 ```\\n<b>ö 漢 🐈"}'


def test_a_document_is_what_was_saved_under_its_name(store, reopen):
    made = store.chats.create("  My\nchat ", TEXT)
    assert (made.name, made.version, made.size_bytes, made.binned_at) == ("My chat", 1, len(TEXT.encode()), None)
    assert made.created_at == made.updated_at
    assert reopen().chats.read(made.id) == (made, TEXT) and store.chats.get(made.id) == made


def test_the_list_has_the_one_that_was_saved_last_first(store):
    made = [store.chats.create(name, "{}") for name in "abcde"]
    saved = store.chats.save(made[1].id, "[]", 1)
    assert saved.updated_at > made[4].updated_at and saved.created_at == made[1].created_at
    store.chats.rename(made[0].id, "z")
    page, total = store.chats.page(2)
    assert ([chat.name for chat in page], total) == (["b", "e"], 5)
    assert [chat.name for chat in store.chats.page(9, 2)[0]] == ["d", "c", "z"]
    assert store.chats.page(0) == ([], 5) and store.chats.page(9, 5) == ([], 5)


def test_each_save_is_the_next_version_and_an_older_one_is_refused(store, reopen):
    made = store.chats.create("a", '"1"')
    assert store.chats.save(made.id, '"2"', 1).version == 2
    with pytest.raises(ConflictError, match="saved in another window"):
        reopen().chats.save(made.id, '"mine"', 1)
    assert store.chats.read(made.id)[1] == '"2"'
    with pytest.raises(ConflictError):
        store.chats.save(made.id, '"later"', 7)
    assert store.chats.save(made.id, '"3"', 2).version == 3


def test_a_save_whose_answer_was_lost_can_be_sent_again(store):
    made = store.chats.create("a", '"1"')
    first = store.chats.save(made.id, '"2"', 1)
    assert store.chats.save(made.id, '"2"', 1) == first
    assert store.chats.get(made.id).version == 2


def test_of_windows_that_save_at_once_one_wins_and_the_others_are_told(store, reopen):
    made = store.chats.create("a", '"0"')
    windows = [reopen() for _ in range(6)]
    together = threading.Barrier(len(windows))

    def save(number):
        together.wait()
        try:
            return windows[number].chats.save(made.id, f'"{number + 1}"', 1)
        except ConflictError:
            return None

    with ThreadPoolExecutor(len(windows)) as pool:
        answers = list(pool.map(save, range(len(windows))))
    (winner,) = [number for number, answer in enumerate(answers) if answer]
    assert store.chats.read(made.id) == (answers[winner], f'"{winner + 1}"') and answers[winner].version == 2


def test_a_new_name_is_no_new_version(store):
    made = store.chats.create("a", "{}")
    assert store.chats.rename(made.id, " b\n ").name == "b"
    assert store.chats.save(made.id, "[]", 1).name == "b"


def test_a_deleted_one_is_neither_read_nor_saved_until_it_is_put_back(store):
    made, other = store.chats.create("a", "{}"), store.chats.create("b", "{}")
    deleted = store.chats.delete(made.id)
    assert deleted.binned_at and store.chats.delete(made.id) == deleted
    assert store.chats.page(9) == ([other], 1) and store.chats.page(9, binned=True) == ([deleted], 1)
    with pytest.raises(NotFoundError):
        store.chats.read(made.id)
    with pytest.raises(ConflictError, match="deleted meanwhile"):
        store.chats.save(made.id, "[]", 1)
    assert store.chats.restore(made.id) == store.chats.restore(made.id) == made
    assert store.chats.read(made.id) == (made, "{}") and store.chats.page(9, binned=True) == ([], 0)


def test_only_what_is_in_the_bin_is_removed_for_good(store):
    made = store.chats.create("a", "{}")
    with pytest.raises(StorageError, match="Delete this conversation first"):
        store.chats.remove(made.id)
    store.chats.delete(made.id)
    store.chats.remove(made.id)
    for act in (store.chats.get, store.chats.read, store.chats.delete, store.chats.restore, store.chats.remove):
        with pytest.raises(NotFoundError):
            act(made.id)
    for act in (lambda: store.chats.save(made.id, "{}", 1), lambda: store.chats.rename(made.id, "x")):
        with pytest.raises(NotFoundError):
            act()


@pytest.mark.parametrize("chat_id", ["", "..", "a\x00b", "x" * 4000, "'; DROP TABLE chats; --", "\ud800"])
def test_an_odd_id_finds_nothing(store, chat_id):
    for act in (store.chats.get, store.chats.read, store.chats.delete, lambda each: store.chats.save(each, "{}", 1)):
        with pytest.raises(NotFoundError):
            act(chat_id)


def test_a_document_has_a_largest_size(store):
    made = store.chats.create("a", "ö" * (LIMIT // 2))
    assert made.size_bytes == LIMIT and len(store.chats.read(made.id)[1]) == LIMIT // 2
    for act in (lambda text: store.chats.create("b", text), lambda text: store.chats.save(made.id, text, 1)):
        with pytest.raises(TooLargeError, match=r"has 4\.00 MB and can have 4"):
            act("ö" * (LIMIT // 2) + "x")
    assert store.chats.page(9) == ([made], 1)


def test_there_are_not_too_many_those_in_the_bin_among_them(store, monkeypatch):
    assert MOST >= 1_000
    monkeypatch.setattr("storage.chats.MOST", 2)
    first, _ = (store.chats.create(name, "{}") for name in "ab")
    store.chats.delete(first.id)
    with pytest.raises(StorageError, match="There are 2 conversations already"):
        store.chats.create("c", "{}")
    store.chats.remove(first.id)
    assert store.chats.create("c", "{}").name == "c"


def test_what_is_long_in_the_bin_is_removed_in_time(store):
    kept, young, old = (store.chats.create(name, "{}") for name in ("kept", "young", "old"))
    store.chats.delete(young.id)
    store.chats.delete(old.id)
    with store.database.transaction() as session:
        long_ago = store.chats.get(old.id).binned_at - timedelta(days=8)
        session.execute(text("UPDATE chats SET binned_at = :at WHERE id = :id"), {"at": long_ago, "id": old.id})
    assert clean_up(store, 7) == [f"Removed conversation {old.id}, which was in the bin for 7 days."]
    assert store.chats.page(9) == ([kept], 1) and [chat.id for chat in store.chats.page(9, binned=True)[0]] == [young.id]
    assert store.chats.empty_bin() == [young.id] and store.chats.page(9, binned=True) == ([], 0)


@pytest.mark.parametrize("damage", ["document = '{'", "size_bytes = 3"])
def test_a_damaged_document_is_found(store, damage):
    broken, _ = store.chats.create("Broken", '{"a":1}'), store.chats.create("Whole", TEXT)
    assert find_problems(store) == []
    with store.database.transaction() as session:
        session.execute(text(f"UPDATE chats SET {damage} WHERE id = :id"), {"id": broken.id})
    assert [finding.text for finding in find_problems(store)] == ["The conversation Broken cannot be read any more."]


def test_conversations_are_in_a_backup_of_sqlite_and_in_its_size(tmp_path):
    with_chats = Storage(tmp_path / "data")
    before = disk_usage(with_chats).database
    made = [with_chats.chats.create(name, TEXT + " " * 300_000) for name in "abc"]
    binned = with_chats.chats.delete(made[2].id)
    assert disk_usage(with_chats).database > before + 800_000
    write_backup(with_chats, tmp_path / "b.zip")
    restore_backup(tmp_path / "b.zip", tmp_path / "back")
    back = Storage(tmp_path / "back")
    assert back.chats.page(9) == with_chats.chats.page(9) and back.chats.page(9, binned=True) == ([binned], 1)
    assert back.chats.read(made[0].id) == with_chats.chats.read(made[0].id)
    assert back.chats.save(made[0].id, "{}", 1).version == 2 and find_problems(back) == []
    for storage in (with_chats, back):
        storage.close()


def test_all_conversations_together_have_so_many_bytes_with_the_bin(store, monkeypatch):
    monkeypatch.setattr("storage.chats.MOST_BYTES", 1_000)
    first = store.chats.create("a", "x" * 600)
    store.chats.delete(first.id)
    second = store.chats.create("b", "x" * 400)
    with pytest.raises(StorageError, match="deleted ones among them"):
        store.chats.create("c", "x")
    with pytest.raises(StorageError, match="deleted ones among them"):
        store.chats.save(second.id, "x" * 401, 1)
    assert store.chats.save(second.id, "x" * 399, 1).version == 2, "what becomes shorter is always saved"
    store.chats.remove(first.id)
    assert store.chats.save(second.id, "x" * 1_000, 2).size_bytes == 1_000


def test_a_first_save_that_is_sent_twice_is_one_conversation(store):
    made = store.chats.create("a", TEXT, "k")
    assert store.chats.create("a", TEXT, "k") == made and store.chats.page(9)[1] == 1
    later = store.chats.create("a", "[1]", "k")
    assert (later.id, later.version) == (made.id, 2) and store.chats.read(made.id)[1] == "[1]", "nothing that was written is lost"
    assert store.chats.create("a", "[1]", "k") == later
    with pytest.raises(ConflictError, match="another window"):
        store.chats.create("a", "[2]", "k")
    store.chats.delete(made.id)
    assert store.chats.create("a", TEXT, "k").id != made.id
