"""The starter copies nothing: no fifty tokens of what it writes stand in its corpus.

To search takes minutes and gives the same for the same weights, so what was found is kept beside their hashes in
`tests/fixtures/copying.json`; other weights are searched anew, and `make test-long` searches always.
"""

import hashlib
import json
import warnings
from pathlib import Path

import pytest

from starter_training import verbatim
from starter_training.loaded import Starter
from starter_training.sources import SOURCES
from starter_training.verbatim import copies, copying, corpus_documents, openings, sampled

FOLDER = Path(__file__).resolve().parents[2] / "reft_engine" / "starter"
RECORD = Path(__file__).resolve().parents[1] / "fixtures" / "copying.json"


@pytest.fixture(scope="module")
def starter():
    return Starter(FOLDER)


@pytest.fixture(scope="module")
def corpus(shared):
    return shared / "corpus"


def test_a_copied_stretch_is_found_whatever_its_commas(starter):
    document = "It was a dark and stormy night; the rain fell in torrents - except at occasional intervals, when it was checked by a gust."
    said = "They said: it was a dark, and stormy night the rain fell in torrents except at occasional intervals. Then it stopped."
    (found,) = copies(starter, [said, "Nothing of the kind."], [("a", "Another text."), ("b", document), ("c", [("user", document[:50])])])
    assert found.source == "b" and found.text == "it was a dark and stormy night the rain fell in torrents except at occasional intervals"
    assert 15 < found.tokens < 40
    assert copies(starter, [document[:55]], [("b", document)]) == [], "a common phrase is no copy"


def hashes():
    """Of all that decides what the starter writes."""
    return {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in ("model.safetensors", "tokenizer.json")}


def nothing_is_copied(found):
    assert found["outputs"] == 1000 and found["long"] > 400, "too little was written to find anything"
    assert found["longest"] < 50
    return True


def test_no_fifty_tokens_of_a_thousand_outputs_stand_in_the_corpus(request):
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if record["hashes"] == hashes():
        assert nothing_is_copied(record["found"])
        return
    found = copying(request.getfixturevalue("starter"), request.getfixturevalue("corpus"))
    assert nothing_is_copied(found)
    warnings.warn(f"write into {RECORD.name}: {json.dumps({'hashes': hashes(), 'found': found})}", stacklevel=1)


@pytest.mark.long
def test_what_is_on_record_is_what_is_found(starter, corpus):
    found = copying(starter, corpus)
    assert nothing_is_copied(found)
    assert json.loads(RECORD.read_text(encoding="utf-8")) == {"hashes": hashes(), "found": found}


def test_what_is_copied_from_the_corpus_would_be_found(starter, corpus):
    name, document = next(each for each in corpus_documents(corpus) if isinstance(each[1], str) and len(each[1]) > 2000)
    assert copies(starter, [document[1000:1600]], [(name, document)])[0].tokens >= 50


@pytest.mark.slow
def test_openings_are_of_prose_and_of_conversations(corpus, starter, monkeypatch):
    quick = {name: source for name, source in SOURCES.items() if name not in ("fiction", "novels")}  # whole books take seconds each
    monkeypatch.setattr(verbatim, "SOURCES", quick)
    found = openings(corpus, 100, 1)
    assert {type(each) for each in found} == {str, list}
    assert sampled(starter, found[:3], 5, 1.0, 1) == sampled(starter, found[:3], 5, 1.0, 1)


@pytest.mark.long
def test_openings_of_all_sources_are_of_prose_and_of_conversations(corpus):
    assert {type(each) for each in openings(corpus, 100, 1)} == {str, list}
