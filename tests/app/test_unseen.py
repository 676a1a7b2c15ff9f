"""What is called never seen: by the run, by the runs that its edit comes from, and by those of a mix."""

import pytest

from app.errors import StudioError
from app.handlers import answers_grid, batch, datasets, unseen
from app.handlers.playground import suggestions
from reft_engine.data import Example, Message, dump_examples
from tests.app.conftest import write_rows

ROWS = [("one", "1"), ("two", "2"), ("three", "3"), ("one", "11"), ("four", "4")]


@pytest.fixture
def dataset(services, tmp_path):
    return datasets.save_upload(services, str(write_rows(tmp_path / "rows.csv", ROWS)), label="rows.csv")


def make(services, dataset, places, **more):
    """A run of the newest version that held out rows at these places."""
    run = services.storage.runs.create(dataset.id, {"base": "starter", "train": {}}, **more)
    services.storage.queue.claim("w").set_rows("Training.", places)
    return services.storage.runs.get(run.id)


def edited(services, dataset, rows):
    examples = [Example(line, (Message("user", prompt),), answer) for line, (prompt, answer) in enumerate(rows, start=1)]
    return services.storage.datasets.add_version(
        dataset.id, label="l", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=dump_examples(examples), change="Other rows."
    )


def asked(services, *runs):
    return [each["prompt"] for each in batch.held_out(services, [run.id for run in runs], 50)["prompts"]]


def test_a_held_out_row_whose_prompt_is_trained_too_is_not_unseen(services, dataset):
    run = make(services, dataset, [0, 1, 4])
    assert unseen.unseen_places(services, [run]) == [1, 4] and asked(services, run) == ["two", "four"]
    assert [each.prompt for each in answers_grid.held_out(services, [run], 50)] == ["two", "four"]
    assert suggestions(services, run.id).unseen == ("two", "four")


def test_what_the_run_had_learned_that_it_goes_on_from_is_not_unseen(services, dataset):
    """Also where the rows were another version then, and over several runs."""
    first = make(services, dataset, [2, 4])
    newest = edited(services, dataset, [*ROWS[1:], ("five", "5"), ("six", "6")])
    second = make(services, newest, [0, 1, 4], continues_id=first.id)
    third = make(services, newest, [0, 1, 4, 5], continues_id=second.id)
    assert asked(services, second) == ["three", "five"], "the first run has learned two"
    assert asked(services, third) == ["three", "five"], "and the second one six"
    assert suggestions(services, third.id).unseen == ("three", "five")


def test_a_mix_has_seen_what_its_runs_have(services, dataset, tmp_path):
    other = datasets.save_upload(services, str(write_rows(tmp_path / "other.csv", [("four", "x"), ("seven", "7")])), label="other.csv")
    one, two = make(services, dataset, [2, 4]), make(services, other, [1])
    folder = tmp_path / "adapter"
    folder.mkdir()
    parts = [{"run": run.id, "name": run.name, "weight": 1.0} for run in (one, two)]
    mixed = services.storage.made.add(
        dataset.id, dataset.version.id, {"base": "starter", "train": {}}, folder, name="Mix", sentence="Mixed.", held_out=[2, 4],
        summary={"mixed_from": parts},
    )  # fmt: skip
    assert asked(services, mixed) == ["three"] and suggestions(services, mixed.id).unseen == ("three",)


def test_of_several_runs_none_has_seen_it(services, dataset):
    assert asked(services, make(services, dataset, [1, 2]), make(services, dataset, [2, 4])) == ["three"]
    with pytest.raises(StudioError, match="no held-out row whose prompt none of these runs has learned"):
        asked(services, make(services, dataset, [0]))


def test_nothing_is_called_unseen_where_a_run_is_gone_that_it_goes_on_from(services, dataset):
    run = make(services, dataset, [1], continues_id="gone")
    assert unseen.learned_by(services, run) is None and suggestions(services, run.id).unseen == ()
    with pytest.raises(StudioError, match="Write prompts of your own"):
        asked(services, run)
