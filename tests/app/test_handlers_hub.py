"""Rows of the Hub as an upload: where they are offered, what they come from, and what is refused."""

import json

import pytest

from app.errors import StudioError
from app.handlers import datasets, hub, workbench
from app.handlers.workbench import Said
from app.pages import data_html
from app.services import make_services
from app.settings import Settings
from reft_engine import DataError
from reft_engine.data import HubRows
from tests.hub import COMMIT, Hub, answering, way_to, write_dataset

SEEN = {"asked": "owner/rows", "name": "owner/rows", "commit": COMMIT, "splits": {"reviews": ["train", "test"], "chats": ["dev"]}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    with answering(Hub({}, datasets={"owner/rows": write_dataset(tmp_path / "owner")})) as server:
        for name, value in way_to(server, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.process
def test_rows_become_an_upload_and_a_dataset_that_say_where_they_come_from(services, server):
    looked = hub.look(services, f"{server.address}/datasets/owner/rows")
    assert (looked.config, looked.split("reviews"), looked.splits["chats"]) == ("reviews", "train", ("train",))
    token = workbench.take_hub(services, looked.model_dump_json(), looked.asked, HubRows("reviews", "train", 11, 20))
    found = workbench.look(services, Said(token=token))
    assert (found.path.name, found.inspection.usable_rows) == ("rows-reviews-train.jsonl", 20)
    origin = "owner/rows of the Hub, reviews, train, rows 11 to 30 (commit 0123456)"
    assert hub.origin_sentence(found.origin) == origin
    shown = data_html.found(found)
    assert origin in shown and "picture" in shown and "names of their classes" in shown
    kept = workbench.keep(services, found.said, "")
    assert (kept.name, kept.version.label) == ("rows-reviews-train", origin)
    assert datasets.examples_of(services, kept.id)[0].answer == "bad"


@pytest.mark.process
def test_what_is_read_is_of_the_commit_that_was_looked_at(services, server):
    looked = hub.look(services, "owner/rows")
    server.asked.clear()
    workbench.take_hub(services, looked.model_dump_json(), "owner/rows", HubRows(count=1))
    assert server.asked[0][1] == f"/api/datasets/owner/rows/revision/{COMMIT}"


@pytest.mark.process
def test_nothing_is_left_of_rows_that_were_refused(services, server):
    looked = hub.look(services, "owner/rows")
    with pytest.raises(StudioError, match="There is no row 5,000 in train"):
        workbench.take_hub(services, looked.model_dump_json(), "owner/rows", HubRows(first=5000))
    assert [path for path in services.storage.files.uploads.rglob("*") if path.is_file()] == []
    with pytest.raises(StudioError, match="There is no dataset owner/none"):
        hub.look(services, "owner/none")


@pytest.mark.parametrize(
    ("text", "looked", "sentence"),
    [
        ("owner/other", json.dumps(SEEN), "Press Look first"),
        ("owner/rows", "", "Press Look first"),
        ("owner/rows", "[]", "is not understood here"),
        ("owner/rows", json.dumps({**SEEN, "more": 1}), "is not understood here"),
    ],
)
def test_rows_are_read_of_what_was_looked_at_alone(services, text, looked, sentence):
    with pytest.raises(StudioError, match=sentence):
        workbench.take_hub(services, looked, text, HubRows())


def test_what_names_no_dataset_is_refused_before_a_process_is_started(services):
    for text in ("", "  "):
        with pytest.raises(StudioError, match="Name a dataset first"):
            hub.look(services, text)
    with pytest.raises(DataError, match="names no dataset of the Hub"):
        hub.look(services, "../etc")
    with pytest.raises(StudioError, match="Say which rows"):
        hub.rows_of("reviews", "train", None, 5)


def test_a_config_begins_with_its_training_rows_or_what_it_has():
    looked = hub.Looked.read(json.dumps(SEEN))
    assert (looked.config, looked.split("reviews"), looked.split("chats"), looked.split("x")) == ("reviews", "train", "dev", "")


def test_a_server_for_others_reads_nothing_that_they_name(tmp_path):
    made = make_services(Settings(data_dir=tmp_path / "data", host="0.0.0.0"))
    assert not hub.is_offered(made.settings)
    for act in (lambda: hub.look(made, "owner/rows"), lambda: workbench.take_hub(made, json.dumps(SEEN), "owner/rows", HubRows())):
        with pytest.raises(StudioError, match="not read on this server"):
            act()
    made.storage.close()


def test_a_file_of_ones_own_has_no_origin(services):
    token = workbench.take_paste(services, "prompt\tanswer\na\tb\n")
    assert workbench.look(services, Said(token=token)).origin is None
