"""Saved conversations with columns of every kind: opened again they answer as they did, and their files say what acted."""

import json

import pytest
from fastapi.testclient import TestClient

from app.routes import make_app
from tests.chatting import said
from tests.settings.house import House, inhabited
from tests.tiny import write_base

PROMPT = "What is 2 cat?"
SOME = {"strength": 1.5, "layers": [1, 2], "groups": ["suffix"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    table = folder / "animals.csv"
    table.write_text("prompt,answer\n" + "".join(f"What is {n} cat?,cat {n}.\n" for n in range(24)))
    with inhabited(folder, (write_base(folder / "first", 0), write_base(folder / "second", 1)), table) as found:
        yield found


@pytest.fixture(scope="module")
def client(house):
    with TestClient(make_app(house.services), base_url="http://127.0.0.1") as made:
        yield made


def columns_of(house: House):
    """One of each kind, as the page makes them; a run and a mix with switches, and the same mix without."""
    mix = {"kind": "mix", "parts": [{"run": house.run.id, "weight": 0.6}, {"run": house.second.id, "weight": 0.7}]}
    return [
        {"kind": "base"}, {"kind": "run", "run": house.run.id, **SOME}, {**mix, **SOME}, mix,
        {"kind": "few_shot", "run": house.run.id, "shots": 2, "seed": 3}, {"kind": "instant", "run": house.run.id, "blend": 1.0},
    ]  # fmt: skip


def answers(client, columns):
    """The texts, and the ids of the tokens that they are."""
    asked = [{**each, "messages": [{"role": "user", "content": PROMPT}]} for each in columns]
    answer = client.post("/play/chat", json={"columns": asked, "max_new_tokens": 12})
    assert answer.status_code == 200, answer.text
    found = [json.loads(line) for line in answer.text.splitlines()]
    return said(found), {line["column"]: line["ids"] for line in found if line.get("ended")}


def test_columns_of_every_kind_are_saved_as_they_answered_and_answer_so_again(house, client):
    columns = columns_of(house)
    texts, ids = answers(client, columns)
    assert len(set(texts[:4])) == 4 and texts[0] not in texts[4:], "they can be told apart"
    turn = {"id": "a", "prompt": PROMPT, "seed": 7, "answers": [
        {"column": at, "text": text, "ids": ids[at], "strength": each.get("strength", 1.0), "made_by": each}
        for at, (each, text) in enumerate(zip(columns, texts, strict=True))
    ]}  # fmt: skip
    sent = {"columns": columns, "shown": [0, 1, 2, 3, 4, 5], "turns": [turn], "leaf": "a"}
    made = client.post("/play/chats", json={"document": sent})
    assert made.status_code == 200, made.text
    address = f"/play/chats/{made.json()['id']}"
    document = client.get(address).json()["document"]
    named = [{name: each[name] for name in given} for each, given in zip(document["columns"], columns, strict=True)]
    assert named == columns and document["shown"] == sent["shown"]
    assert [each["made_by"] for each in document["turns"][0]["answers"]] == document["columns"]
    assert answers(client, document["columns"]) == (texts, ids)
    assert client.post(address, json={"document": document, "version": 1}).json()["version"] == 2, "saved again as it was opened"
    assert client.get(address).json()["document"] == document

    text, rows = (client.get(f"/files/chats/{made.json()['id']}.{form}").text for form in ("md", "jsonl"))
    mix = "a mix of one at 0.6, two at 0.7"
    titles = ["the base model", "one", mix, mix, "2 rows of one in the prompt", "the rows of one looked up, blend 1"]
    assert [line.strip("#` ") for line in text.splitlines() if line.startswith("### ")] == titles
    assert text.count("- Edits at layers: 1, 2\n- Edits at positions: suffix") == 2 and text.count("- Strength 1.5, seed 7") == 2
    read = {each["column"]["title"]: each["column"] for each in map(json.loads, rows.splitlines()) if each["column"]["layers"]}
    assert {title: (each["strength"], each["layers"], each["groups"]) for title, each in read.items()} == {
        title: (1.5, [1, 2], ["suffix"]) for title in ("one", mix)
    }  # fmt: skip
    assert [part["weight"] for part in read[mix]["parts"]] == [0.6, 0.7]


def test_a_mix_whose_run_is_deleted_is_still_read_and_says_why_it_cannot_answer(house, client):
    columns = columns_of(house)[:4]
    sent = {"columns": columns, "turns": [{"id": "a", "prompt": PROMPT, "answers": [{"column": 3, "text": "Both."}]}], "leaf": "a"}
    made = client.post("/play/chats", json={"document": sent}).json()
    house.services.storage.runs.delete(house.second.id)
    try:
        document = client.get(f"/play/chats/{made['id']}").json()["document"]
        assert document["turns"][0]["answers"][0]["text"] == "Both."
        assert "a mix of one at 0.6, two at 0.7" in client.get(f"/files/chats/{made['id']}.md").text
        asked = [{**document["columns"][3], "messages": [{"role": "user", "content": PROMPT}]}]
        assert "in the bin" in json.loads(client.post("/play/chat", json={"columns": asked}).text.splitlines()[-1])["error"]
    finally:
        house.services.storage.runs.restore(house.second.id)
