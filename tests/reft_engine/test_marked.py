"""Positions `marked`: what stands between <reft> and </reft> is edited, and the base model reads the text as if no mark were there."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reft_engine import Example, Message, ReftConfig, ReftModel, TrainConfig, generate, train
from reft_engine.base_models import TEXT_TEMPLATE
from reft_engine.encoding import encode, prompt_ids, read_prompt
from reft_engine.errors import ConfigError, DataError

MARKED = ReftConfig(rank=2, positions="marked")


def user(text):
    return [Message("user", text)]


def marked_text(base, text):
    """The text of the marked tokens, in their order."""
    found = read_prompt(base, user(text), marked=True)
    return base.tokenizer.decode([found.ids[index] for index in found.marked])


pieces = st.text(st.sampled_from("abc xyz.,!?\n\té😀漢1"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(pieces, pieces.filter(lambda text: text.strip())), min_size=1, max_size=3), pieces)
def test_the_base_reads_what_it_would_without_marks_and_the_marked_tokens_are_those_that_overlap(starter, spans, rest):
    raw = replace(starter, template=TEXT_TEMPLATE)
    marks, plain, covered = "", "", []
    for before, inside in spans:
        covered.append((len(plain + before), len(plain + before + inside)))
        marks, plain = f"{marks}{before}<reft>{inside}</reft>", plain + before + inside
    found = read_prompt(raw, user(marks + rest), marked=True)
    encoded = starter.tokenizer(plain + rest, add_special_tokens=False, return_offsets_mapping=True)
    assert list(found.ids) == encoded["input_ids"]
    whole = [(start, end) for start, end in encoded["offset_mapping"] if end > start]
    if len(whole) == len(found.ids):
        overlap = [at for at, (start, end) in enumerate(whole) if any(start < last and end > first for first, last in covered)]
        assert sorted(found.marked) == overlap


@pytest.mark.parametrize("text", ["say <reft>a cat</reft> now", "<reft>all of it</reft>", "a<reft>b</reft>c <reft>d e</reft>"])
def test_a_chat_template_is_read_as_without_marks(starter, text):
    bare = text.replace("<reft>", "").replace("</reft>", "")
    assert read_prompt(starter, user(text), marked=True).ids == prompt_ids(starter, user(bare))
    assert "im_start" not in marked_text(starter, text)


def test_a_mark_may_stand_in_any_turn(starter):
    talk = [Message("user", "one <reft>cat</reft>"), Message("assistant", "yes"), Message("user", "two <reft>dogs</reft>")]
    found = read_prompt(starter, talk, marked=True)
    said = starter.tokenizer.decode([found.ids[index] for index in found.marked])
    assert "cat" in said
    assert "dogs" in said
    assert "yes" not in said


@pytest.mark.parametrize("text", ["no mark at all", "<reft></reft>", "open <reft>end", "close</reft>", "<reft>a<reft>b</reft>"])
def test_marks_that_are_missing_or_unbalanced_are_refused_and_the_line_is_named(starter, text):
    with pytest.raises(DataError, match=r"Line 12: .*(marked|take turns|not closed)"):
        encode(starter, Example(12, tuple(user(text)), "a"), 512, MARKED)


def test_under_other_positions_marks_are_text_like_any_other(starter):
    text = "say <reft>cat</reft>"
    row = encode(starter, Example(1, tuple(user(text)), "a"), 512, ReftConfig())
    assert text in starter.tokenizer.decode(row.prompt_ids)
    assert row.marked == ()


def test_exactly_the_marked_tokens_are_edited_and_learned_on(tiny, tmp_path):
    rows = [(f"What is <reft>{number} {animal}</reft>?", f"{animal}.") for number in range(3) for animal in ("cat", "dog", "cow", "hen")]
    settings = TrainConfig(epochs=4, batch_size=4, learning_rate=0.02, held_out=0.2)
    result = train(tiny, rows, MARKED, settings, folder=tmp_path)
    assert result.loss_last < result.loss_first
    loaded = ReftModel.load(tmp_path / "adapter", tiny.model)
    assert loaded.config.positions == "marked"
    base, tuned = generate(tiny, rows[0][0], [None, loaded], max_new_tokens=8)
    assert base == generate(tiny, "What is 0 cat?", max_new_tokens=8)[0]
    assert base != tuned
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        bare = tiny.model.model(ids).last_hidden_state
        plan = loaded.plan(torch.ones_like(ids), [4], marked=[[2, 3]])
    assert [row.tolist() for row in plan.columns] == [[2, 3]]
    assert bare.shape[1] == 5


def test_without_being_told_what_is_marked_a_model_says_so(tiny):
    reft = ReftModel(tiny, MARKED)
    with pytest.raises(ConfigError, match="which tokens are marked"):
        reft(torch.tensor([[5, 6, 7]]))
    with pytest.raises(ConfigError, match="cannot have the token 7 marked"):
        reft(torch.tensor([[5, 6, 7]]), marked=[[1, 7]])
    with pytest.raises(DataError, match="Nothing is marked"):
        generate(tiny, "Hi", [None, reft])
