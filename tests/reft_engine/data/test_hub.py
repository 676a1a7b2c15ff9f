"""Rows of datasets of the Hub, streamed from a local server that speaks the part of its HTTP API that the library uses."""

import gzip
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from reft_engine import DataError
from reft_engine.data import HubName, HubRows, Limits, fetch_rows, read_hub_name
from tests.hub import CARD, COMMIT, Hub, answering, way_to, write_dataset
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
ASK = """
import json, sys
from pathlib import Path
from reft_engine import DataError
from reft_engine.data import HubRows, Limits, fetch_rows, look_at_hub, read_hub_name
for line in json.loads(sys.argv[2]):
    shares = []
    try:
        name = read_hub_name(line["name"])
        if "rows" not in line:
            seen = look_at_hub(name)
            print(json.dumps({"name": seen.name, "commit": seen.commit, "splits": seen.splits, "usual": seen.usual}))
            continue
        file = fetch_rows(name, HubRows(**line["rows"]), Path(sys.argv[1]), Limits(**line.get("limits", {})), shares.append)
    except DataError as error:
        print(json.dumps({"kind": error.kind, "error": str(error)}))
    else:
        rows = [json.loads(row) for row in file.path.read_text().splitlines()]
        print(json.dumps({"rows": rows, "notes": file.notes, "file": file.path.name, "first": file.first, "shares": shares,
                          "count": file.rows, "config": file.config, "split": file.split, "commit": file.commit}))
"""


@pytest.fixture
def hub(tmp_path):
    write_dataset(tmp_path / "owner/rows")
    with answering(Hub({}, gated={"owner/secret"}, datasets={"owner/rows": tmp_path / "owner/rows"})) as hub:
        hub.datasets["owner/secret"] = hub.datasets["owner/rows"]
        yield hub


@pytest.fixture
def ask(hub, tmp_path):
    """What one process is told of each of several questions; it keeps nothing for the next one."""
    count = itertools.count()

    def ask(*lines, **variables):
        keeping = tmp_path / f"process-{next(count)}"
        keeping.mkdir()
        way = way_to(hub, keeping)
        environment = {"PATH": "/usr/bin:/bin", **way, "PYTHONPATH": f"{way['PYTHONPATH']}:{ROOT}", "HOME": str(keeping), **variables}
        command = [sys.executable, "-c", ASK, str(tmp_path / "read"), json.dumps(lines)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def of(name="owner/rows", limits=None, **rows):
    return {"name": name, "rows": rows, "limits": limits or {}}


def put(hub, path, content):
    """A file in the dataset."""
    target = hub.datasets["owner/rows"] / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)


def card(hub, files, **more):
    """A card with one config of these files."""
    put(hub, "README.md", f"---\n{json.dumps({'configs': [{'config_name': 'one', 'data_files': files, **more}]})}\n---\n")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("owner/name", HubName("owner/name")),
        (" imdb ", HubName("imdb")),
        ("owner/name@v1.0", HubName("owner/name", "v1.0")),
        ("hf://datasets/owner/name@refs/convert/parquet", HubName("owner/name", "refs/convert/parquet")),
        ("https://huggingface.co/datasets/owner/name", HubName("owner/name")),
        ("https://huggingface.co/datasets/owner/na.me/viewer/default/train?row=3", HubName("owner/na.me")),
        ("https://huggingface.co/datasets/owner/name/tree/abc", HubName("owner/name", "abc")),
    ],
)
def test_a_dataset_is_named_as_people_copy_it(text, name):
    assert read_hub_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "a/b/c", "../x", "owner/..", "owner/name@../x", "/etc/passwd", "https://x.org/models/a/b", "a b/c", "ä/b"]
)
def test_what_names_no_dataset_is_said(text):
    with pytest.raises(DataError, match="names no dataset of the Hub"):
        read_hub_name(text)


@pytest.mark.parametrize("rows", [HubRows(first=0), HubRows(count=0), HubRows(count=11)])
def test_a_range_that_cannot_be_is_refused_before_the_hub_is_asked(rows, tmp_path):
    with pytest.raises(DataError, match="at most 10 are read at once"):
        fetch_rows(HubName("owner/rows"), rows, tmp_path / "read", Limits(rows=10))
    assert not (tmp_path / "read").exists()


@pytest.mark.process
def test_configs_and_splits_are_listed_without_any_file_of_rows(ask, hub):
    (seen,) = ask({"name": "owner/rows"})
    splits = {"reviews": ["train", "test"], "chats": ["train"]}
    assert seen == {"name": "owner/rows", "commit": COMMIT, "splits": splits, "usual": "reviews"}
    assert len(hub.asked) <= 4 and not any("parquet" in path or "jsonl" in path for _, path, _ in hub.asked)


