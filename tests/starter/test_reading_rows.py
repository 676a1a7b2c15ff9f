"""No text of the corpus is read more often than a model can read it without learning it by heart."""

import numpy as np
import torch

from starter_training.sources import GENERATED, SOURCES
from starter_training.train import EARLY_TIMES, TIMES, Rows, Shelf

ROWS = 5
SHELF = Shelf(
    torch.zeros(2000, dtype=torch.int16), torch.zeros(2000, dtype=torch.uint8), {name: np.arange(ROWS) * 10 for name in SOURCES}
)  # fmt: skip


def drawn(late: bool, batches: int, rows: Rows) -> dict[str, int]:
    before = dict(rows.times)
    for _ in range(batches):
        rows.batch(8, late=late)
    return {name: rows.times[name] - before[name] for name in SOURCES}


def test_the_corpus_is_read_a_few_times_and_the_rest_is_generated():
    rows = Rows(SHELF, 1)
    early = drawn(False, 400, rows)
    # The batch that reads a last row may begin the next time with a row or two, and no more is read then.
    assert {early[name] - EARLY_TIMES for name in SOURCES if name not in GENERATED} <= {0, 1}
    assert all(early[name] > 20 for name in GENERATED)
    drawn(True, 400, rows)
    assert {rows.times[name] - TIMES for name in SOURCES if name not in GENERATED} <= {0, 1}


def test_a_run_that_goes_on_remembers_what_was_read():
    rows = Rows(SHELF, 2, dict.fromkeys(SOURCES, TIMES))
    assert all(drawn(True, 50, rows)[name] == 0 for name in SOURCES if name not in GENERATED)
