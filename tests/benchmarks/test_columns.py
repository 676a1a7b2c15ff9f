"""The benchmark of columns without an edit: which rows it learns, chooses by and measures on, and how a line reads."""

from collections.abc import Sequence

import pytest

from app.samples import all_samples, find_sample
from benchmarks.columns import CHOOSING, HEAD, LABELS, Measured, right_of, task_of
from reft_engine import generate, load_base


@pytest.mark.parametrize("key", [sample.key for sample in all_samples()])
def test_rows_are_learned_chosen_by_or_measured_on(key):
    task = task_of(find_sample(key), 5)
    parts = [{(row.messages, row.answer) for row in part} for part in (task.rows, task.choosing, task.held_out)]
    assert all(parts) and len(task.held_out) == 5
    assert not parts[0] & parts[1] and not parts[2] & (parts[0] | parts[1])
    assert len(task.choosing) == pytest.approx(CHOOSING * (len(task.rows) + len(task.choosing)), abs=2)
    assert set(task.labels) == ({row.answer for row in (*task.rows, *task.choosing)} if task.labels else set())


def test_samples_of_a_few_answers_have_labels_and_others_none():
    found = {sample.key: task_of(sample, 1).labels for sample in all_samples()}
    assert 2 <= len(found["sentiment"]) <= LABELS and found["pirate"] == ()


def cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def test_a_line_has_a_cell_for_each_column_and_the_spread_where_there_is_one():
    plain = Measured("pirate", "edit", 20, 18, (18, 18), seconds=3.14, kept=98_304, prompt=31.4, note="3 epochs")
    shown = Measured("pirate", "few-shot, 4", 20, 3, (1, 6), 7, prompt=200, slower=1.234)
    lines = [cells(each.line) for each in (plain, shown)]
    assert lines[0] == ["pirate", "edit", "18 of 20", "-", "3.1", "98,304", "31", "-", "3 epochs"]
    assert lines[1] == ["pirate", "few-shot, 4", "3 of 20 (1 to 6)", "7", "0.0", "0", "200", "1.23", ""]
    assert len(cells(HEAD.split("\n")[0])) == len(lines[0])


def test_what_is_right_is_the_greedy_answer_to_the_letter():
    base, task = load_base("starter", device="cpu"), task_of(find_sample("sentiment"), 3)
    prompts = [row.messages for row in task.held_out]
    texts = generate(base, prompts, max_new_tokens=48)
    wanted = sum(text.strip() == row.answer.strip() for text, row in zip(texts, task.held_out, strict=True))
    assert right_of(base, task, prompts) == wanted
