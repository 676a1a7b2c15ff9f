"""Mixing runs with the real worker: answers before, one checked adapter, a run that names its parents and was never trained."""

import io
import json
import zipfile
from contextlib import aclosing
from dataclasses import replace

import anyio
import pytest
import torch
from safetensors.torch import load_file

from app.errors import StudioError
from app.handlers import baselines, compare, datasets, mixes, playground, run_list, runs, spec, train
from app.handlers.mix_parts import formula, parts_of
from app.pages import runs_html
from app.words import say
from app.worker.messages import MixRequest
from app.worker.mixes import work_on_mix
from app.worker.resident import Resident
from reft_engine import ReftModel, load_base
from reft_engine.edits import Mix
from storage import NotFoundError, RunStatus, StorageError
from tests.chatting import columns
from tests.reft_engine.by_hand import live_sum

PROMPTS = ("What is 2 cat?", "Where is the owl?")


@pytest.fixture(scope="module")
def trained(engine, kept, quick, ended, finished):
    """Finished runs by what they are: two that can be mixed, and others."""
    forms = {
        "other": replace(quick, method="direft", rank=3, layers="1;2", seed=7, epochs=6, held_out=0.5, split_seed=7),
        "rule": replace(quick, positions="l1"), "red": replace(quick, method="red"), "lora": replace(quick, method="lora"),
    }  # fmt: skip
    started = {name: train.start(engine, kept.id, form, f"mixes-{name}", f"Run {name}") for name, form in forms.items() if name != "lora"}
    lora = {"base": "starter", "peft": {"method": "lora", "rank": 2}, "train": {"epochs": 1, "held_out": 0.2}}
    started["lora"] = engine.storage.runs.create(kept.id, lora, name="Run lora")
    done = {name: ended(engine, run) for name, run in started.items()}
    assert {run.status for run in done.values()} == {RunStatus.FINISHED}, [run.sentence for run in done.values()]
    return {"one": finished, **done}


@pytest.fixture(scope="module")
def parts(trained):
    return [(trained["one"].id, 0.6), (trained["other"].id, 0.7)]


@pytest.fixture(scope="module")
def mixed(engine, parts):
    return mixes.make(engine, parts)


def answers(engine, run_ids):
    """What runs answer, by the grid of the page."""
    request = {"runs": run_ids, "prompts": [{"messages": [{"role": "user", "content": text}]} for text in PROMPTS], "max_new_tokens": 24}
    return [line["answers"] for line in engine.worker.grid(request)]


def sampled(engine, parts, asked, **settings):
    """All samples of a mix."""

    async def collect():
        async with aclosing(mixes.samples(engine, parts, asked, **settings)) as found:
            return [sample async for sample in found]

    return anyio.run(collect)


def part(name, weight):
    """A run of a mix as it is written."""
    return say("mixes.part", name=name, weight=weight)


def tensors(engine, run_id):
    return load_file(engine.storage.files.adapter(run_id) / "reft_model.safetensors")


def test_the_mix_answers_before_it_is_kept_as_the_kept_run_does(engine, trained, parts, mixed):
    found = sampled(engine, parts, PROMPTS, max_new_tokens=24)
    one, other = trained["one"].id, trained["other"].id
    alone = answers(engine, [one, other, mixed.id])
    assert [sample.prompt for sample in found] == list(PROMPTS)
    for sample, expected in zip(found, alone, strict=True):
        assert sample.runs == {one: expected[one], other: expected[other]} and sample.mix == expected[mixed.id]
        assert sample.base == expected["base:starter"]
    assert any(sample.mix not in sample.runs.values() for sample in found)


def test_the_kept_adapter_is_the_weighted_sum_of_the_parents(engine, trained, mixed):
    base = load_base("starter", device="cpu")
    one, other, made = (ReftModel.load(engine.storage.files.adapter(run.id), base) for run in (trained["one"], trained["other"], mixed))
    mix = Mix([one, other], [0.6, 0.7])
    assert made.reft_config == mix.as_edit().reft_config and made.reft_config.rank == 5 and made.reft_config.method == "direft"
    for prompt in PROMPTS:
        ids = base.tokenizer(prompt)["input_ids"]
        expected, ids = live_sum(base.model, ids, mix), torch.tensor([ids])
        with torch.no_grad():
            assert (made(ids).logits[0] - expected).abs().max() < 1e-4, "of the sum that plain hooks add"
            assert (one(ids).logits[0] - expected).abs().max() > 1e-2


