"""Rows are divided as the file says, or by a plan of the dataset; nothing that belongs together is on both sides."""

from collections import Counter

import pytest

from reft_engine.data import Columns, SplitPlan, divided, inspect_rows, split
from reft_engine.errors import DataError


def rows(count=40):
    return [{"q": f"Question {n}?", "a": ("yes", "no")[n % 4 == 0], "who": f"person {n // 4}"} for n in range(count)]


COLUMNS = Columns(roles={"q": "prompt", "a": "answer", "who": "group"})


def examples(table=None, columns=COLUMNS):
    return list(inspect_rows(table or rows(), columns).examples)


def sides(divided_rows):
    held = [each for each in divided_rows if each.split == "held-out"]
    return [each for each in divided_rows if each.split == "train"], held


@pytest.mark.parametrize("method", ["random", "stratified", "group", "last"])
def test_a_plan_divides_all_rows_by_its_share_and_the_trainer_follows_it(method):
    made = divided(examples(), SplitPlan(method=method, share=0.25, seed=3))
    trained, held = sides(made)
    assert len(trained) + len(held) == 40 and 8 <= len(held) <= 12
    assert [each.line for each in made] == [each.line for each in examples()]
    assert split(made, 0.5, 99) == (trained, held)  # whatever share and seed a run has


@pytest.mark.parametrize("method", ["random", "stratified", "group"])
def test_the_seed_draws_and_the_same_seed_draws_the_same(method):
    plans = [SplitPlan(method=method, share=0.25, seed=seed) for seed in (1, 1, 2, 3)]
    drawn = [tuple(each.line for each in sides(divided(examples(), plan))[1]) for plan in plans]
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1


def test_a_stratified_plan_holds_out_the_same_share_of_each_answer():
    _, held = sides(divided(examples(rows(200)), SplitPlan(method="stratified", share=0.2)))
    assert Counter(each.answer for each in held) == {"yes": 30, "no": 10}


def test_no_group_is_on_both_sides():
    trained, held = sides(divided(examples(), SplitPlan(method="group", share=0.3)))
    assert held and not {each.group for each in trained} & {each.group for each in held}
    trained, held = split(examples(), 0.3, 1)  # nor where a run's own share divides
    assert held and not {each.group for each in trained} & {each.group for each in held}


def test_the_last_rows_are_the_latest():
    trained, held = sides(divided(examples(), SplitPlan(method="last", share=0.1)))
    assert [each.line for each in held] == [37, 38, 39, 40] and len(trained) == 36


def test_equal_rows_and_the_answers_of_a_chat_stay_on_one_side():
    chat = [{"role": ("user", "assistant")[n % 2], "content": f"turn {n}"} for n in range(6)]
    table = [{"messages": [{"role": "user", "content": f"{n // 2}"}, *chat[1:]]} for n in range(20)]
    made = divided(inspect_rows(table).examples, SplitPlan(share=0.3))
    first = {each.messages[0].content: each.split for each in made}
    assert len(made) == 60 and all(each.split == first[each.messages[0].content] for each in made)


def test_what_cannot_be_divided_is_refused_in_words():
    with pytest.raises(DataError, match="role group"):
        divided(examples(columns=Columns.pair("q", "a")), SplitPlan(method="group"))
    with pytest.raises(DataError, match="nothing to divide"):
        divided(examples([rows()[0], rows()[0]]), SplitPlan())


def test_the_files_own_split_is_followed():
    table = [{"prompt": f"q{n}", "answer": "a", "split": "train" if n < 7 else "test"} for n in range(10)]
    trained, held = split(inspect_rows(table).examples, 0.5, 0)
    assert ([each.messages[0].content for each in trained], len(held)) == ([f"q{n}" for n in range(7)], 3)
