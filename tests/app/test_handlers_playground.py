import asyncio
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import uvicorn

from app.errors import StudioError
from app.handlers import datasets, playground, train
from app.handlers.bases import facts_of
from app.handlers.playground import PROMPT_LIMIT, Suggestions, chat, offered, pick, suggestions, system_message, usable
from app.samples import find_sample
from app.worker import api
from reft_engine import Example
from reft_engine.data import Message, dump_examples
from reft_engine.errors import ReftError
from reft_engine.inference.generation import Delta
from storage import Failure, NotFoundError, RunStatus
from tests.chatting import body_of, column, followed, said, user
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


def both(run_id, prompt="What is 2 cat?", **changes):
    """The base model and a run, asked the same."""
    return [column(messages=user(prompt)), column(run_id, **{"messages": user(prompt), **changes})]


def answers(services, columns, **settings):
    return said(followed(services, body_of(columns, **settings)))


def test_a_run_offers_those_of_its_base_model_and_what_can_be_asked(services, make_run, tmp_path):
    first, second = make_run(*ENDS), make_run(*ENDS)
    form = train.TrainForm(method="lora")
    baseline = train.start(services, services.storage.datasets.all()[0].id, form, "lora").id
    services.storage.queue.claim("w").set_status(RunStatus.TRAINING, "Moved.")
    found = offered(services, second)
    assert [(run["id"], run["edits"]) for run in found["runs"]] == [(baseline, False), (second, True), (first, True)]
    assert found["runs"][0]["label"].endswith("still training") and found["chosen"] == second and found["most"] == 6
    assert offered(services, None)["runs"] == []


def test_layers_to_switch_off_are_known_without_the_engine_and_without_a_result(services, dataset):
    def listed(form):
        run = train.start(services, dataset.id, form, "layers")
        services.storage.queue.claim("w").set_status(RunStatus.TRAINING, "Moved.")
        return next(each["layers"] for each in offered(services, run.id)["runs"] if each["id"] == run.id)

    assert listed(train.TrainForm(layers="1;3")) == [1, 3]
    assert listed(train.TrainForm(layers="all")) == list(range(facts_of("starter").layers)) != []


def test_the_columns_grow_together_until_they_are_whole(engine, finished):
    found = followed(engine, body_of(both(finished.id)))
    assert found[-1] == {"done": True} and {line["column"] for line in found[:4]} == {0, 1}
    base, tuned = said(found)
    assert base and tuned and base != tuned
    for at in (0, 1):
        *before, last = [line for line in found if line.get("column") == at]
        assert last["ended"] and last["ending"] == ("length" if len(last["ids"]) == 12 else "end") and last["ids"]
        assert last["prompt_tokens"] > 3 and last["seconds"] > 0
        assert not any(line["ended"] for line in before)


def test_the_same_question_has_the_same_answers_and_no_strength_is_the_base_model(engine, finished):
    plain = answers(engine, both(finished.id))
    assert answers(engine, both(finished.id)) == plain
    assert answers(engine, both(finished.id, strength=0.0)) == [plain[0], plain[0]]
    pirate = [{"role": "system", "content": "You are a pirate."}, *user("What is 2 cat?")]
    assert answers(engine, [column(messages=pirate), column(finished.id, messages=pirate)])[0] != plain[0]


def test_columns_of_several_strengths_are_each_what_they_are_alone(engine, finished):
    strengths = (1.0, 0.0, 3.0)
    wanted = [answers(engine, both(finished.id, strength=strength))[1] for strength in strengths]
    columns = [column(finished.id, messages=user("What is 2 cat?"), strength=strength) for strength in strengths]
    assert answers(engine, columns) == wanted and len(set(wanted)) == 3


def test_each_column_reads_its_own_conversation(engine, finished):
    """And answers as it does alone."""
    turns = [[*user("What is 2 cat?"), {"role": "assistant", "content": text}, *user("Why?")] for text in ("The cow.", "cat 2.")]
    columns = [column(messages=turns[0]), column(finished.id, messages=turns[1])]
    found = followed(engine, body_of(columns))
    alone = [said(followed(engine, body_of([columns[1]])))[0], answers(engine, [column(messages=turns[0]), columns[1]])[0]]
    assert said(found) == alone[::-1]
    swapped = answers(engine, [column(messages=turns[1]), column(finished.id, messages=turns[0])])
    assert swapped[0] != said(found)[0] and swapped[1] != said(found)[1]
    lengths = {line["column"]: line["prompt_tokens"] for line in found if line.get("ended")}
    assert lengths[0] != lengths[1]


def test_a_seed_draws_the_same_again_and_another_draws_anew(engine, finished):
    def ask(seed):
        return answers(engine, both(finished.id, "Tell me a story."), temperature=1.0, seed=seed)

    first, second = ask(7), ask(8)
    assert first[0] != second[0] and first[1] != second[1] and ask(7) == first


