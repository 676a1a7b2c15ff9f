from datetime import UTC, datetime

import gradio as gr
import pytest

from app.components import html
from app.handlers.runs import RunView
from app.pages import build
from app.pages.runs import _TICKED, _VANISHED, _ticked, _vanished
from reft_engine.spec import RunSpec
from storage import Failure, RunRecord, RunStatus
from storage.housekeeping import Usage


def ended(held_out, base="starter", status=RunStatus.FINISHED, failure=None, trouble=""):
    run = RunRecord(
        id="a", name="<b>kind-owl</b>", dataset_id="b", dataset_name="rows", base=base, spec=RunSpec().model_dump(mode="json"),
        status=status,
        sentence="Finished.", failure=failure, step=9, total_steps=9, epoch=3.0, seconds_left=None, summary=None, deaths=0,
        created_at=datetime.now(UTC), started_at=None, finished_at=None, binned_at=None,
    )  # fmt: skip
    return RunView(run, None, 0, held_out, 5.0, 0.5, (), None, (), True, True, True, trouble)


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
    assert len(rest) == _TICKED - 2 and rest[-1] == _VANISHED
    assert all(update == gr.skip() for update in _ticked(services, "nothing", _VANISHED)), "and is not told of again"


FAILURE = Failure("memory", "It ran <out> of memory.", "Too <much>.", "Take <less>.", {"pass_tokens": 64}, "Less")


def test_a_failure_says_what_why_and_what_to_do_and_shows_text_as_text():
    view = ended(0.1, status=RunStatus.FAILED, failure=FAILURE)
    assert "It ran &lt;out&gt; of memory." in html.run_status(view)
    shown = html.failure(view.run)
    assert "Too &lt;much&gt;." in shown and "Take &lt;less&gt;." in shown and "files/runs/a/log.txt" in shown
    assert view.remedy == "Less"
    assert html.failure(ended(0.1).run) == "" and ended(0.1).remedy == ""


def test_a_trouble_of_the_engines_is_shown_where_the_run_stands():
    assert "The disk is full." in html.run_status(ended(0.1, status=RunStatus.TRAINING, trouble="The disk is full."))


def test_what_the_data_folder_takes_is_said_in_words():
    shown = html.usage(Usage(2_000, 3_400_000, 12_000, 5, 80_000_000_000), 7)
    assert all(part in shown for part in ("3.4 MB", "datasets 2 kB", "the bin 12 kB", "80.0 GB", "7 days"))
    assert "the bin" not in html.usage(Usage(1, 1, 0, 1, 1), 7).partition(";")[0]


def test_only_answers_and_saving_go_through_gradios_queue(services):
    queued = {event.name for event in build(services).fns.values() if event.queue is not False and event.fn is not None}
    assert queued == {"_answer", "_save"}, "the queue's stream may close while another event is under way, and its result is lost"
