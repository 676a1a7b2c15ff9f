"""Many prompts on the Playground: what is read of a file, what is asked, and how answers are scored."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from types import SimpleNamespace

import anyio
import httpx
import pytest

from app.errors import StudioError
from app.handlers import batch
from app.handlers.batch import MOST, Scores, difference
from app.handlers.playground import PROMPT_LIMIT
from app.routes import answers
from app.routes import batch as batch_routes
from app.worker.messages import ChatColumn
from reft_engine.errors import ReftError
from storage import StorageError
from tests.chatting import column, columns, said
from tests.waiting import PATIENCE
from tests.workbook import workbook


@pytest.fixture(scope="module")
def client(site):
    with httpx.Client(base_url=site, timeout=PATIENCE) as opened:
        yield opened


def prompts(*texts, expected=None):
    return [{"messages": [{"role": "user", "content": text}], "expected": expected} for text in texts]


def body(run_id, *texts, **changes):
    return json.dumps({"columns": columns(None, run_id), "prompts": prompts(*texts), "max_new_tokens": 8, **changes}).encode()


def answered(services, asked, most=None):
    """The lines of an answer, the first of them or all."""

    async def read():
        async with aclosing(batch.batch(services, batch.read(services, asked))) as lines:
            return [line async for line in lines] if most is None else [await anext(lines) for _ in range(most)]

    return anyio.run(read)


# How different two answers are


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("", "", 0.0), (" \n", "", 0.0), ("a b", "a  b\n", 0.0), ("a", "b", 1.0), ("a", "", 1.0), ("a b c d", "a b", 1 - 4 / 6),
        ("a b", "b a", 0.5), ("a b c", "a x c", 1 - 4 / 6), ("one Two", "one two", 0.5),
    ],
)  # fmt: skip
def test_a_difference_is_the_share_of_words_that_do_not_match(one, other, wanted):
    assert difference(one, other) == pytest.approx(wanted)


def test_a_difference_looks_at_the_first_200_words_alone():
    same = ["la"] * 200
    assert difference(" ".join([*same, "one"]), " ".join([*same, *["other"] * 10_000])) == 0.0
    assert difference(" ".join([*same[1:], "one"]), " ".join(same)) == pytest.approx(1 / 200)


def test_answers_are_scored_as_they_come_also_where_the_base_model_is_last():
    scores = Scores([ChatColumn(kind="run", run="x"), ChatColumn(kind="base")], ["yes it is", None])
    first = scores.take({"prompt": 0, "column": 0, "text": " yes it is\n"})
    assert first == [{"prompt": 0, "column": 0, "text": " yes it is\n", "right": True}, {"counts": ["1 of 1", ""]}]
    second = scores.take({"prompt": 0, "column": 1, "text": "no it is"})
    assert second[0]["right"] is False and "differs" not in second[0]
    assert second[1] == {"prompt": 0, "column": 0, "differs": 0.3333} and second[2] == {"counts": ["1 of 1", "0 of 1"]}
    scores.take({"prompt": 1, "column": 1, "text": "a"})
    assert scores.take({"prompt": 1, "column": 0, "text": "a"}) == [{"prompt": 1, "column": 0, "text": "a", "differs": 0.0}]
    refused = {"prompt": 1, "column": 0, "problem": "Too long."}
    assert scores.take(refused) == [refused]


def test_many_right_answers_are_told_with_their_interval():
    scores, told = Scores([ChatColumn(kind="base")], ["x"] * 20), []
    for at in range(20):
        told = scores.take({"prompt": at, "column": 0, "text": "x" if at < 10 else "y"})
    assert told[-1] == {"counts": ["10 of 20 (50%; likely between 30% and 70%)"]}


def test_as_many_prompts_as_are_answered_at_once_are_told_with_their_interval_too():
    scores, told = Scores([ChatColumn(kind="base")], ["x"] * MOST), []
    for at in range(MOST):
        told = scores.take({"prompt": at, "column": 0, "text": "x" if at < 250 else "y"})
    assert told[-1] == {"counts": ["250 of 500 (50%; likely between 46% and 54%)"]}


# Files


@pytest.mark.process
def test_a_file_is_read_by_its_name_and_content(services):
    lines = batch.read_file(services, "a.TXT", b"One, two\nThree\n")
    assert [each["prompt"] for each in lines["prompts"]] == ["One, two", "Three"] and lines["told"] == "2 prompts."
    table = batch.read_file(services, "a.csv", b"prompt,answer\nA?,b\n,c\n")
    assert table["prompts"] == [{"prompt": "A?", "messages": [{"role": "user", "content": "A?"}], "expected": "b"}]
    assert table["left_out"] == ["Line 3: the prompt is empty."] and "1 row was left out" in table["told"]
    sheet = batch.read_file(services, "a.ods", workbook({"one": [["prompt", "answer"], ["A?", "b"], ["C?", "d"]]}))
    assert [(each["prompt"], each["expected"]) for each in sheet["prompts"]] == [("A?", "b"), ("C?", "d")]
    assert not list(services.storage.files.uploads.iterdir()), "nothing is kept"


@pytest.mark.process
def test_of_a_large_file_the_first_prompts_are_taken_and_all_are_counted(services):
    found = batch.read_file(services, "a.txt", "".join(f"Prompt {n}\n" for n in range(MOST + 5)).encode())
    assert len(found["prompts"]) == MOST and found["told"] == f"{MOST + 5} prompts. The first {MOST} are taken."


@pytest.mark.process
def test_many_rows_that_are_left_out_are_counted(services):
    found = batch.read_file(services, "a.csv", b"prompt,answer\n" + b",c\n" * 9 + b"A?,b\n")
    assert len(found["left_out"]) == batch._TOLD + 1 and found["left_out"][-1] == "and 4 more"


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "The file is empty"),
        ("a.txt", b"\n \n", "no prompt in this file"),
        ("a.csv", b"x,y\n1,2\n3,4\n", "No column of this file is a prompt"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(200), ""),
        ("a.txt", b"x" * (PROMPT_LIMIT + 1), "at most 20,000 can be read"),
        ("a.xlsx", b"PK\x03\x04" + bytes(100), ""),
    ],
)
def test_a_file_that_holds_no_prompts_is_refused_in_words(services, name, content, words):
    with pytest.raises((StudioError, ReftError)) as refusal:
        batch.read_file(services, name, content)
    assert words in str(refusal.value) and str(refusal.value).strip()


# What is asked


def test_every_column_answers_every_prompt_as_it_does_alone(engine, finished):
    texts = ["What is 2 cat?", "Tell me a story.", "cat " * 3000]
    lines = answered(engine, body(finished.id, *texts, prompts=[*prompts(*texts[:2], expected="cat 2."), *prompts(texts[2])]))
    assert lines[-1] == {"done": True}
    cells = {(line["prompt"], line["column"]): line for line in lines if "column" in line}
    assert sorted(cells) == [(at, of) for at in range(3) for of in range(2)]
    for at in range(2):
        said = ["", ""]
        request = {"base": finished.base, "columns": columns(None, finished.id), "messages": prompts(texts[at])[0]["messages"]}
        for line in engine.worker.chat({**request, "max_new_tokens": 8}):
            if "column" in line:
                said[line["column"]] += line["text"]
        assert [cells[at, of]["text"] for of in range(2)] == said
        assert cells[at, 1]["differs"] == round(difference(*said), 4)
        assert [cells[at, of]["right"] for of in range(2)] == [text.strip() == "cat 2." for text in said]
    assert all("prompt has" in cells[2, of]["problem"] for of in range(2)), "one that is too long does not hold up the others"
    assert [line for line in lines if "counts" in line][-1]["counts"][0].endswith("of 2")


def test_columns_have_strengths_and_sampling_of_their_own(engine, finished):
    asked = {"columns": [column(), column(finished.id, strength=0.0), column(finished.id, strength=2.0)], "temperature": 1.0}
    first, second, other = (
        [line["text"] for line in answered(engine, body(None, "Tell me a story.", **asked, seed=seed)) if "column" in line]
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert first == second != other and first[0] == first[1]


def test_switches_of_a_column_act_as_in_a_chat(engine, finished):
    asked = [column(), column(finished.id, groups=[]), column(finished.id, groups=["prefix"]), column(finished.id)]
    off, half, whole = (each["text"] for each in answered(engine, body(None, "What is 2 cat?", columns=asked)) if each.get("column"))
    lines = engine.worker.chat(
        {"base": finished.base, "columns": asked, "messages": prompts("What is 2 cat?")[0]["messages"], "max_new_tokens": 8}
    )
    assert said(list(lines))[1:] == [off, half, whole] and off != whole


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("kind", ["few_shot", "instant"])
def test_a_prompt_that_is_refused_does_not_hold_up_columns_of_training_rows(engine, finished, kind, place):
    settings = {"shots": 2, "seed": 1} if kind == "few_shot" else {"blend": 0.6}
    asked = [column(), {"kind": kind, "run": finished.id, **settings}]
    texts = ["What is 2 cat?", "Tell me a story."]
    wanted = []
    for text in texts:
        request = {"base": finished.base, "columns": asked, "messages": prompts(text)[0]["messages"], "max_new_tokens": 8}
        wanted.append(said(list(engine.worker.chat(request))))
    texts.insert(place, "cat " * 3000)
    wanted.insert(place, None)
    lines = answered(engine, body(None, *texts, columns=asked))
    cells = {(line["prompt"], line["column"]): line for line in lines if "column" in line}
    assert sorted(cells) == [(at, of) for at in range(3) for of in range(2)] and lines[-1] == {"done": True}
    for at, expected in enumerate(wanted):
        if expected is None:
            assert all("prompt has" in cells[at, of]["problem"] for of in range(2))
        else:
            assert [cells[at, of]["text"] for of in range(2)] == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": []}, "out of range"), ({"prompts": "x"}, "out of range"), ({"prompts": prompts(*["x"] * (MOST + 1))}, "at most 500"),
        ({"prompts": prompts(" ")}, "Write something"), ({"prompts": prompts("x" * (PROMPT_LIMIT + 1))}, "too long"),
        ({"columns": [column()]}, "Choose a run"), ({"columns": [column("nothing")]}, "no such run"), ({"temperature": -1}, "out of range"),
        ({"unknown": 1}, "out of range"), ({"columns": columns(None, "x") * 5}, "too many columns: at most 7"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_words(engine, finished, changes, words):
    with pytest.raises((StudioError, StorageError), match=words):
        answered(engine, body(finished.id, "x", **changes))


def test_half_a_character_is_asked_as_a_question_mark(engine, finished):
    half, whole = (
        [line for line in answered(engine, body(finished.id, f"half {sign} a character")) if "column" in line] for sign in "\ud83d?"
    )
    assert half and [line["text"] for line in half] == [line["text"] for line in whole]


def test_held_out_rows_are_those_that_the_run_never_saw(engine, finished, rows):
    places = sorted(engine.storage.runs.held_out_places(finished.id))
    found = batch.held_out(engine, [finished.id], 3)
    assert [(each["prompt"], each["expected"]) for each in found["prompts"]] == [rows[place] for place in places[:3]] and found["unseen"]
    for ids, count, words in (([], 3, "Choose a run"), ([finished.id], 0, "from 1 to 500"), (["nothing"], 3, "no such run")):
        with pytest.raises((StudioError, StorageError), match=words):
            batch.held_out(engine, ids, count)


# How many at once


def test_the_next_list_of_a_page_ends_the_one_before_and_too_many_are_refused():
    """Each holds its prompts as long as it lasts."""
    lists, ended = batch.UnderWay(2), []

    async def lines(name):
        try:
            for at in range(9):
                yield {"line": at}
        finally:
            ended.append(name)

    async def try_them():
        first, second, other = (lists.follow(page, lines(name)) for page, name in (("a", "first"), ("a", "second"), ("", "other")))
        assert await anext(first) == await anext(second) == {"line": 0} == await anext(other)
        with pytest.raises(StudioError, match="another list"):
            await anext(first)
        assert await anext(second) == {"line": 1} and ended == ["first"]
        with pytest.raises(StudioError, match="2 lists of prompts are being answered already"):
            await anext(lists.follow("", lines("third")))
        assert ended == ["first"], "it never began"
        await other.aclose()
        fourth = lists.follow("b", lines("fourth"))
        assert await anext(fourth) == {"line": 0} and [line async for line in second][-1] == {"line": 8}
        await fourth.aclose()
        assert ended == ["first", "other", "second", "fourth"]

    anyio.run(try_them)


def sent(base, path, pieces, held):
    """A body whose second half is sent once ``held`` is set."""

    async def read():
        async def halves():
            yield pieces[0]
            while not held.is_set():
                await anyio.sleep(0.01)
            yield pieces[1]

        async with httpx.AsyncClient(base_url=base, timeout=PATIENCE) as http:
            return await http.post(path, content=halves())

    return anyio.run(read)


def test_bodies_that_are_read_at_once_have_a_limit_and_the_next_one_is_told_so(client, site, finished, monkeypatch, until):
    """Not only those that are worked on: who waits holds its body too."""
    monkeypatch.setattr(answers.HELD, "most", 3_000)
    whole, held = body(finished.id, "What is 2 cat?").ljust(2_000), threading.Event()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(sent, site, "/play/batch", (whole[:1_500], whole[1_500:]), held)
        try:
            until(lambda: answers.HELD.now == 1_500, "half of the body")
            refused = client.post("/play/batch", content=whole)
        finally:
            held.set()
        assert refused.status_code == 503 and "Try again in a moment" in refused.json()["error"]
        assert json.loads(first.result().text.splitlines()[-1]) == {"done": True}
    until(lambda: answers.HELD.now == 0, "no body")
    assert json.loads(client.post("/play/batch", content=whole).text.splitlines()[-1]) == {"done": True}


def test_a_body_that_does_not_arrive_is_told_so(site, monkeypatch):
    monkeypatch.setattr(answers, "PATIENCE", 0.3)
    seen: list[int] = []  # the rest of the body comes when its first byte is held no longer
    given_up = SimpleNamespace(is_set=lambda: seen.append(answers.HELD.now) or (1 in seen and seen[-1] == 0))
    found = sent(site, "/play/batch", (b"{", b"}"), given_up)
    assert found.status_code == 503 and "did not arrive within 0.3 seconds" in found.json()["error"]
    assert answers.HELD.now == 0


# The routes


def test_the_routes_answer_line_by_line(client, finished):
    found = client.post("/play/batch", content=body(finished.id, "What is 2 cat?"))
    assert found.status_code == 200 and found.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in found.text.splitlines()][-1] == {"done": True}
    file = client.post("/play/prompts", params={"name": "a.txt"}, content=b"One\nTwo\n")
    assert [each["prompt"] for each in file.json()["prompts"]] == ["One", "Two"]
    held = client.get("/play/prompts/held-out", params={"run": finished.id, "count": 2})
    assert len(held.json()["prompts"]) == 2 and held.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"columns": 1}', b"\xff\xfe", b'{"prompts": [[]]}'])
def test_a_malformed_request_is_refused_in_a_sentence(client, content):
    found = client.post("/play/batch", content=content)
    assert found.status_code == 422 and "out of range" in found.json()["error"]


def test_requests_that_are_too_large_or_of_another_site_are_refused(client, monkeypatch):
    monkeypatch.setattr(batch, "FILE_MB", 1)
    large = client.post("/play/prompts", params={"name": "a.txt"}, content=b"x" * 1_000_001)
    assert large.status_code == 413 and "at most 1 MB" in large.json()["error"]
    monkeypatch.setattr(batch_routes, "_MOST_BYTES", 1000)
    assert client.post("/play/batch", content=b"x" * 1001).status_code == 413
    for path in ("/play/batch", "/play/prompts"):
        found = client.post(path, content=b"x", headers={"Origin": "http://evil.example"})
        assert found.status_code == 403 and "another site" in found.json()["error"]


@pytest.mark.parametrize(("query", "words"), [
    ({"count": "x"}, "count: it is a value of another kind"), ({}, "count: it is missing"), ({"count": "inf"}, "count: it is no finite"),
    ({"count": 0, "run": "nothing"}, "no such run"), ({"count": 2}, "Choose a run"),
])  # fmt: skip
def test_odd_numbers_of_rows_are_refused_in_a_sentence(client, query, words):
    found = client.get("/play/prompts/held-out", params=query)
    assert found.status_code in (404, 422) and words in found.json()["error"]


@pytest.mark.parametrize("count", [0, -1, 2.5, 501, 3_000_000_000, 10**300])
def test_a_number_of_rows_out_of_range_says_what_is_in_it(client, finished, count):
    found = client.get("/play/prompts/held-out", params={"count": count, "run": finished.id})
    assert found.status_code == 422 and "from 1 to 500" in found.json()["error"]
