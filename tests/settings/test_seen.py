"""Looks at a column, from the request of a page's script to what it draws: sentences, numbers, refusals, other sites."""

import json
from types import SimpleNamespace

import anyio
import pytest
from fastapi.testclient import TestClient

from app.errors import StudioError
from app.handlers import seen
from app.routes import make_app
from reft_engine.inference import map_edit, token_changes
from storage import NotFoundError
from tests.settings.house import conversation
from tests.settings.seen_rows import IDS, TALK, of_run

PATHS = ("separation", "map", "lens", "tints")


def body(house, messages=TALK, column=None, **more):
    return json.dumps({"column": column or of_run(house), "messages": messages, **more}).encode()


def look(at, *given):
    """What a look gives."""
    return anyio.run(at, *given)


@pytest.fixture(scope="module")
def client(house):
    with TestClient(make_app(house.services), base_url="http://127.0.0.1") as opened:
        yield opened


def test_a_proof_says_what_was_compared(house):
    found = look(seen.separation, house.services, body(house, answer=IDS))
    assert found["proven"] and found["sentence"].startswith(f"Proven: beside the edited row, all {found['base']['logits']:,} logits")
    assert found["rest"].startswith(f"Compared after {found['tokens']} of {found['tokens']} tokens") and "multiplied by 0" in found["rest"]


def test_an_edit_that_is_off_proves_nothing(house):
    for column in (of_run(house, strength=0.0), of_run(house, layers=[]), of_run(house, groups=[])):
        found = look(seen.separation, house.services, body(house, column=column))
        assert not found["proven"] and found["sentence"].startswith("Nothing is shown")


def told(base, zero, acts=True):
    compared = [None if count is None else {"logits": 10, "different": count, "largest": 0.5} for count in (base, zero)]
    separate = base == 0 and not zero
    values = {
        "base": compared[0],
        "zero": compared[1],
        "edited": {"logits": 10, "different": 5, "largest": None},
        "tokens": 4,
        "compared": 4,
    }
    return {**values, "separate": separate, "acts": acts, "proven": separate and acts}


def test_a_proof_that_fails_says_so(house):
    assert seen._proof(told(3, 0)).startswith("Not separate: 3 of 10 logits of the base model's row differ")
    assert seen._proof(told(0, 2)).startswith("Not separate: the edit times 0 changes 2 of 10")
    assert "an amount that is no number" in seen._proof(told(0, 0)) and "no strength" in seen._rest(told(0, None))
    assert "multiplied" not in seen._rest(told(0, 2))


def test_a_map_has_the_engines_numbers_and_says_where_the_edit_acts_most(house):
    base, edit = house.resident.run(house.run.id)
    found, wanted = look(seen.edit_map, house.services, body(house)), map_edit(base, conversation(), edit)
    assert found["layers"] == list(wanted.layers) and found["total"] == wanted.total and found["left_out"] == ""
    for name in ("change", "hidden", "share"):
        assert [row == pytest.approx(list(other), rel=1e-4) for row, other in zip(found[name], getattr(wanted, name), strict=True)]
    most, layer = max((max(row), layer) for row, layer in zip(found["share"], found["layers"], strict=True))
    assert (
        found["sentence"].startswith("4 tokens are edited.")
        and f"layer {layer}, token " in found["sentence"]
        and f"{most:.0%}" in found["sentence"]
    )
    nothing = look(seen.edit_map, house.services, body(house, column=of_run(house, strength=0.0)))
    assert nothing["sentence"] == "The edit changes nothing here."
    long = look(seen.edit_map, house.services, body(house, [{"role": "user", "content": "word " * 110}]))
    assert long["gap"] > 0 and long["left_out"] == f"{long['gap']} tokens in the middle of the prompt are not shown."


def test_a_lens_says_both_first_words(house):
    found = look(seen.lens, house.services, body(house, layer=2, token=0))
    assert len(found["before"]) == len(found["after"]) == 5 and found["before"][0]["text"] in found["sentence"]
    assert found["after"][0]["text"] in found["sentence"]
    off = look(seen.lens, house.services, body(house, column=of_run(house, strength=0.0), layer=2, token=0, k=1))
    assert off["before"] == off["after"] and off["sentence"].endswith("before its edit and after it.")


