"""Every field of the worker's requests, over its HTTP: another value is another answer, and one out of range is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest
from pydantic import BaseModel

from app.columns import MixPart
from app.errors import StudioError
from app.handlers import predictions
from app.worker import messages as requests
from app.worker import probes, row_checks
from app.worker.instant import instant
from app.worker.messages import (
    AnglesRequest,
    BatchRequest,
    ChatColumn,
    ChatMessage,
    ChatRequest,
    CheckRequest,
    DescribeRequest,
    GridPrompt,
    GridRequest,
    LensRequest,
    LookRequest,
    MixRequest,
    PredictionsRequest,
    PreviewRequest,
    ProbeRequest,
    RatesRequest,
    SeparationRequest,
    TintsRequest,
)
from app.worker.shots import few_shot
from reft_engine import ReftConfig, TrainConfig, generate, load_adapter
from reft_engine.data import load_examples
from reft_engine.edits import Mix
from reft_engine.inference import InferenceEngine, Sampling
from reft_engine.training import RunEstimate
from reft_engine.training.kept_steps import keep_step
from storage import RunRecord
from tests.chatting import column, said
from tests.chatting import columns as chat_columns
from tests.settings import seen_rows
from tests.settings.house import LENGTH, PROMPT, House, conversation


def both(*acts: Callable[[House], Any]) -> Callable[[House], None]:
    """A field that acts in chats and in looks."""

    def act(house: House) -> None:
        for each in acts:
            each(house)

    return act


@dataclass(frozen=True)
class Field:
    """How a field is shown to act, and what it must not be."""

    acts: Callable[[House], Any]
    refused: tuple[Any, ...]


def asked(house: House, path: str, **values: Any) -> Any:
    found = house.http.post(path, json=values)
    assert found.status_code == 200, found.text
    return found.json()


# Chat


def columns(house: House) -> None:
    base, tuned = house.chat()
    (second,) = house.chat(columns=[house.second.id])
    assert house.chat(columns=[house.run.id, None]) == [tuned, base]
    assert house.wanted(house.second)[1] == second and len({base, tuned, second}) == 3


def chat_base(house: House) -> None:
    answers = [house.chat(columns=[None], base=str(base)) for base in house.bases]
    assert answers[0] != answers[1] and answers[1] == house.wanted(house.foreign)[:1]
    house.chat()


def messages(house: House) -> None:
    turns = [{"role": "user", "content": text} for text in ("Hello there.", "Good. And what is 3 dog?")]
    whole = [turns[0], {"role": "assistant", "content": "Hello."}, turns[1]]
    assert len({tuple(house.chat(messages=part)) for part in ([turns[0]], [turns[1]], whole)}) == 3


def role(house: House) -> None:
    first = {"role": "user", "content": "Be brief."}
    asks = {"role": "user", "content": PROMPT}
    system = house.chat(messages=[{**first, "role": "system"}, asks])
    assert system == house.wanted(system="Be brief.") != house.chat(messages=[first, asks])


def content(house: House) -> None:
    other = "And what is 3 dog?"
    assert house.chat(messages=[{"role": "user", "content": other}]) == house.wanted(prompt=other) != house.chat()


def max_new_tokens(house: House) -> None:
    long, short = house.chat(), house.chat(max_new_tokens=3)
    assert short == house.wanted(max_new_tokens=3)
    assert all(whole.startswith(part) and whole != part for whole, part in zip(long, short, strict=True))


def temperature(house: House) -> None:
    found = [house.chat(temperature=value) for value in (0.0, 0.7, 1.4)]
    assert found == [house.wanted(temperature=value) for value in (0.0, 0.7, 1.4)]
    assert len(set(map(tuple, found))) == 3


def seed(house: House) -> None:
    found = [house.chat(temperature=1.0, seed=value) for value in (0, 1, 2**31 - 1)]
    assert found == [house.wanted(temperature=1.0, seed=value) for value in (0, 1, 2**31 - 1)]
    assert len(set(map(tuple, found))) == 3


def sampled(house: House, **sampling: Any) -> list[str]:
    """What the engine itself answers to the usual question, with this sampling."""
    base, reft = house.resident.run(house.run.id)
    return InferenceEngine(base).submit(conversation(), [None, reft], max_new_tokens=LENGTH, sampling=Sampling(**sampling)).texts()


def top_p(house: House) -> None:
    found = [house.chat(temperature=1.4, top_p=value) for value in (1e-6, 0.6, 1.0)]
    assert found == [sampled(house, temperature=1.4, top_p=value) for value in (1e-6, 0.6, 1.0)]
    assert len(set(map(tuple, found))) == 3 and found[0] == house.chat(), "only the likeliest is drawn"


def top_k(house: House) -> None:
    found = [house.chat(temperature=1.4, top_k=value) for value in (0, 1, 3)]
    assert found == [sampled(house, temperature=1.4, top_k=value) for value in (0, 1, 3)]
    assert len(set(map(tuple, found))) == 3 and found[1] == house.chat(), "only the likeliest is drawn"


def repetition_penalty(house: House) -> None:
    found = [house.chat(repetition_penalty=value) for value in (1.0, 0.1, 10.0)]
    assert found == [sampled(house, repetition_penalty=value) for value in (1.0, 0.1, 10.0)]
    assert found[0] == house.chat() != found[1]


def stop(house: House) -> None:
    """Any of several texts ends an answer before it, which its stream says."""
    whole = house.chat()
    texts = [each[4:7] for each in whole]
    assert house.chat(stop=texts) == sampled(house, stop=tuple(texts))
    assert [each.split(texts[0])[0].split(texts[1])[0] for each in whole] == house.chat(stop=texts)
    lines = list(house.services.worker.chat(chat_of(house, column(), max_new_tokens=LENGTH, messages=[ASKED], stop=texts[:1])))
    assert [line["ending"] for line in lines if line.get("ended")] == ["stop"]


def strength(house: House) -> None:
    values = (-1.0, 0.0, 0.5, 1.0, 2.0)
    found = [house.chat(strength=value) for value in values]
    assert found == [house.wanted(strength=value) for value in values]
    assert len({tuned for _, tuned in found}) == len(values) and {base for base, _ in found} == {found[1][1]}
    assert answered_in(house, *(column(house.run.id, strength=value) for value in values)) == [tuned for _, tuned in found]


# Columns


ASKED = {"role": "user", "content": PROMPT}


def chat_of(house: House, *asked: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"columns": list(asked), "base": str(house.bases[0]), "messages": [TURN], "max_new_tokens": 1, **changes}


def answered_in(house: House, *asked: dict[str, Any], **changes: Any) -> list[str]:
    """What these columns answer to the usual question."""
    return said(list(house.services.worker.chat(chat_of(house, *asked, **{"messages": [ASKED], "max_new_tokens": LENGTH, **changes}))))


def mixed(house: House, *weights: float) -> dict[str, Any]:
    """Both runs of the first base model, in one column."""
    parts = [{"run": run.id, "weight": weight} for run, weight in zip((house.run, house.second), weights, strict=True)]
    return {"kind": "mix", "parts": parts}


def column_kind(house: House) -> None:
    found = answered_in(house, column(), column(house.run.id), mixed(house, 1.0, 1.0))
    base, _ = house.resident.run(house.run.id)
    edits = [house.resident.run(run.id)[1] for run in (house.run, house.second)]
    assert found == generate(base, conversation(), [None, edits[0], Mix(edits, [1.0, 1.0])], max_new_tokens=LENGTH)
    assert len(set(found)) == 3


def column_run(house: House) -> None:
    found = answered_in(house, column(house.run.id), column(house.second.id))
    assert found == [house.wanted(run)[1] for run in (house.run, house.second)] and found[0] != found[1]


def column_step(house: House) -> None:
    """What a run had learned at a step, here the edit of another one; without a step, its result."""
    folder = house.services.storage.files.steps(house.run.id)
    keep_step(folder, house.resident.run(house.second.id)[1], 3)
    found = answered_in(house, column(house.run.id, step=3), column(house.run.id))
    assert found == [house.wanted(house.second)[1], house.wanted()[1]] and found[0] != found[1]
    with pytest.raises(StudioError, match="step 4 is not kept"):
        answered_in(house, column(house.run.id, step=4))


def ends_of(house: House, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of each column once it has answered."""
    lines = house.services.worker.chat(chat_of(house, *asked, messages=[ASKED], max_new_tokens=LENGTH))
    return sorted((line for line in lines if line.get("ended")), key=lambda line: line["column"])


