"""What a comparison of runs says: which is better, whether by more than chance, what differs, and how well two or more can be compared."""

import json

import pytest

from app.cli import main
from app.errors import StudioError
from app.handlers import compare, train
from app.handlers.compare import MOST, comparison, curves, is_clear, read_ids
from reft_engine.training import Evidence, Score
from storage import MetricPoint, RunStatus


def score(tuned: float, right: int, gain: float, error: float = 0.01, rows: int = 40) -> Score:
    return Score(rows, 2.0, tuned, 0, right, right, 0, rows, 0, gain, error)


def finished(services, dataset, name, found: Score, held_out=(1, 2), parameters=100, **form):
    """A run with a result, as its worker leaves it."""
    run = train.start(services, dataset.id, train.TrainForm(**form), name, name)
    held = services.storage.queue.claim("w")
    assert held is not None and held.run.id == run.id
    held.begin("Reading the rows.")
    held.set_rows("Training.", list(held_out))
    held.add_metrics([MetricPoint(step, "held_out", 3.0 / step) for step in (1, 2, 3)])
    evidence = Evidence(found, 3.0, 1.0, found.tuned, found.base, 3, found.tuned, 3, 3, found.rows, True, "best")
    held.set_summary({"trainable_parameters": parameters, "seconds": 4.0, "evidence": evidence.to_dict()})
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):
        held.set_status(status, "Moved.")
    return services.storage.runs.get(run.id)


@pytest.fixture
def runs(services, dataset):
    return [
        finished(services, dataset, "first", score(0.5, 35, 1.5), rank=2),
        finished(services, dataset, "second", score(1.5, 10, 0.5), rank=4, parameters=200),
        finished(services, dataset, "third", score(0.51, 34, 1.49, 0.1), rank=4, learning_rate=0.01),
    ]


def lines(found):
    return {line.name: line for line in (*found.settings, *found.results)}


def test_what_differs_is_told_from_what_is_alike(services, runs):
    found = lines(comparison(services, [run.id for run in runs]))
    assert found["rank"].values == ("2", "4", "4") and found["rank"].differs
    assert not found["positions"].differs and not found["dataset"].differs
    assert found["parameters"].values == ("100", "200", "100") and found["parameters"].best == 0
    assert found["right"].values[0].startswith("35 of 40")
    assert (found["right"].best, found["held_out"].best) == (0, 0)


def test_a_difference_beyond_chance_is_said_and_a_small_one_is_not(services, runs):
    first, second, third = (run.id for run in runs)
    clear, chance = comparison(services, [second, first]), comparison(services, [first, third])
    assert clear.sentences == (
        "first has the lowest held-out loss, 0.500; second comes next with 1.500. On the same 40 held-out rows this is more than chance.",
    )
    assert chance.sentences[0].endswith("On 40 held-out rows this difference may be chance.")


@pytest.mark.parametrize(
    ("one", "other", "clear"),
    [
        (score(1, 20, 1.0), score(1, 20, 1.0), False),
        (score(1, 20, 1.0, 0.1), score(1, 20, 1.2, 0.1), False),
        (score(1, 20, 1.0, 0.1), score(1, 20, 1.4, 0.1), True),
        (score(1, 40, 1.0, 9), score(1, 20, 1.0, 9), True),
        (score(1, 24, 1.0, 9), score(1, 20, 1.0, 9), False),
        (score(1, 24, 1.0, float("nan")), score(1, 20, 9.0, 0.1), False),
    ],
)
def test_chance_is_told_by_right_answers_or_by_losses(one, other, clear):
    assert is_clear(one, other) is is_clear(other, one) is clear


def test_few_rows_say_little(services, dataset):
    few = [finished(services, dataset, name, score(loss, 5, gain, rows=6)) for name, loss, gain in (("a", 0.1, 1.9), ("b", 1.9, 0.1))]
    assert comparison(services, [run.id for run in few]).sentences[0].endswith("With 6 held-out rows this says little.")


def test_runs_that_are_measured_on_other_rows_are_not_ranked(services, dataset, runs):
    other = finished(services, dataset, "other", score(0.1, 40, 1.9), held_out=(3, 4))
    found = comparison(services, [runs[0].id, other.id])
    assert not found.same_rows and len(found.sentences) == 1 and "must not be compared" in found.sentences[0]
    assert comparison(services, [run.id for run in runs]).same_rows


def test_runs_that_are_gone_are_counted_and_two_must_be_left(services, runs):
    services.storage.runs.delete(runs[2].id)
    found = comparison(services, [*(run.id for run in runs), "nothing"])
    assert found.missing == 2 and found.sentences[0] == "2 of these runs are not here any more."
    for left, sentence in (([runs[0].id], "Choose two runs or more"), ([runs[0].id, "nothing"], "fewer than two are left")):
        with pytest.raises(StudioError, match=sentence):
            comparison(services, left)


def test_a_run_that_goes_on_is_compared_as_far_as_it_is(services, dataset, runs):
    waiting = train.start(services, dataset.id, train.TrainForm(), "waits", "waits")
    found = comparison(services, [runs[0].id, waiting.id])
    assert found.sentences[0].startswith("waits has not ended yet") and found.same_rows
    assert lines(found)["held_out"].values == ("0.500", "")
    assert curves(services, found)[1]["points"] == {}


def test_curves_hold_what_is_drawn(services, runs):
    found = curves(services, comparison(services, [run.id for run in runs]))
    assert [each["points"]["held_out"] for each in found] == [[(1, 3.0), (2, 1.5), (3, 1.0)]] * 3
    assert [(each["parameters"], each["loss"]) for each in found] == [(100, 0.5), (200, 1.5), (100, 0.51)]


def test_an_address_names_each_run_once_and_not_too_many():
    assert read_ids(" a,b,,a ,c") == ["a", "b", "c"]
    with pytest.raises(StudioError, match=f"That makes {MOST + 1} runs; at most {MOST}"):
        read_ids(",".join(map(str, range(MOST + 1))))


def test_a_loss_that_is_small_is_written_with_digits_that_count(services, dataset):
    small = [finished(services, dataset, name, score(loss, 40, 1.9)) for name, loss in (("a", 0.00014), ("b", 0.00022))]
    assert lines(comparison(services, [run.id for run in small]))["held_out"].values == ("0.00014", "0.00022")


# The command


def test_the_command_prints_the_same_table_by_name_or_id(services, runs, capfd):
    folder = str(services.storage.files.root)
    assert main(["compare", "first", runs[1].id, "--data-dir", folder, "--json"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert found == json.loads(json.dumps(compare.as_data(comparison(services, [run.id for run in runs[:2]]))))
    assert "first has the lowest held-out loss" in err and "Rank" in err and "Positions" not in err
    assert [run["held_out"] for run in found["runs"]] == [0.5, 1.5] and found["same_rows"]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["first", "nobody"], "There is no run nobody in"),
        (["first"], "Choose two runs or more"),
        (["twin", "first"], "Several runs are named"),
    ],
)
def test_the_command_refuses_in_a_sentence(services, dataset, runs, capfd, names, sentence):
    for _ in range(2):
        services.storage.runs.create(dataset.id, runs[0].spec, name="twin")
    assert main(["compare", *names, "--data-dir", str(services.storage.files.root)]) == 2
    out, err = capfd.readouterr()
    assert sentence in err and out == "" and "Traceback" not in err
