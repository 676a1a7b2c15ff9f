import math
import threading
import time
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import uvicorn

from app.errors import StudioError
from app.handlers import datasets, playground, train
from app.handlers.playground import PROMPT_LIMIT, Suggestions, answer, pick, suggestions, system_message, usable
from app.samples import find_sample
from app.worker import api
from reft_engine import Example
from reft_engine.data import Message, dump_examples
from reft_engine.errors import ReftError
from reft_engine.inference.generation import Delta
from storage import Failure, NotFoundError, RunStatus
from tests.waiting import PATIENCE

ENDS = (RunStatus.TRAINING, RunStatus.CHECKING, RunStatus.FINISHED)


@pytest.fixture
def make_run(services, dataset):
    """A run taken through statuses, with an adapter folder when it ended."""
    count = iter(range(100))

    def make(*statuses, dataset_id=dataset.id, result=True):
        run = train.start(services, dataset_id, train.TrainForm(), str(next(count)))
        held = services.storage.queue.claim("w") if statuses else None
        for status in statuses:
            held.fail(Failure("bug", "Moved.")) if status is RunStatus.FAILED else held.set_status(status, "Moved.")
        if statuses and services.storage.runs.get(run.id).status.ended and result:
            services.storage.files.adapter(run.id).mkdir(parents=True)
        return run.id

    return make


def test_runs_with_a_result_and_the_one_in_training_can_be_talked_to(services, make_run):
    done = make_run(*ENDS)
    make_run(*ENDS, result=False)
    make_run(RunStatus.TRAINING, RunStatus.FAILED)
    stopped = make_run(RunStatus.TRAINING, RunStatus.CHECKING, RunStatus.STOPPED)
    live = make_run(RunStatus.TRAINING)
    make_run()
    assert [run.id for run in usable(services)] == [live, stopped, done]


def test_the_run_asked_for_is_picked_else_the_newest_finished_one_else_the_newest(services, make_run):
    assert pick(services) is None and pick(services, "nothing") is None
    live = make_run(RunStatus.TRAINING)
    assert pick(services) == live
    first, second = make_run(*ENDS), make_run(*ENDS)
    assert pick(services) == pick(services, "nothing") == second
    assert pick(services, first) == first and pick(services, live) == live


def test_a_samples_own_prompts_are_suggested(services, make_run):
    kept = datasets.use_sample(services, "emoji")
    found = suggestions(services, make_run(dataset_id=kept.id))
    assert list(found.unseen) == find_sample("emoji").prompts[:4]
    assert not set(found.unseen) & {example.messages[-1].content for example in datasets.examples_of(services, kept.id)}


def test_of_a_run_whose_rows_are_not_read_yet_nobody_knows_what_it_will_see(services, make_run):
    found = suggestions(services, make_run())
    assert found == Suggestions()


def test_held_out_prompts_are_told_from_those_of_training_rows(engine, finished, kept):
    """What the engine held out, not what somebody computes anew."""
    places = engine.storage.runs.held_out_places(finished.id)
    prompts = [example.messages[-1].content for example in datasets.examples_of(engine, kept.id)]
    found = suggestions(engine, finished.id)
    assert list(found.unseen) == [prompts[place] for place in places][:4]
    assert len(found.trained) == 3 and set(found.trained) <= set(prompts) - {prompts[place] for place in places}


def test_a_prompt_that_stands_on_both_sides_is_none_that_the_run_never_saw(services, make_run, tmp_path, table):
    again = [("other", "5"), ("other", "5")]
    path = table(tmp_path / "rows.csv", [("same", "1"), ("same", "2"), ("l" * 81, "3"), ('"two\nlines"', "4"), *again])
    kept = datasets.save_upload(services, str(path), label="rows.csv")
    run = services.storage.runs.get(make_run(dataset_id=kept.id))
    services.storage.queue.claim("w").set_rows("Training.", [1, 2, 4])
    found = suggestions(services, run.id)
    assert found.unseen == ("other",) and found.trained == ("same",)


def edit(services, kept, *rows):
    """A version of other rows, each a prompt and an answer, after an optional system message."""
    examples = [
        Example(line, (*(Message("system", each) for each in system), Message("user", prompt)), answer)
        for line, (prompt, answer, *system) in enumerate(rows, start=1)
    ]
    services.storage.datasets.add_version(
        kept.id, label="l", shape="pairs", rows=len(rows), usable_rows=len(rows), examples=dump_examples(examples), change="Other rows."
    )


