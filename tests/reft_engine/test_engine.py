"""One running batch: nobody's edit, length, seed or end shows in another's answer, and everybody gets a fair share of it."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from reft_engine import BusyError, ConfigError, Message, PeftConfig, ReftConfig, ReftModel, generate, stream
from reft_engine.baselines import PeftBaseline
from reft_engine.edits import Mix
from reft_engine.edits.stacked import PlannedEdit, combined
from reft_engine.inference import PromptCache, score
from reft_engine.inference.engine import InferenceEngine
from reft_engine.inference.fairness import FairQueue
from reft_engine.inference.requests import Limits, limits_of
from reft_engine.inference.row_cache import RowCache
from reft_engine.inference.sampling import Sampler, Sampling
from reft_engine.methods import METHODS
from reft_engine.trainable import make_trainable
from tests.reft_engine import families
from tests.reft_engine.by_hand import live_sum

SCHEDULES = 300
TIE = 1e-4
"""Two logits that are nearer than this may change places in a product of another number of rows."""
PREFIX = "You are the keeper of a small harbour, and you answer every question that sailors ask. "
WORDS = "cat dog owl hen sea box why what is the two six said and ran".split()


@dataclass(frozen=True)
class Asked:
    """A request, and the tokens that it gives alone."""

    prompt: Any
    edit: Any
    strength: float
    sampling: Sampling
    length: int
    alone: tuple[int, ...]


def ids_of(engine: InferenceEngine, asked: Any) -> tuple[int, ...]:
    request = engine.submit(asked.prompt, [asked.edit], strength=asked.strength, sampling=asked.sampling, max_new_tokens=asked.length)
    engine.finish()
    request.texts()
    return request.ids()


@pytest.fixture(scope="module")
def edits(tiny, strong) -> list[Any]:
    """Of several methods, ranks, layers and positions."""
    layouts = ["l1", "f1+l1", "f7+l7", "all", "f3", "l2"]
    made = [
        strong(tiny.model, seed=seed, scale=1.5, rank=rank, positions=layouts[seed % len(layouts)], layers=layers, tied=seed % 2 == 0)
        for seed, (rank, layers) in enumerate([(1, "all"), (2, [0]), (4, [1, 2]), (4, "all"), (2, [2]), (1, [0, 2])])
    ]
    for method in ("direft", "noreft", "consreft"):
        made.append(strong_of(tiny, method))
    red = make_trainable(tiny, made[0].reft_config.model_copy(update={"method": "red", "rank": 1}), seed=9)
    with torch.no_grad():
        red.intervention.bias.add_(torch.randn(red.intervention.bias.shape, generator=torch.Generator().manual_seed(1)))
    made.append(red.eval())
    made.append(strong(tiny.model, seed=11, method="direft", activation="relu", rank=3, positions="l3"))
    mixes = [Mix([made[1], made[9]], [0.6, 0.7]), Mix([made[0], made[5], made[10]], [1.0, -0.5, 0.4])]
    return [None, *made, *mixes, *(moved(tiny, config, seed) for seed, config in enumerate(BASELINES_TO_MIX))]


BASELINES_TO_MIX = [{"method": "lora", "rank": 2}, {"method": "ia3"}, {"method": "lora", "rank": 4, "targets": ("up_proj", "v_proj")}]


def moved(base: Any, config: dict[str, Any], seed: int) -> Any:
    """A baseline that changes answers."""
    made, generator = make_trainable(base, PeftConfig(**config), seed=seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.5)
    return made.eval()


def strong_of(tiny: Any, method: str) -> Any:
    reft = make_trainable(tiny, ReftConfig(method=method, rank=3, positions="f2+l2"), seed=5)
    with torch.no_grad():
        reft.intervention.bias.mul_(3.0)
    return reft.eval()


@pytest.fixture(scope="module")
def wishes(tiny, edits) -> list[Asked]:
    """Requests of all kinds: with a common prefix or not, of one turn or several, greedy or drawn, by edits and baselines or by none."""
    draw, made = random.Random(0), []
    for number in range(64):
        text = " ".join(draw.choices(WORDS, k=draw.choice([1, 3, 8, 20, 45])))
        prompt: Any = text if number % 3 else PREFIX + text
        if number % 4 == 3:
            prompt = [Message("user", PREFIX + "first"), Message("assistant", text), Message("user", "And then?")]
        edit = edits[number % len(edits)]
        strength = 1.0 if edit is None or isinstance(edit, PeftBaseline) else draw.choice([1.0, 1.0, 0.5, 2.0, 0.0])
        sampling = Sampling(temperature=draw.choice([0.0, 0.0, 0.9]), seed=draw.randrange(99))
        wish = Asked(prompt, edit, strength, sampling, draw.choice([2, 6, 12, 20]), ())
        made.append(Asked(*list(vars(wish).values())[:-1], ids_of(InferenceEngine(tiny), wish)))
    return made


def difference(tiny: Any, asked: Asked, given: tuple[int, ...]) -> float:
    """How far apart the two candidates are, alone, where an answer first differs from the one that is given alone."""
    place = next(at for at, (one, other) in enumerate(zip(asked.alone, given, strict=False)) if one != other)
    engine = InferenceEngine(tiny)
    sampling = Sampling(log_probabilities=tiny.vocabulary)
    request = engine.submit(
        asked.prompt, [asked.edit], strength=asked.strength, begun=asked.alone[:place], max_new_tokens=place + 1, sampling=sampling
    )
    (token,) = [token for delta in request for token in delta.tokens]
    values = dict(token.likeliest)
    return abs(values[asked.alone[place]] - values[given[place]])


@pytest.mark.slow
def test_whatever_comes_goes_and_is_put_off_each_request_gives_what_it_gives_alone(tiny, wishes):
    """Random schedules: requests join at any token, leave, and are put off in the middle of their answers, in an engine of a few rows."""
    ties, seen = 0, Counter()
    for schedule in range(SCHEDULES):
        draw = random.Random(schedule)
        engine = InferenceEngine(tiny, memory=draw.choice([None, PromptCache()]), limits=Limits(rows=draw.choice([2, 4, 9])))
        waiting, running = draw.sample(wishes, draw.randint(3, 9)), []
        while waiting or not engine.is_idle:
            while waiting and draw.random() < 0.6:
                asked = waiting.pop()
                owner, behind = draw.choice("abc"), draw.random() < 0.2
                options = {"strength": asked.strength, "sampling": asked.sampling, "max_new_tokens": asked.length}
                running.append((asked, engine.submit(asked.prompt, [asked.edit], owner=owner, background=behind, **options)))
            if running and draw.random() < 0.05:
                draw.choice(running)[1].cancel()
                seen["left"] += 1
            if engine._running and draw.random() < 0.1:
                engine._evict(draw.choice(engine._running))
                seen["put off"] += 1
            engine.step()
            seen["steps"] += 1
        for asked, request in running:
            "".join(request.texts())
            given = request.ids()
            if request.cancelled:
                assert given == asked.alone[: len(given)]
            elif given != asked.alone:
                assert difference(tiny, asked, given) < TIE, (schedule, asked)
                ties += 1
            seen["answers"] += 1
    assert seen["left"] > 20 and seen["put off"] > 100 and seen["answers"] > 1000
    assert ties == 0 if torch.get_num_threads() == 1 else ties < 5, f"{ties} ties of {seen['answers']} answers"


def test_many_prompts_are_answered_each_with_its_own_edit(tiny, edits):
    prompts = ["Hi", "What is 2 cat?", [Message("user", "Say why.")], [7, 8, 9], PREFIX]
    chosen, one = edits[:5], edits[1]
    alone = [generate(tiny, prompt, [edit], max_new_tokens=9)[0] for prompt, edit in zip(prompts, chosen, strict=True)]
    assert generate(tiny, prompts, chosen, max_new_tokens=9) == alone
    assert generate(tiny, prompts, one, max_new_tokens=9) == [generate(tiny, each, [one], max_new_tokens=9)[0] for each in prompts]
    with pytest.raises(ConfigError, match="one strength for all edits"):
        InferenceEngine(tiny).submit("Hi", [None, one], strength=[1.0])
    with pytest.raises(ConfigError, match="5 prompts and 2 edits"):
        generate(tiny, prompts, chosen[:2])


def test_columns_see_the_same_random_numbers_also_beside_others(tiny, edits):
    sampling = Sampling(temperature=1.0, seed=4)
    alone = [list(stream(tiny, "Say why.", [edit], temperature=1.0, seed=4, max_new_tokens=8)) for edit in (None, edits[4], None)]
    engine = InferenceEngine(tiny)
    other = engine.submit("Another prompt, of other tokens", [edits[2]], sampling=Sampling(temperature=1.3, seed=1))
    engine.step()
    texts = engine.submit("Say why.", [None, edits[4], None], sampling=sampling, max_new_tokens=8).texts()
    assert texts == ["".join(delta.text for delta in deltas) for deltas in alone] and texts[0] == texts[2] != texts[1]
    other.cancel()


@contextmanager
def widths(model: Any) -> Any:
    """(rows, tokens) of each pass."""
    found: list[tuple[int, int]] = []
    handle = model.register_forward_pre_hook(lambda _, args, kwargs: found.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()


def test_a_long_prompt_is_read_in_pieces_and_the_others_go_on_meanwhile(tiny, edits, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 24)
    long = " ".join(WORDS[number % len(WORDS)] for number in range(90))
    expected = [generate(tiny, prompt, [edit], max_new_tokens=5)[0] for prompt, edit in (("Hi", None), (long, edits[3]))]
    engine = InferenceEngine(tiny)
    short = engine.submit("Hi", max_new_tokens=30)
    engine.step()
    with widths(tiny.model) as passes:
        texts = engine.submit(long, [edits[3]], max_new_tokens=5).texts()
    assert texts == expected[1:] and short.texts()[0].startswith(expected[0])
    reading = [width for _, width in passes if width > 1]
    assert max(reading) <= 24 and len(reading) >= 4
    between = [width for _, width in passes[: passes.index((1, reading[-1]))]]
    assert between.count(1) >= 3, "between two pieces the other row goes on"


def test_what_columns_share_of_a_long_prompt_is_read_in_pieces_too_and_a_short_one_passes_by(tiny, edits, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 24)
    long = " ".join(WORDS[number % len(WORDS)] for number in range(90))
    columns = [None, edits[1], edits[6]]
    expected = [generate(tiny, long, [edit], max_new_tokens=4)[0] for edit in columns]
    engine = InferenceEngine(tiny)
    with widths(tiny.model) as passes:
        asked, short = engine.submit(long, columns, max_new_tokens=4), engine.submit("Hi", max_new_tokens=2)
        assert asked.texts() == expected
    assert max(rows * width for rows, width in passes) <= 3 * 24 and short.texts() == generate(tiny, "Hi", max_new_tokens=2)
    assert sum(rows * width for rows, width in passes) < 2 * 100, "and once for all columns"


def test_who_leaves_while_a_long_prompt_is_read_is_gone_before_its_next_piece(tiny, edits, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 24)
    engine = InferenceEngine(tiny)
    long = engine.submit(" ".join(WORDS[number % len(WORDS)] for number in range(90)), [None, edits[3]])
    short = engine.submit("Hi", max_new_tokens=9)
    with widths(tiny.model) as passes:
        engine.step(), engine.step()
        assert any(width == 24 for _, width in passes) and not long.ids()
        long.cancel()
        passes.clear()
        short.texts()
    assert all(rows == 1 for rows, _ in passes) and all(width < 24 for _, width in passes) and engine.is_idle


def test_rows_that_have_left_and_gone_are_no_part_of_the_next_pass(tiny):
    engine = InferenceEngine(tiny)
    first, second, third = (engine.submit(text, max_new_tokens=40) for text in ("Hi", "Say why.", "What is it?"))
    engine.step()
    second.cancel()
    with widths(tiny.model) as passes:
        engine.step()
    assert passes == [(2, 1)] and second.ended and not first.ended and not third.ended
    third.cancel(), first.cancel()
    engine.step()
    assert engine.is_idle and engine.rows_in_flight == 0


def test_nothing_that_is_not_a_number_passes_from_one_row_to_the_next(tiny, strong):
    """An edit whose strength is out of all bounds leaves keys and values that no mask hides."""
    wild = strong(tiny.model, scale=1e30, positions="all", rank=2)
    engine = InferenceEngine(tiny)
    alone = generate(tiny, ["Hi", "What is 1 cat and 2 dog?"], max_new_tokens=8)
    spoilt = engine.submit("What did the owl say to the hen?", [wild], strength=1e8, max_new_tokens=3)
    beside = engine.submit("Hi", max_new_tokens=8)
    engine.step()
    while not spoilt.ended:
        engine.step()
    after = engine.submit("What is 1 cat and 2 dog?", max_new_tokens=8)
    assert [*beside.texts(), *after.texts()] == alone


# Fairness


@dataclass(frozen=True)
class Item:
    owner: str
    name: str
    background: bool = False
    size: int = 1


def test_askers_take_turns_whoever_comes_anew_saves_nothing_up_and_the_background_waits():
    queue = FairQueue[Item]()
    for number in range(3):
        queue.add(Item("greedy", f"g{number}"))
    queue.add(Item("greedy", "file", background=True))
    queue.add(Item("honest", "h0"))
    order = [each.name for each in queue]
    assert order.index("h0") <= 1 and order[-1] == "file" and [name for name in order if name[0] == "g"] == ["g0", "g1", "g2"]
    first = queue.pop()
    queue.began(first)
    assert (first.name, queue.peek().name) == ("g0", "h0"), "who has no row is before who has one"
    queue.began(queue.pop())
    queue.gave("greedy", 50), queue.gave("honest", 10)
    queue.add(Item("late", "l0")), queue.add(Item("honest", "h1"))
    assert [each.name for each in queue] == ["l0", "h1", "g1", "g2", "file"]
    queue.ended(first)
    assert [each.name for each in queue][:2] == ["l0", "g1"]
    with pytest.raises(IndexError):
        FairQueue[Item]().pop()


def test_three_hundred_requests_of_one_do_not_keep_another_waiting(tiny):
    engine = InferenceEngine(tiny, limits=Limits(rows=8, waiting_of_one=300))
    flood = [engine.submit(f"Number {number}", owner="flood", max_new_tokens=30) for number in range(300)]
    for _ in range(5):
        engine.step()
    honest = engine.submit("Hi", owner="honest", max_new_tokens=10)
    assert honest.place == 0 and flood[-1].place > 250, "it is next"
    engine.step()
    assert honest.ids(), "it has its first token"
    for _ in range(10):
        engine.step()
    assert honest.ended and sum(each.ended for each in flood) < 8
    flood += [engine.submit("More", owner="flood") for _ in range(300 - engine._waiting.count("flood"))]
    with pytest.raises(BusyError):
        engine.submit("One more", owner="flood")
    for each in flood:
        each.cancel()
    engine.finish()


def test_what_runs_in_the_background_makes_room_and_ends_as_if_it_had_not(tiny):
    prompts = [f"What is {number} cat?" for number in range(4)]
    alone = generate(tiny, prompts, max_new_tokens=12)
    engine = InferenceEngine(tiny, limits=Limits(rows=4))
    behind = [engine.submit(prompt, background=True, max_new_tokens=12) for prompt in prompts]
    for _ in range(4):
        engine.step()
    before = [engine.submit(f"Hi {number}", max_new_tokens=12) for number in range(3)]
    engine.step()
    assert all(each.ids() for each in before) and engine.rows_in_flight == 4
    assert [each.texts()[0] for each in behind] == alone


def test_there_is_room_for_as_many_tokens_as_a_quarter_of_the_free_memory_holds(tiny, monkeypatch):
    assert limits_of(tiny) == Limits()
    a_token = 2 * 3 * 2 * 8 * 4  # keys and values of three layers, two heads, eight numbers of four bytes
    monkeypatch.setattr("reft_engine.inference.requests.free_memory", lambda: 4 * 1000 * a_token)
    assert limits_of(tiny).tokens == 1000 and InferenceEngine(tiny).limits == limits_of(tiny)
    monkeypatch.setattr("reft_engine.inference.requests.free_memory", lambda: 4)
    assert limits_of(tiny).tokens == tiny.context, "one request is always answered"


def test_free_memory_bounds_the_tokens_of_an_encoder_decoder_too(tiny, monkeypatch):
    base = replace(tiny, model=families.build("t5", vocab_size=len(tiny.tokenizer)), name="t5")
    config = base.model.config
    a_token = 2 * base.layers * config.num_heads * config.d_kv * 4
    monkeypatch.setattr("reft_engine.inference.requests.free_memory", lambda: 4 * 1000 * a_token)
    assert limits_of(base).tokens == 1000 < limits_of(replace(base, model=base.model.half())).tokens
    monkeypatch.setattr("reft_engine.inference.requests.free_memory", lambda: 4)
    assert limits_of(base).tokens == base.context


# What a row may ask for


def test_a_stop_text_ends_an_answer_before_it_wherever_tokens_end(tiny):
    (whole,) = generate(tiny, "Say why.", max_new_tokens=12)
    stop = whole[7:12]
    engine = InferenceEngine(tiny)
    request = engine.submit("Say why.", max_new_tokens=12, sampling=Sampling(stop=("never said", stop)))
    pieces = list(request)
    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)] and pieces[-1].ended
    assert engine.submit("Say why.", max_new_tokens=12, sampling=Sampling(stop=("never said",))).texts() == [whole]


def test_log_probabilities_are_those_of_a_plain_pass(tiny, edits):
    engine = InferenceEngine(tiny)
    request = engine.submit("Say why.", [edits[1]], max_new_tokens=3, sampling=Sampling(log_probabilities=2))
    beside = engine.submit("Another", max_new_tokens=3)
    tokens = [token for delta in request for token in delta.tokens]
    assert len(tokens) == 3 and [token.id for token in tokens] == list(request.ids())
    prompt = engine.submit("Say why.", [edits[1]]).rows[0].prompts[0]
    logits = edits[1](torch.tensor([[*prompt.ids, *request.ids()]]), prompt_lengths=[len(prompt.ids)]).logits[0]
    for place, token in enumerate(tokens):
        values = logits[len(prompt.ids) - 1 + place].log_softmax(-1)
        assert token.log_probability == pytest.approx(float(values[token.id]), abs=1e-4)
        assert [each for each, _ in token.likeliest] == values.topk(2).indices.tolist()
    assert not any(delta.tokens for delta in beside)


def test_a_given_answer_is_scored_though_it_is_longer_than_one_pass_over_prompts(tiny, monkeypatch):
    monkeypatch.setattr("reft_engine.inference.engine.PIECE", 6)
    prompt, ids = "Hello there, what a day.", [70 + number for number in range(9)]
    request = InferenceEngine(tiny).submit(prompt, given=ids, sampling=Sampling(log_probabilities=0))
    tokens, read = [token for delta in request for token in delta.tokens], list(request.rows[0].prompts[0].ids)
    logits = tiny.model(torch.tensor([[*read, *ids]])).logits[0, len(read) - 1 : -1].log_softmax(dim=-1)
    assert [token.id for token in tokens] == ids
    assert [token.log_probability for token in tokens] == pytest.approx(logits[torch.arange(9), ids].tolist(), abs=1e-4)


def test_a_repetition_penalty_makes_what_was_said_less_likely():
    logits = torch.tensor([3.0, 2.9, -1.0, -1.1])
    assert Sampler(Sampling(repetition_penalty=1.5), [0]).choose(logits) == 1
    assert Sampler(Sampling(repetition_penalty=1.5), [0, 1]).choose(logits) == 0
    sampler = Sampler(Sampling(repetition_penalty=1.2))
    assert [sampler.choose(logits) for _ in range(3)] == [0, 1, 0]
    with pytest.raises(ConfigError):
        Sampling(repetition_penalty=0)


def test_a_request_that_fails_ends_alone(tiny, edits, monkeypatch):
    engine = InferenceEngine(tiny)
    alone = generate(tiny, "Say why.", max_new_tokens=6)
    whole = edits[1].plan_of

    def fail(*given, **more):
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(edits[1], "plan_of", fail, raising=False)
        broken, other = engine.submit("Hi", [edits[1]]), engine.submit("Say why.", max_new_tokens=6)
        assert other.texts() == alone
        with pytest.raises(RuntimeError):
            broken.texts()
    assert whole and engine.is_idle


def test_threads_that_wait_share_the_steps_and_take_a_turn_for_each(tiny):
    turns, asked = [], [f"What is {number} cat?" for number in range(6)]

    @contextmanager
    def turn() -> Any:
        assert not turns or turns[-1] == "over"
        turns.append("mine")
        yield
        turns.append("over")

    lock = threading.Lock()
    alone = generate(tiny, asked, max_new_tokens=12)

    @contextmanager
    def locked() -> Any:
        with lock, turn():
            yield

    engine, found = InferenceEngine(tiny, turn=locked, limits=Limits(rows=4)), dict[str, str]()
    places: list[int] = []

    def ask(text: str) -> None:
        found[text] = engine.submit(text, max_new_tokens=12, on_place=places.append).texts()[0]

    threads = [threading.Thread(target=ask, args=(text,)) for text in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[text] for text in asked] == alone
    assert turns.count("mine") < 6 * 12, "a step serves all"
    assert all(0 <= place < 6 for place in places)


def test_lora_and_ia3_are_rows_of_the_batch_of_edits_and_others_have_a_batch_of_their_own(tiny, edits):
    lora, other, ia3 = (moved(tiny, config, seed=1) for config in ({"method": "lora"}, {"method": "lora", "rank": 1}, {"method": "ia3"}))
    engine = InferenceEngine(tiny)
    asked = engine.submit("Say why.", [None, edits[1], lora, other, ia3, None], max_new_tokens=6)
    engine.step()
    ((_, rows),) = engine._runners[id(tiny.model)].passes
    assert len(engine._runners) == 1 and rows == asked.rows
    asked.cancel()
    prefix = make_trainable(tiny, PeftConfig(method="prefix", virtual_tokens=3), seed=1)
    chosen = [None, edits[1], lora, ia3, moved(tiny, {"method": "dora"}, 1), prefix]
    alone = [generate(tiny, "Say why.", [edit], max_new_tokens=6)[0] for edit in chosen]
    assert generate(tiny, ["Say why."] * 6, chosen, max_new_tokens=6) == alone
    assert generate(tiny, "Say why.", chosen, max_new_tokens=6) == alone


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_rows_of_a_baseline_end_although_one_of_them_ends_before_the_next_is_read(tiny, method):
    """Behind virtual tokens prompts are read one by one, and the first may have ended by then."""
    made = make_trainable(tiny, PeftConfig(method=method, **({"virtual_tokens": 3} if method == "prefix" else {"rank": 2})), seed=1)
    prompts, lengths = [f"What is {number} cat?" for number in range(4)], [1, 3, 1, 2]
    alone = [generate(tiny, prompt, [made], max_new_tokens=length)[0] for prompt, length in zip(prompts, lengths, strict=True)]
    engine = InferenceEngine(tiny)
    asked = [engine.submit(prompt, [made], max_new_tokens=length) for prompt, length in zip(prompts, lengths, strict=True)]
    for _ in range(20):
        engine.step()
    assert engine.is_idle and [each.texts()[0] for each in asked] == alone
    assert len(engine._runners) <= 1, "and its weights are let go"


def test_a_baseline_that_is_gone_leaves_no_layer_and_one_that_changes_is_read_as_it_is(tiny, monkeypatch):
    monkeypatch.setattr("reft_engine.baselines.mixed._MOST", 2)
    engine = InferenceEngine(tiny)
    keeping = engine.submit("Hi", max_new_tokens=60)
    for seed in range(5):
        made = moved(tiny, {"method": "lora", "rank": 1 + seed}, seed)
        assert engine.submit("Say why.", [made], max_new_tokens=4).texts() == generate(tiny, "Say why.", [made], max_new_tokens=4)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(-2.0)
    assert engine.submit("Say why.", [made], max_new_tokens=4).texts() == generate(tiny, "Say why.", [made], max_new_tokens=4)
    ((together, _),) = engine._runners[id(tiny.model)].passes
    assert len(together.mixed._peft.peft_config) <= 2
    keeping.cancel()


def logits_of(tiny: Any, ids: Sequence[int], edit: Any, begin: int) -> torch.Tensor:
    """Logits after each token from ``begin`` on, by a plain pass of the edited model over all of them."""
    with torch.no_grad():
        return edit(input_ids=torch.tensor([ids]), prompt_lengths=[begin + 1]).logits[0, begin:]


def test_a_given_answer_is_scored_token_by_token_as_a_plain_pass_does(tiny, edits):
    prompt, answer, edit = tiny.tokenizer("Say why.")["input_ids"], "because", edits[1]
    bare, tuned = score(tiny, prompt, answer, [None, edit], likeliest=3)
    ids = [token.id for token in tuned]
    assert tiny.tokenizer.decode(ids[:-1]) == answer and [token.id for token in bare] == ids
    expected = torch.log_softmax(logits_of(tiny, [*prompt, *ids[:-1]], edit, len(prompt) - 1), dim=-1)
    for place, token in enumerate(tuned):
        assert token.log_probability == pytest.approx(float(expected[place, token.id]), abs=1e-5)
        assert token.likeliest[0][0] == int(expected[place].argmax())
    assert max(abs(one.log_probability - other.log_probability) for one, other in zip(bare, tuned, strict=True)) > 1e-3
    with pytest.raises(ConfigError, match="no answer to score"):
        score(tiny, prompt, "")
    with pytest.raises(ConfigError, match="reads at most"):
        score(tiny, prompt, "cat " * tiny.context)


def test_several_answers_of_an_edit_are_drawn_by_seeds_that_follow_one_another(tiny, edits):
    options = {"max_new_tokens": 8}
    texts = InferenceEngine(tiny).submit("Say why.", [None, edits[1]], n=3, sampling=Sampling(1.0, seed=5), **options).texts()
    alone = [
        generate(tiny, "Say why.", [edit], temperature=1.0, seed=seed, **options)[0] for edit in (None, edits[1]) for seed in (5, 6, 7)
    ]
    assert texts == alone and len(set(texts)) > 3


def test_logits_are_adjusted_with_the_last_hidden_state_at_hand(tiny, edits):
    head, seen = tiny.model.get_output_embeddings(), []

    def adjust(logits_V: torch.Tensor, hidden_D: torch.Tensor) -> torch.Tensor:
        seen.append((head(hidden_D) - logits_V).abs().max())
        return logits_V.index_fill(0, torch.tensor([9]), 1e4)

    engine, lora = InferenceEngine(tiny), moved(tiny, {"method": "lora"}, 2)
    beside = engine.submit("Hi", [lora], max_new_tokens=5)
    asked = engine.submit("Say why.", [None, edits[1]], max_new_tokens=4, adjust=adjust)
    asked.texts()
    assert asked.ids() == asked.ids(1) == (9, 9, 9, 9) and len(seen) == 8 and max(seen) < 1e-5
    assert beside.texts() == generate(tiny, "Hi", [lora], max_new_tokens=5)


def test_a_cache_of_another_kind_than_promised_changes_no_weights_scores_or_hidden_states(tiny, edits, monkeypatch):
    """Then rows have begun together already; one that leaves does not move the others' hidden states."""
    lora, head, seen = moved(tiny, {"method": "lora"}, 2), tiny.model.get_output_embeddings(), []
    asked = {"max_new_tokens": 6}
    alone = [generate(tiny, "Say why.", [model], **asked)[0] for model in (None, edits[1], lora)]
    given = [token.id for token in score(tiny, "Say why.", "because", [edits[1]])[0]]
    scores = [token.log_probability for token in score(tiny, "Say why.", "because", [edits[1]])[0]]

    def adjust(logits_V: torch.Tensor, hidden_D: torch.Tensor) -> torch.Tensor:
        seen.append((head(hidden_D) - logits_V).abs().max())
        return logits_V

    monkeypatch.setattr("reft_engine.inference.passes.is_poolable", lambda cache: False)
    engine = InferenceEngine(tiny)
    first = engine.submit("Hi", max_new_tokens=2)
    texts = [engine.submit("Say why.", [model], **asked) for model in (None, edits[1], lora)]
    adjusted = engine.submit("Another", adjust=adjust, max_new_tokens=7)
    scored = engine.submit("Say why.", [edits[1]], given=given)
    engine.finish()
    assert first.ended and [each.texts()[0] for each in texts] == alone and adjusted.ended
    assert [token.log_probability for delta in scored for token in delta.tokens] == pytest.approx(scores, abs=1e-4)
    assert len(seen) == 7 and max(seen) < 1e-4


