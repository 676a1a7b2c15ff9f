"""Columns of a run's training rows without its edit: shown before the conversation, or looked up; their cost, and when they are gone."""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from app.services import Services, make_services
from app.settings import Settings
from app.worker import stores
from app.worker.chat import answer, submit
from app.worker.costs import cost_of_shots, cost_of_store
from app.worker.instant import instant
from app.worker.messages import ChatColumn, ChatMessage, ChatRequest
from app.worker.queue import forget_deleted_rows
from app.worker.resident import Resident
from app.worker.shots import few_shot
from reft_engine import Example, Message, ReftConfig, ReftModel, RunSpec, StoppedError, TrainConfig, generate
from reft_engine.base import Base
from reft_engine.data import dump_examples
from reft_engine.inference import InferenceEngine, build_store, choose_blend, draw_rows, with_shots
from reft_engine.inference.requests import limits_of
from reft_engine.tokens.examples import encode, prompt_ids
from storage import NotFoundError, RunRecord, RunStatus, StorageError
from tests.chatting import said
from tests.tiny import write_base
from tests.waiting import PATIENCE, until

ANIMALS = ("cat", "dog", "owl", "hen")
ROWS = [Example(line, (Message("user", f"Is {line} {ANIMALS[line % 4]}?"),), f"{ANIMALS[line % 4]} {line}.") for line in range(1, 21)]
TWICE = [*ROWS, ROWS[3]]
"""The last row is one that is held out, once more."""
HELD_OUT = [3, 7]
ASKED = (Message("user", "Is 9 fox?"),)


@dataclass(frozen=True)
class Studio:
    """A data folder, and what the worker keeps in memory."""

    services: Services
    resident: Resident
    base: Base

    def run(self, rows: Any = ROWS, places: Any = HELD_OUT, *, epoch: float = 5.0, result: bool = True, **reft: Any) -> RunRecord:
        """A run of these rows, as if it had been trained; without a result its training has failed."""
        store = self.services.storage
        content = dump_examples(rows)
        dataset = store.datasets.create(
            name="Rows", label="rows.csv", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=content
        )  # fmt: skip
        return self.another(dataset.id, places, epoch=epoch, result=result, **reft)

    def another(self, dataset_id: str, places: Any = HELD_OUT, *, epoch: float = 5.0, result: bool = True, **reft: Any) -> RunRecord:
        """A run of a dataset that there is."""
        store, config = self.services.storage, ReftConfig(rank=1, **reft)
        run = store.runs.create(dataset_id, RunSpec(base=self.base.name, reft=config, train=TrainConfig()).model_dump(mode="json"))
        held = store.queue.claim("w")
        assert held is not None and held.run.id == run.id
        held.begin("Reading the rows.")
        if places is not None:
            held.set_rows("Training.", places)
        held.progress(step=9, total_steps=9, epoch=epoch, seconds_left=0.0, metrics=[])
        if result:
            ReftModel(self.base.model, config).save(store.files.adapter(run.id), base=self.base, training={"max_length": 512})
        for status in (RunStatus.CHECKING, RunStatus.FINISHED) if result else (RunStatus.FAILED,):
            held.set_status(status, "Moved.")
        return store.runs.get(run.id)

    def files(self) -> set[Path]:
        """All files of the data folder, but the database's."""
        return {path for path in self.services.storage.files.root.rglob("*") if path.is_file() and ".sqlite" not in path.name}


@pytest.fixture
def studio(tmp_path, tiny_base) -> Iterator[Studio]:
    services = make_services(Settings(data_dir=tmp_path / "data"))
    resident = Resident(services.storage)
    yield Studio(services, resident, resident.base(str(tiny_base)))
    services.storage.close()


def answers(studio: Studio, found: Any, messages: Any = ASKED, length: int = 12) -> list[str]:
    asked = studio.resident.engine(found.base).submit(messages, [None, None], max_new_tokens=length, adjust=[None, found.adjust])
    return asked.texts()


# Rows that are shown


