import pytest

from app.components.bars_html import Bar, bars
from app.components.row_check_html import lengths, row_check
from reft_engine.data.row_check import BINS, Finding, Lengths, RowCheck

COUNTS = {
    "base": "starter", "max_length": 512, "rows": 12, "usable_rows": 12, "rows_left_out": 0, "examples": 12, "trained": 11, "held_out": 1,
    "cut_answers": 0, "tokens": 99, "longest": 20,
}  # fmt: skip


def test_good_rows_are_said_in_a_sentence_that_names_the_base_model():
    shown = row_check(RowCheck(**COUNTS))
    assert "All 12 rows can be trained on with starter." in shown and "rs-notice good" in shown and "<details" not in shown
    assert "11 rows to learn from, 1 to measure with; the longest has 20 tokens." in shown


def test_a_finding_opens_to_its_rows_and_what_to_do_and_shows_text_as_text():
    rows = {"lines": (7, 1200), "excerpts": ("<img src=x>", "b"), "unit": "row"}
    found = Finding(kind="letters", count=3, text="3 rows <b>", advice="Do <i>.", **rows)
    shown = row_check(RowCheck(**COUNTS, findings=(found,)))
    assert '<details class="rs-problems" data-finding="letters"><summary>3 rows &lt;b&gt;</summary><p>Do &lt;i&gt;.</p>' in shown
    assert "<li>Row 7: &lt;img src=x&gt;</li><li>Row 1,200: b</li><li>and 1 more</li>" in shown
    assert "rs-notice info" in shown


def test_where_nothing_can_be_learned_it_is_bad_and_where_nothing_is_known_it_says_so():
    nothing = {**COUNTS, "usable_rows": 0, "rows_left_out": 12, "examples": 0, "trained": 0, "held_out": 0}
    shown = row_check(RowCheck(**nothing))
    assert "rs-notice bad" in shown and "none can be trained on" in shown and "to learn from" not in shown
    assert "counted when a run with it starts" in row_check(None)


def a_length(half, longest, over=0, **counts):
    """Lengths with so many texts in some bins, of which those over the limit are in the last one."""
    made = [counts.get(f"bin{number}", 0) for number in range(BINS)]
    beyond = [0] * BINS
    beyond[longest.bit_length() - 1] = over
    return Lengths(half=half, longest=longest, counts=tuple(made), over=tuple(beyond))


def test_lengths_are_a_sentence_and_two_charts_that_mark_what_is_too_long():
    prompts, answers = a_length(12, 600, 2, bin3=10, bin9=3), a_length(1, 3, bin0=9, bin1=2)
    shown = lengths(RowCheck(**COUNTS, prompts=prompts, answers=answers, learned=0.384))
    assert "Half of the prompts have at most 12 tokens, the longest 600." in shown and "38% of all tokens are learned." in shown
    assert "A row has room for 512 tokens, up to the dashed line;" in shown
    assert shown.count("<table") == shown.count("<caption>") == 2
    assert "Prompts by their tokens" in shown and "Answers by their tokens" in shown
    for name in ("8-15", "16-31", "512-1,023", "1", "2-3"):
        assert f'<th scope="row" dir="auto">{name}</th>' in shown
    assert "<td>3, 2 of them too long</td>" in shown and '<i class="over" style="width:20.0%">' in shown
    assert shown.count("rs-ends") == 1 and shown.index("128-255") < shown.index("rs-ends") < shown.index("256-511")
    assert lengths(None) == lengths(RowCheck(**COUNTS)) == ""


@pytest.mark.parametrize(("room", "line"), [(257, True), (500, True), (512, True), (513, False), (256, False)])
def test_the_line_stands_below_the_bar_in_which_the_room_ends(room, line):
    shown = lengths(RowCheck(**{**COUNTS, "max_length": room}, prompts=a_length(300, 400, bin8=3)))
    assert ("rs-ends" in shown) is ("dashed" in shown) is line


def test_texts_that_are_classified_have_one_chart():
    shown = lengths(RowCheck(**COUNTS, prompts=a_length(12, 14, bin3=10)))
    assert shown.count("<table") == 1 and "Texts by their tokens" in shown and "rs-ends" not in shown


def test_a_bar_names_what_it_stands_for_as_text():
    shown = bars("Answers", "Answer", [Bar("<b>yes</b>", 1500), Bar("no", 500)])
    assert "&lt;b&gt;yes&lt;/b&gt;" in shown and "<td>1,500</td>" in shown and "width:33.3%" in shown
    assert "<tbody></tbody>" in bars("Answers", "Answer", [])