@pytest.mark.process
def test_rows_are_read_with_names_of_classes_dates_as_text_and_no_pictures(ask, hub, tmp_path):
    (found,) = ask(of(first=25, count=10))
    assert (found["config"], found["split"], found["first"], found["count"], found["commit"]) == ("reviews", "train", 25, 10, COMMIT)
    assert found["file"] == "rows-reviews-train.jsonl"
    days = [f"2024-01-{1 + number % 28:02}" for number in range(24, 34)]
    wanted = [{"text": f"Review {n}", "label": ("bad", "good")[n % 2], "written": day} for n, day in zip(range(24, 34), days, strict=True)]
    assert found["rows"] == wanted
    assert any("picture" in note and "left out" in note for note in found["notes"])
    assert any("names of their classes" in note for note in found["notes"])
    assert found["shares"] == sorted(found["shares"]) and found["shares"][-1] == 1
    assert [path.name for path in (tmp_path / "read").iterdir()] == ["rows-reviews-train.jsonl"], "nothing else is left"


@pytest.mark.process
def test_each_format_is_read_and_texts_stay_what_they_are(ask):
    table, chats, last = ask(of(split="test"), of(config="chats", first=20, count=3), of(config="chats", first=24, count=100))
    assert table["rows"] == [{"text": "One, two", "label": "NA"}, {"text": "Three", "label": ""}]
    assert [row["topic"] for row in chats["rows"]] == [{"a": 19}, "none", {"a": 21}]
    assert chats["rows"][0]["messages"][0] == {"role": "user", "content": "Hi?"}, "and not as JSON text"
    assert chats["rows"][0]["messages"][1]["weight"] == 1
    assert last["count"] == 2, "the range may be longer than the split"


@pytest.mark.process
def test_how_a_file_is_read_may_stand_in_the_card_and_it_may_be_packed(ask, hub):
    put(hub, "rows.csv", "frage;antwort\n1,5?;ja\n")
    (hub.datasets["owner/rows"] / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"frage": "Wer?", "antwort": "Ich"}\n'))
    card(hub, [{"split": "train", "path": "rows.csv"}, {"split": "test", "path": "rows.jsonl.gz"}], sep=";")
    table, packed = ask(of(), of(split="test"))
    assert (table["rows"], packed["rows"]) == ([{"frage": "1,5?", "antwort": "ja"}], [{"frage": "Wer?", "antwort": "Ich"}])


@pytest.mark.process
def test_more_than_the_limit_is_not_read_and_that_is_said(ask):
    (found,) = ask(of(limits={"size": 500}))
    assert 0 < found["count"] < 10 and found["notes"][-1].startswith(f"Only {found['count']} rows fit")


@pytest.mark.process
def test_what_is_not_there_or_may_not_be_had_is_said_in_words(ask):
    asked = [
        {"name": "owner/none"}, {"name": "owner/secret"}, {"name": "owner/rows@v9"}, of(config="poems"), of(split="dev"), of(first=61),
    ]  # fmt: skip
    nothing, gated, revision, config, split, rows = (found["error"] for found in ask(*asked))
    assert nothing.startswith("There is no dataset owner/none on the Hub, or it is private")
    assert gated == "owner/secret is gated: accept its terms on the Hub and log in with a token on this machine."
    assert revision == "owner/rows has no such revision on the Hub."
    assert config == "owner/rows has no config 'poems'. It has reviews, chats."
    assert split == "owner/rows has no split 'dev'. It has train, test."
    assert rows == "There is no row 61 in train of owner/rows; ask for earlier ones."


@pytest.mark.process
def test_a_token_opens_what_is_gated_and_is_shown_to_the_hub_alone(ask, hub):
    (seen,) = ask({"name": "owner/secret"}, HF_TOKEN="hf_of_a_test")
    assert seen["usual"] == "reviews" and {token for _, _, token in hub.asked} == {"Bearer hf_of_a_test"}


@pytest.mark.process
@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../../models/x/y.csv", "http://127.0.0.1:9/x.csv", "zip://a.csv::/tmp/a.zip", "~/a.csv"]
)
def test_files_outside_of_the_dataset_are_never_read_whatever_its_card_says(ask, hub, path):
    card(hub, [{"split": "train", "path": ["reviews/test.csv", path]}])
    looked, read = ask({"name": "owner/rows"}, of())
    assert looked["kind"] == read["kind"] == "hub.foreign"
    card(hub, "reviews/test.csv")
    put(hub, ".huggingface.yaml", json.dumps({"configs": [{"config_name": "one", "data_files": path}]}))
    assert ask({"name": "owner/rows"})[0]["kind"] == "hub.foreign", "nor in its other file of settings"