def test_what_a_run_is_asked_comes_from_its_own_version_of_the_rows(services, make_run, tmp_path, table):
    kept = datasets.save_upload(services, str(table(tmp_path / "rows.csv", [("first", "1"), ("second", "2")])), label="rows.csv")
    before = services.storage.runs.get(make_run(dataset_id=kept.id))
    services.storage.queue.claim("w").set_rows("Training.", [1])
    edit(services, kept, ("third", "3", "Be kind."), ("fourth", "4"))
    after = make_run(dataset_id=kept.id)
    services.storage.queue.claim("w").set_rows("Training.", [1])
    assert suggestions(services, before.id) == Suggestions(("second",), ("first",))
    assert suggestions(services, after) == Suggestions(("fourth",), ("third",))
    assert system_message(services, before.id) == "" and system_message(services, after) == "Be kind."


def test_a_samples_own_prompts_are_not_suggested_once_its_rows_were_edited(services, make_run):
    kept = datasets.use_sample(services, "emoji")
    edit(services, kept, (find_sample("emoji").prompts[0], "x"), ("other", "y"))
    run = make_run(dataset_id=kept.id)
    assert suggestions(services, run) == Suggestions()
    services.storage.queue.claim("w").set_rows("Training.", [1])
    assert suggestions(services, run).unseen == ("other",)


@pytest.mark.parametrize("run_id", [None, "", "nothing", "../x"])
def test_an_unknown_run_suggests_nothing(services, run_id):
    assert suggestions(services, run_id) == Suggestions() and system_message(services, run_id) == ""


def test_the_system_message_of_the_rows_is_offered(services, make_run, tmp_path):
    path = tmp_path / "chat.jsonl"
    turns = '[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]'
    path.write_text(f'{{"messages":{turns}}}\n')
    kept = datasets.save_upload(services, str(path), label="chat.jsonl")
    assert system_message(services, make_run(dataset_id=kept.id)) == "Be kind."
    assert system_message(services, make_run()) == ""


def test_both_answers_grow_together_until_they_are_whole(engine, finished):
    shown = list(answer(engine, finished.id, "What is 2 cat?", max_new_tokens=12))
    assert [found.done for found in shown] == [False] * (len(shown) - 1) + [True]
    for before, after in pairwise(shown):
        assert after.base.startswith(before.base) and after.tuned.startswith(before.tuned)
    last = shown[-1]
    assert last.base and last.tuned and last.base != last.tuned
    assert "Both answered in" in last.note


def test_the_same_question_has_the_same_answers_and_no_strength_is_the_base_model(engine, finished):
    def ask(**settings):
        last = list(answer(engine, finished.id, "What is 2 cat?", max_new_tokens=12, **settings))[-1]
        return last.base, last.tuned

    plain = ask()
    assert ask() == plain
    assert ask(strength=0.0) == (plain[0], plain[0])
    assert ask(system="You are a pirate.")[0] != plain[0]


def test_each_press_draws_anew_and_a_seed_draws_the_same_again(engine, finished):
    def ask(**settings):
        return list(answer(engine, finished.id, "Tell me a story.", max_new_tokens=24, temperature=1.0, **settings))[-1]

    first, second = ask(), ask()
    assert first.seed != second.seed and first.base != second.base and first.tuned != second.tuned
    assert first.note.endswith(f"with seed {first.seed}.")
    again = ask(seed=f" {first.seed} ")
    assert (again.base, again.tuned, again.seed) == (first.base, first.tuned, first.seed)


def test_where_nothing_is_drawn_no_seed_is_told(engine, finished):
    last = list(answer(engine, finished.id, "What is 2 cat?", max_new_tokens=4))[-1]
    assert last.seed is None and "seed" not in last.note


def test_answers_are_not_longer_than_asked_for(engine, finished):
    long, short = (list(answer(engine, finished.id, "Tell me a story.", max_new_tokens=count))[-1].base for count in (40, 4))
    assert long.startswith(short) and len(short) < len(long)


