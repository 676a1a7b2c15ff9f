"""Blind votes: what is counted, what is refused, and what of them can be learned from."""

import json
import math
from itertools import combinations

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app import columns
from app.cli.main import main
from app.columns import Column, name_of
from app.errors import StudioError
from app.given import read_as
from app.handlers import datasets, vote_pairs, votes
from app.handlers.votes import Cast
from app.routes import make_app
from app.routes.answers import MOST
from reft_engine import ReftConfig, TrainConfig, load_base, train
from reft_engine.data import load_examples
from reft_engine.training import wilson
from storage.runs import rows as run_rows

BASE, FEW = {"kind": "base"}, {"kind": "few_shot", "run": "fff", "shots": 3, "seed": 7}


def tuned(run="aaa", **settings):
    return {"kind": "run", "run": run, **settings}


def vote(answers, chosen=None, outcome="chosen", question="What is 2 cats?", **more):
    """A vote as the page sends it; ``answers`` are pairs of column and text."""
    messages = [{"role": "user", "content": question}]
    sent = {"messages": messages, "answers": [{"column": column, "text": text} for column, text in answers], "outcome": outcome}
    return read_as(Cast, json.dumps({**sent, "chosen": chosen, **more}))


def cast(services, *given, **more):
    return votes.cast(services, vote(*given, **more))


@pytest.fixture(autouse=True)
def known(services, dataset, monkeypatch):
    """Runs of these ids, since a vote names runs that there are."""
    with monkeypatch.context() as patched:
        for name in ("aaa", "bbb", "fff"):
            patched.setattr(run_rows.secrets, "token_hex", lambda _, name=name: name)
            services.storage.runs.create(dataset.id, {"base": "starter", "train": {}}, name=name)


@pytest.fixture
def client(services):
    with TestClient(make_app(services), base_url="http://127.0.0.1") as made:
        yield made


# Columns


def key_of(column, base):
    return columns.key_of(Column.model_validate(column), base)


def test_a_column_is_the_same_one_whatever_does_not_change_its_answers():
    same = [
        tuned(), tuned(strength=1), tuned(step=None, layers=None, shots=4, seed=9, blend=0.5),
        tuned(groups=["suffix", "prefix"]),
    ]  # fmt: skip
    assert len({key_of(column, "any") for column in same}) == 1
    assert key_of(tuned(layers=[2, 0, 2]), "") == key_of(tuned(layers=[0, 2]), "")
    parts = [{"run": "a", "weight": 0.5}, {"run": "b", "weight": 1}]
    assert key_of({"kind": "mix", "parts": parts}, "") == key_of({"kind": "mix", "parts": parts[::-1]}, "")


def test_what_changes_its_answers_makes_another_column():
    others = [
        tuned(), tuned("bbb"), tuned(step=3), tuned(strength=0.5), tuned(layers=[0]), tuned(layers=[]), tuned(groups=["prefix"]),
        tuned(groups=[]), FEW, {**FEW, "shots": 4}, {**FEW, "seed": 8}, {"kind": "instant", "run": "aaa", "blend": 0.5},
        {"kind": "instant", "run": "aaa", "blend": 0.25}, {"kind": "mix", "parts": [{"run": "aaa", "weight": 1}]},
        {"kind": "mix", "parts": [{"run": "aaa", "weight": 0.5}]}, BASE,
    ]  # fmt: skip
    keys = {key_of(column, "one") for column in others} | {key_of(BASE, "two")}
    assert len(keys) == len(others) + 1


@pytest.mark.parametrize(("column", "name"), [
    (BASE, "the base model starter"), (tuned(), "Animals"), (FEW, "3 rows of fff in the prompt"),
    (
        tuned(step=20, strength=-0.5, layers=[2, 0], groups=["suffix"]),
        "Animals, step 20, strength -0.5, layers 0, 2 only, last positions only",
    ),
    (tuned(layers=[], groups=["prefix", "suffix"]), "Animals, no layer"), (tuned(groups=[]), "Animals, no position"),
    ({"kind": "instant", "run": "aaa", "blend": 0.25}, "the rows of Animals looked up, blend 0.25"),
    ({"kind": "instant", "run": "aaa"}, "the rows of Animals looked up"),
    ({"kind": "mix", "parts": [{"run": "aaa", "weight": 0.5}, {"run": "x", "weight": -1}]}, "a mix of Animals at 0.5, x at -1"),
])  # fmt: skip
def test_a_column_has_a_name_to_read(column, name):
    assert name_of(Column.model_validate(column), {"aaa": "Animals"}, "starter") == name