def test_a_mix_is_a_finished_run_that_names_its_parents_and_says_that_nothing_was_measured(engine, trained, mixed):
    run = engine.storage.runs.get(mixed.id)
    named, sum_ = trained["one"].name, [part(trained["one"].name, 0.6), part("Run other", 0.7)]
    assert run.status is RunStatus.FINISHED and run.name == f"Mix of {' + '.join(sum_)}"
    assert [(part.run, part.name, part.weight) for part in parts_of(run)] == [
        (trained["one"].id, named, 0.6), (trained["other"].id, "Run other", 0.7)
    ]  # fmt: skip
    assert run.sentence == say("mixes.made", parts=formula(parts_of(run))) and "nothing was measured" in run.sentence
    view = runs.view(engine, run.id)
    assert view.downloadable and view.chattable and view.deletable and view.verdict is None and view.held_out is None
    assert not (view.trained or view.resumable or view.stoppable or view.discardable)
    shown = runs_html.facts(run)
    assert all(each in shown for each in sum_) and "Epochs" not in shown and "Learning rate" not in shown
    assert run_list.method_title(run) == "DiReFT, mixed" and run.dataset_id == trained["other"].dataset_id
    assert runs.view(engine, trained["one"].id).trained and "Epochs" in runs_html.facts(trained["one"])


def test_the_downloaded_card_names_the_parents(engine, mixed):
    name, content = runs.adapter_zip(engine, mixed.id)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        card, config = archive.read("README.md").decode(), json.loads(archive.read("reft_config.json"))
    assert name.endswith(".zip") and "# A mix of ReFT edits" in card and "Run other, weight 0.7" in card
    assert "Nothing was trained or measured" in card and "| training |" not in card and "trained numbers" not in card
    assert [part["weight"] for part in config["training"]["mixed_from"]] == [0.6, 0.7]


def test_a_mix_is_asked_and_predicted_on_rows_that_no_parent_learned_from(engine, trained, mixed):
    places = engine.storage.runs.held_out_places(mixed.id)
    both = [set(engine.storage.runs.held_out_places(trained[name].id)) for name in ("one", "other")]
    assert places and set(places) == both[0] & both[1] != both[0]
    assert list(engine.worker.predictions(mixed.id))[-1] == {"ended": True}
    assert len(engine.storage.files.predictions(mixed.id).read_text(encoding="utf-8").splitlines()) == 1 + len(places)
    assert any(run.id == mixed.id for run in playground.usable(engine))
    assert mixes.prompts(engine, [trained["one"].id, trained["other"].id])


def test_a_mix_is_neither_trained_again_nor_longer_nor_compared_with_baselines(engine, mixed, trained):
    for act in (
        lambda: runs.go_on_longer(engine, mixed.id, 3), lambda: train.again(engine, mixed.id, {}), lambda: spec.of_run(engine, mixed.id)
    ):  # fmt: skip
        with pytest.raises(StudioError, match="was never trained"):
            act()
    with pytest.raises(StudioError, match="mix of other runs"):
        baselines.start(engine, mixed.id, ["lora"])
    with pytest.raises(StorageError, match="cannot become queued"):
        runs.resume(engine, mixed.id)
    beside = compare.comparison(engine, [mixed.id, trained["one"].id])
    rates = next(line for line in beside.settings if line.name == "epochs")
    assert rates.values == ("", "3")


def test_weights_1_and_0_keep_the_run_itself_and_one_with_a_weight_its_strength(engine, trained):
    one = trained["one"]
    same = mixes.make(engine, [(one.id, 1.0), (trained["other"].id, 0.0)], "The same")
    assert same.name == "The same" and [part.run for part in parts_of(same)] == [one.id]
    first, second = tensors(engine, one.id), tensors(engine, same.id)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    half = mixes.make(engine, [(one.id, 0.25), (one.id, 0.25)], "Half")
    expected = {}
    for line in engine.worker.chat(
        {"columns": columns(one.id, strength=0.5), "messages": [{"role": "user", "content": PROMPTS[0]}], "max_new_tokens": 24}
    ):
        expected[0] = expected.get(0, "") + line.get("text", "")
    assert answers(engine, [half.id])[0][half.id] == expected[0]


def test_a_mix_can_be_mixed_again(engine, trained, mixed):
    again = mixes.make(engine, [(mixed.id, 0.5), (trained["one"].id, -0.1)], "Again")
    assert [part.run for part in parts_of(again)] == [mixed.id, trained["one"].id] and again.status is RunStatus.FINISHED