@pytest.mark.parametrize(
    ("prompt", "settings", "words"),
    [
        ("", {}, "Write something"),
        (" \n\t", {}, "Write something"),
        ("x" * (PROMPT_LIMIT + 1), {}, "too long"),
        ("x", {"system": "x" * (PROMPT_LIMIT + 1)}, "too long"),
        ("x" * 10**6, {}, "too long: 1,000,000"),
        ("cat " * 1200, {}, "The prompt has"),
        ("half \ud83d a character", {}, "lone surrogate"),
        ("x", {"system": "half \ud83d a character"}, "lone surrogate"),
        ("x", {"strength": math.nan}, "out of range"),
        ("x", {"strength": math.inf}, "out of range"),
        ("x", {"strength": 1e9}, "out of range"),
        ("x", {"strength": None}, "out of range"),
        ("x", {"temperature": math.nan}, "out of range"),
        ("x", {"temperature": -1}, "out of range"),
        ("x", {"seed": "-1"}, "whole number from 0 to 2147483647"),
        ("x", {"seed": str(2**31)}, "whole number from 0 to 2147483647"),
        ("x", {"seed": "1.5"}, "whole number from 0 to 2147483647"),
        ("x", {"seed": "9" * 9000}, "whole number from 0 to 2147483647"),
        ("x", {"seed": "seven"}, "whole number from 0 to 2147483647"),
        ("x", {"max_new_tokens": 0}, "out of range"),
        ("x", {"max_new_tokens": 10**9}, "out of range"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(engine, finished, prompt, settings, words):
    with pytest.raises((StudioError, ReftError), match=words):
        list(answer(engine, finished.id, prompt, **settings))
    assert list(answer(engine, finished.id, "x", max_new_tokens=2))[-1].done, "the next one is answered"


@pytest.mark.parametrize(("run_id", "error"), [(None, StudioError), ("", StudioError), ("nothing", NotFoundError), ("../x", NotFoundError)])
def test_without_a_run_nothing_can_be_asked(engine, run_id, error):
    with pytest.raises(error):
        list(answer(engine, run_id, "Hello"))


def test_where_there_are_runs_it_is_not_said_that_there_are_none(services, make_run):
    """A press before the list of runs has come sends none."""
    with pytest.raises(StudioError, match="There is no trained run yet"):
        list(answer(services, None, "Hello"))
    make_run(*ENDS)
    with pytest.raises(StudioError, match="Choose a run above"):
        list(answer(services, None, "Hello"))


def test_a_run_that_came_to_nothing_cannot_answer(engine, kept, quick, ended):
    run = ended(engine, train.start(engine, kept.id, replace(quick, base="nobody/nothing"), "lost", "Lost"))
    assert run.status is RunStatus.FAILED and "not on this machine" in run.sentence
    with pytest.raises(StudioError, match="Lost has nothing to chat with yet: it is failed"):
        list(answer(engine, run.id, "Hello"))


@pytest.mark.slow
def test_an_engine_that_is_starting_is_waited_for_in_words_but_not_for_ever(services, make_run, monkeypatch):
    monkeypatch.setattr(playground, "_PATIENCE", 0.3)
    shown = []
    with pytest.raises(StudioError, match="The engine does not answer"):
        shown.extend(answer(services, make_run(*ENDS), "Hello"))
    assert [found.note for found in shown] and not any(found.done for found in shown)
    stream = answer(services, make_run(*ENDS), "Hello")
    assert "starting" in next(stream).note
    stream.close()


def test_a_reader_who_goes_away_stops_the_engine(services, make_run, until):
    """The worker's own interface on its socket, with an answer that comes to no end unless it is told to stop."""
    run, ended = make_run(*ENDS), threading.Event()

    class Endless:
        gone = False

        def cancel(self):
            self.gone = True

        def __iter__(self):
            while not self.gone:
                yield Delta(0, "la ", False)
                time.sleep(0.001)
            ended.set()

    nothing = dict.fromkeys(("base", "run"), lambda _: None)
    engine = SimpleNamespace(submit=lambda *_, **__: Endless())
    resident = SimpleNamespace(engine=lambda _: engine, training_run=None, trouble="", **nothing)
    server = uvicorn.Server(uvicorn.Config(api.make_app(resident), uds=str(services.storage.files.socket), log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(services.worker.health, "the engine's first word")
        reader = answer(services, run, "Tell me a long story.")
        assert next(reader).base.startswith("la ") and not ended.is_set()
        reader.close()
        until(ended.is_set, "the end of an answer that nobody reads")
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
    assert not thread.is_alive()
