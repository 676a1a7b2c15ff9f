import pytest

from storage import NotFoundError, StorageError
from storage.presets import MOST


def test_a_preset_is_what_was_saved_under_its_name(store, reopen):
    made = store.presets.create("  My\nsettings ", {"rank": 4, "layers": "0;2", "patience": None, "learning_rate": 0.0123456789})
    assert made.name == "My settings" and made.settings == {"rank": 4, "layers": "0;2", "patience": None, "learning_rate": 0.0123456789}
    assert reopen().presets.all() == [store.presets.get(made.id)]
    assert store.presets.get(made.id).created_at == made.created_at


def test_presets_stand_in_the_order_of_their_names(store):
    for name in ("b", "A", "c"):
        store.presets.create(name, {})
    assert [preset.name for preset in store.presets.all()] == ["A", "b", "c"]


def test_a_name_is_given_once_whatever_its_case(store):
    first, second = (store.presets.create(name, {}) for name in ("One", "Two"))
    with pytest.raises(StorageError, match="There is a preset One already"):
        store.presets.create("ONE", {"rank": 1})
    with pytest.raises(StorageError, match="There is a preset One already"):
        store.presets.rename(second.id, " one ")
    assert store.presets.rename(first.id, "ONE").name == "ONE"
    assert [preset.name for preset in store.presets.all()] == ["ONE", "Two"]


def test_a_deleted_preset_comes_back_as_it_was_and_only_once(store):
    made = store.presets.create("One", {"rank": 4})
    assert store.presets.delete(made.id) == made and store.presets.all() == []
    for act in (store.presets.get, store.presets.delete, lambda each: store.presets.rename(each, "x")):
        with pytest.raises(NotFoundError):
            act(made.id)
    assert store.presets.put_back(made) == store.presets.put_back(made) == made and store.presets.all() == [made]
    store.presets.delete(made.id)
    store.presets.create("one", {})
    with pytest.raises(StorageError, match="There is a preset one already"):
        store.presets.put_back(made)


def test_there_are_not_too_many(store, monkeypatch):
    assert MOST >= 100
    monkeypatch.setattr("storage.presets.MOST", 2)
    for name in ("a", "b"):
        store.presets.create(name, {})
    with pytest.raises(StorageError, match="There are 2 presets already"):
        store.presets.create("c", {})
