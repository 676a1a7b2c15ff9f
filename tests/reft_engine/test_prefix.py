"""What is read once for all columns, and what a chat's next turn need not read again."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from reft_engine import generate, stream
from reft_engine.data import Message
from reft_engine.inference import InferenceEngine
from reft_engine.inference.kv_cache import PromptCache
from reft_engine.tokens.examples import prompt_ids
from tests.reft_engine import families

LONG = "Tell me about the cat that sat on the mat and the dog that ran to the barn. What is 2 cat?"
FIRST = (Message("user", LONG),)


@contextmanager
def reading(model):
    """(rows, tokens) of each pass."""
    shapes = []
    handle = model.get_input_embeddings().register_forward_pre_hook(lambda _module, args: shapes.append(tuple(args[0].shape)))
    try:
        yield shapes
    finally:
        handle.remove()


def said(base, messages, edits, **options):
    columns = [""] * len(edits)
    for delta in stream(base, messages, edits, max_new_tokens=6, **options):
        columns[delta.column] += delta.text
    return columns


def test_what_no_column_edits_is_read_once_for_all(tiny, strong):
    edits = [None, strong(tiny.model, positions="l2"), strong(tiny.model, seed=1, positions="l5")]
    length = len(prompt_ids(tiny, FIRST))
    with reading(tiny.model) as shapes:
        together = said(tiny, FIRST, edits)
    assert shapes[:2] == [(1, length - 5), (3, 5)]
    assert together == [generate(tiny, FIRST, [edit], max_new_tokens=6)[0] for edit in edits]
    assert len(set(together)) == 3


@pytest.mark.parametrize("positions", ["f1+l1", "all"])
def test_where_the_first_token_is_edited_every_column_reads_it_all(tiny, strong, positions):
    with reading(tiny.model) as shapes:
        said(tiny, FIRST, [None, strong(tiny.model, positions=positions)])
    assert shapes[0] == (2, len(prompt_ids(tiny, FIRST)))


def test_columns_of_strength_zero_share_all_but_the_last_token(tiny, strong):
    with reading(tiny.model) as shapes:
        bare, tuned = said(tiny, FIRST, [None, strong(tiny.model, positions="f1+l1")], strength=0.0)
    assert shapes[:2] == [(1, len(prompt_ids(tiny, FIRST)) - 1), (2, 1)]
    assert bare == tuned


def test_the_next_turn_of_a_chat_reads_what_is_new_and_what_its_positions_reach(tiny, strong):
    edits, memory = [None, strong(tiny.model, positions="l2")], PromptCache()
    answers = said(tiny, FIRST, edits, memory=memory)
    second = (*FIRST, Message("assistant", answers[0]), Message("user", "And 3 dog?"))
    before, length = len(prompt_ids(tiny, FIRST)), len(prompt_ids(tiny, second))
    fresh = said(tiny, second, edits)
    with reading(tiny.model) as shapes:
        assert said(tiny, second, edits, memory=memory) == fresh
    (one, new), (two, reached) = shapes[:2]
    assert (one, two, reached) == (1, 2, 2)
    assert new <= length - before - 2
    assert fresh[0] != fresh[1]


def test_the_same_prompt_again_reads_only_what_is_edited(tiny, strong):
    edits, memory = [None, strong(tiny.model, positions="l3")], PromptCache()
    first = said(tiny, FIRST, edits, memory=memory)
    with reading(tiny.model) as shapes:
        assert said(tiny, FIRST, edits, memory=memory) == first
    assert shapes[0] == (2, 3)


def test_another_conversation_shares_no_more_than_it_begins_with(tiny, strong):
    edits, memory = [None, strong(tiny.model, positions="l3")], PromptCache()
    said(tiny, FIRST, edits, memory=memory)
    other = (Message("user", "Who sings? " + LONG),)
    assert said(tiny, other, edits, memory=memory) == said(tiny, other, edits)


def test_a_few_conversations_are_kept_and_the_oldest_goes_first(tiny):
    memory, asked = PromptCache(conversations=2), [(Message("user", f"{name} {LONG}"),) for name in ("One", "Two", "Three")]
    for messages in asked:
        said(tiny, messages, [None], memory=memory)
    lengths = []
    for messages in reversed(asked):
        with reading(tiny.model) as shapes:
            said(tiny, messages, [None], memory=memory)
        lengths.append(shapes[0][1])
    assert lengths[:2] == [1, 1]
    assert lengths[2] > 10


def test_what_is_too_much_is_not_kept(tiny):
    memory = PromptCache(limit=1000)
    said(tiny, FIRST, [None], memory=memory)
    assert memory.recall(prompt_ids(tiny, FIRST), 100) is None


def test_what_an_edit_has_touched_is_not_remembered(tiny, strong):
    memory = PromptCache()
    said(tiny, FIRST, [strong(tiny.model, positions="f1+l1")], memory=memory)
    assert memory.recall(prompt_ids(tiny, FIRST), 100) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", families.DECODERS)
def test_in_every_family_columns_and_turns_answer_as_if_everything_were_read_anew(starter, strong, name):
    model = families.build(name, seed=2 if name == "bloom" else 0, vocab_size=len(starter.tokenizer)).requires_grad_(False)
    base = replace(starter, model=model, name=name)
    edits, memory = [None, strong(model, scale=1.0, positions="l2")], PromptCache()
    answers = said(base, FIRST, edits, memory=memory)
    assert answers == [generate(base, FIRST, [edit], max_new_tokens=6)[0] for edit in edits]
    second = (*FIRST, Message("assistant", answers[0]), Message("user", "And 3 dog?"))
    assert said(base, second, edits, memory=memory) == said(base, second, edits)
    asked = torch.tensor([prompt_ids(base, second)])
    greedy = {"do_sample": False, "max_new_tokens": 6, "eos_token_id": 3, "pad_token_id": 0}
    own = model.generate(input_ids=asked, attention_mask=torch.ones_like(asked), **greedy)
    assert said(base, second, edits, memory=memory)[0] == base.tokenizer.decode(own[0, asked.shape[1] :], skip_special_tokens=True)


def test_what_is_kept_for_one_is_not_recalled_for_another(tiny):
    memory, who, ids = PromptCache(), ["ada"], prompt_ids(tiny, FIRST)
    engine = InferenceEngine(tiny, memory=memory, whose=lambda: who[0])
    read = []
    for name in ("ada", "bob", "ada"):
        who[0] = name
        with reading(tiny.model) as shapes:
            assert list(engine.submit(FIRST, max_new_tokens=2))
        read.append(shapes[0])
    assert read == [(1, len(ids)), (1, len(ids)), (1, 1)]
    assert memory.holds(ids, "ada") == memory.holds(ids, "bob") == len(ids) and memory.holds(ids) == 0