def test_a_mix_is_the_weighted_sum_of_its_edits(tiny, edits, strong):
    one, other, red = edits[1], edits[2], edits[10]
    prompt = tiny.tokenizer("What is 2 cat?")["input_ids"]
    options = {"max_new_tokens": 6}

    def first_logits(model: Any, strength: float = 1.0) -> torch.Tensor:
        sampling = Sampling(log_probabilities=tiny.vocabulary)
        request = InferenceEngine(tiny).submit(prompt, [model], sampling=sampling, strength=strength, max_new_tokens=1)
        values = dict(next(iter(request)).tokens[0].likeliest)
        return torch.tensor([values[token] for token in range(tiny.vocabulary)])

    assert torch.equal(first_logits(Mix([one], [1.0])), first_logits(one))
    assert torch.equal(first_logits(Mix([one, other], [1.0, 0.0])), first_logits(one))
    assert torch.equal(first_logits(Mix([one, other], [0.0, 0.0])), first_logits(None))
    assert torch.allclose(first_logits(Mix([one, one], [0.5, 0.5])), first_logits(one), atol=1e-6)
    assert torch.equal(first_logits(Mix([one], [0.7])), first_logits(one, 0.7))
    for mix in (Mix([one, other], [0.6, 0.4]), Mix([red, one], [0.5, 0.5]), Mix([red, edits[11]], [1.0, 0.3])):
        expected = torch.log_softmax(live_sum(tiny.model, prompt, mix)[-1].float(), dim=-1)
        assert torch.allclose(first_logits(mix), expected, atol=1e-4)
        assert not torch.allclose(first_logits(mix), first_logits(mix.edits[0]), atol=1e-3)
    assert generate(tiny, "Hi", [Mix([one, other], [1, 1])], strength=0.0, **options) == generate(tiny, "Hi", **options)
    for edits_, weights, words in (([], [], "at least one"), ([one], [1, 2], "one weight"), ([edits[-1]], [1], "edits of hidden states")):
        with pytest.raises(ConfigError, match=words):
            Mix(edits_, weights)


