from datetime import UTC, datetime

import gradio as gr
import pytest

from app.components import html
from app.components.wiring import Page, live
from app.errors import NEUTRAL, StudioError
from app.handlers.runs import RunView
from app.pages import build
from app.pages.runs import _ticked, _vanished
from reft_engine.errors import ConfigError
from reft_engine.spec import RunSpec
from storage import Failure, RunRecord, RunStatus, StorageError
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
    shown = _vanished(services)
    assert shown["chosen"]["value"] is None and shown["chosen"]["choices"] == []
    assert "has been deleted" in shown["status"]
    assert shown["facts"] == "" and shown["stop"]["visible"] is shown["delete"]["visible"] is False
    assert _ticked(services, "nothing", ["another"]) == shown
    assert _ticked(services, "nothing", shown["seen"]) == {}, "and is not told of again"


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


def test_only_answers_go_through_gradios_queue(services):
    queued = {event.name for event in build(services).fns.values() if event.queue is not False and event.fn is not None}
    assert queued == {"_answer"}, "the queue's stream may close while another event is under way, and its result is lost"


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
    assert NEUTRAL in shown[found.note] and found.part not in shown
    assert "KeyError" in caplog.text and "no such part" not in shown[found.note]


def test_a_stream_that_breaks_off_ends_with_its_sentence(services):
    def stream(services):
        yield {"part": "half"}
        raise StudioError("The engine has gone.")

    found = Notes(services, stream, refused={"part": ""})
    first, last = found.edge()
    assert first == {found.part: "half", found.note: "", found.other: ""}
    assert last[found.part] == "" and "The engine has gone." in last[found.note]
