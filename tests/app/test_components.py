from datetime import UTC, datetime

import pytest

from app.components import html
from app.handlers.runs import RunView
from app.pages import build
from app.pages.runs import _vanished
from reft_engine.spec import RunSpec
from storage import RunRecord, RunStatus


def ended(held_out, base="starter", status=RunStatus.FINISHED):
    run = RunRecord(
        id="a", name="<b>kind-owl</b>", dataset_id="b", dataset_name="rows", base=base, spec=RunSpec().model_dump(mode="json"),
        status=status,
        sentence="Finished.", error=None, step=9, total_steps=9, epoch=3.0, seconds_left=None, summary=None, created_at=datetime.now(UTC),
        started_at=None, finished_at=None,
    )  # fmt: skip
    return RunView(run, None, held_out, 5.0, 0.5, (), None, (), True, True)


def test_a_good_run_says_how_sure_it_is():
    shown = html.run_status(ended(0.05))
    assert "a chance of 95% on average" in shown and "garbled" not in shown
    assert "a chance of over 99%" in html.run_status(ended(0.002))


@pytest.mark.parametrize(("base", "advised"), [("starter", True), ("owner/model", False)])
def test_a_run_that_learned_little_does_not_read_as_a_success(base, advised):
    shown = html.run_status(ended(2.3, base))
    assert "a chance of 10%" in shown and "wrong or garbled" in shown
    assert ("larger base model" in shown) is advised


def test_a_run_in_training_is_not_judged_yet():
    assert "chance" not in html.run_status(ended(2.3, status=RunStatus.TRAINING))


def test_names_are_shown_as_text():
    assert "<b>kind-owl</b>" not in html.run_status(ended(0.1)) and "&lt;b&gt;kind-owl" in html.run_status(ended(0.1))


def test_a_run_that_another_tab_deleted_leaves_the_page(services):
    left, status, *rest = _vanished(services)
    assert left["value"] is None and left["choices"] == []
    assert "has been deleted" in status
    assert len(rest) == 10 and rest[-1] is None


def test_only_answers_and_saving_go_through_gradios_queue(services):
    queued = {event.name for event in build(services).fns.values() if event.queue is not False and event.fn is not None}
    assert queued == {"_answer", "_save"}, "the queue's stream may close while another event is under way, and its result is lost"