def column_shots(house: House) -> None:
    """So many training rows stand before the conversation, and the base model answers behind them."""
    asked = [{"kind": "few_shot", "run": house.run.id, "shots": count} for count in (0, 1, 2)]
    made = [few_shot(house.resident, house.run.id, conversation(), count, 0, LENGTH) for count in (0, 1, 2)]
    assert [len(line["shots"]["rows"]) for line in ends_of(house, *asked)] == [len(each.rows) for each in made] == [0, 1, 2]
    found = answered_in(house, *asked)
    assert found == [generate(each.base, each.messages, max_new_tokens=LENGTH)[0] for each in made] and found[0] == house.wanted()[0]


def column_seed(house: House) -> None:
    asked = [{"kind": "few_shot", "run": house.run.id, "shots": 2, "seed": value} for value in (0, 1, 2**31 - 1)]
    shown = [[row["place"] for row in line["shots"]["rows"]] for line in ends_of(house, *asked)]
    made = [few_shot(house.resident, house.run.id, conversation(), 2, each["seed"], LENGTH) for each in asked]
    assert shown == [[row.place for row in each.rows] for each in made] and len(set(map(tuple, shown))) > 1


def column_blend(house: House) -> None:
    """0 is the base model, and 1 the rows alone; by default held-out rows choose."""
    asked = [{"kind": "instant", "run": house.run.id, "blend": value} for value in (0.0, 0.5, 1.0, None)]
    lines, found = ends_of(house, *asked), answered_in(house, *asked)
    assert [line["store"]["blend"] for line in lines] == [0.0, 0.5, 1.0, instant(house.resident, house.run.id).blend]
    assert found[0] == house.wanted()[0] != found[2]


def column_parts(house: House) -> None:
    """One run with the weight 1 is the run itself; several are their sum, whatever their order."""
    one = {"kind": "mix", "parts": [{"run": house.run.id}]}
    sums = [mixed(house, 1.0, 0.5), {"kind": "mix", "parts": mixed(house, 1.0, 0.5)["parts"][::-1]}]
    alone, first, second = answered_in(house, one, *sums)
    assert alone == house.wanted()[1] != first == second


def column_messages(house: House) -> None:
    """A column with a conversation of its own reads that, and the others read that of the request."""
    turns = [{"role": "user", "content": "Hello there."}]
    found = answered_in(house, column(), column(messages=turns), column(house.run.id, messages=turns))
    other = house.wanted(prompt="Hello there.")
    assert found == [house.wanted()[0], *other] and found[0] != found[1]


def part_run(house: House) -> None:
    found = answered_in(house, *({"kind": "mix", "parts": [{"run": run.id}]} for run in (house.run, house.second)))
    assert found == [house.wanted(run)[1] for run in (house.run, house.second)]


def part_weight(house: House) -> None:
    """(1, 0) is the first run alone, (0, 0) the base model, and a weight is a strength."""
    found = answered_in(house, mixed(house, 1.0, 0.0), mixed(house, 0.0, 0.0), mixed(house, 2.0, 0.0), mixed(house, 1.0, -1.0))
    assert found[:3] == [house.wanted()[1], house.wanted()[0], house.wanted(strength=2.0)[1]] and len(set(found)) == 4


