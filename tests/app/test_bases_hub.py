"""What is known of a base model of the Hub before a download, and downloads that are interrupted, against a Hub on this machine."""

import json
import shutil
from pathlib import Path

import pytest

from app.bases import cache
from app.bases.hub import is_wanted
from app.errors import StoppedError, StudioError
from app.reader.client import fetch_base_in_process, look_at_base_in_process
from tests.hub import COMMIT, Hub, answering, way_to
from tests.tiny import STARTER, write_base

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repositories")
    tiny = write_base(folder / "tiny")
    (tiny / "modeling_own.py").write_text("raise SystemExit")
    (tiny / "pytorch_model.bin").write_bytes(b"pickle")
    pickled = shutil.copytree(tiny, folder / "pickled", ignore=shutil.ignore_patterns("*.safetensors"))
    own = shutil.copytree(tiny, folder / "own")
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps({**config, "model_type": "made_up", "auto_map": {"AutoConfig": "x.Y"}}))
    return {"owner/tiny": tiny, "owner/pickled": pickled, "owner/own": own, "owner/starter": STARTER}


@pytest.fixture
def hub(folders, tmp_path, monkeypatch):
    with answering(Hub(folders, gated={"owner/secret"})) as server:
        server.said = {"owner/tiny": {
            "cardData": {"license": "mit", "language": ["en", "de"]}, "safetensors": {"parameters": {"F32": 5}, "total": 5}}}  # fmt: skip
        for name, value in way_to(server, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield server


def test_only_metadata_and_config_are_read_before_a_download(hub, tmp_path):
    facts = look_at_base_in_process("owner/tiny", tmp_path / "look")
    assert (facts.parameters, facts.layers, facts.hidden_size, facts.context, facts.kind) == (5, 3, 32, 160, "decoder")
    assert (facts.licence, facts.languages, facts.commit, facts.problem) == ("mit", ("en", "de"), COMMIT, "")
    wanted = [path for path in hub.repositories["owner/tiny"].iterdir() if is_wanted(path.name)]
    assert facts.download == sum(path.stat().st_size for path in wanted)
    fetched = {path.rpartition("/")[2] for method, path, _ in hub.asked if "/resolve/" in path}
    assert fetched == {"config.json"} and not (tmp_path / "look").exists()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("owner/secret", "gated"), ("owner/nothing", "missing"), ("owner/pickled", "weights"), ("owner/own", "code"), ("owner/tiny", "")],
)
def test_what_cannot_be_used_is_known_before_a_download(hub, tmp_path, name, problem):
    assert look_at_base_in_process(name, tmp_path / "look").problem == problem


def test_a_hub_that_does_not_answer_is_said_in_words(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StudioError, match="cannot be reached"):
        look_at_base_in_process("owner/tiny", tmp_path / "look")


def fetch(kept: Path, name="owner/tiny", stop=lambda: False):
    seen: list[int] = []
    fetch_base_in_process(name, COMMIT, kept, seen.append, stop)
    return seen


def test_a_download_brings_what_is_needed_and_no_program(hub, tmp_path):
    kept = tmp_path / "cache"
    seen = fetch(kept)
    found = cache.find_cached("owner/tiny", kept)
    assert found.folder.name == COMMIT and found.partial == 0 and seen[-1] == found.bytes
    names = {path.name for path in found.folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names and all(map(is_wanted, names))
    source = hub.repositories["owner/tiny"]
    assert all((found.folder / name).read_bytes() == (source / name).read_bytes() for name in names)
    assert not any(method == "GET" and path.endswith((".bin", ".py")) for method, path, _ in hub.asked)
    assert [each.name for each in cache.cached_models(kept)] == ["owner/tiny"]
    assert cache.delete_cached("owner/tiny", kept) == found.bytes and cache.cached_models(kept) == []


def test_a_download_that_is_cancelled_goes_on_where_it_was(hub, tmp_path):
    """The Hub sends a third of the weights and then nothing more, until the download is cancelled."""
    kept, source = tmp_path / "cache", hub.repositories["owner/starter"] / "model.safetensors"
    size = source.stat().st_size
    third = size // 3

    def stalls(answer):
        if answer.command != "GET" or not answer.path.partition("?")[0].endswith(".safetensors") or answer.headers.get("Range"):
            return False
        answer.send_response(200)
        answer.send_header("Content-Length", str(size))
        answer.end_headers()
        answer.wfile.write(source.read_bytes()[:third])
        answer.wfile.flush()
        answer.rfile.read(1)  # until the other end hangs up
        return True

    hub.moods.append(stalls)
    blobs = cache.repository_folder("owner/starter", kept) / "blobs"

    def here():
        return blobs.is_dir() and sum(path.stat().st_size for path in blobs.glob("*.reft-part")) >= third - 2_000_000

    with pytest.raises(StoppedError):
        fetch(kept, "owner/starter", stop=here)
    found = cache.find_cached("owner/starter", kept)
    assert found.folder is None and found.partial > 1_000_000, "what is partly here is no model"
    hub.asked.clear()
    ranges = []
    hub.moods[:] = [lambda answer: ranges.append(answer.headers.get("Range"))]
    fetch(kept, "owner/starter")
    assert f"bytes={found.partial}-" in ranges, "no byte came twice"
    done = cache.find_cached("owner/starter", kept)
    assert (done.folder / "model.safetensors").read_bytes() == source.read_bytes() and done.partial == 0


def test_a_file_that_is_not_what_the_hub_states_is_not_kept(hub, tmp_path):
    kept = tmp_path / "cache"

    def other(answer):
        if answer.command != "GET" or not answer.path.endswith("tokenizer.json"):
            return False
        answer.reply(200, b"x" * (hub.repositories["owner/tiny"] / "tokenizer.json").stat().st_size)
        return True

    hub.moods.append(other)
    with pytest.raises(StudioError, match="did not arrive as the Hub describes it"):
        fetch(kept)
    assert cache.find_cached("owner/tiny", kept).folder is None
    hub.moods.clear()
    fetch(kept)
    assert cache.find_cached("owner/tiny", kept).folder is not None
