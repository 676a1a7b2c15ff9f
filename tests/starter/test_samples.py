"""The samples: written by the generator, never measured on what was trained, and described."""

import json
from pathlib import Path

import pytest

from app.samples import all_samples
from starter_training.samples import TASKS, files, made

FOLDER = Path(__file__).resolve().parents[2] / "app" / "samples"
ROWS = made()


def test_the_samples_in_the_repository_are_what_the_generator_writes():
    found = files()
    for name, text in found.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"run python -m starter_training.samples: {name}"
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".jsonl", ".csv", ".md", ".json")} == set(found)


def test_the_gallery_has_its_eight_tasks():
    assert [task.key for task in TASKS] == ["emoji", "pirate", "sentiment", "json", "persona", "routing", "refusals", "question"]
    assert [sample.key for sample in all_samples()] == list(ROWS)


@pytest.mark.parametrize("key", ROWS)
def test_held_out_rows_are_none_of_the_rows_to_train_on(key):
    trained, held = ([prompt for prompt, _ in rows] for rows in ROWS[key])
    assert len(set(trained)) == len(trained) and len(set(held)) == len(held)
    assert not set(trained) & set(held)
    assert 30 <= len(held) <= 60


@pytest.mark.parametrize("key", ["sentiment", "routing"])
def test_labels_are_balanced_in_both_parts(key):
    for rows in ROWS[key]:
        counts = [sum(answer == label for _, answer in rows) for label in {answer for _, answer in rows}]
        assert len(set(counts)) == 1


def test_what_is_turned_into_json_says_what_the_sentence_says():
    for rows in ROWS["json"]:
        for prompt, answer in rows:
            assert all(str(value) in prompt for value in json.loads(answer).values())


@pytest.mark.parametrize(("key", "marked"), [("persona", ("Mia", "astronaut", "brave")), ("refusals", ("may not talk about money",))])
def test_what_must_stay_as_it_is_is_in_both_parts(key, marked):
    for rows in ROWS[key]:
        new = sum(any(word in answer for word in marked) for _, answer in rows)
        assert 0.25 < 1 - new / len(rows) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.key)
def test_every_sample_has_a_card_that_says_where_it_comes_from(task):
    card = files()[f"{task.key}.md"]
    trained, held = ROWS[task.key]
    assert card.startswith("---\nlicense: apache-2.0") and task.title in card
    assert f"| {len(trained)} | `{task.key}.{task.ending}` |" in card and f"| {len(held)} |" in card


def test_every_sample_suggests_prompts_that_it_was_not_trained_on():
    for sample in all_samples():
        trained = {prompt for prompt, _ in ROWS[sample.key][0]}
        assert len(sample.prompts) == 4 and not set(sample.prompts) & trained


def test_the_emoji_sample_has_ten_rows():
    assert len(files()["emoji.jsonl"].splitlines()) == 10
