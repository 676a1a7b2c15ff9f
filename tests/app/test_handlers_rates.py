"""Finding a learning rate from the Train page."""

from dataclasses import replace

import pytest

from app.errors import EngineAwayError, StudioError
from app.handlers import rates
from app.handlers.rates import Search, estimate_of_finding, find, seconds_of_finding
from app.handlers.train import Estimate, TrainForm, estimate, read_form
from app.pages import train_rates_html
from app.settings import Settings
from reft_engine.training import RATE_STEPS, RATES, RatesFound, RateTrial

SPEC = read_form(Settings(data_dir="unused"), TrainForm(epochs=5, batch_size=8))
SIZES = Estimate(
    80, 0, 50, 10, 1000, 2, 100, 60.0, first_epoch_seconds=20.0, later_epoch_seconds=5.0, memory_bytes=10**9, is_loaded=True
)  # fmt: skip


def test_what_a_search_takes_by_hand():
    # Ten steps an epoch: 0.5 s for one that reuses; ten more times 1.5 s for what is computed whole; then eight rates.
    assert seconds_of_finding(SIZES, SPEC) == pytest.approx(10 * 1.5 + len(RATES) * RATE_STEPS * 0.5)
    measured = seconds_of_finding(replace(SIZES, held_out=100), SPEC)
    assert measured == pytest.approx(10 * 1.5 + len(RATES) * (RATE_STEPS + 4 / 3) * 0.5), "and 32 rows that are held out, forwards"
    assert seconds_of_finding(replace(SIZES, first_epoch_seconds=None), SPEC) is None


def test_without_a_dataset_or_an_engine_there_is_no_search(services, dataset):
    with pytest.raises(StudioError, match="dataset"):
        list(find(services, None, TrainForm()))
    with pytest.raises(EngineAwayError):
        list(find(services, dataset.id, TrainForm()))
    assert estimate_of_finding(services, dataset.id, TrainForm()) is None


@pytest.mark.process
def test_a_search_goes_through_the_engine_and_names_a_rate(engine, kept, quick):
    states = list(find(engine, kept.id, quick))
    assert [state.done for state in states if not state.found] == [0, *range(RATE_STEPS + 1)]
    found = states[-1].found
    assert found.best in RATES and [trial.rate for trial in found.trials] == list(RATES)
    assert list(find(engine, kept.id, replace(quick, learning_rate=1e-4)))[-1].found == found
    assert estimate_of_finding(engine, kept.id, quick) > 0
    values = estimate(engine, kept.id, quick)
    assert (
        values.memory_bytes > 1e8 and not values.memory_is_rough and values.memory_available > values.memory_bytes / 2 and values.is_loaded
    )


def test_a_table_of_rates_names_the_best_and_says_why():
    found = RatesFound((RateTrial(1e-3, 2.5), RateTrial(1e-2, None)), 3.0, 1e-3, 4, 20, 5.0)
    shown = train_rates_html.table(found)
    assert '<tr class=best><th scope="row">0.001</th><td>2.500</td>' in shown and "no longer a number" in shown
    assert "0.001 is in the field now" in shown and "Loss, held-out rows: 4" in shown
    assert "No rate lowered the loss" in train_rates_html.table(replace(found, best=None, rows=0))
    assert 'value="3"' in train_rates_html.under_way(Search(3, 20))
    assert "about 20" in train_rates_html.offered(20.0) and "Takes about" not in train_rates_html.offered(None)
    assert rates.RATE_STEPS == 20