# The tally


def test_the_tally_counts_wins_losses_ties_and_bad_for_each_pair(services):
    for place in (0, 0, 0, 1):
        cast(services, [(tuned(), f"good {place}"), (BASE, "bad")], place)
    cast(services, [(BASE, "x"), (tuned(), "y")], None, "tie")
    cast(services, [(BASE, "x"), (tuned(), "y")], None, "all_bad")
    counted = votes.tally(services)
    (pair,) = counted.pairs
    assert (counted.votes, dict(counted.outcomes), counted.same) == (6, {"chosen": 4, "tie": 1, "all_bad": 1}, 0)
    assert (pair.key, pair.other_key) == (key_of(tuned(), ""), key_of(BASE, ""))
    assert (pair.wins, pair.losses, pair.ties, pair.bad, pair.share) == (3, 1, 1, 1, 0.75)
    assert (pair.low, pair.high) == wilson(3, 4) and not pair.is_clear


def test_the_interval_is_the_one_worked_out_by_hand(services):
    """Wilson's, of 7 among 10: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.96."""
    for number in range(10):
        cast(services, [(BASE, "b"), (tuned(), "t")], int(number < 7), question=f"{number}?")
    (pair,) = votes.tally(services).pairs
    z, n, p = 1.959964, 10, 0.7
    middle, reach, under = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n), 1 + z * z / n
    assert pair.low == pytest.approx((middle - reach) / under, abs=1e-5) and pair.high == pytest.approx((middle + reach) / under, abs=1e-5)
    assert pair.sentence == "7 of 10 for aaa against the base model; between 40% and 89%: not yet more than chance."


def test_a_share_whose_interval_holds_no_half_is_more_than_chance(services):
    for number in range(10):
        cast(services, [(BASE, "b"), (tuned(), "t")], 0, question=f"{number}?")
    (pair,) = votes.tally(services).pairs
    assert pair.is_clear and pair.name == "the base model" and pair.sentence.endswith("between 72% and 100%: more than chance.")


def test_one_of_several_answers_wins_against_each_other_one_alone(services):
    cast(services, [(BASE, "a"), (tuned(), "b"), (FEW, "c")], 2)
    counted = votes.tally(services)
    found = {(pair.key, pair.other_key): (pair.wins, pair.losses) for pair in counted.pairs}
    assert found == {(key_of(FEW, ""), key_of(other, "")): (1, 0) for other in (BASE, tuned())} and counted.votes == 1


def test_a_tie_of_several_is_one_of_each_pair(services):
    cast(services, [(BASE, "a"), (tuned(), "b"), (FEW, "c")], None, "tie")
    pairs = votes.tally(services).pairs
    assert len(pairs) == len(list(combinations(range(3), 2))) and {(pair.wins, pair.ties, pair.share) for pair in pairs} == {(0, 1, None)}
    assert all("has named a better answer" in pair.sentence and "1 vote calls both equally good." in pair.sentence for pair in pairs)


def test_equal_answers_of_a_vote_count_for_nobody(services):
    cast(services, [(BASE, "same"), (tuned(), " same\n"), (FEW, "other")], 0)
    counted = votes.tally(services)
    assert [(pair.key, pair.other_key) for pair in counted.pairs] == [(key_of(BASE, ""), key_of(FEW, ""))] and counted.same == 1


def test_a_run_is_called_as_it_is_called_now_and_a_run_that_is_gone_as_it_was_called(services, dataset):
    runs = [services.storage.runs.create(dataset.id, {"base": "starter", "train": {}}, name=name) for name in ("One", "Two")]
    made = cast(services, [(tuned(run.id), run.name) for run in runs], 0, base="starter")
    assert made.names == ("One", "Two") and made.count == 1
    services.storage.runs.rename(runs[0].id, "First")
    services.storage.runs.request_stop(runs[1].id)
    services.storage.runs.delete(runs[1].id)
    services.storage.runs.empty_bin()
    (pair,) = votes.tally(services).pairs
    assert (pair.name, pair.other_name) == ("First", "Two")


def test_equal_answers_are_equally_good_or_all_bad_and_no_pair_to_learn(services):
    """Only that one of them is better would be untrue."""
    for outcome in ("tie", "all_bad"):
        cast(services, [(BASE, "same"), (tuned(), " same")], None, outcome)
    counted = votes.tally(services)
    (pair,) = counted.pairs
    assert (pair.ties, pair.bad, pair.wins, counted.same) == (1, 1, 0, 0)
    assert vote_pairs.preferences(services).pairs == []


