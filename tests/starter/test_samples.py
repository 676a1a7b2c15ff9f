import json
from pathlib import Path

import pytest

from starter_training.samples import INDEX, files, prompts

FOLDER = Path(__file__).resolve().parents[2] / "app" / "samples"


def test_the_samples_in_the_repository_are_what_the_generator_writes():
    for name, text in files().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"run python -m starter_training.samples: {name}"


@pytest.mark.parametrize("sample", INDEX, ids=lambda sample: sample["key"])
def test_held_out_rows_are_none_of_the_rows_to_train_on(sample):
    made = files()
    trained, held = (prompts(sample[key], made[sample[key]]) for key in ("file", "held_out"))
    assert len(set(trained)) == len(trained) and len(set(held)) == len(held)
    assert not set(trained) & set(held)
    assert 30 <= len(held) <= 60


def test_every_sample_suggests_prompts_that_it_was_not_trained_on():
    made = files()
    for sample in json.loads(made["index.json"]):
        assert len(sample["prompts"]) == 4
        assert not set(sample["prompts"]) & set(prompts(sample["file"], made[sample["file"]]))


def test_the_emoji_sample_has_ten_rows():
    assert len(files()["emoji.jsonl"].splitlines()) == 10