@pytest.mark.parametrize("seed", range(3))
def test_training_rows_of_the_run_stand_before_the_conversation(studio, seed):
    run = studio.run()
    made = few_shot(studio.resident, run.id, ASKED, 4, seed, 16)
    trained = [place for place in range(20) if place not in HELD_OUT]
    places = [trained[index] for index in draw_rows(18, 4, seed)]
    assert [row.place for row in made.rows] == places and made.left_out == made.refused == made.altered == 0
    turns = [each for place in places for each in (*ROWS[place].messages, Message("assistant", ROWS[place].answer))]
    assert made.messages == (*turns, *ASKED)
    assert [(row.number, row.prompt, row.answer) for row in made.rows] == [
        (place + 1, ROWS[place].messages[-1].content, ROWS[place].answer) for place in places
    ]
    assert few_shot(studio.resident, run.id, ASKED, 2, seed, 16).messages[:4] == made.messages[:4]


def test_what_it_costs_is_counted_by_hand(studio):
    run, base = studio.run(epoch=5.0), studio.base
    made = few_shot(studio.resident, run.id, ASKED, 3, 1, 16)
    assert made.prompt_tokens == len(prompt_ids(base, made.messages))
    assert made.shot_tokens == made.prompt_tokens - len(prompt_ids(base, ASKED))
    assert made.cache_bytes == made.shot_tokens * 2 * 3 * 2 * 8 * 4  # keys and values, layers, heads, their width, bytes
    trained = sum(encode(base, row, 160).length for place, row in enumerate(ROWS) if place not in HELD_OUT)
    assert made.trained_tokens == round(5 * trained) and made.pays_off_after == math.ceil(2 * 5 * trained / made.shot_tokens)
    asked = studio.resident.engine(made.base).submit(made.messages, max_new_tokens=4)
    asked.texts()
    assert asked.tokens().read == made.prompt_tokens
    again = studio.resident.engine(made.base).submit(made.messages, max_new_tokens=4)
    assert again.texts() == generate(base, made.messages, max_new_tokens=4) and again.tokens().read == 1


def test_no_rows_are_the_conversation_itself(studio):
    made = few_shot(studio.resident, studio.run().id, ASKED, 0)
    assert made.messages == ASKED and made.rows == () and made.shot_tokens == 0 and made.pays_off_after is None


def test_a_run_before_its_first_step_has_cost_nothing(studio):
    made = few_shot(studio.resident, studio.run(epoch=0.0, result=False).id, ASKED, 2)
    assert len(made.rows) == 2 and made.trained_tokens == 0 and made.pays_off_after == 0


def test_marks_are_removed_for_a_run_that_reads_them(studio):
    rows = [Example(line, (Message("user", f"Is <reft>{line}</reft> odd?"),), "Yes.") for line in range(1, 6)]
    asked = (Message("user", "Is <reft>9</reft> odd?"),)
    marked = few_shot(studio.resident, studio.run(rows, [0], positions="marked").id, asked, 2)
    assert not any("<" in message.content for message in marked.messages) and marked.messages[-1].content == "Is 9 odd?"
    plain = few_shot(studio.resident, studio.run(rows, [0]).id, asked, 2)
    assert all("<reft>" in message.content for message in plain.messages[::2])


def test_room_is_left_for_the_answer(studio):
    made = few_shot(studio.resident, studio.run().id, ASKED, 18, 0, 60)
    assert made.left_out > 0 and len(made.rows) + made.left_out == 18 and made.prompt_tokens <= studio.base.context - 60


# Rows that are looked up


def test_the_answer_leans_to_the_rows_and_says_which(studio):
    found = instant(studio.resident, studio.run().id, 1.0, temperature=1e-6)
    bare, tuned = answers(studio, found, ROWS[5].messages)
    assert tuned == ROWS[5].answer != bare
    first = found.why(most=1)[0]
    assert (first.place, first.number, first.prompt, first.answer) == (5, 6, ROWS[5].messages[-1].content, ROWS[5].answer)
    assert first.weight > 0.9 and found.why(0, 1)[0].place == 5
    assert (found.rows, found.no_room, found.too_long, found.refused) == (18, 0, 0, 0)
    assert found.nbytes > 32 * 4 * found.keys > 0 and found.seconds > 0


def test_a_blend_of_nothing_is_the_base_model(studio):
    found = instant(studio.resident, studio.run().id, 0.0)
    assert found.adjust is None and found.why() == [] and len(studio.resident.stores) == 0, "nothing is read for it"
    bare, off = answers(studio, found)
    assert bare == off == generate(studio.base, ASKED, max_new_tokens=12)[0]