def test_tints_name_the_token_that_moved_most(house, monkeypatch):
    base, edit = house.resident.run(house.run.id)
    found, wanted = look(seen.tints, house.services, body(house, answer=IDS)), token_changes(base, conversation(), IDS, edit)
    assert "".join(each["text"] for each in found["tokens"]) == "".join(each.text for each in wanted) and found["left_out"] == ""
    moved = max(found["tokens"], key=lambda each: abs(each["tuned_probability"] - each["base_probability"]))
    assert f"Moved most: {moved['shown']}, from {moved['base_probability']:.1%}" in found["sentence"]
    from reft_engine.inference import answer_tokens

    monkeypatch.setattr(answer_tokens, "_MOST_TOKENS", 2)
    assert look(seen.tints, house.services, body(house, answer=IDS))["left_out"] == "The answer's last token was not looked at."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"messages": [{"role": "user", "content": "  "}]}, "Write something to ask"),
        ({"messages": [*TALK, {"role": "assistant", "content": "Yes."}]}, "Write something to ask"),
        ({"messages": [{"role": "user", "content": "x" * 20_001}]}, "20,001 characters"),
        ({"messages": "x"}, "out of range"),
        ({"column": {"kind": "base"}}, "no edit to look at"),
        ({"column": {"kind": "mix", "parts": []}}, "out of range"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_in_a_sentence(house, client, changes, words):
    given = {"column": of_run(house), "messages": TALK, **changes}
    with pytest.raises(StudioError, match=words):
        look(seen.edit_map, house.services, json.dumps(given).encode())
    answer = client.post("/play/map", json=given)
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_a_run_that_is_not_there_or_of_another_base_model_is_refused(house):
    with pytest.raises(NotFoundError):
        look(seen.edit_map, house.services, body(house, column=of_run(house, run="gone")))
    parts = [{"run": house.run.id}, {"run": house.foreign.id}]
    with pytest.raises(StudioError, match="different base models"):
        look(seen.edit_map, house.services, body(house, column={"kind": "mix", "parts": parts}))
    house.chat()


def test_each_route_answers_as_its_handler(house, client):
    more = {"lens": {"layer": 1, "token": 2}, "tints": {"answer": IDS}}
    handlers = {"separation": seen.separation, "map": seen.edit_map, "lens": seen.lens, "tints": seen.tints}
    for path in PATHS:
        given = body(house, **more.get(path, {}))
        answer = client.post(f"/play/{path}", content=given)
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store", answer.text
        assert answer.json().keys() == look(handlers[path], house.services, given).keys()


@pytest.mark.parametrize("path", PATHS)
def test_another_site_cannot_look(house, client, path):
    asked = {"column": of_run(house), "messages": TALK, "layer": 0, "token": 0, "answer": IDS}
    refused = client.post(f"/play/{path}", json=asked, headers={"Origin": "http://evil.example"})
    assert refused.status_code == 403 and "another site" in refused.json()["error"]
    assert client.get(f"/play/{path}").status_code in (404, 405), "no look is a link"


@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_request_or_too_long_is_refused(client, path, monkeypatch):
    assert client.post(f"/play/{path}", content=b"{").status_code == 422
    assert client.post(f"/play/{path}", content=b"\xff\xfe").status_code == 422
    assert client.post(f"/play/{path}", content=b" " * 4_000_001).status_code == 413


def test_what_went_wrong_in_the_studio_is_no_traceback(client, monkeypatch, house, caplog):
    monkeypatch.setattr(house.services.worker, "edit_map", lambda request: SimpleNamespace()["nothing"])
    answer = client.post("/play/map", content=body(house))
    assert answer.status_code == 500 and "Traceback" not in answer.text and answer.json()["error"]
    assert "a request failed" in caplog.text