# Pieces


def test_edits_of_many_models_are_those_of_one_after_another(tiny, edits):
    """Linear ones are computed together, with padding where they edit different numbers of tokens; the sum is the same."""
    models = [edit for edit in edits if isinstance(edit, ReftModel)]
    mask = torch.ones(len(models), 20, dtype=torch.int64)
    planned = [PlannedEdit(model, model.plan(mask, rows=[row]), model.factors(), 0.5 + row / 8) for row, model in enumerate(models)]
    hidden = torch.randn(len(models), 20, tiny.hidden_size, generator=torch.Generator().manual_seed(0))
    together, one_by_one = combined(planned), [each.edits() for each in planned]
    for layer in range(tiny.layers):
        expected = hidden
        for each in one_by_one:
            expected = each[layer](expected, 0) if layer in each else expected
        found = together[layer](hidden, 0) if layer in together else hidden
        assert torch.allclose(found, expected, atol=1e-5, rtol=1e-4), layer
    assert {model.reft_config.method for model in models} >= {"loreft", "direft", "red"} and set(METHODS)


def test_a_pass_with_many_edits_costs_no_more_calls_than_one_with_few(tiny, strong):
    def calls(count: int) -> int:
        models = [strong(tiny.model, seed=seed, rank=2, positions="f2+l2") for seed in range(count)]
        mask = torch.ones(count, 12, dtype=torch.int64)
        edits = combined([PlannedEdit(model, model.plan(mask, rows=[row]), model.factors()) for row, model in enumerate(models)])
        hidden = torch.randn(count, 12, tiny.hidden_size)
        edits[0](hidden, 0)
        with torch.profiler.profile() as profile:
            edits[0](hidden, 0)
        return sum(event.count for event in profile.key_averages() if event.key in ("aten::bmm", "aten::baddbmm", "aten::index_add"))

    assert calls(64) == calls(2) < 8