def test_a_mix_of_what_has_other_base_models_is_refused(house):
    parts = [{"run": run.id} for run in (house.run, house.foreign)]
    with pytest.raises(StudioError, match="base model"):
        answered_in(house, {"kind": "mix", "parts": parts})


# Preview


ROW = {"line": 3, "messages": [["user", "a cat and a dog"]], "answer": "yes, it is one of them"}


def previewed(house: House, **changes: Any) -> Any:
    return asked(house, "/preview", **{"base": str(house.bases[0]), "rows": [ROW], **changes})


def preview_base(house: House) -> None:
    texts = [[text for text, *_ in previewed(house, base=str(base))[0]["tokens"]] for base in house.bases]
    assert "Listen" in "".join(texts[1]) and texts[0] != texts[1]


def rows(house: House) -> None:
    found = previewed(house, rows=[ROW, {**ROW, "line": 4, "answer": "no"}])
    assert [row["line"] for row in found] == [3, 4] and found[0]["answer_tokens"] > found[1]["answer_tokens"]


def preview_reft(house: House) -> None:
    def edited(positions: str) -> list[int]:
        (row,) = previewed(house, reft={"positions": positions})
        return [index for index, (*_, is_edited) in enumerate(row["tokens"]) if is_edited]

    (row,) = previewed(house)
    length = row["prompt_tokens"]
    assert edited("l1") == [length - 1] and edited("f2") == [0, 1] and edited("all") == list(range(length))
    assert edited("f3+l2") == [0, 1, 2, length - 2, length - 1]


def preview_max_length(house: House) -> None:
    whole, cut = previewed(house)[0], previewed(house, max_length=18)[0]
    assert not whole["cut"] and cut["cut"] and len(cut["tokens"]) == 18 < len(whole["tokens"])


# Check


def checked(house: House, **changes: Any) -> Any:
    return asked(house, "/check", **{"base": str(house.bases[0]), "dataset": house.dataset.id, **changes})


def check_base(house: House) -> None:
    found = [checked(house, base=str(base)) for base in house.bases]
    assert [each["base"] for each in found] == list(map(str, house.bases))
    assert [each["max_length"] for each in found] == [160, 96]


def revision(house: House) -> None:
    """Of a folder there is none, so that only what is not in memory tells the two apart."""
    (house.resident.tokenizer(str(house.bases[0])),)
    spied: list[Any] = []
    kept = house.resident.tokenizer
    house.resident.tokenizer = lambda *given: spied.append(given) or kept(*given)  # type: ignore[method-assign, func-returns-value]
    try:
        checked(house, revision="a" * 40)
    finally:
        house.resident.tokenizer = kept  # type: ignore[method-assign]
    assert spied == [(str(house.bases[0]), "a" * 40)]


def dataset(house: House) -> None:
    assert [checked(house, dataset=each.id)["rows"] for each in (house.dataset, house.other_dataset)] == [24, 9]


def check_upload(house: House) -> None:
    folder = house.services.storage.files.uploads / "an upload"
    folder.mkdir()
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({**ROW, "line": line, "row": line}) + "\n" for line in (1, 2, 3)))
    assert checked(house, dataset=None, upload=str(path))["usable_rows"] == 3 != checked(house)["usable_rows"]


def file_rows(house: House) -> None:
    found = checked(house, file_rows=31)
    assert (found["rows"], found["rows_left_out"], checked(house)["rows"]) == (31, 7, 24)


def check_reft(house: House) -> None:
    assert checked(house)["usable_rows"] == 24
    assert checked(house, reft={"positions": "marked"})["usable_rows"] == 0, "nothing is marked in these rows"


def check_train(house: House) -> None:
    plain = checked(house)
    assert checked(house, train={"held_out": 0.5})["held_out"] == 12 != plain["held_out"]
    assert checked(house, train={"max_length": 20})["cut_answers"] > plain["cut_answers"]


# Probe


def forget_probes(house: House) -> None:
    """The next estimate is measured anew."""
    house.resident._probes = probes.Probes(house.resident.base_lock, house.resident.checks)


def timed(house: House, **changes: Any) -> tuple[Any, list[Any]]:
    """What a probe gives, and what the engine was told to time."""
    spied: list[Any] = []
    kept = probes.probe

    def spy(base: Any, run: Any, load: Any, reft: Any, turn: Any) -> Any:
        places = sorted(row.index for row in (*run.trained, *run.held_out))
        spied.append((base.name, load(places), reft, run.settings))
        return kept(base, run, load, reft, turn)

    forget_probes(house)
    house.chat()  # so that the first base model is in memory
    probes.probe = spy  # type: ignore[attr-defined]
    try:
        found = asked(house, "/probe", **{"base": str(house.bases[0]), "dataset": house.dataset.id, **changes})
    finally:
        probes.probe = kept  # type: ignore[attr-defined]
    return found, spied


def probe_base(house: House) -> None:
    found, spied = timed(house)
    assert found["parameters"] > 0 and found["estimate"]["seconds"] > 0 and spied[0][0] == str(house.bases[0])
    assert timed(house, base=str(house.bases[1])) == (None, []), "a base model is not loaded for this"


def probe_precision(house: House) -> None:
    """A model in another precision is another one, which is not in memory; what suits the device is."""
    assert timed(house, precision="float32")[1] and timed(house, precision="bfloat16") == (None, [])
    house.resident.base(str(house.bases[0]), precision="bfloat16")
    assert house.resident.probe(house.dataset.id, str(house.bases[0]), ReftConfig(), TrainConfig()) is None
    assert asked(house, "/probe", base=str(house.bases[0]), dataset=house.dataset.id, precision="bfloat16")["parameters"] > 0
    house.chat()


def probe_dataset(house: House) -> None:
    for kept in (house.dataset, house.other_dataset):
        assert timed(house, dataset=kept.id)[1][0][1] == load_examples(house.services.storage.files.rows(kept.version))