def test_answers_are_not_longer_than_asked_for_and_end_before_a_stop_text(engine, finished):
    long, short = (answers(engine, both(finished.id), max_new_tokens=count)[0] for count in (40, 4))
    assert long.startswith(short) and len(short) < len(long)
    stop = long[len(short) + 1 : len(short) + 3]
    found = followed(engine, body_of(both(finished.id), max_new_tokens=40, stop=[stop, "\x00"]))
    assert said(found)[0] == long[: long.index(stop)]
    assert next(line["ending"] for line in found if line.get("ended") and line["column"] == 0) == "stop"


def test_what_was_said_is_made_less_likely_and_only_the_likeliest_are_drawn(engine, finished):
    settings = [{}, {"repetition_penalty": 0.3}, {"temperature": 1.4, "seed": 3}, {"temperature": 1.4, "seed": 3, "top_p": 1e-6}]
    plain, penalised, drawn, likeliest = (
        answers(engine, both(finished.id, "Tell me a story."), max_new_tokens=60, **each) for each in settings
    )
    assert penalised[0] != plain[0] and drawn[0] != plain[0] and likeliest == plain


@pytest.mark.parametrize(
    ("prompt", "settings", "words"),
    [
        ("", {}, "Write something"),
        (" \n\t", {}, "Write something"),
        ("x" * (PROMPT_LIMIT + 1), {}, "too long"),
        ("x" * 10**6, {}, "at most 200,000 characters. Shorten it"),
        ("cat " * 1200, {}, "The prompt has"),
        ("x", {"temperature": float("nan")}, "out of range"),
        ("x", {"temperature": -1}, "out of range"),
        ("x", {"temperature": None}, "out of range"),
        ("x", {"seed": -1}, "out of range"),
        ("x", {"seed": 2**31}, "out of range"),
        ("x", {"seed": 1.5}, "out of range"),
        ("x", {"seed": "seven"}, "out of range"),
        ("x", {"max_new_tokens": 0}, "out of range"),
        ("x", {"max_new_tokens": 10**9}, "out of range"),
        ("x", {"top_p": 0}, "out of range"),
        ("x", {"top_p": 1.1}, "out of range"),
        ("x", {"repetition_penalty": 0}, "out of range"),
        ("x", {"stop": [""]}, "A stop text is empty"),
        ("x", {"stop": ["x" * 201]}, "A stop text is too long: at most 200"),
        ("x", {"stop": ["x"] * 9}, "too many stop texts: at most 8"),
        ("x", {"stop": "x"}, "out of range"),
        ("x", {"owner": "me"}, "out of range"),
        ("x", {"page": "x" * 101}, "out of range"),
        ("x", {"messages": user("y")}, "out of range"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(engine, finished, prompt, settings, words):
    with pytest.raises((StudioError, ReftError), match=words):
        followed(engine, body_of(both(finished.id, prompt), **settings))
    assert followed(engine, body_of(both(finished.id, "x"), max_new_tokens=2))[-1] == {"done": True}, "the next one is answered"


@pytest.mark.parametrize(
    "changes",
    [
        {"strength": float("nan")}, {"strength": float("inf")}, {"strength": 10.1}, {"strength": None}, {"run": None}, {"run": 7},
        {"run": "x" * 101}, {"kind": "base"}, {"kind": "mix"}, {"kind": "other"}, {"parts": [{"run": "x"}]}, {"what": 1},
        {"messages": [{"role": "tool", "content": "x"}]}, {"messages": "x"},
    ],
)  # fmt: skip
def test_a_column_that_is_none_is_refused_in_words(engine, finished, changes):
    with pytest.raises(StudioError, match="out of range"):
        followed(engine, body_of(both(finished.id, **changes)))


@pytest.mark.parametrize("messages", [None, user(" "), [{"role": "assistant", "content": "x"}], [{"role": "system", "content": "x"}]])
def test_a_column_whose_conversation_does_not_end_with_a_prompt_is_refused(engine, finished, messages):
    with pytest.raises(StudioError, match="Write something"):
        followed(engine, body_of([*both(finished.id), {"kind": "base", "messages": messages}]))


def test_the_longest_text_of_a_conversation_is_not_too_long_either(engine, finished):
    turns = [{"role": "system", "content": "x" * (PROMPT_LIMIT + 1)}, *user("x")]
    with pytest.raises(StudioError, match="too long: 20,001 characters"):
        followed(engine, body_of([column(messages=turns), column(finished.id, messages=user("x"))]))


def test_a_conversation_of_too_many_turns_says_what_to_do(engine, finished):
    turns = [*user("x"), {"role": "assistant", "content": "y"}] * 50
    with pytest.raises(
        StudioError, match=r"at most 100 messages are read for an answer\. Begin a new conversation, or edit an earlier turn"
    ):
        followed(engine, body_of([column(finished.id, messages=[*turns, *user("x")])]))


def test_half_a_character_is_asked_as_a_question_mark(engine, finished):
    halves = [body_of(both(finished.id, f"half {half} a character"), max_new_tokens=8) for half in ("\ud83d", "?")]
    assert said(followed(engine, halves[0])) == said(followed(engine, halves[1]))


@pytest.mark.parametrize(
    "given", [b"", b"{", b"null", b"[]", b"\xff\xfe", b"{}", b'{"columns": []}', b"[" * 100_000, b'{"columns": [null]}', b"1e999", b"\x00"]
)
def test_what_is_no_request_is_refused_in_words(services, given):
    with pytest.raises(StudioError, match="out of range"):
        followed(services, given)


def test_more_columns_than_the_page_offers_are_refused(engine, finished):
    seven = both(finished.id, "x") * 3 + [column(messages=user("x"))]
    assert followed(engine, body_of(seven, max_new_tokens=1))[-1] == {"done": True}
    with pytest.raises(StudioError, match="too many columns: at most 7 answer at once"):
        followed(engine, body_of([*seven, column(messages=user("x"))]))


@pytest.mark.parametrize(("run_id", "error"), [("nothing", NotFoundError), ("../x", StudioError)])
def test_an_unknown_run_cannot_be_asked(engine, run_id, error):
    with pytest.raises(error):
        followed(engine, body_of([{"kind": "run", "run": run_id, "messages": user("Hello")}]))
    with pytest.raises(error):
        followed(engine, body_of([{"kind": "mix", "parts": [{"run": run_id}], "messages": user("Hello")}]))


def test_a_run_in_the_bin_cannot_be_asked(services, make_run):
    run = make_run(*ENDS)
    services.storage.runs.delete(run)
    with pytest.raises(StudioError, match="in the bin"):
        followed(services, body_of(both(run)))


def test_where_there_are_runs_it_is_not_said_that_there_are_none(services, make_run):
    """The base model is asked beside a run, whose base model it is; a press before the list of runs has come knows none."""
    alone = body_of([column(messages=user("Hello"))])
    with pytest.raises(StudioError, match="There is no trained run yet"):
        followed(services, alone)
    make_run(*ENDS)
    with pytest.raises(StudioError, match="Choose a run above"):
        followed(services, alone)


def test_a_run_that_came_to_nothing_cannot_answer(engine, kept, quick, ended):
    run = ended(engine, train.start(engine, kept.id, replace(quick, base="nobody/nothing"), "lost", "Lost"))
    assert run.status is RunStatus.FAILED and "not on this machine" in run.sentence
    with pytest.raises(StudioError, match="Lost has nothing to chat with yet: it is failed"):
        followed(engine, body_of(both(run.id, "Hello")))


@pytest.mark.slow
def test_an_engine_that_is_starting_is_waited_for_in_words_but_not_for_ever(services, make_run, monkeypatch):
    monkeypatch.setattr(playground, "_PATIENCE", 0.3)
    shown = []

    async def wait():
        async for line in chat(services, body_of(both(make_run(*ENDS)))):
            shown.append(line)

    with pytest.raises(StudioError, match="The engine does not answer"):
        asyncio.run(wait())
    assert shown and all(line == {"starting": True} for line in shown)


def test_a_reader_who_goes_away_stops_the_engine(services, make_run, until):
    """The worker's own interface on its socket, with an answer that comes to no end unless it is told to stop."""
    run, ended, owners = make_run(*ENDS), threading.Event(), []

    class Endless:
        gone = False

        def cancel(self):
            self.gone = True

        def __iter__(self):
            while not self.gone:
                yield Delta(0, "la ", False)
                time.sleep(0.001)
            ended.set()

    nothing = dict.fromkeys(("base",), lambda _: None)
    engine = SimpleNamespace(submit=lambda *_, **named: owners.append(named["owner"]) or Endless())
    resident = SimpleNamespace(engine=lambda _: engine, training_run=None, trouble="", run=lambda _: (None, None), **nothing)
    server = uvicorn.Server(uvicorn.Config(api.make_app(resident), uds=str(services.storage.files.socket), log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    async def read_one_and_leave():
        reader = chat(services, body_of(both(run, "Tell me a long story."), page="a page"))
        first = await anext(reader)
        still_going = not ended.is_set()
        await reader.aclose()
        return first["text"], still_going

    try:
        until(services.worker.health, "the engine's first word")
        assert asyncio.run(read_one_and_leave()) == ("la ", True)
        until(ended.is_set, "the end of an answer that nobody reads")
        assert owners == ["a page"]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
    assert not thread.is_alive()