def test_rows_of_a_cache_are_where_they_were_whoever_joins_and_leaves():
    """Against a plain list of what each row holds."""
    draw, rows, held = random.Random(3), RowCache(), []

    def cache_of(count: int, width: int, mark: float) -> Any:
        from reft_engine.base.blocks import cache_of as made

        keys = mark + torch.arange(count * width, dtype=torch.float32).reshape(count, 1, width, 1)
        return made([(keys, -keys), (10 * keys, keys + 1)])

    for turn in range(300):
        if not held or (draw.random() < 0.3 and len(held) < 12):
            count, width = draw.randint(1, 3), draw.randint(1, 70)
            spans = [[(draw.randint(0, width - 1), width)] for _ in range(count)]
            new = cache_of(count, width, 1000.0 * turn)
            rows.join(new, spans)
            held += [new.layers[0].keys[index, 0, span[0][0] :, 0].tolist() for index, span in enumerate(spans)]
        elif draw.random() < 0.3:
            row = draw.randrange(len(held))
            rows.leave(row)
            held[row] = held[-1]
            held.pop()
        else:
            rows.make_room()
            token = torch.full((len(held), 1, 1, 1), float(turn))
            keys, values = rows._layers[0].update(token, -token)
            rows._layers[1].update(10 * token, token + 1)
            for row in held:
                row.append(float(turn))
            rows.advance()
            assert torch.equal(keys, -values)
        for index, row in enumerate(held):
            assert rows.lengths[index] == len(row)
            layer = rows._layers[0]
            assert layer.keys[index, 0, rows.end - len(row) : rows.end, 0].tolist() == row
            assert layer.keys[index, 0, : rows.end - len(row)].abs().sum() == 0 or turn % 7, "zeros before it"
    assert rows.nbytes > 0