def test_without_a_blend_the_one_that_did_best_on_held_out_rows_is_taken(studio):
    found = instant(studio.resident, studio.run().id)
    assert found.chosen.rows == len(HELD_OUT) and len(found.chosen.tried) == 10
    assert (found.blend, found.temperature) == (found.chosen.best.blend, found.chosen.best.temperature)
    assert found.was_chosen and instant(studio.resident, studio.run(places=[]).id).was_chosen
    none_held_out = instant(studio.resident, studio.run(places=[]).id)
    assert none_held_out.chosen is None and (none_held_out.blend, none_held_out.temperature) == (0.5, 0.02)


def test_a_blend_that_is_asked_for_is_no_choice_and_answers_alike_before_and_after_one(studio, monkeypatch):
    run = studio.run()
    own, asked = choose_blend, []
    monkeypatch.setattr("app.worker.instant.choose_blend", lambda *given, **more: asked.append(True) or own(*given, **more))
    before = instant(studio.resident, run.id, 0.5)
    assert asked == [] and before.chosen is None and not before.was_chosen
    assert instant(studio.resident, run.id).chosen is instant(studio.resident, run.id).chosen is not None and asked == [True], "once"
    after = instant(studio.resident, run.id, 0.5)
    assert (after.blend, after.temperature, after.chosen) == (before.blend, before.temperature, None) == (0.5, 0.02, None)


def test_a_store_is_there_though_the_choice_is_stopped_or_no_held_out_row_can_be_read(studio):
    run, told = studio.run(), []
    with pytest.raises(StoppedError, match="before a setting was chosen"):
        instant(studio.resident, run.id, None, lambda *told_of: told.append(told_of), lambda: (0, 2) in told)
    assert told[-1] == (0, 2) and len(studio.resident.stores) == 1
    found = instant(studio.resident, run.id, None, lambda *told_of: told.append(told_of))
    assert found.chosen is not None and told[-2:] == [(1, 2), (2, 2)]
    long = [*ROWS[:3], Example(4, (Message("user", "cat " * 500),), "No."), *ROWS[4:]]
    kept = instant(studio.resident, studio.run(long, [3]).id)
    assert (kept.chosen, kept.was_chosen, kept.blend, kept.rows) == (None, True, 0.5, 19)


def test_rows_that_are_not_stored_are_counted_by_the_reason(studio, monkeypatch):
    rows = [*ROWS, Example(21, (Message("user", "cat " * 500),), "No."), Example(22, (Message("user", "What is " + "cat " * 60),), "No.")]
    monkeypatch.setattr("app.worker.instant.build_store", partial(build_store, longest=50))
    run = studio.run(rows)
    found = instant(studio.resident, run.id, 0.5)
    assert (found.rows, found.no_room, found.too_long, found.refused, found.longest) == (18, 0, 1, 1, 50)
    monkeypatch.setattr("app.worker.instant.build_store", partial(build_store, most_keys=found.keys - 1))
    less = instant(studio.resident, studio.run(ROWS, [3, 7]).id, 0.5)
    assert less.no_room >= 1 and less.rows + less.no_room == 18
    monkeypatch.setattr("app.worker.instant.MOST_KEYS", 5)
    few = instant(studio.resident, studio.run(ROWS, [1, 7]).id, 0.5)
    assert few.rows + few.no_room == 18 and few.rows <= 5, "rows that were not drawn had no room either"


@pytest.mark.parametrize(("answers", "labels"), [(["Yes.", "No."], True), ([f"It is {number}." for number in range(20)], False)])
def test_answers_that_are_a_few_labels_are_told_from_free_text(studio, answers, labels):
    rows = [Example(line, (Message("user", f"Is {line} odd?"),), answers[line % len(answers)]) for line in range(1, 21)]
    assert instant(studio.resident, studio.run(rows).id, 0.5).of_labels is labels


def test_a_store_is_built_once_for_all_runs_of_the_same_rows_and_split(studio):
    run, told = studio.run(), []
    first = instant(studio.resident, run.id, 0.5, lambda done, total: told.append((done, total)))
    assert (told[0], told[-1]) == ((0, 18), (18, 18)) and len(studio.resident.stores) == 1
    told.clear()
    twin = studio.another(run.dataset_id)
    second = instant(studio.resident, twin.id, 0.7, lambda done, total: told.append(done))
    assert told == [] and second.adjust.store is first.adjust.store and second.adjust is not first.adjust
    other = instant(studio.resident, studio.another(run.dataset_id, [0]).id, 0.5)
    assert other.adjust.store is not first.adjust.store and len(studio.resident.stores) == 2
    assert studio.resident.stores.nbytes == first.nbytes + other.nbytes


