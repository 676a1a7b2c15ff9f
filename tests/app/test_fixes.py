"""Fix by example: a corrected answer becomes a version of the rows, and a run goes on from the edit and learns it."""

import json
import math
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

import reft_engine
from app.errors import StudioError
from app.handlers import datasets, fixes, kept, train
from app.handlers.runs import delete, view
from app.pages.runs_html import facts
from app.routes import make_app
from reft_engine import DataError, load_base
from reft_engine.data import HELD_OUT, TRAIN, Message, load_examples
from reft_engine.trainable import load_adapter
from storage import MovedOnError, NotFoundError, RunStatus, StorageError
from tests.app.conftest import write_rows

ROWS = [(f"What is {times} {animal}?", f"{animal} {times}.") for times in range(3) for animal in ("cat", "dog", "cow")]
HELD = (2, 5)
"""Places of the rows that the run of these tests held out."""


def asked(text):
    return [("user", text)]


def end(services, run, places=HELD, *, result=True):
    """Take the only waiting run to its end, as its worker does."""
    held = services.storage.queue.claim("w")
    assert held.run.id == run.id
    held.begin("Reading the rows.")
    held.set_rows("Training.", list(places))
    for status in (RunStatus.CHECKING, RunStatus.FINISHED):
        held.set_status(status, "Moved.")
    if result:
        services.storage.files.adapter(run.id).mkdir(parents=True)
    return services.storage.runs.get(run.id)


@pytest.fixture
def dataset(services, tmp_path):
    return datasets.save_upload(services, str(write_rows(tmp_path / "animals.csv", ROWS)), label="animals.csv")


@pytest.fixture
def run(services, dataset):
    return end(services, train.start(services, dataset.id, train.TrainForm(), "page", "Mine"))


@pytest.fixture
def client(services):
    with TestClient(make_app(services), base_url="http://127.0.0.1") as made:
        yield made


def rows_of(services, dataset):
    return load_examples(services.storage.files.rows(dataset.version))


def sides_of(services, dataset):
    return [example.split for example in rows_of(services, dataset)]


# The new version


def test_a_fix_of_a_row_is_a_version_in_which_it_has_the_answer(services, run, dataset):
    fixed = fixes.fix(services, run.id, asked(ROWS[0][0]), "A cat, zero times.")
    assert (fixed.version, fixed.before, fixed.rows, fixed.is_new, fixed.was_held_out, fixed.held_out) == (2, 1, (1,), False, 0, 2)
    assert [example.answer for example in rows_of(services, fixed.dataset)] == ["A cat, zero times.", *(answer for _, answer in ROWS[1:])]
    assert fixed.sentence == "Row 1 of animals has the answer in version 2."
    assert [version.change for version in services.storage.datasets.versions(dataset.id)] == [
        "Row 1 has another answer: one of Mine, corrected in the Playground.", "",
    ]  # fmt: skip


def test_a_fix_of_anything_else_is_a_row_more(services, run, dataset):
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    made = fixed.dataset
    assert (fixed.rows, fixed.is_new, made.rows, made.usable_rows, made.shape) == ((10,), True, 10, 10, dataset.shape)
    last = rows_of(services, made)[-1]
    assert (last.messages, last.answer, last.split) == ((Message("user", "What is 7 owl?"),), "owl 7.", TRAIN)
    what = kept.compare(services, dataset.version.id, made.version.id)
    assert (what.added, what.changed, what.dropped) == (1, 0, 0)
    assert fixed.sentence == "The answer is row 10 of version 2 of animals."


def test_rows_that_the_run_held_out_measure_in_the_new_version_too_and_no_others_do(services, run):
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    assert sides_of(services, fixed.dataset) == [HELD_OUT if place in HELD else TRAIN for place in range(9)] + [TRAIN]
    assert fixed.dataset.split == {"method": "run", "run": run.id, "counts": {TRAIN: 8, HELD_OUT: 2}}
    sizes = {datasets.split_sizes(services, fixed.dataset.id, share, seed) for share, seed in ((0.0, 1), (0.5, 2), (0.9, 3))}
    assert sizes == {(8, 2)}, "whatever share and seed a run asks for"


def test_a_held_out_row_that_is_fixed_is_trained_on_and_that_is_said(services, run):
    fixed = fixes.fix(services, run.id, asked(ROWS[2][0]), "A cow.")
    assert (fixed.rows, fixed.was_held_out, fixed.held_out) == ((3,), 1, 1) and sides_of(services, fixed.dataset)[2] == TRAIN
    assert "one row fewer measures" in fixed.sentence and "No held-out row is left" not in fixed.sentence
    last = fixes.fix(services, run.id, asked(ROWS[5][0]), "A cow.")
    assert (last.was_held_out, last.held_out) == (1, 0) and "No held-out row is left" in last.sentence
    again = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    assert HELD_OUT not in sides_of(services, again.dataset), "what was fixed is not held out again"