def test_the_pairs_with_most_votes_are_listed_and_the_others_counted(services, monkeypatch):
    monkeypatch.setattr(votes, "PAIRS", 2)
    for place, times in enumerate((1, 3, 2)):
        for _ in range(times):
            cast(services, [(BASE, "b"), (tuned(strength=place + 2), "t")], 1)
    counted = votes.tally(services)
    assert ([pair.wins for pair in counted.pairs], counted.more) == ([3, 2], 1)
    said = votes.tally_as_data(counted)
    assert (said["more"], said["more_sentence"]) == (1, "1 more pair of columns with fewer votes is not listed.")


# What is sent twice


def test_a_vote_that_is_sent_twice_is_one_vote_with_the_same_answer(client, services):
    sent = {**vote([(BASE, "b"), (tuned(), "t")], 1).model_dump(mode="json"), "key": "page-turn"}
    first, second = (client.post("/play/votes", json=sent) for _ in range(2))
    assert first.status_code == 200 and first.json() == second.json() and services.storage.votes.count() == 1
    other = client.post("/play/votes", json={**sent, "chosen": 0})
    assert other.status_code == 409 and "voted on already" in other.json()["error"] and services.storage.votes.count() == 1
    assert client.post("/play/votes", json={**sent, "key": "another"}).json()["count"] == 2


def test_a_vote_that_was_taken_back_can_be_cast_anew_and_undone_after_a_reload(client, services):
    sent = {**vote([(BASE, "b"), (tuned(), "t")], 1).model_dump(mode="json"), "key": "page-turn"}
    made = client.post("/play/votes", json=sent).json()
    back = client.post(f"/play/votes/{made['id']}/delete").json()
    assert back["tally"]["votes"] == 0 and back["tally"]["cleared"] == {"moment": back["moment"], "count": 1}
    assert client.get("/play/votes").json()["cleared"] == back["tally"]["cleared"], "any tab can undo it"
    assert client.post(f"/play/votes/{made['id']}/delete").status_code == 404 == client.post("/play/votes/none/delete").status_code
    assert client.post("/play/votes", json={**sent, "chosen": 0}).json()["count"] == 1
    restored = client.post("/play/votes/restore", json={"moment": back["moment"]}).json()
    assert (restored["restored"], restored["tally"]["votes"], restored["tally"]["cleared"]) == (1, 2, None)


def test_a_dataset_of_the_same_votes_under_the_same_name_is_one_dataset(client, services):
    cast(services, [(BASE, "b"), (tuned(), "t")], 1)
    before = len(services.storage.datasets.all())
    first, second = (client.post("/play/votes/dataset", json={"name": "Mine"}).json() for _ in range(2))
    assert first == second and len(services.storage.datasets.all()) == before + 1


# What says nothing


@pytest.mark.parametrize(("given", "sentence"), [
    ({"answers": [(BASE, "same"), (tuned(), " same ")], "chosen": 0}, "The answers are the same"),
    ({"answers": [(tuned("nobody"), "a"), (BASE, "b")], "chosen": 0}, "names a run that is not there: nobody"),
    ({"answers": [({"kind": "mix", "parts": [{"run": "aaa"}, {"run": "none"}]}, "a"), (BASE, "b")], "outcome": "tie"}, "not there: none"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": 0, "owner": "me"}, "owner: it is not known here"),
    ({"answers": [(BASE, ""), (tuned(), "some")], "chosen": 0}, "An empty answer cannot be the better one"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": 0, "question": "  "}, "There is no question"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": 0, "messages": [{"role": "assistant", "content": "x"}]}, "There is no question"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": 2}, "cannot be read"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": -1}, "cannot be read"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "outcome": "tie", "chosen": 0}, "cannot be read"),
    ({"answers": [(BASE, "a"), (tuned(), "b")]}, "cannot be read"),
    ({"answers": [(BASE, "a")], "chosen": 0}, "cannot be read"),
    ({"answers": [(BASE, str(n)) for n in range(8)], "chosen": 0}, "too many columns: at most 7"),
    ({"answers": [(BASE, "a"), (tuned(), "b")], "chosen": 0, "messages": [{"role": "user", "content": "x"}] * 101}, "edit an earlier turn"),
    ({"answers": [({"kind": "other"}, "a"), (BASE, "b")], "chosen": 0}, "cannot be read"),
    ({"answers": [(tuned("../x"), "a"), (BASE, "b")], "chosen": 0}, "cannot be read"),
])  # fmt: skip
def test_a_vote_that_says_nothing_is_refused_with_a_sentence_and_not_kept(services, given, sentence):
    with pytest.raises(StudioError, match=sentence):
        votes.cast(services, vote(**given))
    assert services.storage.votes.count() == 0