def test_a_run_without_a_result_has_rows_too(studio):
    run = studio.run(result=False)
    assert instant(studio.resident, run.id).base is studio.base
    assert len(few_shot(studio.resident, run.id, ASKED, 2).rows) == 2


def test_what_a_run_in_training_is_taught_does_not_change_its_rows_answers(studio, tiny_base):
    run = studio.run()
    studio.resident.set_training(run.id, studio.base, ReftModel(studio.base.model, ReftConfig(rank=1)))
    found = instant(studio.resident, run.id, 1.0, temperature=1e-6)
    assert found.base is studio.base and answers(studio, found, ROWS[5].messages)[1] == ROWS[5].answer


# Never a held-out row


@pytest.mark.parametrize("seed", range(6))
def test_held_out_rows_and_their_equals_are_neither_shown_nor_stored(studio, seed):
    run = studio.run(TWICE)
    out = {ROWS[place].answer for place in HELD_OUT}
    made = few_shot(studio.resident, run.id, ASKED, 99, seed, 1)
    assert len(made.rows) + made.left_out == 18 and not out & {row.answer for row in made.rows}
    store = studio.resident.stores
    found = instant(studio.resident, run.id, 0.5)
    (built,) = store._stores.values()
    assert found.rows == 18 and not {3, 7, 20} & set(built.places)


# In memory only


def test_nothing_is_written_to_disk(studio):
    run = studio.run()
    before = studio.files()
    found = instant(studio.resident, run.id)
    answers(studio, found)
    few_shot(studio.resident, run.id, ASKED, 2)
    assert studio.files() == before and len(before) >= 2


def test_a_store_goes_when_its_base_model_makes_room(studio, tmp_path):
    run = studio.run()
    instant(studio.resident, run.id)
    studio.resident.base(str(write_base(tmp_path / "other", seed=5)))
    assert len(studio.resident.stores) == 0
    assert instant(studio.resident, run.id).keys > 0 and len(studio.resident.stores) == 1, "it is built again"
    studio.resident.release()
    assert len(studio.resident.stores) == 0


def test_stores_have_a_bound_and_the_oldest_goes_first(studio, monkeypatch):
    monkeypatch.setattr(stores, "_BYTES", 1)
    first, second = (studio.run(places=[place]) for place in (0, 1))
    instant(studio.resident, first.id)
    kept = instant(studio.resident, second.id).adjust.store
    assert len(studio.resident.stores) == 1 and instant(studio.resident, second.id).adjust.store is kept


@pytest.mark.parametrize("deleted", ["run", "dataset"])
def test_what_is_deleted_neither_answers_nor_stays_in_memory(studio, deleted):
    run, other = studio.run(), studio.run(ROWS[:15], [1])
    instant(studio.resident, other.id)
    found = instant(studio.resident, run.id, 0.5)
    kept = studio.resident.stores.of_datasets()
    answers(studio, found)
    studio.services.storage.runs.delete(run.id)
    if deleted == "dataset":
        studio.services.storage.datasets.delete(run.dataset_id)
    for ask in (
        lambda: few_shot(studio.resident, run.id, ASKED, 2), lambda: instant(studio.resident, run.id, 0.5),
        lambda: instant(studio.resident, run.id, 0.0), found.why,
    ):  # fmt: skip
        with pytest.raises(NotFoundError, match="is in the bin"):
            ask()
    stores, wanted = studio.resident.stores, {other.dataset_id} | ({run.dataset_id} if deleted == "run" else set())
    assert stores.of_datasets() == kept, "nobody has looked yet"
    rounds = iter([False, True])
    forget_deleted_rows(studio.resident, SimpleNamespace(wait=lambda seconds: next(rounds)))
    assert stores.of_datasets() == wanted
    studio.services.storage.runs.empty_bin()
    studio.services.storage.datasets.empty_bin()
    with pytest.raises(NotFoundError, match="no such run"):
        instant(studio.resident, run.id)


