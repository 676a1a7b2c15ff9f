"""Rows are divided as the file says, or by a plan of the dataset; nothing that belongs together is on both sides."""

import random
from collections import Counter

import pytest

from reft_engine.data import (
    Columns,
    Example,
    Message,
    Preference,
    SplitPlan,
    StoredExamples,
    answers_of,
    divided,
    dump_examples,
    inspect_rows,
    load_examples,
    split,
)
from reft_engine.data.splitting import HELD_OUT_LIMIT, sides_of, split_indices
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


# By the letter: what the hashes must come to


def belongs_to(example):
    """What a row belongs to: its group, or the chat up to its first answer."""
    spoke = False
    for index, message in enumerate(example.messages):
        if message.role == "assistant" and spoke:
            return example.group or (example.messages[:index], message.content)
        spoke = spoke or message.role == "user"
    return example.group or (example.messages, answers_of(example)[0])


def by_the_letter(examples, share, seed):
    """The division with the texts themselves in lists and dictionaries."""
    whole = [(example.messages, answers_of(example)[0]) for example in examples]
    named = [index for index, example in enumerate(examples) if example.split in ("", "train")]
    if 0 < len(named) < len(examples):
        others = [index for index in range(len(examples)) if index not in named]
        return named, [index for index in others if whole[index] not in [whole[each] for each in others if each < index]][:HELD_OUT_LIMIT]
    keys = list(dict.fromkeys(map(belongs_to, examples)))
    if share <= 0 or len(keys) < 4:
        return list(range(len(examples))), []
    random.Random(f"{seed}/split").shuffle(keys)
    drawn = keys[: min(max(1, round(share * len(keys))), HELD_OUT_LIMIT, len(keys) - 1)]
    held = []
    for key in drawn:
        same = [index for index, example in enumerate(examples) if belongs_to(example) == key]
        held += [index for at, index in enumerate(same) if whole[index] not in [whole[each] for each in same[:at]]]
    return [index for index, example in enumerate(examples) if belongs_to(example) not in drawn], held[:HELD_OUT_LIMIT]


def of_all_kinds(kind, count=60):
    """Rows with repeats; in groups, in chats, in pairs, or divided by the file."""
    draw, made = random.Random(kind), []
    for row in range(1, count + 1):
        asked, said = (Message("user", f"Question {draw.randrange(count // 2)}?"),), f"Answer {draw.randrange(3)}."
        place = {"row": row, "group": f"g{draw.randrange(9)}" if kind == "groups" and draw.random() < 0.8 else ""}
        place["split"] = draw.choice(["train", "test", "train"]) if kind == "own split" else ""
        if kind == "pairs":
            made.append(Preference(row, asked, said, "No.", **place))
            continue
        made.append(Example(row, asked, said, **place))
        if kind == "chats" and draw.random() < 0.5:
            made.append(Example(row, (*asked, Message("assistant", said), Message("user", "And?")), "That is all.", **place))
    return made


KINDS = ["plain", "groups", "chats", "pairs", "own split"]


@pytest.mark.parametrize("kind", KINDS)
def test_hashes_divide_as_the_texts_themselves(kind):
    examples = of_all_kinds(kind)
    for share in (0.0, 0.02, 0.1, 0.5, 0.9):
        for seed in (0, 1, 42):
            assert split_indices(examples, share, seed) == by_the_letter(examples, share, seed)
    assert split_indices(examples[:3], 0.5, 1) == by_the_letter(examples[:3], 0.5, 1)
    assert split_indices([], 0.5, 1) == ([], [])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_remembered_of_a_file_divides_it_as_its_examples(kind, tmp_path):
    (tmp_path / "rows").write_bytes(dump_examples(of_all_kinds(kind)))
    sides, examples = sides_of(StoredExamples(tmp_path / "rows")), load_examples(tmp_path / "rows")
    for seed in range(4):
        trained, held = sides.indices(0.2, seed)
        assert (trained.tolist(), held.tolist()) == split_indices(examples, 0.2, seed)
    assert 0 < sides.size <= 5 * len(examples)


def test_stored_examples_are_read_again_by_their_places(tmp_path):
    examples = of_all_kinds("chats")
    (tmp_path / "rows").write_bytes(dump_examples(examples))
    stored = StoredExamples(tmp_path / "rows")
    assert list(stored) == examples and stored.size == 8 * len(examples)
    places = random.Random(1).sample(range(len(examples)), 30)
    assert stored.at(places) == [examples[place] for place in places] and stored.at([]) == []
    (tmp_path / "rows").unlink()
    for read in (lambda: list(stored), lambda: stored.at([3])):
        with pytest.raises(DataError, match="missing or damaged"):
            read()