# To take away


def many(services):
    for number in range(6):
        question = f"What is {number} cats?"
        cast(services, [(BASE, "many"), (tuned(), f"cat {number}."), (FEW, "no idea")], 1, question=question)
    cast(services, [(BASE, "many"), (tuned(), "more"), (FEW, "many")], 0)
    cast(services, [(BASE, "many"), (tuned(), "")], 0)
    cast(services, [(BASE, "many"), (tuned(), "one")], None, "tie")
    cast(services, [(BASE, "many"), (tuned(), "one")], None, "all_bad")


def test_each_better_answer_is_a_pair_with_each_other_one_and_the_rest_is_counted(services):
    many(services)
    found = vote_pairs.preferences(services)
    assert [(pair.chosen, pair.rejected) for pair in found.pairs[:2]] == [("cat 0.", "many"), ("cat 0.", "no idea")]
    assert (len(found.pairs), found.equal, found.undecided) == (13, 2, 2)
    groups = [pair.group for pair in found.pairs]
    assert groups[0] == groups[1] and len(set(groups)) == 6, "of one conversation, one group"


def test_the_file_of_the_votes_is_one_of_preference_pairs_to_the_data_page_and_to_inspect(services, client, tmp_path, capfd):
    many(services)
    got = client.get("/files/votes.jsonl")
    assert got.status_code == 200 and 'filename="votes.jsonl"' in got.headers["Content-Disposition"]
    path = tmp_path / "votes.jsonl"
    path.write_bytes(got.content)
    inspection = datasets.inspect_upload(str(path))
    assert (inspection.shape, inspection.rows, inspection.usable_rows) == ("preferences", 13, 13) and not inspection.needs_mapping
    assert main(["inspect", str(path), "--json"]) == 0
    shown = json.loads(capfd.readouterr().out)
    assert (shown["shape"], shown["usable_rows"]) == ("preferences", 13)
    made, _ = vote_pairs.make_dataset(services, "From votes")
    rows = load_examples(services.storage.files.rows(made.version))
    assert rows == list(inspection.examples) and [row.group for row in rows] == [row.group for row in inspection.examples]
    assert (made.name, made.shape, made.rows, made.usable_rows) == ("From votes", "preferences", 13, 13)


def test_a_conversation_of_several_turns_is_the_prompt_of_its_pair(services, client, tmp_path):
    turns = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi."), ("user", "And 2 cats?")]
    messages = [{"role": role, "content": text} for role, text in turns]
    cast(services, [(BASE, "b"), (tuned(), "t")], 1, messages=messages)
    cast(services, [(BASE, "b"), (tuned(), "t")], 0)
    path = tmp_path / "votes.jsonl"
    path.write_bytes(client.get("/files/votes.jsonl").content)
    first, second = datasets.inspect_upload(str(path)).examples
    assert [(message.role, message.content) for message in first.messages] == turns and (first.chosen, first.rejected) == ("t", "b")
    assert [message.role for message in second.messages] == ["user"] and (second.chosen, second.rejected) == ("b", "t")
    made, _ = vote_pairs.make_dataset(services, "")
    assert made.name == "Votes" and load_examples(services.storage.files.rows(made.version)) == [first, second]


def test_answers_to_different_conversations_are_counted_but_are_no_pair(services):
    """A column goes on from its own earlier answers, so from the second turn on two of them may answer different conversations."""
    turns = [
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": said}, {"role": "user", "content": "Go on"}] for said in "ab"
    ]
    sent = [{"column": column, "text": str(place), "messages": turns[place]} for place, column in enumerate((BASE, tuned()))]
    third = {"column": FEW, "text": "2", "messages": turns[1]}
    votes.cast(services, Cast.model_validate({"messages": turns[0], "answers": [*sent, third], "outcome": "chosen", "chosen": 1}))
    found = vote_pairs.preferences(services)
    assert ([(pair.chosen, pair.rejected) for pair in found.pairs], found.apart, found.equal) == ([("1", "2")], 1, 0)
    assert [message.content for message in found.pairs[0].messages] == ["Hi", "b", "Go on"]
    assert sorted(pair.wins for pair in votes.tally(services).pairs) == [1, 1]
    (vote,) = services.storage.votes.all()
    assert vote.answers[0].messages is None and vote.answers[1].messages == (("user", "Hi"), ("assistant", "b"), ("user", "Go on"))