def test_rows_that_are_not_divided_or_not_there_are_refused(studio):
    with pytest.raises(StorageError, match="has not divided its rows yet"):
        few_shot(studio.resident, studio.run(places=None, result=False).id, ASKED, 2)
    run, files = studio.run(), studio.services.storage.files
    files.rows(studio.services.storage.datasets.version(run.version_id)).unlink()
    with pytest.raises(NotFoundError, match="are not there any more"):
        instant(studio.resident, run.id)


# Chats go before it


def test_between_two_passes_others_are_answered(studio, monkeypatch):
    monkeypatch.setattr("app.worker.instant.build_store", partial(build_store, pass_tokens=1))
    run, said = studio.run(), []
    engine = studio.resident.engine(studio.base)
    instant(studio.resident, run.id, 0.5, lambda done, total: said.append(engine.submit(ASKED, max_new_tokens=3).texts()[0]))
    assert said == generate(studio.base, ASKED, max_new_tokens=3) * 19, "before the first one, and after each"


def test_it_stops_when_nobody_waits_and_nothing_is_kept(studio):
    run = studio.run()
    with pytest.raises(StoppedError):
        instant(studio.resident, run.id, should_stop=lambda: True)
    assert len(studio.resident.stores) == 0
    with studio.resident.stores._turn(lambda done, total: None, lambda: False), pytest.raises(StoppedError, match="nothing was kept"):
        instant(studio.resident, run.id, should_stop=lambda: True)
    assert instant(studio.resident, run.id).keys > 0


def test_a_kept_store_is_handed_out_while_another_is_built(studio):
    run, other = studio.run(), studio.run(ROWS[:15], [1])
    kept = instant(studio.resident, run.id, 0.5)

    def meanwhile(done: int, total: int) -> None:
        assert instant(studio.resident, run.id, 0.7, should_stop=lambda: pytest.fail("it has to wait")).adjust.store is kept.adjust.store
        seen.append(done)

    seen: list[int] = []
    instant(studio.resident, other.id, 0.5, meanwhile)
    assert seen[0] == 0 and seen[-1] == 14


def test_whoever_waits_is_told_how_far_the_other_is_and_finds_a_store_of_the_same_rows(studio, monkeypatch):
    monkeypatch.setattr(stores, "_SAY_SECONDS", 0.05)
    monkeypatch.setattr(stores, "_LOOK_SECONDS", 0.01)
    run, told, found = studio.run(), [], []
    waiting = threading.Thread(
        target=lambda: found.append(instant(studio.resident, run.id, 0.5, lambda done, total: told.append((done, total))))
    )

    def first(done: int, total: int) -> None:
        if not done:
            waiting.start()
            until(lambda: len(told) > 2, "the third time that whoever waits is told something")

    built = instant(studio.resident, run.id, 0.5, first)
    waiting.join()
    assert told[:3] == [(0, 18)] * 3, "again and again, so that nobody takes the engine for dead"
    assert found[0].adjust.store is built.adjust.store and len(studio.resident.stores) == 1


def test_rows_of_one_run_are_there_while_those_of_another_are_counted(studio):
    run, other = studio.run(), studio.run(ROWS[:15], [1])
    rows = studio.resident.rows_of_runs
    found = []

    def count() -> float:
        asking = threading.Thread(target=lambda: found.append((rows.of(run.id), rows.tokens_of_a_row(run.id, lambda: 2.0))))
        asking.start()
        asking.join(PATIENCE)
        return 7.0

    assert rows.tokens_of_a_row(other.id, count) == 7.0 and found[0][0].held_out == (3, 7) and found[0][1] == 2.0
    assert rows.tokens_of_a_row(other.id, lambda: pytest.fail("it was counted")) == 7.0
    assert rows.of(run.id).examples is found[0][0].examples


def test_it_takes_the_turns_of_training(studio, monkeypatch):
    taken = []
    own = studio.resident.base_lock.for_training
    monkeypatch.setattr(studio.resident.base_lock, "for_training", lambda: taken.append(True) or own())
    monkeypatch.setattr(studio.resident.base_lock, "for_chat", lambda: pytest.fail("a chat has no wish to wait for it"))
    instant(studio.resident, studio.run().id)
    assert len(taken) >= 2


