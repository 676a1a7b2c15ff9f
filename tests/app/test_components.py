import re
from dataclasses import replace
from datetime import UTC, datetime

import gradio as gr
import pytest

from app.components.wiring import Page, live
from app.errors import StudioError
from app.handlers.runs import HeldOut, RunView
from app.pages import build, runs_html
from app.pages.runs import _moved
from app.words import say
from reft_engine.errors import ConfigError
from reft_engine.spec import RunSpec
from storage import Failure, Phase, RunRecord, RunStatus, StorageError
from storage.upkeep import DiskUsage


def ended(held_out, base="starter", status=RunStatus.FINISHED, failure=None, trouble="", phase=None):
    run = RunRecord(
        id="a", name="<b>kind-owl</b>", dataset_id="b", dataset_name="rows", version_id="c", version_number=1, group_id=None, base=base,
        spec=RunSpec().model_dump(mode="json"), status=status,
        sentence="Finished.", failure=failure, step=9, total_steps=9, epoch=3.0, seconds_left=None, summary=None, phase=phase,
        worker_exits=0, created_at=datetime.now(UTC), started_at=None, finished_at=None, binned_at=None,
    )  # fmt: skip
    held = HeldOut(held_out, 5.0, 7, 3, 0)
    return RunView(run, None, 0, held, 6, 0.5, None, True, True, True, trouble)


def test_right_answers_stand_beside_the_loss_and_no_share_of_few_rows_is_said():
    for status in (RunStatus.FINISHED, RunStatus.TRAINING):
        shown = runs_html.run_status(ended(0.05, status=status))
        assert "3 of 7" in shown and "base model 0 of 7" in shown and "lower than the base model's 5.000" in shown
        assert not re.search(r"\d ?%<", shown)
    assert "not lower than the base model's 5.000" in runs_html.run_status(ended(9.6))


def test_while_a_run_goes_on_its_best_step_is_said():
    assert "best so far after step 6" in runs_html.run_status(ended(2.3, status=RunStatus.TRAINING))
    assert "best so far" not in runs_html.run_status(ended(2.3))


def test_what_a_run_is_at_before_its_first_step_has_a_name_and_a_bar():
    view = ended(2.3, status=RunStatus.TRAINING, phase=Phase("encode", 12_000, 48_000))
    shown = runs_html.run_status(replace(view, run=replace(view.run, step=0, total_steps=0)))
    assert "Turning the rows into tokens: 12,000 of 48,000" in shown and 'aria-valuenow="25"' in shown


def test_names_are_shown_as_text():
    assert "<b>kind-owl</b>" not in runs_html.run_status(ended(0.1)) and "&lt;b&gt;kind-owl" in runs_html.run_status(ended(0.1))


def test_a_run_that_another_tab_deleted_leaves_the_page(services):
    shown = _moved(services, "nothing")
    assert shown["facts"] == "" and shown["stop"]["visible"] is shown["delete"]["visible"] is False


FAILURE = Failure("memory", "It ran <out> of memory.", "Too <much>.", "Take <less>.", {"pass_tokens": 64}, "Less")


def test_a_failure_says_what_why_and_what_to_do_and_shows_text_as_text():
    view = ended(0.1, status=RunStatus.FAILED, failure=FAILURE)
    assert "It ran &lt;out&gt; of memory." in runs_html.run_status(view)
    shown = runs_html.failure(view.run)
    assert "Too &lt;much&gt;." in shown and "Take &lt;less&gt;." in shown and "files/runs/a/log.txt" in shown
    assert view.remedy == "Less"
    assert runs_html.failure(ended(0.1).run) == "" and ended(0.1).remedy == ""


def test_a_trouble_of_the_engines_is_shown_where_the_run_stands():
    assert "The disk is full." in runs_html.run_status(ended(0.1, status=RunStatus.TRAINING, trouble="The disk is full."))


def test_what_the_data_folder_takes_is_said_in_words():
    shown = runs_html.disk_usage(DiskUsage(2_000, 3_400_000, 12_000, 5, 80_000_000_000), 7)
    assert all(part in shown for part in ("3.4 MB", "datasets 2 kB", "the bin 12 kB", "80.0 GB", "7 days"))
    assert "the bin" not in runs_html.disk_usage(DiskUsage(1, 1, 0, 1, 1), 7).partition(";")[0]


@pytest.mark.slow
def test_only_what_streams_goes_through_gradios_queue(services):
    queued = {event.name for event in build(services).fns.values() if event.queue is not False and event.fn is not None}
    streams = {"_find", "_grid_answered"}
    assert queued == streams, "the queue's stream may close while another event is under way, and its result is lost"


@pytest.mark.slow
def test_every_event_has_a_note_and_an_answer_to_what_no_handler_sees(services):
    pages = build(services)
    bound = [event for event in pages.fns.values() if event.fn is not None]
    for event in bound:
        after = [other for other in pages.fns.values() if other.trigger_after == event._id and other.trigger_only_on_failure]
        assert len(after) == 1 and after[0].js and event.fn.note in after[0].outputs and event.fn.note in event.outputs, event.name
    assert bound


class Notes:
    """A page of one event, and what the event would show."""

    def __init__(self, services, act, **given):
        with gr.Blocks() as self.pages:
            self.button, self.part, self.note, self.other = gr.Button(), gr.HTML(), live("note"), live("other")
            page = Page(services, {"part": self.part})
            page.on(self.button.click, act, shows=["part"], note=self.note, clears=[self.other], **given)
        self.edge = next(event.fn for event in self.pages.fns.values() if event.fn is not None)


def test_an_event_that_is_done_empties_its_note(services):
    found = Notes(services, lambda services: {"part": "new"})
    assert found.edge() == {found.part: "new", found.note: "", found.other: ""}


def test_an_update_that_gradio_takes_apart_is_whole_the_next_time(services):
    update = gr.update(value=None, choices=[])
    found = Notes(services, lambda services: {"part": update})
    found.edge()[found.part].clear()
    assert found.edge()[found.part] == gr.update(value=None, choices=[])


@pytest.mark.parametrize("error", [StudioError("Take <less>."), ConfigError("Take <less>."), StorageError("Take <less>.")])
def test_a_refusal_is_said_in_its_own_words_and_what_is_no_longer_valid_goes(services, error):
    def refuse(services):
        raise error

    found = Notes(services, refuse, refused={"part": ""})
    shown = found.edge()
    assert "Take &lt;less&gt;." in shown[found.note] and shown[found.part] == "" and shown[found.other] == ""
    assert found.edge()[found.note] != shown[found.note], "the same sentence is read out again"


def test_what_happens_by_itself_is_not_read_out_each_time(services):
    def refuse(services):
        raise StudioError("No.")

    found = Notes(services, refuse, again=False)
    assert found.edge() == found.edge()


def test_an_error_that_is_not_meant_for_people_is_in_the_log_only(services, caplog):
    found = Notes(services, lambda services: {"no such part": 1})
    shown = found.edge()
    assert say("errors.neutral") in shown[found.note] and found.part not in shown
    assert "KeyError" in caplog.text and "no such part" not in shown[found.note]


def test_a_stream_that_breaks_off_ends_with_its_sentence(services):
    def stream(services):
        yield {"part": "half"}
        raise StudioError("The engine has gone.")

    found = Notes(services, stream, refused={"part": ""})
    first, last = found.edge()
    assert first == {found.part: "half", found.note: "", found.other: ""}
    assert last[found.part] == "" and "The engine has gone." in last[found.note]