def test_what_cannot_be_mixed_is_said_with_both_reasons_before_anything_is_made(engine, trained):
    before = len(engine.storage.runs.all())
    one = trained["one"]
    for other, words in (
        ("rule", ("f2+l2", "l1", one.name, "Run rule")), ("red", ("LoReFT", "RED", "Run red")), ("lora", ("Run lora", "baseline")),
    ):  # fmt: skip
        for pair in ([one, trained[other]], [trained[other], one]):
            with pytest.raises(StudioError) as error:
                mixes.make(engine, [(run.id, 0.5) for run in pair])
            assert all(word in str(error.value) for word in words), str(error.value)
            with pytest.raises(StudioError):
                sampled(engine, [(run.id, 0.5) for run in pair], PROMPTS)
    odd = [(one.id, 11.0)], [(one.id, float("nan"))]
    for parts, words in (([], "at least one"), ([(one.id, 0.0)], "at least one"), *((each, "from -10 to 10") for each in odd)):
        with pytest.raises(StudioError, match=words):
            mixes.make(engine, parts)
    with pytest.raises(NotFoundError):
        mixes.make(engine, [(one.id, 0.5), ("nothing", 0.5)])
    with pytest.raises(StudioError, match="something to ask"):
        sampled(engine, [(one.id, 0.5)], ["  "])
    assert len(engine.storage.runs.all()) == before
    reasons = {choice.run.name: choice.refusal for choice in mixes.choices(engine, one.id)}
    assert reasons["Run other"] == "" and "l1" in reasons["Run rule"] and "RED" in reasons["Run red"] and reasons["Run lora"]
    assert one.id not in [choice.run.id for choice in mixes.choices(engine, one.id)]


def test_runs_of_other_base_models_and_without_a_result_are_refused(engine, kept, quick, tiny_base, trained, ended):
    elsewhere = ended(engine, train.start(engine, kept.id, replace(quick, base=str(tiny_base), epochs=1), "mixes-base", "Elsewhere"))
    with pytest.raises(StudioError) as error:
        mixes.make(engine, [(trained["one"].id, 0.5), (elsewhere.id, 0.5)])
    assert "starter" in str(error.value) and str(tiny_base) in str(error.value)
    assert "Elsewhere" not in [choice.run.name for choice in mixes.choices(engine, trained["one"].id)]
    runs.delete(engine, elsewhere.id)
    with pytest.raises(StudioError, match="no result to mix"):
        mixes.make(engine, [(elsewhere.id, 0.5)])


def test_the_worker_refuses_by_itself_what_is_no_mix(engine, trained):
    def ask(**changes):
        request = {"parts": [{"run": trained["one"].id, "weight": 0.5}, {"run": trained["rule"].id, "weight": 0.5}], **changes}
        return list(engine.worker.mix(request))

    live = ask(prompts=[{"messages": [{"role": "user", "content": PROMPTS[0]}]}], max_new_tokens=4)
    assert live[0]["answers"].keys() == {"base", trained["one"].id, trained["rule"].id, "mix"}, "side by side they can answer"
    with pytest.raises(StudioError, match=r"f2\+l2.*l1"):
        ask(save_to="0" * 32)
    assert not (engine.storage.files.uploads / ("0" * 32)).exists()
    for changes in ({"save_to": "../x"}, {"parts": []}, {"parts": [{"run": "x", "weight": 99}]}):
        with pytest.raises(StudioError):
            ask(**changes)
    with pytest.raises(StudioError, match="no such run"):
        ask(parts=[{"run": "nothing", "weight": 1}])


def test_deleting_the_parents_leaves_the_mix(engine, kept, quick, ended):
    parents = [ended(engine, train.start(engine, kept.id, replace(quick, seed=seed, epochs=1), f"p{seed}", f"P{seed}")) for seed in (1, 2)]
    mix = mixes.make(engine, [(run.id, 0.5) for run in parents], "Orphan")
    before = answers(engine, [mix.id])
    for run in parents:
        runs.delete(engine, run.id)
    assert part("P1", 0.5) in runs_html.facts(runs.view(engine, mix.id).run)
    assert {run.id for run in parents} <= set(engine.storage.runs.empty_bin())
    assert answers(engine, [mix.id]) == before and part("P2", 0.5) in runs_html.facts(engine.storage.runs.get(mix.id))


def test_a_mix_that_does_not_reproduce_is_not_offered(services, dataset, quick, trained, engine, monkeypatch):
    """Its file is altered after it is written; the fresh process that loads it back is the real one."""
    resident = Resident(engine.storage)
    save = ReftModel.save

    def damaged(self, folder, **more):
        target = save(self, folder, **more)
        if more.get("training"):
            path = target / "reft_model.safetensors"
            content = bytearray(path.read_bytes())
            content[len(content) // 2 :] = b"\x3f" * len(content[len(content) // 2 :])
            path.write_bytes(bytes(content))
        return target

    monkeypatch.setattr(ReftModel, "save", damaged)
    parts = [{"run": trained[name].id, "weight": 0.5} for name in ("one", "other")]
    request, lines = MixRequest.model_validate({"parts": parts, "save_to": "f" * 32}), []
    try:
        with pytest.raises(StorageError, match="does not load"):
            work_on_mix(resident, request, lines.append, lambda: False)
    finally:
        resident.check.close()
    assert lines == [] and not (engine.storage.files.uploads / ("f" * 32)).exists()


def test_without_an_engine_nothing_is_made(services, dataset, quick):
    run = train.start(services, dataset.id, quick, "waits", "Waits")
    with pytest.raises(StudioError, match="no result to mix"):
        mixes.make(services, [(run.id, 1.0)])
    assert datasets.examples_of(services, dataset.id, 1)