def test_a_column_answers_as_the_engine_alone_does_with_these_rows(studio):
    run = studio.run()
    made = few_shot(studio.resident, run.id, ASKED, 3, 2, 12)
    rows = [ROWS[row.place] for row in made.rows]
    by_hand = with_shots(studio.base, ASKED, rows, 3, 12, seed=None)
    assert InferenceEngine(studio.base).submit(by_hand.messages, max_new_tokens=12).texts() == (
        studio.resident.engine(made.base).submit(made.messages, max_new_tokens=12).texts()
    )
    assert torch.equal(torch.tensor(prompt_ids(studio.base, by_hand.messages)), torch.tensor(prompt_ids(studio.base, made.messages)))


# What is said of it


def lines_of(studio: Studio, *columns: ChatColumn, content: str = "Is 9 fox?", length: int = 4) -> list[dict[str, Any]]:
    """The last line of each column's answer."""
    messages = [ChatMessage(role="user", content=content)]
    asked = ChatRequest(columns=list(columns), base=studio.base.name, messages=messages, max_new_tokens=length)
    told: list[dict[str, Any]] = []
    request, ready = submit(studio.resident, asked, told.append, lambda: False)
    answer(request, ready, told.append)
    return sorted((line for line in told if line.get("ended")), key=lambda line: line["column"])


def test_what_rows_in_the_prompt_have_cost_is_said_and_that_they_are_kept(studio):
    run = studio.run()
    (first,) = lines_of(studio, ChatColumn(kind="few_shot", run=run.id, shots=3))
    shots, mb = first["shots"], f"{max(first['shots']['bytes'] / 1e6, 0.01):.2f}"
    assert first["read"] == first["prompt_tokens"] and not shots["kept"]
    assert first["told"] == (
        f"3 rows shown: {first['prompt_tokens']} tokens in the prompt, {first['read']} of them read anew; "
        f"answered within {first['seconds']:.2f} s of its turn. Kept for the next answer, the rows take {mb} MB of memory. "
        f"After about {shots['pays_off_after']} answers the edit has cost less than rows read anew for each answer."
    )
    (again,) = lines_of(studio, ChatColumn(kind="few_shot", run=run.id, shots=3), content="Is 8 cow?")
    assert again["shots"]["kept"] and again["read"] < first["read"]
    assert again["told"].endswith("They were in memory already, so this answer has not read them again.")
    (one,) = lines_of(studio, ChatColumn(kind="few_shot", run=run.id, shots=1))
    assert one["told"].startswith("1 row shown: ")
    (none,) = lines_of(studio, ChatColumn(kind="few_shot", run=run.id))
    assert none["told"].startswith("0 rows shown: ") and none["told"].endswith("of its turn.") and not none["shots"]["kept"]


@pytest.mark.parametrize(("count", "sentences"), [
    (1, "1 more had no room. 1 more cannot be an earlier turn, or the model's chat template refuses it. "
        "Of 1 shown row the chat template leaves out a part of the answer."),
    (2, "2 more had no room. 2 more cannot be earlier turns, or the model's chat template refuses them. "
        "Of 2 shown rows the chat template leaves out a part of the answer."),
])  # fmt: skip
def test_rows_that_are_not_shown_are_said_by_the_reason(studio, count, sentences):
    made = few_shot(studio.resident, studio.run(epoch=0.0, result=False).id, ASKED, 3)
    line = {"prompt_tokens": 1, "read": 1, "seconds": 0.5}
    found = cost_of_shots(replace(made, left_out=count, refused=count, altered=count, cache_bytes=None, after_tokens=0), line)
    assert found["told"] == (
        "3 rows shown: 1 token in the prompt, 1 of them read anew; answered within 0.50 s of its turn. "
        f"{sentences} How much memory rows take is not known for this form of model."
    )
    assert (found["shots"]["left_out"], found["shots"]["refused"], found["shots"]["altered"]) == (count, count, count)