@pytest.mark.process
def test_a_dataset_without_a_card_is_read_by_the_names_of_its_files(ask, hub):
    folder = hub.datasets["owner/rows"]
    for path in ("README.md", "reviews/train-00000.parquet", "reviews/train-00001.parquet", "chats/one.jsonl", "chats/two.jsonl"):
        (folder / path).unlink()
    put(hub, "train.csv", "question,answer\nWho?,Me\n")
    looked, read = ask({"name": "owner/rows"}, of())
    assert looked["splits"] == {"default": ["train", "test"]} and read["rows"] == [{"question": "Who?", "answer": "Me"}]
    assert read["file"] == "rows-train.jsonl"


@pytest.mark.process
def test_names_of_classes_may_stand_in_the_card_alone(ask, hub):
    put(hub, "reviews/test.csv", "text,label\nOne,1\nTwo,0\n")
    features = [{"name": "text", "dtype": "string"}, {"name": "label", "dtype": {"class_label": {"names": {"0": "no", "1": "yes"}}}}]
    configs = [{"config_name": "default", "data_files": "reviews/test.csv"}]
    put(hub, "README.md", f"---\n{json.dumps({'configs': configs, 'dataset_info': {'features': features}})}\n---\n")
    (found,) = ask(of())
    assert found["rows"] == [{"text": "One", "label": "yes"}, {"text": "Two", "label": "no"}]


@pytest.mark.process
def test_files_that_are_no_rows_and_programs_are_refused(ask, hub):
    put(hub, "pictures/one.png", "x")
    card(hub, "pictures/*.png")
    assert ask(of())[0]["error"] == "The files of owner/rows (.png) are not read here, only CSV, JSON, Parquet, Arrow and text."
    card(hub, "poems/*.csv")
    assert ask(of())[0]["kind"] == "hub.no_files"
    put(hub, "README.md", CARD)
    put(hub, "rows.py", "raise SystemExit('ran')")
    assert "with a program, which is never run here" in ask(of())[0]["error"]
    assert not any(path.endswith("rows.py") and method == "GET" for method, path, _ in hub.asked)


@pytest.mark.process
def test_a_damaged_file_is_said_to_be_so(ask, hub):
    put(hub, "reviews/train-00000.parquet", "PAR1 is what it begins with")
    put(hub, "reviews/test.csv", 'text,label\n"One,1\n' + "x" * 100)
    for found in ask(of(), of(split="test")):
        assert found["kind"] == "hub.unreadable" and found["error"].startswith("owner/rows cannot be read: "), found


def says(status, body=b"", where="", **headers):
    """A mood of the Hub: what it answers to each request for what holds ``where``."""

    def mood(answer):
        if where in answer.path:
            answer.reply(status, body, **headers)
        return where in answer.path

    return mood


def hangs_up(answer):
    answer.close_connection = True
    return True


@pytest.mark.process
@pytest.mark.parametrize("mood", [says(500), says(503), says(429), says(200, b"<html>"), says(200, b"{}"), says(200, b"[1]"), hangs_up])
def test_a_hub_that_is_unwell_is_said_in_words(ask, hub, mood):
    hub.moods = [mood]
    looked, read = ask({"name": "owner/rows"}, of())
    for found in (looked, read):
        assert found["kind"] in ("hub.unwell", "hub.away"), found


@pytest.mark.process
@pytest.mark.parametrize("mood", [says(500, where=".parquet"), says(200, b"nonsense", where=".parquet"), says(404, where=".parquet")])
def test_a_hub_that_breaks_off_within_the_rows_is_said_in_words(ask, hub, mood):
    hub.moods = [mood]
    (found,) = ask(of())
    assert found["kind"] in ("hub.unwell", "hub.unreadable") and "Traceback" not in found["error"], found


@pytest.mark.process
def test_a_hub_that_cannot_be_reached_and_one_that_is_switched_off_are_told_apart(ask):
    assert ask({"name": "owner/rows"}, HF_ENDPOINT="http://127.0.0.1:9")[0]["error"].startswith("The Hub cannot be reached.")
    assert "told to work without the Hub" in ask({"name": "owner/rows"}, HF_HUB_OFFLINE="1")[0]["error"]
