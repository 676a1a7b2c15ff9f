import pytest
from hypothesis import given
from hypothesis import strategies as st

from reft_engine.errors import ConfigError, PositionError
from reft_engine.positions import PositionSpec, prompt_positions

sizes = st.integers(0, 40)
rules = st.builds(PositionSpec, prefix=sizes, suffix=sizes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f7+l7", PositionSpec(7, 7)),
        ("f3", PositionSpec(3, 0)),
        ("l1", PositionSpec(0, 1)),
        ("all", PositionSpec(every=True)),
        ("  F7 + L2 ", PositionSpec(7, 2)),
        ("f0+l4", PositionSpec(0, 4)),
        ("f9999", PositionSpec(9999, 0)),
    ],
)
def test_a_rule_is_read_as_it_is_written(text, expected):
    assert PositionSpec.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "f",
        "l",
        "7",
        "f7+",
        "+l7",
        "l7+f7",
        "f7+f7",
        "f-1",
        "f1.5",
        "f10000",
        "f7++l7",
        "f7,l7",
        "f7l",
        "last",
        "f7+l7;",
        "f\n1",
    ],
)
def test_anything_else_is_refused_in_words_and_the_field_is_named(text):
    with pytest.raises(PositionError, match="is not a position rule") as caught:
        PositionSpec.parse(text)
    assert caught.value.field == "positions"
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("text", ["f0", "l0", "f0+l0"])
def test_a_rule_that_selects_nothing_is_refused(text):
    with pytest.raises(PositionError, match="selects no token"):
        PositionSpec.parse(text)


def test_a_huge_rule_is_quoted_only_in_part():
    with pytest.raises(PositionError) as caught:
        PositionSpec.parse("f" * 100_000)
    assert len(str(caught.value)) < 300


@given(rules.filter(lambda rule: rule.prefix + rule.suffix > 0) | st.just(PositionSpec(every=True)))
def test_a_rule_written_out_reads_back_as_itself(rule):
    assert PositionSpec.parse(str(rule)) == rule


@given(rules, st.integers(0, 200))
def test_the_groups_lie_in_the_prompt_at_its_two_ends_and_never_overlap(rule, length):
    prefix, suffix = prompt_positions(rule, length)
    assert prefix == list(range(len(prefix)))
    assert suffix == list(range(length - len(suffix), length))
    assert len(prefix) + len(suffix) <= length


@given(rules, st.integers(2, 200))
def test_a_short_prompt_gives_each_side_at_most_its_half(rule, length):
    prefix, suffix = prompt_positions(rule, length)
    assert len(prefix) == min(rule.prefix, length // 2)
    assert len(suffix) == min(rule.suffix, length // 2)


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("f2+l3", 9, ([0, 1], [6, 7, 8])),
        ("f7+l7", 14, (list(range(7)), list(range(7, 14)))),
        ("f7+l7", 5, ([0, 1], [3, 4])),
        ("f3", 3, ([0], [])),
        ("l3", 4, ([], [2, 3])),
        ("f7+l7", 2, ([0], [1])),
        ("all", 3, ([0, 1, 2], [])),
        ("all", 0, ([], [])),
        ("f7+l7", 0, ([], [])),
    ],
)
def test_the_tokens_of_a_rule(text, length, expected):
    assert prompt_positions(PositionSpec.parse(text), length) == expected


def test_a_prompt_of_one_token_counts_as_suffix():
    assert prompt_positions(PositionSpec(7, 7), 1) == ([], [0])
    assert prompt_positions(PositionSpec(0, 1), 1) == ([], [0])
    assert prompt_positions(PositionSpec(1, 0), 1) == ([], [])


def test_only_a_rule_with_both_ends_is_two_sided():
    assert [PositionSpec.parse(text).two_sided for text in ("f1+l1", "f3", "l3", "all")] == [True, False, False, False]