def test_what_rows_that_are_looked_up_have_cost_is_said(studio):
    run = studio.run()
    (line,) = lines_of(studio, ChatColumn(kind="instant", run=run.id))
    store, chosen = line["store"], instant(studio.resident, run.id).chosen
    assert line["told"] == (
        f"18 rows stored in {max(store['bytes'] / 1e6, 0.01):.2f} MB, read once in {store['seconds']:.1f} s; "
        f"their share λ of each token's choice is {store['blend']:g}. "
        f"2 held-out rows chose λ: exactly answered {chosen.best.right}, by the base model alone {chosen.base.right}. "
        "They chose λ, so they flatter it. "
        + ("The base model alone does no worse on them than any λ that was tried. " if chosen.base_is_best else "")
        + "Experimental: the rows' answers are free text, and looking rows up suits a few labels best."
    )
    assert store["chosen"] == {
        "rows": 2, "right": chosen.best.right, "base_right": chosen.base.right, "base_is_best": chosen.base_is_best
    } and store["was_chosen"]  # fmt: skip
    (own,) = lines_of(studio, ChatColumn(kind="instant", run=run.id, blend=0.25))
    assert "chose" not in own["told"] and "choice is 0.25." in own["told"] and own["store"]["chosen"] is None
    (off,) = lines_of(studio, ChatColumn(kind="instant", run=run.id, blend=0.0))
    assert off["told"] == "λ is 0: this is the base model alone, and no rows are looked up."
    (none,) = lines_of(studio, ChatColumn(kind="instant", run=studio.run(places=[]).id))
    assert "There are no held-out rows that could choose λ, so it is a middle value." in none["told"]


def test_of_looked_up_rows_too_each_reason_is_said_and_that_the_base_model_did_best(studio):
    found = instant(studio.resident, studio.run().id)
    base, best = replace(found.chosen.base, right=2), replace(found.chosen.best, right=1)
    chosen = replace(found.chosen, best=best, tried=(base, best))
    told = cost_of_store(replace(found, no_room=1, too_long=2, refused=1, of_labels=True, chosen=chosen))["told"]
    assert told.endswith(
        "is " + f"{found.blend:g}" + ". 1 more had no room. 2 more are longer than 4,096 tokens and were left out. "
        "1 more cannot be read by this model. 2 held-out rows chose λ: exactly answered 1, by the base model alone 2. "
        "They chose λ, so they flatter it. The base model alone does no worse on them than any λ that was tried."
    )


# Whoever waits


def test_seconds_begin_when_the_request_does(studio, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.limits_of", lambda base: replace(limits_of(base), rows=1))
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    engine = studio.resident.engine(studio.base)
    other = engine.submit("What is 2 cat?", owner="a", max_new_tokens=3, sink=lambda delta: now.__setitem__(0, now[0] + 100.0))
    messages = [ChatMessage(role="user", content="What is 3 owl?")]
    asked = ChatRequest(columns=[ChatColumn(kind="base")], base=studio.base.name, messages=messages, max_new_tokens=3)
    told: list[dict[str, Any]] = []
    request, columns = submit(studio.resident, asked, told.append, lambda: False)
    assert request.began is None
    answer(request, columns, lambda line: (told.append(line), now.__setitem__(0, now[0] + 1.0)))
    assert other.ended and now[0] >= 100 and request.began >= 100, "it has waited"
    assert 0 < next(line["seconds"] for line in told if line.get("ended")) < 100


def test_who_waits_is_told_how_many_begin_before_and_that_it_begins(studio, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.limits_of", lambda base: replace(limits_of(base), rows=1))
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 4)  # a prompt is read in several steps, so there is time to say so
    engine = studio.resident.engine(studio.base)
    others = [engine.submit("What is 2 cat?", owner=name, max_new_tokens=6) for name in "ab"]
    messages = [ChatMessage(role="user", content="What is 3 owl, and where has it been since yesterday evening?")]
    asked = ChatRequest(columns=[ChatColumn(kind="base")], base=studio.base.name, messages=messages, max_new_tokens=6)
    told: list[dict[str, Any]] = []
    request, columns = submit(studio.resident, asked, told.append, lambda: False)
    answer(request, columns, told.append)
    places = [line["place"] for line in told if "place" in line]
    assert places[0] == 2 and places[-1] == 0 and sorted(set(places), reverse=True) == places
    assert told[: len(places)] == [{"place": place} for place in places], "before anything of the answer"
    assert said(told) == generate(studio.base, messages[0].content, max_new_tokens=6) and told[-1] == {"done": True}
    assert [each.texts() for each in others] == [generate(studio.base, "What is 2 cat?", max_new_tokens=6)] * 2
