"""What is remembered is bounded by its size, and the newest stays."""

import pytest

from app.remembered import Remembered


def test_values_are_made_once_and_the_oldest_goes_first_when_there_is_no_room():
    made, kept = [], Remembered[str](10, len)

    def get(key, size=4):
        return kept.get(key, lambda: made.append(key) or key * size)

    assert [get("a"), get("b"), get("a")] == ["aaaa", "bbbb", "aaaa"] and made == ["a", "b"]
    assert get("c") == "cccc" and len(kept) == 2, "12 bytes are too many: b is the one that nobody asked for lately"
    get("a"), get("c")
    assert made == ["a", "b", "c"]
    assert get("big", 20) == "big" * 20 and len(kept) == 1, "the newest is kept whatever its size"
    assert get("big") == "big" * 20


def test_what_could_not_be_made_is_made_again():
    kept = Remembered[int](10, lambda _: 1)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 7) == 7
