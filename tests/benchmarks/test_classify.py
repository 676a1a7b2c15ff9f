"""What `python -m benchmarks.classify` reads, measures and remembers."""

import pytest

from benchmarks.classification.results import Outcome, Results, Settings
from benchmarks.classification.tasks import SOURCES, matthews

ROWS = {"sst2": (67349, 872), "rte": (2127, 277), "cola": (8551, 527), "banking77": (10003, 3080)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_a_dataset_is_read_whole(shared, name, rows):
    task = SOURCES[name].load(shared / "data/classify")
    assert (len(task.train), len(task.test)) == rows
    assert {example.answer for example in task.train} == set(task.labels)
    assert all(message.content for example in task.train for message in example.messages)
    assert len(task.first(500).train) == 500
    assert task.score([example.answer for example in task.test]) == 1


def test_matthews_is_the_correlation_of_two_columns():
    expected, found = list("ppppnnnn"), list("pppnnnnp")
    assert matthews(expected, found, "p") == pytest.approx(0.5)
    assert matthews(expected, ["p"] * 8, "p") == 0
    assert matthews(expected, ["n" if label == "p" else "p" for label in expected], "p") == -1


def test_a_finished_run_is_not_run_again_and_a_torn_line_is(tmp_path):
    path = tmp_path / "results.jsonl"
    first, second = (Settings("sst2", "loreft", seed, 10, 1, 32, 1e-3, 1e-3, "mean", "minilm") for seed in (1, 2))
    results = Results(path)
    results.add(first, Outcome(0.5, 10, 20, 1.0, "cpu"))
    results.add(second, Outcome(0.7, 10, 20, 1.0, "cpu"))
    path.write_text(path.read_text()[:-9])
    again = Results(path)
    assert first in again
    assert second not in again
    assert "50.0" in again.table({"loreft": "LoReFT"}, {"sst2": ("SST-2", "accuracy")})
