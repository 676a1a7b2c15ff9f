"""A corrected answer goes to the rows of its conversation or to a new one, and is trained on; what was held out stays so."""

import json

import pytest

from reft_engine import DataError
from reft_engine.data import (
    HELD_OUT,
    TRAIN,
    Correction,
    Example,
    HeldOutRows,
    Message,
    Preference,
    correct_rows,
    differences,
    dump_examples,
    held_out_rows,
    learned_before,
    load_examples,
    split_indices,
)

SYSTEM = Message("system", "Be brief.")


def asked(text, *before):
    return (*before, Message("user", text))


def example(number, prompt, answer, split="", group="", before=()):
    return Example(number, asked(prompt, *before), answer, number, split, group)


@pytest.fixture
def write(tmp_path):
    def written(examples, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(dump_examples(examples))
        return path

    return written


@pytest.fixture
def correct(tmp_path):
    def corrected(path, prompt, answer, instead="", held_out=None, after=0, before=()):
        out = tmp_path / "out.jsonl"
        found = correct_rows(path, out, Correction(asked(prompt, *before), answer, instead), held_out, after)
        return found, load_examples(out), out

    return corrected


def answers(examples):
    return {example.messages[-1].content: example.answer for example in examples}


def sides(path):
    return {row["row"]: row.get("split", "") for row in map(json.loads, path.read_text().splitlines())}


ROWS = [example(number, f"{number} cats?", f"cat {number}.") for number in range(1, 6)]


def test_the_row_of_that_very_conversation_gets_the_answer(write, correct):
    path = write(ROWS)
    found, rows, out = correct(path, "3 cats?", "three cats")
    assert (found.rows, found.is_new, found.usable, found.counts, found.was_held_out) == ((3,), False, 5, {}, 0)
    assert answers(rows) == {**answers(ROWS), "3 cats?": "three cats"}
    what = differences(path, out)
    assert (what.changed, what.added, what.dropped, what.moved) == (1, 0, 0, 0)
    assert [(text.name, text.before, text.after) for text in what.texts] == [("answer", "cat 3.", "three cats")]


def test_any_other_conversation_is_a_new_row_behind_all_others(write, correct):
    path = write(ROWS)
    found, rows, out = correct(path, "9 cats?", "nine cats")
    assert (found.rows, found.is_new, found.usable) == ((6,), True, 6) and rows[:5] == ROWS
    assert rows[5] == Example(6, asked("9 cats?"), "nine cats") and rows[5].row == 6
    assert (differences(path, out).added, differences(path, out).changed) == (1, 0)


def test_a_new_row_takes_no_number_that_an_earlier_version_had(write, correct):
    found, _, _ = correct(write(ROWS[:3]), "9 cats?", "nine", after=5)
    assert found.rows == (6,)


def test_all_rows_of_one_conversation_get_the_answer(write, correct):
    found, rows, _ = correct(write([*ROWS, example(6, "3 cats?", "other")]), "3 cats?", "three cats")
    assert found.rows == (3, 6) and [row.answer for row in rows if row.messages == asked("3 cats?")] == ["three cats"] * 2


def test_a_row_is_found_without_its_system_message_and_keeps_it(write, correct):
    found, rows, _ = correct(write([example(1, "a?", "b", before=(SYSTEM,))]), "a?", "c")
    assert not found.is_new and rows == [Example(1, (SYSTEM, *asked("a?")), "c")]


def test_another_system_message_is_another_conversation(write, correct):
    found, rows, _ = correct(write([example(1, "a?", "b", before=(SYSTEM,))]), "a?", "c", before=(Message("system", "Shout."),))
    assert found.is_new and rows[1].messages[0] == Message("system", "Shout.") and not found.system


def test_a_new_row_begins_with_the_system_message_that_all_rows_have(write, correct):
    same = [example(number, f"{number}?", "a", before=(SYSTEM,)) for number in (1, 2)]
    found, rows, _ = correct(write(same), "new?", "c")
    assert found.system and rows[2].messages == (SYSTEM, *asked("new?"))
    for different in (example(3, "3?", "a"), example(3, "3?", "a", before=(Message("system", "Shout."),))):
        found, rows, _ = correct(write([*same, different]), "new?", "c")
        assert not found.system and rows[3].messages == asked("new?")


def test_an_earlier_answer_of_a_chat_is_corrected_in_its_place(write, correct):
    first = example(1, "Hello", "Hi.")
    second = Example(1, (*first.messages, Message("assistant", "Hi."), Message("user", "Bye")), "Bye.", 1)
    path = write([first, second])
    found, rows, _ = correct(path, "Hello", "Good day.")
    assert (found.rows, found.usable) == ((1,), 1) and [row.answer for row in rows] == ["Good day.", "Bye."]
    assert rows[1].messages[1] == Message("assistant", "Good day.")
    found, rows, _ = correct(path, "Bye", "See you.", before=(*first.messages, Message("assistant", "Hi.")))
    assert not found.is_new and [row.answer for row in rows] == ["Hi.", "See you."]


# Sides


def test_what_a_run_held_out_stays_held_out_and_all_else_is_trained(write, correct):
    path = write(ROWS)
    trained, held = split_indices(ROWS, 0.4, 3)
    found, rows, out = correct(path, "new?", "c", held_out=held_out_rows(path, held))
    assert found.counts == {TRAIN: 4, HELD_OUT: 2}
    assert sides(out) == {**{place + 1: TRAIN for place in trained}, **{place + 1: HELD_OUT for place in held}, 6: TRAIN}
    assert [rows[place] for place in split_indices(rows, 0.9, 7)[1]] == [ROWS[place] for place in sorted(held)], "whatever share and seed"


def test_a_held_out_row_that_is_fixed_is_trained_from_then_on(write, correct):
    path = write(ROWS)
    found, _, out = correct(path, "2 cats?", "two", held_out=held_out_rows(path, [1, 3]))
    assert (found.was_held_out, found.counts) == (1, {TRAIN: 4, HELD_OUT: 1}) and sides(out)[2] == TRAIN
    assert (differences(path, out).changed, differences(path, out).moved) == (1, 5)


def test_a_held_out_row_may_be_fixed_with_the_answer_that_it_has(write, correct):
    path = write(ROWS)
    found, _, out = correct(path, "2 cats?", "cat 2.", held_out=held_out_rows(path, [1]))
    assert (found.was_held_out, found.counts) == (1, {TRAIN: 5, HELD_OUT: 0}) and set(sides(out).values()) == {TRAIN}


def test_equal_rows_and_rows_of_a_group_are_held_out_with_the_one_that_measured(write, correct):
    rows = [*ROWS, example(6, "2 cats?", "cat 2."), example(7, "x?", "y", group="g"), example(8, "z?", "y", group="g")]
    path = write(rows)
    _, _, out = correct(path, "new?", "c", held_out=held_out_rows(path, [1, 6]))
    assert {number for number, side in sides(out).items() if side == HELD_OUT} == {2, 6, 7, 8}


def test_rows_that_are_divided_already_stay_as_they_are(write, correct):
    path = write([example(row.line, row.messages[0].content, row.answer, HELD_OUT if row.line == 5 else TRAIN) for row in ROWS])
    found, _, out = correct(path, "5 cats?", "five", held_out=HeldOutRows(frozenset([1])))
    assert (found.was_held_out, found.counts) == (1, {TRAIN: 5, HELD_OUT: 0}) and sides(out) == dict.fromkeys(range(1, 6), TRAIN)
    found, _, out = correct(path, "new?", "c", held_out=HeldOutRows(frozenset([1])))
    assert sides(out) == {**dict.fromkeys(range(1, 5), TRAIN), 5: HELD_OUT, 6: TRAIN}


def test_held_out_rows_that_a_run_has_learned_are_counted(write):
    old = write(ROWS)
    newer = write([example(row.line, row.messages[0].content, row.answer, HELD_OUT if row.line > 2 else TRAIN) for row in ROWS], "newer")
    assert learned_before(old, held_out_rows(old, [2]), newer) == 2
    assert learned_before(old, held_out_rows(old, [2, 3, 4]), newer) == 0
    more = write([*load_examples(newer), example(6, "new?", "n", HELD_OUT)], "more")
    assert learned_before(old, held_out_rows(old, [2, 3, 4]), more) == 0, "a row that was not there cannot have been learned"


# Pairs, and what is refused


PAIRS = [Preference(1, asked("a?"), "good", "bad", 1), Preference(2, asked("b?"), "good", "bad", 2)]


def test_a_pair_gets_the_answer_as_its_better_one(write, correct):
    _, rows, _ = correct(write(PAIRS), "b?", "best", "poor")
    assert rows == [PAIRS[0], Preference(2, asked("b?"), "best", "bad")]
    _, rows, _ = correct(write(PAIRS), "b?", "bad", "poor")
    assert rows == [PAIRS[0], Preference(2, asked("b?"), "bad", "poor")]
    found, rows, _ = correct(write(PAIRS), "c?", "best", "poor")
    assert found.is_new and rows[2] == Preference(3, asked("c?"), "best", "poor")


@pytest.mark.parametrize(("rows", "prompt", "answer", "instead", "kind"), [
    (ROWS, "3 cats?", " ", "", "correct.empty"), (ROWS, "3 cats?", "cat 3.", "", "correct.same"),
    ([Example(1, (), "plain text", 1)], "a?", "b", "", "correct.plain"),
    (PAIRS, "a?", "b", "", "correct.pairs"), (PAIRS, "a?", "b", " b ", "correct.pairs"),
])  # fmt: skip
def test_an_answer_without_a_place_is_refused(write, correct, rows, prompt, answer, instead, kind):
    with pytest.raises(DataError) as refused:
        correct(write(rows), prompt, answer, instead)
    assert refused.value.kind == kind