def probe_reft(house: House) -> None:
    assert [timed(house, reft={"rank": rank})[1][0][2].rank for rank in (1, 3)] == [1, 3]


def probe_train(house: House) -> None:
    assert [timed(house, train={"batch_size": size})[1][0][3].batch_size for size in (2, 3)] == [2, 3]


# Rates


def tried(house: House, **changes: Any) -> tuple[Any, list[Any]]:
    """What a search gives, and what the engine was told to try."""
    spied: list[Any] = []
    kept = probes.find_rate

    def spy(base: Any, rows: Any, reft: Any, train: Any, **given: Any) -> Any:
        spied.append((base.name, rows, reft, train))
        return kept(base, rows, reft, train, rates=(1e-3, 1e-2), steps=2, **given)

    house.resident._rates = probes.Rates(house.resident.base_lock)
    probes.find_rate = spy  # type: ignore[attr-defined]
    try:
        answer = house.http.post("/rates", json={"base": str(house.bases[0]), "dataset": house.dataset.id, **changes})
    finally:
        probes.find_rate = kept  # type: ignore[attr-defined]
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()], spied


def rates_base(house: House) -> None:
    assert [tried(house, base=str(base))[1][0][0] for base in house.bases] == list(map(str, house.bases))
    house.chat()


def rates_precision(house: House) -> None:
    asked: list[Any] = []
    kept = house.resident.base
    house.resident.base = lambda name, revision=None, precision=None: asked.append(precision) or kept(name, revision)  # type: ignore[method-assign]
    try:
        for precision in (None, "bfloat16"):
            tried(house, precision=precision)
    finally:
        del house.resident.base
    assert asked == [None, "bfloat16"]


def rates_dataset(house: House) -> None:
    for kept in (house.dataset, house.other_dataset):
        assert tried(house, dataset=kept.id)[1][0][1] == load_examples(house.services.storage.files.rows(kept.version))


def rates_reft(house: House) -> None:
    assert [tried(house, reft={"rank": rank})[1][0][2].rank for rank in (1, 3)] == [1, 3]


def rates_train(house: House) -> None:
    assert [tried(house, train={"batch_size": size})[1][0][3].batch_size for size in (2, 3)] == [2, 3]


def test_a_search_says_how_far_it_is_and_what_it_found_and_is_remembered(house):
    lines, spied = tried(house)
    assert [line["done"] for line in lines[:-1]] == [0, 0, 1, 2] and len(spied) == 1
    found = lines[-1]["found"]
    assert [trial["rate"] for trial in found["trials"]] == [1e-3, 1e-2] and found["loss_before"] > 0
    again = house.http.post("/rates", json={"base": str(house.bases[0]), "dataset": house.dataset.id, "train": {"learning_rate": 0.5}})
    assert [json.loads(line) for line in again.text.splitlines()][1:] == [lines[-1]], "whatever rate is in the field, and how many epochs"


def test_a_search_whose_page_has_gone_ends_and_is_not_remembered(house):
    asked: list[int] = []
    rows = house.resident.dataset_rows(house.dataset.id)
    house.resident._rates = probes.Rates(house.resident.base_lock)
    found = house.resident.rates(
        rows, str(house.bases[0]), ReftConfig(), TrainConfig(), lambda done, total: asked.append(done), lambda: len(asked) > 1
    )
    assert found is None and asked == [0, 1] and not house.resident._rates._cache


# Predictions


def forget_predictions(house: House) -> None:
    for run in (house.run, house.second):
        house.services.storage.files.predictions(run.id).unlink(missing_ok=True)


def answered(house: House, **changes: Any) -> tuple[list[Any], list[bool]]:
    """What is told, and which of two runs have predictions then."""
    forget_predictions(house)
    answer = house.http.post("/predictions", json={"run": house.run.id, **changes})
    assert answer.status_code == 200, answer.text
    files = [house.services.storage.files.predictions(run.id).is_file() for run in (house.run, house.second)]
    forget_predictions(house)
    return [json.loads(line) for line in answer.text.splitlines()], files


def predictions_run(house: House) -> None:
    assert [answered(house, run=run.id)[1] for run in (house.run, house.second)] == [[True, False], [False, True]]


def predictions_start(house: House) -> None:
    lines, made = answered(house, start=True)
    assert lines[0] == {"done": 0, "of": 4} and lines[-2:] == [{"done": 4, "of": 4}, {"ended": True}] and made == [True, False]
    assert answered(house, start=False) == ([{"ended": True}], [False, False])


# Describe


def describe_base(house: House) -> None:
    found = [asked(house, "/describe", base=str(base)) for base in house.bases]
    assert [each["context"] for each in found] == [160, 96] and [each["name"] for each in found] == list(map(str, house.bases))


def load(house: House) -> None:
    house.chat()
    found = [asked(house, "/describe", base=str(house.bases[1]), load=load) for load in (False, True)]
    assert [each.pop("loaded") for each in found] == [False, True] and found[0] == found[1], "its files say as much"
    assert found[1]["context"] == 96 and asked(house, "/describe", base="nobody/nothing", load=False) is None
    house.chat()


# Grid


def gridded(house: House, *prompts: str, **changes: Any) -> list[dict[str, str]]:
    """The answers to each prompt."""
    given = [{"messages": [{"role": "user", "content": prompt}]} for prompt in prompts or (PROMPT,)]
    found: list[dict[str, str]] = [{} for _ in given]
    for line in house.services.worker.grid({"runs": [house.run.id], "prompts": given, "max_new_tokens": LENGTH, **changes}):
        found[line["prompt"]] |= line["answers"]
    return found


def grid_runs(house: House) -> None:
    """Each of its own base model, however many there are."""
    runs = [house.run, house.foreign, house.second]
    (found,) = gridded(house, runs=[run.id for run in runs])
    assert {run.id: found[run.id] for run in runs} == {run.id: house.wanted(run)[1] for run in runs}
    assert [found[f"base:{base}"] for base in house.bases] == [house.wanted(run)[0] for run in (house.run, house.foreign)]
    house.chat()