def test_several_fixes_are_a_version_each_and_add_up(services, run):
    found = [fixes.fix(services, run.id, asked(f"What is {number} owl?"), f"owl {number}.") for number in (7, 8)]
    found.append(fixes.fix(services, run.id, asked("What is 8 owl?"), "eight owls"))
    assert [(fixed.version, fixed.rows, fixed.state.changed) for fixed in found] == [(2, (10,), 1), (3, (11,), 2), (4, (11,), 2)]
    assert [example.answer for example in rows_of(services, found[-1].dataset)[9:]] == ["owl 7.", "eight owls"]
    assert all("newest" not in fixed.sentence for fixed in found)


def test_a_fix_goes_on_from_the_newest_version_and_says_that_the_run_has_learned_another(services, run, dataset):
    kept.change(services, dataset.id, {}, [1])
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    assert (fixed.version, fixed.before, fixed.rows) == (3, 2, (10,)) and "Mine has learned version 1" in fixed.sentence
    assert len(rows_of(services, fixed.dataset)) == 9 and sides_of(services, fixed.dataset).count(HELD_OUT) == 2


def test_a_fix_that_another_one_has_overtaken_is_made_again_on_top_of_it(services, run, dataset, monkeypatch):
    add, overtaken = kept.add_version, []

    def add_late(given, of, *rest):
        if not overtaken:
            overtaken.append(kept.rename(given, of.id, "Renamed", []))
            with kept.beside(given) as out:
                out.write_bytes(given.storage.files.rows(of.version).read_bytes().replace(b"cat 0.", b"a cat"))
                add(given, of, out, of.rows, of.usable_rows, "Meanwhile.", of.split)
        return add(given, of, *rest)

    monkeypatch.setattr(kept, "add_version", add_late)
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    answers = [example.answer for example in rows_of(services, fixed.dataset)]
    assert fixed.version == 3 and answers[0] == "a cat" and answers[-1] == "owl 7."
    with kept.beside(services) as out:
        out.write_text("{}\n")
        with pytest.raises(MovedOnError, match="there is a version 3"):
            add(services, dataset, out, 1, 1, "Late.", None)


