"""Base models before they are loaded: facts, fit, the catalogue, downloads and the cache, with a Hub on this machine."""

import json
import shutil
from dataclasses import replace

import pytest
from huggingface_hub import constants

from app.bases import cache, catalog
from app.bases.facts import BaseFacts, facts_of_folder, needs_code
from app.cli import main
from app.errors import StudioError
from app.handlers import base_cards, bases, datasets, downloads, train
from app.handlers.base_cards import Asked
from app.handlers.bases import Machine
from app.services import make_services
from app.settings import Settings
from reft_engine import load_base, rough_memory
from reft_engine.data import Finding, RowCheck
from tests.hub import Hub, answering, way_to
from tests.tiny import STARTER, write_base

GB = 1_000_000_000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("repositories") / "tiny")


@pytest.fixture
def services(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    bases._LOOKED.clear()
    made = make_services(Settings(data_dir=tmp_path / "data", models=[str(tiny)]))
    yield made
    made.storage.close()


@pytest.fixture
def hub(tiny, tmp_path, monkeypatch):
    with answering(Hub({"owner/tiny": tiny, "owner/starter": STARTER}, gated={"owner/secret"})) as server:
        for name, value in way_to(server, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield server


# Facts


@pytest.mark.parametrize("folder", ["starter", "tiny"])
def test_the_facts_of_a_folder_are_those_of_the_loaded_model(folder, tiny):
    path = STARTER if folder == "starter" else tiny
    facts, base = facts_of_folder(folder, path), load_base(path, device="cpu")
    assert (facts.layers, facts.hidden_size, facts.context, facts.kind) == (base.layers, base.hidden_size, base.context, base.kind)
    stored = {weight.data_ptr(): weight.numel() for weight in base.model.parameters()}
    assert facts.parameters == sum(stored.values())
    assert facts.problem == "" and 0 < facts.embeddings < facts.parameters * 2


def test_what_is_wrong_with_a_folder_is_known_without_loading_it(tmp_path, tiny):
    assert facts_of_folder("x", tmp_path).problem == "config"
    assert facts_of_folder("x", tmp_path / "none").problem == "missing"
    bare = shutil.copytree(tiny, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    assert facts_of_folder("x", bare).problem == "weights"
    (bare / "model.safetensors").write_bytes(b"\xff" * 20)
    assert facts_of_folder("x", bare).parameters is None, "a header that cannot be read says nothing"


def test_a_kind_of_model_that_the_library_does_not_know_needs_code_of_its_own():
    assert not needs_code({"model_type": "llama", "auto_map": {"AutoConfig": "x.Y"}}) and not needs_code({"model_type": "xlm-roberta"})
    assert all(map(needs_code, ({"model_type": "made_up"}, {}, {"model_type": "../llama"})))


# Fit


def test_a_base_model_fits_is_tight_or_does_not_fit_by_the_memory_that_is_free():
    facts = BaseFacts("x", "hub", parameters=GB, layers=20, hidden_size=2048)
    needed = rough_memory(GB, 20, 2048, 4.0, 2048)
    levels = [bases.fit(facts, Machine("cpu", "", free)).level for free in (needed - 1, needed, int(needed / 0.79), None)]
    assert levels == ["no", "tight", "fits", "unknown"]
    assert bases.fit(BaseFacts("x", "hub"), Machine("cpu", "", GB)).level == "unknown"
    by_precision = [bases.fit(facts, Machine("cpu", "", None), each).needed for each in ("", "bfloat16", "8bit", "4bit")]
    assert by_precision[0] == needed and by_precision == sorted(by_precision, reverse=True) and len(set(by_precision)) == 4
    assert bases.fit(facts, Machine("cuda", "GPU", None)).needed < bases.fit(facts, Machine("cuda", "GPU", None), "float32").needed


def test_embeddings_are_not_quantised():
    facts = BaseFacts("x", "hub", parameters=100, embeddings=40)
    assert facts.bytes_per_weight("4bit") == (60 * 0.5 + 40 * 2) / 100 and facts.bytes_per_weight("float32") == 4


def test_the_share_of_rows_that_are_read_is_never_too_high():
    def found(**counts):
        findings = tuple(Finding(kind=kind, count=count, text="", advice="") for kind, count in counts.items())
        figures = dict.fromkeys(("usable_rows", "rows_left_out", "examples", "trained", "held_out", "cut_answers", "tokens", "longest"), 1)
        return bases.share_read(RowCheck(base="x", max_length=9, rows=10, **figures, findings=findings))

    assert found() == 1.0 and found(few=3, leaks=2) == 1.0
    assert found(too_long=1, cut=1, letters=2) == pytest.approx(0.6)
    assert found(unreadable=5, letters=1) == pytest.approx(0.8), "what nobody can read is no fault of the base model"
    assert found(letters=9, cut=9) == 0.0 and found(unreadable=10) is None


# The catalogue


def test_the_catalogue_holds_some_twenty_open_models_each_with_its_source():
    entries = catalog.catalogue()
    assert 20 <= len(entries) <= 30 and len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert 100_000_000 <= entry.parameters <= 8_500_000_000 and entry.layers and entry.hidden_size and entry.context
        assert entry.licence and entry.languages and entry.download and entry.source == f"https://huggingface.co/{entry.name}"
        assert entry.kind in ("decoder", "encoder") and 0 < entry.embeddings < entry.parameters
    assert {entry.kind for entry in entries} == {"decoder", "encoder"}
    assert catalog.read_catalogue(catalog.write_catalogue(entries)) == entries


def entries_of(services):
    return {card["name"]: card for group in base_cards.shown(services)["groups"] for card in group["cards"]}


def test_what_nobody_has_checked_is_said_on_the_card(services, monkeypatch):
    (first, second, *others) = catalog.catalogue()
    for name in ("app.handlers.bases.catalogue", "app.handlers.base_cards.catalogue"):
        monkeypatch.setattr(name, lambda: (replace(first, checked="2026-01-31"), second, *others))
    found = entries_of(services)
    assert found[second.name]["unchecked"] and not found[first.name]["unchecked"]
    assert "Compared with the Hub on 2026-01-31." in found[first.name]["facts"]


@pytest.mark.process
def test_the_command_compares_the_catalogue_with_the_hub_and_writes_what_it_says(tmp_path, hub, monkeypatch, capsys):
    entry = next(each for each in catalog.catalogue() if each.name == "openai-community/gpt2")
    hub.repositories = {"openai-community/gpt2": STARTER}
    hub.said = {entry.name: {"cardData": {"license": "mit", "language": "en"}, "safetensors": {"parameters": {"F32": 7}, "total": 7}}}
    monkeypatch.setattr(catalog, "catalogue", lambda: (entry, replace(entry, name="owner/none")))
    assert main(["models", "--check", "--json", "--write", str(tmp_path / "new.toml")]) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["differences"]
    assert found["openai-community/gpt2"]["parameters"] == {"catalogue": 124439808, "hub": 7}
    assert found["openai-community/gpt2"]["layers"] == {"catalogue": 12, "hub": 8} and "licence" not in found["openai-community/gpt2"]
    assert "no model owner/none" in found["owner/none"]["problem"]
    written = {each.name: each for each in catalog.read_catalogue((tmp_path / "new.toml").read_text())}
    assert written[entry.name].parameters == 7 and written[entry.name].checked and written["owner/none"].checked == ""


def test_the_command_lists_what_fits_in_a_precision(services, capsys, monkeypatch, tiny):
    monkeypatch.setenv("REFT_STUDIO_MODELS", json.dumps([str(tiny)]))
    needed = []
    for precision in ("float32", "bfloat16"):
        assert main(["models", "--json", "--precision", precision]) == 0
        found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["models"]}
        assert found["starter"]["is_here"] and str(tiny) in found and not found["openai-community/gpt2"]["is_here"]
        needed.append(found["openai-community/gpt2"]["needed"])
    assert needed[0] > needed[1]
    assert main(["models", "--write", "x.toml"]) == 2
    assert "--write needs --check" in capsys.readouterr().err


# Cards


def test_a_server_for_others_offers_what_its_operator_listed_and_downloads_nothing(services, tmp_path, tiny):
    hosted = replace(services, settings=Settings(data_dir=tmp_path / "data", host="0.0.0.0", models=[str(tiny), "owner/model"]))
    found = entries_of(hosted)
    assert list(found) == ["starter", str(tiny), "owner/model"]
    assert not any(card["can_fetch"] or card["can_delete"] or card["can_look"] for card in found.values())
    for act in ("look", "fetch", "delete"):
        with pytest.raises(StudioError, match="downloads nothing for its visitors"):
            base_cards.act(hosted, Asked(act=act, name="owner/model"))


# Downloads


@pytest.mark.process
def test_a_model_is_looked_up_downloaded_and_deleted(services, hub, until, table_file):
    base_cards.act(services, Asked(act="look", name="owner/tiny"))
    card = next(each for each in bases.cards(services, chosen="owner/tiny") if each.facts.name == "owner/tiny")
    assert card.facts.layers == 3 and not card.is_here and bases.find_cached("owner/tiny") is None, "a look brings nothing"
    base_cards.act(services, Asked(act="fetch", name="owner/tiny"))
    first = downloads.start(services, "owner/tiny")
    assert first.state == "running", "a second visitor shares it"
    with pytest.raises(StudioError, match="is being downloaded"):
        downloads.delete(services, "owner/tiny")
    until(lambda: downloads.progress(services)["owner/tiny"].state == "done", "the end of the download")
    done = downloads.progress(services)["owner/tiny"]
    assert done.here == done.total == card.facts.download
    found = entries_of(services)["owner/tiny"]
    assert found["is_here"] and found["can_delete"] and not found["can_fetch"]
    dataset = datasets.save_upload(services, str(table_file), label="animals.csv")
    run = train.start(services, dataset.id, train.TrainForm(base="owner/tiny"), "page")
    with pytest.raises(StudioError, match="used by a run that waits or trains"):
        downloads.delete(services, "owner/tiny")
    services.storage.runs.request_stop(run.id)
    assert "1 run needs it to answer" in entries_of(services)["owner/tiny"]["sure"]
    assert downloads.delete(services, "owner/tiny") == done.here
    assert cache.cached_models() == [] and downloads.progress(services) == {}


@pytest.mark.process
def test_what_an_earlier_studio_left_unfinished_can_be_gone_on_with(services, hub, until):
    def stalls(answer):
        if answer.command == "GET" and answer.path.partition("?")[0].endswith(".safetensors") and not answer.headers.get("Range"):
            body = (STARTER / "model.safetensors").read_bytes()
            answer.send_response(200)
            answer.send_header("Content-Length", str(len(body)))
            answer.end_headers()
            answer.wfile.write(body[: len(body) // 2])
            answer.wfile.flush()
            answer.rfile.read(1)
            return True
        return False

    hub.moods.append(stalls)
    downloads.start(services, "owner/starter")
    until(lambda: downloads.progress(services)["owner/starter"].here > 10_000_000, "a third of the download")
    downloads.stop(services, "owner/starter")
    until(lambda: downloads.progress(services)["owner/starter"].state == "stopped", "the end of what was cancelled")
    downloads._KNOWN.clear()  # as after a start of the studio
    left = downloads.progress(services)["owner/starter"]
    assert left.state == "stopped" and 10_000_000 < left.here < left.total
    downloads.start(services, "owner/starter")
    until(lambda: downloads.progress(services)["owner/starter"].state == "done", "the end of the download")
    assert bases.find_cached("owner/starter").folder is not None


@pytest.mark.process
def test_what_cannot_be_used_or_has_no_room_is_refused_before_a_byte_is_fetched(services, hub, monkeypatch):
    for name, told in (("owner/secret", "is gated"), ("owner/none", "no model owner/none"), ("../etc", "Hub id such as")):
        with pytest.raises(StudioError, match=told):
            downloads.start(services, name)
    monkeypatch.setattr(downloads, "_LEFT_FREE", 10**18)
    with pytest.raises(StudioError, match="GB of the disk are free"):
        downloads.start(services, "owner/tiny")
    assert not any("safetensors" in path for _, path, _ in hub.asked) and downloads.progress(services) == {}