def grid_prompts(house: House) -> None:
    prompts = ("Hello there.", PROMPT)
    assert [each[house.run.id] for each in gridded(house, *prompts)] == [house.wanted(prompt=prompt)[1] for prompt in prompts]


def grid_messages(house: House) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    (found,) = gridded(house, prompts=[{"messages": turns}])
    assert found[house.run.id] == house.wanted(system="Be brief.")[1] != gridded(house)[0][house.run.id]


def grid_expected(house: House) -> None:
    """An answer has room for as many tokens as the one that is expected may have."""
    turns = [{"role": "user", "content": PROMPT}]
    (found,) = gridded(house, prompts=[{"messages": turns, "expected": "y" * 20}], max_new_tokens=1)
    assert found[house.run.id] == house.wanted(max_new_tokens=28)[1]


def grid_length(house: House) -> None:
    assert [gridded(house, max_new_tokens=count)[0][house.run.id] for count in (3, 8)] == [
        house.wanted(max_new_tokens=count)[1] for count in (3, 8)
    ]  # fmt: skip


# Batch


def batched(house: House, *prompts: str, **changes: Any) -> list[list[str]]:
    """The answers to each prompt, by column."""
    given = [{"messages": [{"role": "user", "content": prompt}]} for prompt in prompts or (PROMPT,)]
    base = str(house.bases[0])
    request = {"columns": chat_columns(None, house.run.id), "base": base, "prompts": given, "max_new_tokens": LENGTH, **changes}
    answer = house.http.post("/batch", json=request)
    assert answer.status_code == 200, answer.text
    *lines, last = map(json.loads, answer.text.splitlines())
    assert last == {"done": True}, last
    found: list[dict[int, str]] = [{} for _ in request["prompts"]]
    for line in lines:
        found[line["prompt"]][line["column"]] = line["text"]
    return [[each[column] for column in sorted(each)] for each in found]


def batch_columns(house: House) -> None:
    (found,) = batched(house, columns=[*chat_columns(house.second.id, None), *chat_columns(house.run.id, strength=2.0)])
    assert found == [*reversed(house.wanted(house.second)), house.wanted(strength=2.0)[1]]


def batch_base(house: House) -> None:
    found = [batched(house, columns=chat_columns(None), base=str(base))[0] for base in house.bases]
    assert found[0] != found[1] and found[1] == house.wanted(house.foreign)[:1]
    house.chat()


def batch_prompts(house: House) -> None:
    prompts = ("Hello there.", PROMPT, "And what is 3 dog?")
    assert batched(house, *prompts) == [house.wanted(prompt=prompt) for prompt in prompts]


def batch_length(house: House) -> None:
    assert [batched(house, max_new_tokens=count)[0] for count in (3, 8)] == [house.wanted(max_new_tokens=count) for count in (3, 8)]


def as_in_a_chat(name: str, *values: Any, **more: Any) -> Callable[[House], None]:
    """A setting draws the same answers as in a chat, and another value others."""

    def acts(house: House) -> None:
        found = [batched(house, **{**more, name: value})[0] for value in values]
        assert found == [house.chat(**{**more, name: value}) for value in values]
        assert len(set(map(tuple, found))) == len(values)

    return acts


