"""What the browser is told of the list of runs, and what is done with several of them."""

import json
import re

import pytest

from app.errors import StudioError
from app.handlers import run_list, run_notes, runs, train
from app.handlers.run_list import Asked, Listed, act, changes, ended_since, entry, page
from app.pages import report_html
from app.worker.journal import Sparkline
from storage import RunStatus, StorageError


@pytest.fixture
def made(services, dataset):
    """Five runs that wait, the first of them the oldest."""
    return [train.start(services, dataset.id, train.TrainForm(), f"page {number}", f"Run {number}") for number in range(5)]


def ids(told):
    return [each["id"] for each in told["runs"]]


def test_a_page_holds_what_is_asked_for_and_says_whether_there_is_more(services, made):
    newest = [run.id for run in reversed(made)]
    first, second, last = (page(services, Listed(offset=offset, limit=2)) for offset in (0, 2, 4))
    assert [*ids(first), *ids(second), *ids(last)] == newest
    assert [each["more"] for each in (first, second, last)] == [True, True, False]
    assert ids(page(services, Listed(text="run 3"))) == [made[3].id]
    assert page(services, Listed(text="nothing"))["any"] is True, "there are runs, though none like that"


def test_an_empty_studio_has_no_run_and_one_whose_runs_are_all_deleted_has(services, made):
    for run in made:
        runs.delete(services, run.id)
    assert page(services, Listed())["any"] is True and page(services, Listed())["runs"] == []
    runs.empty_bin(services)
    assert page(services, Listed())["any"] is False


def test_only_what_has_happened_since_is_told(services, made):
    cursor = page(services, Listed())["cursor"]
    nothing = changes(services, cursor)
    assert nothing["runs"] == [] and nothing["cursor"] == cursor and nothing["queue"] == [run.id for run in made]
    runs.stop(services, made[2].id)
    told = changes(services, cursor)
    assert ids(told) == [made[2].id] and told["runs"][0]["status"] == "stopped" and told["waiting"] == 4
    assert changes(services, told["cursor"])["runs"] == []
    held = services.storage.queue.claim("w")
    held.begin("Training.")
    now = changes(services, told["cursor"])
    assert ids(now) == [made[0].id] and ids(changes(services, now["cursor"])) == [made[0].id], "what is trained changes all the time"
    held.progress(step=3, total_steps=12, epoch=0.25, seconds_left=60.0, sparkline=[2.0, 1.0], seconds=5.0)
    (shown,) = changes(services, now["cursor"])["runs"]
    assert (shown["share"], shown["left"], shown["spark"]) == (0.25, "60 s", [2.0, 1.0])


def test_after_too_many_changes_the_list_is_asked_for_anew(services, made, monkeypatch):
    monkeypatch.setattr(run_list, "_CHANGES", 2)
    told = changes(services, 0)
    assert told["stale"] and len(told["runs"]) <= 2 and len(told["queue"]) == 2 and told["waiting"] == 5


def test_an_entry_says_what_a_person_compares(services, made):
    services.storage.runs.annotate(made[0].id, tags=["good"], notes="First line.\n\nSecond " + "x" * 200)
    held = services.storage.queue.claim("w")
    held.begin("Training.")
    held.set_held_out(0.5, 2.0)
    shown = entry(services.storage.runs.get(made[0].id))
    assert shown["held_out"] == "0.500, base 2.000" and shown["better"] is True and shown["method"] == "LoReFT"
    assert shown["tags"] == ["good"] and shown["notes"].startswith("First line. Second") and len(shown["notes"]) == 120
    assert entry(made[1])["held_out"] == "" and entry(made[1])["better"] is False
    json.dumps(shown)


def test_what_cannot_be_done_with_one_run_is_said_and_done_with_the_others(services, made):
    services.storage.queue.claim("w").begin("Training.")
    done = act(services, Asked(act="delete", ids=[made[0].id, made[1].id, made[1].id, "gone"]))
    assert done.undo == (made[1].id,) and services.storage.runs.get(made[1].id).binned_at is not None
    assert done.sentence == "Run 1 is in the bin. 1 run was left as it is: This run is being trained; stop it first."
    with pytest.raises((StudioError, StorageError), match="stop it first"):
        act(services, Asked(act="delete", ids=[made[0].id]))
    assert act(services, Asked(act="delete", ids=["gone"])).runs == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"act": "format", "ids": ["x"]}', '{"act": "star"}', '{"act": "star", "ids": 3}', None])
def test_what_the_script_would_not_say_is_refused(services, made, text):
    with pytest.raises(StudioError):
        act(services, Asked.read(text))


def test_ends_are_told_once_and_only_those_since(services, made):
    start = ended_since(services, -1)
    assert start["ended"] == []
    runs.stop(services, made[3].id)
    told = ended_since(services, start["cursor"])
    assert told["ended"] == [{"id": made[3].id, "text": "Run 3 was stopped."}]
    assert ended_since(services, told["cursor"])["ended"] == []
    runs.delete(services, made[3].id)
    assert ended_since(services, told["cursor"])["ended"] == [], "what was deleted is not told of"


def test_a_sparkline_has_a_value_for_each_share_of_the_run():
    line = Sparkline()
    for step in range(1, 101):
        line.add(step / 100, 100.0 - step)
    assert len(line.values) == 24 and line.values == sorted(line.values, reverse=True)
    half = Sparkline(line.values[:12])
    for step in range(51, 101):
        half.add(step / 100, 100.0 - step)
    assert len(half.values) == 24 and half.values[:12] == line.values[:12]
    short = Sparkline()
    short.add(1.0, 3.0)
    assert short.values == [3.0] * 24
    again = Sparkline(line.values)
    again.add(0.25, 7.0)
    assert len(again.values) == 6, "a run that goes on from an earlier step has nothing of the later ones"


NOTES = {
    "**b** ~~s~~ `c`": "<p><strong>b</strong> <s>s</s> <code>c</code></p>\n",
    "<b>x</b>": "<p>&lt;b&gt;x&lt;/b&gt;</p>\n",
    "![a](https://example.org/a.png)": "<p>!<a href=",
    "[a](javascript:alert(1))": "<p>[a](javascript:alert(1))</p>\n",
    "[a](/secret)": '<a href="#"',
    "[a](https://example.org)": 'href="https://example.org" rel="noreferrer noopener" target="_blank"',
    "": "",
    "  \n": "",
}


@pytest.mark.parametrize(("notes", "shown"), NOTES.items())
def test_notes_are_markdown_that_loads_and_runs_nothing(notes, shown):
    found = run_notes.rendered(notes)
    assert (shown == found) if (shown.startswith("<p>") and shown.endswith("\n")) or not shown else shown in found
    assert "<img" not in found and "<script" not in found and not re.search(r'href="(?!https?:|mailto:|#)', found)


def test_a_report_holds_hostile_texts_as_texts(services, made):
    hostile = "</script><script>window.owned=1</script><img src=x onerror=1>"
    services.storage.runs.rename(made[0].id, hostile)
    services.storage.runs.annotate(made[0].id, notes=hostile, tags=[])
    held = services.storage.queue.claim("w")
    held.begin(hostile)
    held.add_event(hostile)
    name, content = report_html.of_run(services, made[0].id)
    shown = content.decode()
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.html", name)
    assert shown.count("<script") == 2 == shown.count("</script") and "<img" not in shown
    assert "default-src 'none'" in shown and services.storage.runs.get(made[0].id).status is RunStatus.TRAINING
