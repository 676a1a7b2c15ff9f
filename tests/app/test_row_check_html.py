from app.components.row_check_html import row_check
from reft_engine.data.row_check import Finding, RowCheck

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
