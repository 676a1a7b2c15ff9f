"""Loading from the Hub, against a local server that speaks the part of its HTTP API that loading uses."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import reft_engine
from tests.hub import COMMIT, IMPATIENT, Hub
from tests.waiting import PATIENCE

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
STARTER = Path(reft_engine.__file__).parent / "starter"
ASK = """
import json, sys
from reft_engine import ReftError, generate, load_base
for name in sys.argv[1:]:
    try:
        base = load_base(name)
    except ReftError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"name": base.name, "revision": base.revision, "answer": generate(base, "What does a cat say?")[0]}))
"""


COUNT = """
import json, sys
from reft_engine.base.loading import ModelLoadError, is_here, load_tokenizer
found = {{"here": is_here(sys.argv[1])}}
try:
    print(json.dumps({{**found, "revision": load_tokenizer(sys.argv[1], fetch={fetch}).revision}}))
except ModelLoadError:
    print(json.dumps({{**found, "error": True}}))
"""


@pytest.fixture
def hub(tmp_path):
    pickled = tmp_path / "pickled"
    shutil.copytree(STARTER, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    server = Hub({"owner/tiny": STARTER, "owner/pickled": pickled}, gated={"owner/secret"})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def load_each(tmp_path):
    """What is said of each model by one process that loads one after another."""

    def load_each(names, endpoint, ask=ASK, **more):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        (tmp_path / "sitecustomize.py").write_text(IMPATIENT)
        kept["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
        environment = {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1", **more}
        command = [sys.executable, "-c", ask, *names]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE)
        return [json.loads(line) for line in done.stdout.splitlines()[-len(names) :]]

    return load_each


@pytest.fixture
def load(load_each):
    def load(name, endpoint, **more):
        (said,) = load_each([name], endpoint, **more)
        return said

    return load


@pytest.mark.process
def test_a_model_of_the_hub_is_loaded_with_its_revision_and_kept(hub, load):
    found = load("owner/tiny", hub.address)
    assert found == {"name": "owner/tiny", "revision": COMMIT, "answer": "A cat says meow."}
    assert not any(token for _, _, token in hub.asked)
    assert load("owner/tiny", hub.address, HF_HUB_OFFLINE="1") == found, "the second time it needs no network"


@pytest.mark.process
def test_to_count_rows_with_no_weights_are_fetched_and_nothing_that_must_not_be(hub, load):
    assert load("owner/tiny", hub.address, ask=COUNT.format(fetch=False)) == {"here": False, "error": True}
    assert not hub.asked
    assert load("owner/tiny", hub.address, ask=COUNT.format(fetch=True)) == {"here": False, "revision": COMMIT}
    assert not any("safetensors" in path for _, path, _ in hub.asked)
    hub.asked.clear()
    assert load("owner/tiny", hub.address, ask=COUNT.format(fetch=False)) == {"here": True, "revision": COMMIT}
    assert not hub.asked


@pytest.mark.process
def test_a_model_that_is_gated_or_not_there_or_has_pickled_weights_only_is_refused_in_words(hub, load_each):
    gated, nothing, pickled = (said["error"] for said in load_each(["owner/secret", "owner/nothing", "owner/pickled"], hub.address))
    assert "is gated: accept its terms" in gated
    assert nothing == "There is no model owner/nothing on the Hub, or it is private."
    assert "safetensors" in pickled
    assert not any(method == "GET" and path.endswith(".bin") for method, path, _ in hub.asked), "they are not even fetched"


@pytest.mark.process
def test_a_hub_that_cannot_be_reached_is_said_in_words(load):
    assert "cannot be reached" in load("owner/tiny", "http://127.0.0.1:9")["error"]