@pytest.mark.slow
def test_the_preference_objective_learns_from_the_votes(services, tiny_base):
    for number in range(4):
        cast(services, [(BASE, "yes"), (tuned(), "no")], 1, question=f"What is {number} cats?")
    made, _ = vote_pairs.make_dataset(services, "From votes")
    rows = load_examples(services.storage.files.rows(made.version))
    settings = TrainConfig(epochs=30, batch_size=4, held_out=0.0, learning_rate=0.02)
    result = train(load_base(str(tiny_base)), rows, ReftConfig(rank=2, positions="l2"), settings)
    assert result.loss_first == pytest.approx(math.log(2), abs=0.05) and result.loss_last < 0.5 * result.loss_first


# Over HTTP


def test_votes_over_http_are_cast_counted_cleared_and_brought_back(client):
    sent = vote([(BASE, "b"), (tuned(), "t")], 1).model_dump(mode="json")
    first = client.post("/play/votes", json=sent)
    assert first.status_code == 200 and first.json() == {"id": first.json()["id"], "names": ["the base model", "aaa"], "count": 1}
    counted = client.get("/play/votes").json()
    assert (counted["votes"], counted["sentence"], counted["pairs"][0]["wins"]) == (1, "1 vote.", 1)
    cleared = client.post("/play/votes/clear").json()
    assert cleared["cleared"] == 1 and cleared["tally"]["pairs"] == [] == client.get("/play/votes").json()["pairs"]
    back = client.post("/play/votes/restore", json={"moment": cleared["moment"]}).json()
    assert back == {"restored": 1, "tally": counted}


def test_a_dataset_of_votes_is_made_over_http(client, services):
    many(services)
    made = client.post("/play/votes/dataset", json={"name": "Mine"}).json()
    assert (made["rows"], made["equal"], made["undecided"]) == (13, 2, 2) and made["address"] == f"dataset?id={made['dataset']}"
    assert made["sentence"].startswith("The dataset Mine has 13 pairs of answers. 2 pairs are left out")
    assert services.storage.datasets.get(made["dataset"]).name == "Mine"


@pytest.mark.parametrize(("path", "body", "sentence"), [
    ("/play/votes", b"{", "cannot be read"), ("/play/votes", b"[]", "cannot be read"), ("/play/votes", b"", "cannot be read"),
    ("/play/votes/clear", b"", "no vote yet"), ("/play/votes/restore", b'{"moment": "yesterday"}', "no votes to bring back"),
    ("/play/votes/restore", b'{"moment": "2001-01-01T00:00:00"}', "no votes to bring back"),
    ("/play/votes/restore", b'{"moment": 3}', "cannot be read"), ("/play/votes/restore", b"[1]", "cannot be read"),
    ("/play/votes/dataset", b"{}", "no pairs"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(client, path, body, sentence):
    answer = client.post(path, content=body)
    assert answer.status_code == 422 and sentence in answer.json()["error"]


def test_without_pairs_there_is_no_file(client):
    answer = client.get("/files/votes.jsonl")
    assert answer.status_code == 404 and "no pairs" in answer.json()["error"]


def test_a_body_that_is_too_large_is_not_read(client):
    answer = client.post("/play/votes", content=b"x" * (MOST + 1))
    assert answer.status_code == 413 and "4 MB" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/play/votes", "/play/votes/x/delete", "/play/votes/clear", "/play/votes/restore", "/play/votes/dataset"])
def test_another_site_can_neither_vote_nor_clear(client, services, path):
    cast(services, [(BASE, "b"), (tuned(), "t")], 1)
    answer = client.post(path, content=b"{}", headers={"Origin": "http://elsewhere.example"})
    assert answer.status_code == 403 and services.storage.votes.count() == 1


def test_a_column_knows_the_runs_it_is_made_of():
    mix = {"kind": "mix", "parts": [{"run": "a", "weight": 1}, {"run": "b", "weight": 1}]}
    assert [Column.model_validate(each).runs for each in (BASE, tuned("abc"), mix)] == [(), ("abc",), ("a", "b")]


@pytest.mark.parametrize("given", [
    {"kind": "run"}, {"kind": "base", "run": "a"}, {"kind": "mix"}, {"kind": "mix", "run": "a"}, {"kind": "instant"}, {**BASE, "step": 3},
    {**FEW, "step": 3}, {**BASE, "parts": [{"run": "a"}]},
])  # fmt: skip
def test_a_column_that_names_not_what_answers_is_refused(given):
    with pytest.raises(ValidationError, match=r"name the run|has a step"):
        Column.model_validate(given)
