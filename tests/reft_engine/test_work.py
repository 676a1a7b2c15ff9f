"""Work and memory by arithmetic, checked by hand and against the plans of real runs."""

import subprocess
import sys

import pytest

from reft_engine import ReftConfig, TrainConfig, rough_memory, saved_share, step_work
from reft_engine.data import as_rows
from reft_engine.data.row_check import SAMPLED
from reft_engine.errors import ConfigError
from reft_engine.training.loop import RunState, share_reuse
from reft_engine.training.objectives import objective_for
from reft_engine.training.row_check import check_rows
from reft_engine.training.rows import encoded_of, read_rows


def edit(positions, layers="all"):
    return ReftConfig(positions=positions, layers=layers)


def test_what_a_later_epoch_costs_by_hand():
    # Eight prompt and two answer tokens, the last prompt token edited: 10 tokens, 3 of them late; four blocks, edited from block 1 on.
    config = edit("l1", "1")
    assert step_work(config, 4, [8], [2], later=True) == pytest.approx(2 * 2 * 3)
    # Once: 7 early tokens through four blocks, 3 late ones through the blocks 0 and 1, and then the step itself.
    assert step_work(config, 4, [8], [2], later=False) == pytest.approx(7 * 4 + 3 * 2 + 2 * 2 * 3)
    assert saved_share(config, 4, [8], [2]) == pytest.approx(1 - 12 / 60)
    assert step_work(config, 4, [8], [2], later=True, reuse="none") == step_work(config, 4, [8], [2], later=False, reuse="none") == 60


def test_with_l7_a_later_step_over_a_long_prompt_costs_a_twentieth_of_both_ends():
    prices = [step_work(edit(rule), 12, [2048] * 3, [100] * 3, later=True) for rule in ("l7", "f7+l7")]
    assert prices[0] / prices[1] == pytest.approx(107 / 2148)
    first = [step_work(edit(rule), 12, [2048] * 3, [100] * 3, later=False) for rule in ("l7", "f7+l7")]
    assert prices[0] < first[0] < first[1]


@pytest.mark.parametrize("positions", ["l1", "l3", "f3", "f2+l2", "all", "marked"])
@pytest.mark.parametrize("layers", ["all", "1", "2"])
def test_the_share_saved_is_that_of_the_runs_plan(tiny, positions, layers):
    rows = [(f"question {number} {'why ' * number}<reft>it</reft> is", "an answer") for number in range(1, 7)]
    config = edit(positions, layers)
    objective = objective_for(tiny, config, TrainConfig(epochs=2), [])
    encoded = encoded_of(read_rows(objective, as_rows(rows)).usable)
    state = RunState(objective, encoded)
    shared = share_reuse([state], [[]], None)
    share = saved_share(config, tiny.layers, [len(row.prompt_ids) for row in encoded], [len(row.answer_ids) for row in encoded])
    if positions != "marked":  # of which the length of a prompt says nothing
        assert share == pytest.approx(shared[0].saved_share if shared else 0.0)
    else:
        assert share <= (shared[0].saved_share if shared else 0.0)


def test_a_layer_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="Layer 9 does not exist"):
        saved_share(edit("l1", "9"), 4, [8], [2])


def test_without_rows_there_is_no_work():
    assert saved_share(edit("l1"), 4, [], []) == step_work(edit("l1"), 4, [], [], later=True) == 0


def test_rough_memory_grows_with_all_that_takes_memory():
    least = rough_memory(10**8, 12, 768, 2, 1000)
    assert least < rough_memory(2 * 10**8, 12, 768, 2, 1000)
    assert least < rough_memory(10**8, 12, 768, 4, 1000)
    assert least < rough_memory(10**8, 12, 768, 2, 2000)
    assert least < rough_memory(10**8, 12, 768, 2, 1000, vocabulary=50_000)
    assert least + 10**9 == rough_memory(10**8, 12, 768, 2, 1000, stored_bytes=10**9)
    assert least > rough_memory(10**8, 12, 768, 2, 1000, checkpointing=True)
    assert least > rough_memory(10**8, 12, 768, 2, 1000, lowest_layer=6)
    assert rough_memory(8 * 10**9, 32, 4096, 0.5, 1000) < rough_memory(8 * 10**9, 32, 4096, 1, 1000)


@pytest.mark.process
def test_it_costs_no_torch():
    code = "import sys\nfrom reft_engine import rough_memory, saved_share, step_work\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_count_gives_some_lengths_that_are_spread_evenly(tiny):
    rows = [("why " * (number % 20 + 1), "yes " * (number % 3 + 1)) for number in range(300)]
    check = check_rows(tiny, rows, None, TrainConfig(max_length=64))
    lengths = [prompt + answer for prompt, answer in check.sample_lengths]
    assert len(lengths) == SAMPLED and lengths == sorted(lengths)
    assert sum(lengths) / SAMPLED == pytest.approx((check.tokens / check.trained), rel=0.05)
    few = check_rows(tiny, rows[:5], None, TrainConfig(max_length=64, held_out=0))
    assert sum(map(sum, few.sample_lengths)) == few.tokens and len(few.sample_lengths) == 5
    assert check_rows(tiny, []).sample_lengths == ()