def test_a_chat_is_a_row_with_all_its_turns(services, run):
    messages = [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi."), ("user", "What is 7 owl?")]
    fixed = fixes.fix(services, run.id, messages, "owl 7.")
    last = rows_of(services, fixed.dataset)[-1]
    assert [(message.role, message.content) for message in last.messages] == messages and last.answer == "owl 7."


# What cannot be fixed


@pytest.mark.parametrize(("messages", "answer", "sentence"), [
    ([], "a", "belongs to a conversation"), ([("assistant", "x")], "a", "belongs to a conversation"),
    ([("user", "  ")], "a", "belongs to a conversation"), ([("nobody", "x"), ("user", "y")], "a", "belongs to a conversation"),
    ([("user", "x"), ("system", "y"), ("user", "z")], "a", "belongs to a conversation"), (asked("x"), " \n", "An empty answer"),
    (asked("x"), "a" * 1_000_001, "1,000,001 characters"),
])  # fmt: skip
def test_what_is_no_conversation_or_no_answer_is_refused(services, run, messages, answer, sentence):
    with pytest.raises(StudioError, match=sentence):
        fixes.fix(services, run.id, messages, answer)
    assert services.storage.datasets.get(run.dataset_id).version.number == 1


def test_an_answer_that_is_there_already_is_no_fix(services, run):
    with pytest.raises(DataError, match="Row 1 has this answer already"):
        fixes.fix(services, run.id, asked(ROWS[0][0]), ROWS[0][1])


def test_a_run_in_the_bin_is_not_fixed(services, run):
    delete(services, run.id)
    for act in (lambda: fixes.fix(services, run.id, asked("x"), "y"), lambda: fixes.state(services, run.id)):
        with pytest.raises(NotFoundError):
            act()


def made_of(services, path, form):
    dataset = datasets.save_upload(services, str(path), label=path.name)
    return end(services, train.start(services, dataset.id, form, path.name, path.stem), ())


def test_a_run_with_labels_learns_one_of_them_alone(services, tmp_path):
    path = write_rows(tmp_path / "labels.csv", [(f"text {number}", "good" if number % 2 else "bad") for number in range(8)], "text,label")
    run = made_of(services, path, train.TrainForm(labels="good, bad"))
    with pytest.raises(StudioError, match="one of these: good, bad"):
        fixes.fix(services, run.id, asked("text 9"), "fine")
    fixed = fixes.fix(services, run.id, asked("text 0"), " good\n")
    assert rows_of(services, fixed.dataset)[0].answer == "good" and not fixed.is_new


def test_a_run_of_preference_pairs_learns_the_answer_over_the_one_it_gave(services, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{number}?", "chosen": "yes", "rejected": "no"}) + "\n" for number in range(6)))
    run = made_of(services, path, train.TrainForm())
    with pytest.raises(DataError, match="pairs of a better and a worse answer"):
        fixes.fix(services, run.id, asked("new?"), "yes")
    fixed = fixes.fix(services, run.id, asked("new?"), "yes", "perhaps")
    last = rows_of(services, fixed.dataset)[-1]
    assert (last.chosen, last.rejected) == ("yes", "perhaps")


# To train on what was fixed


def test_what_was_fixed_is_trained_with_the_settings_of_the_run_from_its_edit(services, run):
    fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    made = fixes.train_on_fixes(services, fixes.state(services, run.id), "page")
    assert (made.continues_id, made.version_number, made.name) == (run.id, 2, "Mine, fixed")
    assert made.spec == {**run.spec, "train": {**run.spec["train"], "keep": "last", "patience": None}}
    assert fixes.train_on_fixes(services, fixes.state(services, run.id), "page").id == made.id, "the second press is the same run"
    assert "Begins with the edit of</dt><dd>Mine" in facts(made, view(services, made.id).begins_with)
    assert view(services, run.id).begins_with == "" and "Begins with" not in facts(run)
    assert fixes.train_on_fixes(services, fixes.state(services, run.id), "page", epochs=9).spec["train"]["epochs"] == 9
    assert fixes.train_on_fixes(services, fixes.state(services, run.id), "another page").id != made.id


def test_without_held_out_rows_none_of_those_that_are_trained_is_drawn(services, run):
    for place in HELD:
        fixes.fix(services, run.id, asked(ROWS[place][0]), "A cow.")
    assert fixes.train_on_fixes(services, fixes.state(services, run.id)).spec["train"]["held_out"] == 0.0


def test_there_is_nothing_to_train_before_a_fix(services, run):
    assert fixes.state(services, run.id) == fixes.FixState(
        run.id, 0, 1, 1, False, "No row has been fixed or changed since Mine was trained."
    )
    with pytest.raises(StudioError, match="No row has been fixed"):
        fixes.train_on_fixes(services, fixes.state(services, run.id))


def test_a_mix_was_never_trained_so_it_learns_no_fix(services, dataset):
    """Its spec holds settings of a training that never was."""
    folder = services.storage.files.root / "made"
    folder.mkdir()
    spec = {"base": "starter", "train": {}}
    parts = {"mixed_from": [{"run": "abc", "name": "One", "weight": 1.0}]}
    mixed = services.storage.made.add(dataset.id, dataset.version.id, spec, folder, name="Mixed", sentence="Made.", summary=parts)
    fixed = fixes.fix(services, mixed.id, asked("What is 7 owl?"), "owl 7.")
    assert (fixed.state.changed, fixed.state.can_train) == (1, False) and "was never trained" in fixed.state.why_not
    with pytest.raises(StudioError, match="was never trained"):
        fixes.train_on_fixes(services, fixed.state)
    with pytest.raises(StudioError, match="was never trained"):
        fixes.train_on_fixes(services, replace(fixed.state, can_train=True))
    assert [run.id for run in services.storage.runs.all()] == [mixed.id]


def test_files_of_versions_are_read_once_for_what_there_is_to_learn(services, run, monkeypatch):
    fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    read = []
    for name in ("differences", "learned_before"):
        kept_one = getattr(fixes, name)
        monkeypatch.setattr(fixes, name, lambda *given, kept_one=kept_one: read.append(given) or kept_one(*given))
    first = fixes.state(services, run.id)
    assert not read, "the fix has asked already"
    fixes.fix(services, run.id, asked("What is 8 owl?"), "owl 8.")
    made = len(read)
    assert made == 2 and fixes.state(services, run.id) == replace(first, version=3, changed=2) and len(read) == made


def test_only_a_result_is_gone_on_from(services, dataset):
    run = end(services, train.start(services, dataset.id, train.TrainForm(), "page", "Mine"), result=False)
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    assert not fixed.state.can_train
    with pytest.raises(StudioError, match="no result yet"):
        fixes.train_on_fixes(services, fixes.state(services, run.id))


def test_a_version_that_would_draw_learned_rows_to_measure_is_not_trained(services, run, dataset):
    kept.change(services, dataset.id, {1: {"answer": "another"}}, [])
    with pytest.raises(StudioError, match="Version 2 does not say which rows are held out"):
        fixes.train_on_fixes(services, fixes.state(services, run.id))


def test_held_out_rows_that_the_run_has_learned_are_counted(services, run, dataset):
    kept.divide(services, dataset.id, kept.plan_of("last", 50, 0))
    fixed = fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    held = {place for place, side in enumerate(sides_of(services, fixed.dataset)) if side == HELD_OUT}
    assert fixed.state.known == len(held - set(HELD)) > 0


def test_a_run_goes_with_its_dataset(services, run, dataset):
    fixes.fix(services, run.id, asked("What is 7 owl?"), "owl 7.")
    with pytest.raises(StorageError, match="was made from this dataset"):
        datasets.delete_dataset(services, dataset.id)


@pytest.mark.process
def test_a_run_that_goes_on_begins_with_the_edit_of_the_other_and_learns_the_fix(engine, tmp_path, ended):
    path = write_rows(tmp_path / "fixed.csv", ROWS)
    dataset = datasets.save_upload(engine, str(path), label="fixed.csv")
    form = train.TrainForm(rank=4, positions="f2+l2", epochs=10, batch_size=4, held_out=0.25, learning_rate=0.01)
    parent = ended(engine, train.start(engine, dataset.id, form, "fixes", "Parent"))
    assert parent.status is RunStatus.FINISHED, parent.sentence
    places = engine.storage.runs.held_out_places(parent.id)
    question = next(prompt for place, (prompt, _) in enumerate(ROWS) if place not in places)
    fixes.fix(engine, parent.id, asked(question), "Seven green hats.")
    fixes.fix(engine, parent.id, asked("Who are you?"), "A hat.")
    made = ended(engine, fixes.train_on_fixes(engine, fixes.state(engine, parent.id), "page"))
    assert made.status is RunStatus.FINISHED, made.sentence
    newest = engine.storage.datasets.get(dataset.id).version
    assert (made.continues_id, made.version_id, newest.number, parent.version_number) == (parent.id, newest.id, 3, 1)
    assert made.total_steps == 10 * math.ceil((len(ROWS) + 1 - len(places)) / 4), (
        "it learns all rows of the version that it does not hold out"
    )

    first = next(point.value for point in engine.storage.metrics.after(made.id) if (point.step, point.name) == (0, "held_out"))
    assert first == pytest.approx(parent.summary["held_out_tuned"], rel=1e-4), "before a step it is the edit that it goes on from"
    rows = rows_of(engine, engine.storage.datasets.get(dataset.id))
    measured = [rows[place].messages[0].content for place in engine.storage.runs.held_out_places(made.id)]
    assert sorted(measured) == sorted(ROWS[place][0] for place in places)

    base = load_base("starter")
    edits = [load_adapter(engine.storage.files.adapter(run.id), base) for run in (parent, made)]
    for text, answer in ((question, "Seven green hats."), ("Who are you?", "A hat.")):
        before, after = reft_engine.generate(base, [Message("user", text)], edits, max_new_tokens=12)
        assert after.strip() == answer != before.strip()


# Over HTTP


def test_fixes_over_http(client, services, run):
    sent = {"run": run.id, "messages": [{"role": "user", "content": "What is 7 owl?"}], "answer": "owl 7."}
    made = client.post("/play/fix", json=sent)
    assert made.status_code == 200, made.text
    found = made.json()
    assert (found["version"], found["rows"], found["added"], found["held_out"]) == (2, [10], True, 2)
    assert found["address"] == f"dataset?id={run.dataset_id}&version=2&against=1"
    assert found["state"] == client.get("/play/fixes", params={"run": run.id}).json()
    assert (found["state"]["changed"], found["state"]["can_train"], found["state"]["why_not"]) == (1, True, "")
    queued = client.post("/play/train_on_fixes", json={"run": run.id, "page_key": "k"}).json()
    assert queued["address"] == f"runs?run={queued['run']}" and services.storage.runs.get(queued["run"]).continues_id == run.id
    assert queued["sentence"] == "Mine, fixed is queued: it goes on from this edit with version 2, in which 1 row is new or changed."


@pytest.mark.parametrize(("path", "body", "status", "sentence"), [
    ("/play/fix", b"{", 422, "cannot be read"), ("/play/fix", b'{"run": "x"}', 422, "cannot be read"),
    ("/play/train_on_fixes", b"[]", 422, "cannot be read"), ("/play/train_on_fixes", b'{"run": "x", "epochs": 0}', 422, "cannot be read"),
    ("/play/train_on_fixes", b'{"run": "abc"}', 404, "no such run"),
    ("/play/fix", b'{"run": "abc", "messages": [{"role": "user", "content": "a"}], "answer": "b"}', 404, "no such run"),
])  # fmt: skip
def test_what_cannot_be_fixed_is_said_in_a_sentence(client, path, body, status, sentence):
    answer = client.post(path, content=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True)


@pytest.mark.parametrize("path", ["/play/fix", "/play/train_on_fixes"])
def test_another_site_can_fix_nothing(client, path):
    assert client.post(path, content=b"{}", headers={"Origin": "http://elsewhere.example"}).status_code == 403
