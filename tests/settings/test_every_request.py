"""Every field of the worker's requests, over its HTTP: another value is another answer, and one out of range is refused."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from app.worker import messages as requests
from app.worker import probes, row_checks
from app.worker.messages import ChatMessage, ChatRequest, CheckRequest, DescribeRequest, PreviewRequest, ProbeRequest
from reft_engine.data import load_examples
from tests.settings.house import LENGTH, PROMPT, House


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


def strength(house: House) -> None:
    values = (-1.0, 0.0, 0.5, 1.0, 2.0)
    found = [house.chat(strength=value) for value in values]
    assert found == [house.wanted(strength=value) for value in values]
    assert len({tuned for _, tuned in found}) == len(values) and {base for base, _ in found} == {found[1][1]}


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


def timed(house: House, **changes: Any) -> tuple[Any, list[Any]]:
    """What a probe gives, and what the engine was told to time."""
    spied: list[Any] = []
    kept = probes.probe

    def spy(base: Any, rows: Any, reft: Any, train: Any, turn: Any) -> Any:
        spied.append((base.name, list(rows), reft, train))
        return kept(base, rows, reft, train, turn)

    house.resident._probes._cache.clear()
    house.chat()  # so that the first base model is in memory
    probes.probe = spy  # type: ignore[attr-defined]
    try:
        found = asked(house, "/probe", **{"base": str(house.bases[0]), "dataset": house.dataset.id, **changes})
    finally:
        probes.probe = kept  # type: ignore[attr-defined]
    return found, spied


def probe_base(house: House) -> None:
    found, spied = timed(house)
    assert found["parameters"] > 0 and found["probe"] and spied[0][0] == str(house.bases[0])
    assert timed(house, base=str(house.bases[1])) == (None, []), "a base model is not loaded for this"


def probe_dataset(house: House) -> None:
    for kept in (house.dataset, house.other_dataset):
        assert timed(house, dataset=kept.id)[1][0][1] == load_examples(house.services.storage.files.rows(kept.version))


def probe_reft(house: House) -> None:
    assert [timed(house, reft={"rank": rank})[1][0][2].rank for rank in (1, 3)] == [1, 3]


def probe_train(house: House) -> None:
    assert [timed(house, train={"batch_size": size})[1][0][3].batch_size for size in (2, 3)] == [2, 3]


# Describe


def describe_base(house: House) -> None:
    found = [asked(house, "/describe", base=str(base)) for base in house.bases]
    assert [each["context"] for each in found] == [160, 96] and [each["name"] for each in found] == list(map(str, house.bases))


def load(house: House) -> None:
    house.chat()
    assert asked(house, "/describe", base=str(house.bases[1]), load=False) is None
    assert asked(house, "/describe", base=str(house.bases[1]))["context"] == 96
    house.chat()


TURN = {"role": "user", "content": "x"}
TABLE: dict[tuple[type[BaseModel], str], Field] = {
    (ChatRequest, "columns"): Field(columns, ([], [None] * 9, "x")),
    (ChatRequest, "base"): Field(chat_base, ("x" * 301, None)),
    (ChatRequest, "messages"): Field(messages, ([], [TURN] * 101)),
    (ChatRequest, "max_new_tokens"): Field(max_new_tokens, (0, 2049, -1, 1.5)),
    (ChatRequest, "temperature"): Field(temperature, (-0.01, 5.01, "hot", None)),
    (ChatRequest, "seed"): Field(seed, (-1, 2**31, 0.5, None)),
    (ChatRequest, "strength"): Field(strength, (-10.1, 10.1, "NaN", None)),
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
    (ProbeRequest, "dataset"): Field(probe_dataset, ("nothing", "x" * 101, None)),
    (ProbeRequest, "reft"): Field(probe_reft, ({"rank": 0}, {"x": 1}, None)),
    (ProbeRequest, "train"): Field(probe_train, ({"epochs": 0}, {"x": 1}, None)),
    (DescribeRequest, "base"): Field(describe_base, ("x" * 301, "/nowhere", None)),
    (DescribeRequest, "load"): Field(load, ("perhaps", None)),
}


def whole(house: House, kind: type[BaseModel]) -> tuple[str, dict[str, Any]]:
    """Where such a request goes, and one that is taken."""
    base = str(house.bases[0])
    if kind in (ChatRequest, ChatMessage):
        return "/chat", {"columns": [None], "base": base, "messages": [TURN], "max_new_tokens": 1}
    if kind is PreviewRequest:
        return "/preview", {"base": base, "rows": [ROW]}
    if kind is DescribeRequest:
        return "/describe", {"base": base}
    return f"/{'check' if kind is CheckRequest else 'probe'}", {"base": base, "dataset": house.dataset.id}


def test_every_field_of_every_request_has_a_row_here():
    kinds = [kind for kind in vars(requests).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    ours = [kind for kind in kinds if kind.__module__ == requests.__name__]
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
        given = {"messages": [{**TURN, field: value}]} if kind is ChatMessage else {field: value}
        found = house.http.post(path, json={**request, **given})
        assert found.status_code in (400, 422), (value, found.text)


@pytest.mark.parametrize("kind", dict.fromkeys(kind for kind, _ in TABLE), ids=lambda kind: kind.__name__)
def test_a_field_that_is_not_known_is_refused(house, kind):
    path, request = whole(house, kind)
    given = {"messages": [{**TURN, "strenght": 2}]} if kind is ChatMessage else {"strenght": 2}
    assert house.http.post(path, json={**request, **given}).status_code == 422


def test_a_count_of_other_settings_is_not_the_one_that_is_remembered(house):
    """A remembered answer would be that of the settings before; see `row_checks.RowChecks`."""
    assert len({checked(house, train={"held_out": share})["held_out"] for share in (0.0, 0.1, 0.25, 0.5)}) == 4
    assert len(house.resident.checks._cache) <= row_checks._MAX_CACHED


@pytest.mark.slow
def test_a_probe_is_made_anew_for_every_setting_that_the_time_depends_on(house):
    spied: list[Any] = []
    kept = probes.probe
    house.resident._probes._cache.clear()
    house.chat()
    changes = {"batch_size": 3, "max_length": 30, "answer_tokens": 2, "pass_tokens": 64, "packing": False, "reuse": "none",
               "gradient_checkpointing": True}  # fmt: skip
    assert set(changes) == set(probes._COST)
    probes.probe = lambda *given: spied.append(given[3]) or kept(*given)  # type: ignore[attr-defined, func-returns-value]
    try:
        for train in [{}, {}, {"epochs": 9}, *({name: value} for name, value in changes.items())]:
            asked(house, "/probe", base=str(house.bases[0]), dataset=house.dataset.id, train=train)
    finally:
        probes.probe = kept  # type: ignore[attr-defined]
    assert len(spied) == 1 + len(changes)
    assert all(asdict(timed) for timed in house.resident._probes._cache.values())


def test_a_stream_tells_each_columns_end_and_its_own(house):
    lines = house.http.post("/chat", json={"columns": [None, house.run.id, house.second.id], "messages": [TURN], "max_new_tokens": LENGTH})
    assert sorted(lines.text.count(f'"column": {column}, ') > 0 for column in range(3)) == [True] * 3
    assert lines.text.count('"ended": true') == 3 and lines.text.endswith('{"done": true}\n')


def test_a_description_is_of_the_model_itself(house):
    base = house.resident.base(str(house.bases[0]))
    wanted = {"name": base.name, "layers": 3, "hidden_size": 32, "parameters": base.parameters, "context": 160, "device": "cpu"}
    assert asked(house, "/describe", base=str(house.bases[0])) == wanted and base.parameters > 100_000