def batch_stop(house: House) -> None:
    base, tuned = batched(house)[0]
    text = base[len(base) // 2 :][:2]
    assert batched(house, stop=[text])[0] == house.chat(stop=[text]) != [base, tuned]


# Mix


def blended(house: House, *weights: tuple[RunRecord, float], **changes: Any) -> list[Any]:
    """What is told of a mix."""
    parts = [{"run": run.id, "weight": weight} for run, weight in weights or ((house.run, 0.5), (house.second, 0.5))]
    prompts = [{"messages": [{"role": "user", "content": PROMPT}]}]
    return list(house.services.worker.mix({"parts": parts, "prompts": prompts, "max_new_tokens": LENGTH, **changes}))


def answer_of(house: House, *weights: tuple[RunRecord, float], **options: Any) -> str:
    """What the engine itself answers with such a mix."""
    runs = [house.resident.run(run.id) for run, _ in weights]
    mix: Any = Mix([reft for _, reft in runs], [weight for _, weight in weights])  # type: ignore[misc]
    return generate(runs[0][0], conversation(), [mix], **{"max_new_tokens": LENGTH, **options})[0]


def mix_runs(house: House) -> None:
    for pair in (((house.run, 0.5), (house.second, 0.5)), ((house.second, 1.0),)):
        (line,) = blended(house, *pair)
        assert line["answers"]["mix"] == answer_of(house, *pair)
        assert line["answers"].keys() == {"base", "mix", *(run.id for run, _ in pair)}
        assert [line["answers"][run.id] for run, _ in pair] == [house.wanted(run)[1] for run, _ in pair]


def mix_weight(house: House) -> None:
    found = [blended(house, (house.run, weight), (house.second, 0.5))[0]["answers"]["mix"] for weight in (0.0, 0.5, -1.0)]
    assert found == [answer_of(house, (house.run, weight), (house.second, 0.5)) for weight in (0.0, 0.5, -1.0)] and len(set(found)) > 1


def mix_prompts(house: House) -> None:
    asked = ("Hello there.", PROMPT)
    lines = blended(house, prompts=[{"messages": [{"role": "user", "content": text}]} for text in asked])
    assert [line["answers"][house.run.id] for line in lines] == [house.wanted(prompt=text)[1] for text in asked]
    assert blended(house, prompts=[]) == []


def mix_length(house: House) -> None:
    pair = (house.run, 0.5), (house.second, 0.5)
    found = [blended(house, *pair, max_new_tokens=count)[0]["answers"]["mix"] for count in (3, 8)]
    assert found == [answer_of(house, *pair, max_new_tokens=count) for count in (3, 8)]


def mix_kept(house: House) -> None:
    uploads, name = house.services.storage.files.uploads, "a" * 32
    try:
        (line,) = blended(house, prompts=[], save_to=name)
        made = load_adapter(uploads / name / "adapter", house.resident.base(str(house.bases[0])))
    finally:
        shutil.rmtree(uploads / name, ignore_errors=True)
        house.resident.check.close()
    assert made.method_config.model_dump(mode="json") == line["saved"]["reft"] and "reproduces" in line["saved"]["check"]
    assert made.method_config.rank == 4


# Angles


def compared_runs(house: House) -> None:
    same, other = (asked(house, "/angles", runs=[house.run.id, run.id]) for run in (house.run, house.second))
    assert [each["layer"] for each in same] == [each["layer"] for each in other] == [0, 1, 2]
    assert all(angle < 0.05 for each in same for angle in each["degrees"])
    assert all(angle > 10 for each in other for angle in each["degrees"])


TURN = {"role": "user", "content": "x"}
TABLE: dict[tuple[type[BaseModel], str], Field] = {
    (ChatRequest, "columns"): Field(columns, ([], [column()] * 8, [None], "x")),
    (ChatRequest, "base"): Field(chat_base, ("x" * 301, None)),
    (ChatRequest, "messages"): Field(messages, ([], [TURN] * 101)),
    (ChatRequest, "max_new_tokens"): Field(max_new_tokens, (0, 2049, -1, 1.5)),
    (ChatRequest, "temperature"): Field(temperature, (-0.01, 5.01, "hot", None)),
    (ChatRequest, "seed"): Field(seed, (-1, 2**31, 0.5, None)),
    (ChatRequest, "top_p"): Field(top_p, (0, 1.01, "NaN", None)),
    (ChatRequest, "top_k"): Field(top_k, (-1, 10_000_001, 1.5, None)),
    (ChatRequest, "repetition_penalty"): Field(repetition_penalty, (0, 10.1, "NaN", None)),
    (ChatRequest, "stop"): Field(stop, ([""], ["x" * 201], ["x"] * 9, "x", None)),
    (ChatColumn, "step"): Field(column_step, (0, -1, 1.5, 10**9 + 1)),
    (ChatColumn, "shots"): Field(column_shots, (-1, 1_001, 1.5, None)),
    (ChatColumn, "seed"): Field(column_seed, (-1, 2**31, 1.5, None)),
    (ChatColumn, "blend"): Field(column_blend, (-0.1, 1.1, "NaN", "x")),
    (ChatColumn, "messages"): Field(column_messages, ([], [TURN] * 101, "x")),
    (ChatMessage, "role"): Field(role, ("tool", "userx", "", None)),
    (ChatMessage, "content"): Field(content, ("x" * 200_001, None, 3)),
    (PreviewRequest, "base"): Field(preview_base, ("x" * 301, None)),
    (PreviewRequest, "rows"): Field(rows, ([ROW] * 51, [{}], None)),
    (PreviewRequest, "reft"): Field(preview_reft, ({"rank": 0}, {"x": 1}, None)),
    (PreviewRequest, "max_length"): Field(preview_max_length, (7, 1_000_001, None)),
    (CheckRequest, "base"): Field(check_base, ("x" * 301, None)),
    (CheckRequest, "revision"): Field(revision, ("x" * 101, 3)),
    (CheckRequest, "dataset"): Field(dataset, ("x" * 101, "nothing", 3)),
    (CheckRequest, "upload"): Field(check_upload, ("x" * 4001, None)),
    (CheckRequest, "file_rows"): Field(file_rows, (-1, 1.5)),
    (CheckRequest, "reft"): Field(check_reft, ({"rank": 0}, {"x": 1}, None)),
    (CheckRequest, "train"): Field(check_train, ({"epochs": 0}, {"x": 1}, None)),
    (ProbeRequest, "base"): Field(probe_base, ("x" * 301, None)),
    (ProbeRequest, "precision"): Field(probe_precision, ("3bit", 16)),
    (ProbeRequest, "dataset"): Field(probe_dataset, ("nothing", "x" * 101, None)),
    (ProbeRequest, "reft"): Field(probe_reft, ({"rank": 0}, {"x": 1}, None)),
    (ProbeRequest, "train"): Field(probe_train, ({"epochs": 0}, {"x": 1}, None)),
    (RatesRequest, "base"): Field(rates_base, ("x" * 301, None)),
    (RatesRequest, "precision"): Field(rates_precision, ("3bit", 16)),
    (RatesRequest, "dataset"): Field(rates_dataset, ("nothing", "x" * 101, None)),
    (RatesRequest, "reft"): Field(rates_reft, ({"rank": 0}, {"x": 1}, None)),
    (RatesRequest, "train"): Field(rates_train, ({"epochs": 0}, {"x": 1}, None)),
    (GridRequest, "runs"): Field(grid_runs, ([], ["x"] * 17, "x")),
    (GridRequest, "prompts"): Field(grid_prompts, ([], [{"messages": [TURN]}] * 101, "x")),
    (GridRequest, "max_new_tokens"): Field(grid_length, (0, 513, 1.5)),
    (GridPrompt, "messages"): Field(grid_messages, ([], [TURN] * 101)),
    (GridPrompt, "expected"): Field(grid_expected, ("x" * 200_001, 3)),
    (BatchRequest, "columns"): Field(batch_columns, ([], [{"kind": "base"}] * 8, "x")),
    (BatchRequest, "base"): Field(batch_base, ("x" * 301, None)),
    (BatchRequest, "prompts"): Field(batch_prompts, ([], [{"messages": [TURN]}] * 501, "x")),
    (BatchRequest, "max_new_tokens"): Field(batch_length, (0, 2049, -1, 1.5)),
    (BatchRequest, "temperature"): Field(as_in_a_chat("temperature", 0.0, 0.7, 1.4), (-0.01, 5.01, "hot", None)),
    (BatchRequest, "top_p"): Field(as_in_a_chat("top_p", 0.05, 1.0, temperature=1.4), (0.0, 1.01, None)),
    (BatchRequest, "top_k"): Field(as_in_a_chat("top_k", 0, 1, 3, temperature=1.4), (-1, 10_000_001, 1.5, None)),
    (BatchRequest, "repetition_penalty"): Field(as_in_a_chat("repetition_penalty", 1.0, 0.1), (0.0, 10.1, None)),
    (BatchRequest, "stop"): Field(batch_stop, ([""], ["x"] * 9, ["x" * 201], None)),
    (BatchRequest, "seed"): Field(as_in_a_chat("seed", 0, 1, 2**31 - 1, temperature=1.0), (-1, 2**31, 0.5, None)),
    (MixRequest, "parts"): Field(mix_runs, ([], [{"run": "x", "weight": 1}] * 9, "x")),
    (MixRequest, "prompts"): Field(mix_prompts, ([{"messages": [TURN]}] * 21, "x", None)),
    (MixRequest, "max_new_tokens"): Field(mix_length, (0, 513, 1.5)),
    (MixRequest, "save_to"): Field(mix_kept, ("x", "../" * 10 + "aa", "a" * 33, None)),
    (AnglesRequest, "runs"): Field(compared_runs, ([], ["x"], ["x"] * 3, ["gone"] * 2, [None] * 2, "x")),
    (PredictionsRequest, "run"): Field(predictions_run, ("nothing", "x" * 101, None)),
    (PredictionsRequest, "start"): Field(predictions_start, ("perhaps", None)),
    (DescribeRequest, "base"): Field(describe_base, ("x" * 301, "/nowhere", None)),
    (DescribeRequest, "load"): Field(load, ("perhaps", None)),
    (MixPart, "run"): Field(both(part_run, seen_rows.part_run, mix_runs), ("gone", "../x", "x" * 101, None, 3)),
    (MixPart, "weight"): Field(both(part_weight, seen_rows.part_weight, mix_weight), (-10.1, 10.1, "NaN", None)),
    (ChatColumn, "kind"): Field(both(column_kind, seen_rows.kind), ("mix", "tree", None)),
    (ChatColumn, "run"): Field(both(column_run, seen_rows.run), ("gone", "../x", "x" * 101, 3, None)),
    (ChatColumn, "strength"): Field(both(strength, seen_rows.strength), (-10.1, 10.1, "NaN", None)),
    (ChatColumn, "layers"): Field(seen_rows.layers, ([-1], [7], [1.5], "x")),
    (ChatColumn, "groups"): Field(seen_rows.groups, (["middle"], ["prefix"] * 3, "prefix")),
    (ChatColumn, "parts"): Field(both(column_parts, seen_rows.parts), ([{"run": "x"}], [{"run": "x"}] * 9, None)),
    **{(kind, "column"): Field(seen_rows.column(kind), ({}, None)) for kind in seen_rows.PATHS},
    **{(kind, "messages"): Field(seen_rows.messages(kind), ([], [TURN] * 101)) for kind in seen_rows.PATHS},
    (SeparationRequest, "answer"): Field(seen_rows.separation_answer, ([-1], [2**31], [10**6], [1] * 2050, [1.5])),
    (LensRequest, "layer"): Field(seen_rows.lens_place("layer", 0, 2), (-1, 3, 10_000, 1.5)),
    (LensRequest, "token"): Field(seen_rows.lens_place("token", 1, 4), (-1, 999, 1_000_000, 1.5)),
    (LensRequest, "k"): Field(seen_rows.lens_place("k", 2, 7), (0, 21, 1.5)),
    (TintsRequest, "answer"): Field(seen_rows.tints_answer, ([], [-1], [2**31], [10**6], [1] * 2050)),
    (TintsRequest, "k"): Field(seen_rows.tints_k, (0, 21, 1.5)),
    (TintsRequest, "stop"): Field(seen_rows.tints_stop, ([""], ["x" * 201], ["x"] * 9, "x", [1], None)),
}


def whole(house: House, kind: type[BaseModel]) -> tuple[str, dict[str, Any]]:  # noqa: C901 (a list)
    """Where such a request goes, and one that is taken."""
    base = str(house.bases[0])
    if kind in (*seen_rows.PATHS, ChatColumn, MixPart):
        return seen_rows.whole(house, LookRequest if kind in (ChatColumn, MixPart) else kind)
    if kind in (ChatRequest, ChatMessage):
        return "/chat", chat_of(house, column())
    if kind is BatchRequest:
        return "/batch", {"columns": [{"kind": "base"}], "base": base, "max_new_tokens": 1, "prompts": [{"messages": [TURN]}]}
    if kind is PreviewRequest:
        return "/preview", {"base": base, "rows": [ROW]}
    if kind is AnglesRequest:
        return "/angles", {"runs": [house.run.id, house.second.id]}
    if kind is DescribeRequest:
        return "/describe", {"base": base}
    if kind in (GridRequest, GridPrompt):
        return "/grid", {"runs": [house.run.id], "prompts": [{"messages": [TURN]}], "max_new_tokens": 1}
    if kind is MixRequest:
        return "/mix", {"parts": [{"run": house.run.id, "weight": 0.5}], "prompts": [{"messages": [TURN]}], "max_new_tokens": 1}
    if kind is PredictionsRequest:
        return "/predictions", {"run": house.run.id, "start": False}
    if kind is RatesRequest:
        return "/rates", {"base": base, "dataset": house.dataset.id}
    return f"/{'check' if kind is CheckRequest else 'probe'}", {"base": base, "dataset": house.dataset.id}


def placed(house: House, kind: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Values of a field where the request has them."""
    if kind is ChatMessage:
        return {"messages": [{**TURN, **values}]}
    if kind is GridPrompt:
        return {"prompts": [{"messages": [TURN], **values}]}
    if kind is ChatColumn:
        return {"column": seen_rows.of_run(house, **values)}
    return {"column": {"kind": "mix", "parts": [{"run": house.run.id, **values}]}} if kind is MixPart else values


def test_every_field_of_every_request_has_a_row_here():
    kinds = [kind for kind in vars(requests).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    shared = (requests.Sampled, requests.Column)  # by the requests that have rows
    ours = [kind for kind in kinds if kind.__module__ in (requests.__name__, MixPart.__module__) and kind not in shared]
    assert {(kind, field) for kind in ours for field in kind.model_fields} == set(TABLE)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "field"), TABLE, ids=[f"{kind.__name__}.{field}" for kind, field in TABLE])
def test_another_value_is_another_answer(house, kind, field):
    TABLE[kind, field].acts(house)


@pytest.mark.parametrize(("kind", "field"), TABLE, ids=[f"{kind.__name__}.{field}" for kind, field in TABLE])
def test_a_value_out_of_range_is_refused(house, kind, field):
    path, request = whole(house, kind)
    taken = house.http.post(path, json=request)
    assert taken.status_code == 200 and "error" not in taken.text
    for value in TABLE[kind, field].refused:
        found = house.http.post(path, json={**request, **placed(house, kind, {field: value})})
        assert found.status_code in (400, 422), (value, found.text)


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in TABLE), ids=lambda kind: kind.__name__)
def test_a_field_that_is_not_known_is_refused(house, kind):
    path, request = whole(house, kind)
    assert house.http.post(path, json={**request, **placed(house, kind, {"strenght": 2})}).status_code == 422


@pytest.mark.slow
def test_what_is_switched_off_is_off_in_every_look(house):
    seen_rows.switched(house)


def test_what_went_wrong_with_predictions_is_said_to_whoever_looks_later(house):
    """Until they are asked for again, and then they are there."""
    storage = house.services.storage
    rows = storage.files.rows(storage.datasets.version(house.foreign.version_id))
    away = rows.rename(rows.with_suffix(".away"))
    with pytest.raises(StudioError, match="missing or damaged"):
        list(house.services.worker.predictions(house.foreign.id))
    for _ in range(2):
        state = predictions.state(house.services, house.foreign)
        assert "missing or damaged" in state.problem and state.progress is None and state.made is None
    away.rename(rows)
    assert list(house.services.worker.predictions(house.foreign.id))[-1] == {"ended": True}
    assert len(predictions.state(house.services, house.foreign).made.rows) == 4
    storage.files.predictions(house.foreign.id).unlink()
    house.chat()


def test_a_count_of_other_settings_is_not_the_one_that_is_remembered(house):
    """A remembered answer would be that of the settings before; see `row_checks.RowChecks`."""
    assert len({checked(house, train={"held_out": share})["held_out"] for share in (0.0, 0.1, 0.25, 0.5)}) == 4
    assert len(house.resident.checks._cache) <= row_checks._MAX_CACHED


@pytest.mark.slow
def test_a_probe_is_made_anew_for_every_setting_that_the_time_depends_on(house):
    spied: list[Any] = []
    kept = probes.probe
    forget_probes(house)
    house.chat()
    changes = {"batch_size": 3, "max_length": 30, "answer_tokens": 2, "pass_tokens": 64, "packing": False, "reuse": "none",
               "reuse_memory_mb": 0, "reuse_disk_mb": 0, "gradient_checkpointing": True}  # fmt: skip
    assert set(changes) == set(probes._COST)
    probes.probe = lambda *given: spied.append(given[1].settings) or kept(*given)  # type: ignore[attr-defined, func-returns-value]
    try:
        for train in [{}, {}, {"epochs": 9}, {"epochs": 1}, *({name: value} for name, value in changes.items())]:
            asked(house, "/probe", base=str(house.bases[0]), dataset=house.dataset.id, train=train)
    finally:
        probes.probe = kept  # type: ignore[attr-defined]
    assert len(spied) == 2 + len(changes), "and of a run of one epoch nothing is stored"
    assert len(house.resident._probes._cache) == len(spied)


def test_an_estimate_follows_settings_that_are_not_measured_again(house):
    forget_probes(house)
    house.chat()
    found = [timed_of(house, epochs=epochs)["estimate"] for epochs in (2, 20)]
    assert len(house.resident._probes._cache) == 1
    assert found[0]["steps"] * 10 == found[1]["steps"] and found[0]["later_epoch_seconds"] == found[1]["later_epoch_seconds"]
    assert found[1]["seconds"] - found[0]["seconds"] > 17 * found[0]["later_epoch_seconds"]
    assert set(found[0]) == {row.name for row in fields(RunEstimate)}


def timed_of(house: House, **train: Any) -> Any:
    return asked(house, "/probe", base=str(house.bases[0]), dataset=house.dataset.id, train=train)


def test_a_stream_tells_each_columns_end_and_its_own(house):
    asked = chat_of(house, column(), column(house.run.id), column(house.second.id), max_new_tokens=LENGTH)
    lines = house.http.post("/chat", json=asked)
    assert sorted(lines.text.count(f'"column": {column}, ') > 0 for column in range(3)) == [True] * 3
    assert lines.text.count('"ended": true') == 3 and lines.text.endswith('{"done": true}\n')


def test_a_description_is_of_the_model_itself(house):
    base = house.resident.base(str(house.bases[0]))
    wanted = {
        "name": base.name, "layers": 3, "hidden_size": 32, "parameters": base.parameters, "context": 160, "device": "cpu",
        "kind": "decoder", "vocabulary": base.vocabulary, "loaded": True,
    }  # fmt: skip
    assert asked(house, "/describe", base=str(house.bases[0])) == wanted and base.parameters > 100_000
