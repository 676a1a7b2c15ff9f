"""Positions that a prompt marks itself: what stands between <reft> and </reft> is edited, and the marks are not read."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, train
from reft_engine.base import blocks
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import ConfigError, DataError
from reft_engine.positions import PositionSpec, edited_tokens
from reft_engine.tokens.batches import collate
from reft_engine.tokens.examples import encode, encode_text, prompt_ids, read_prompt
from reft_engine.training.objectives import NextToken
from reft_engine.training.rows import read_rows
from tests.reft_engine import families

MARKED = ReftConfig(rank=2, positions="marked")
BETWEEN_MARKS = PositionSpec.parse("marked")
LABELS = ("animal", "number")
SETTINGS = TrainConfig(epochs=8, batch_size=8, learning_rate=0.03, held_out=0, seed=7)
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
ANIMALS = ("cat", "dog", "cow", "hen")
ROWS = [(f"What is <reft>{number} {animal}</reft>?", f"{animal} {number}.") for number in range(2) for animal in ANIMALS]

letters = st.characters(codec="utf-8", exclude_categories=["Co", "Cs"])
chosen = [*CONTROL, "<|im_", "end|>", "end", "|>", "<|", " cat", "\n\n", " ", "🐱", "👩‍🚀", "é"]
pieces = st.text(letters, max_size=8) | st.sampled_from(chosen)
spans = st.lists(st.tuples(pieces, st.booleans()), min_size=1, max_size=7)
"""A text in pieces, and whether each is marked."""
talks = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), spans), min_size=1, max_size=3)


def user(text):
    return [Message("user", text)]


def plain(text):
    return text.replace("<reft>", "").replace("</reft>", "")


def bare(said):
    return "".join(text for text, _ in said)


def written(said):
    return "".join(f"<reft>{text}</reft>" if marked else text for text, marked in said)


def covered(base, ids, characters):
    """Tokens that hold a byte of a marked character, told by the bytes of each token and not by the tokenizer's offsets."""
    flags = [flag for letter, flag in characters for _ in letter.encode()]
    found, at = [], 0
    for index, token in enumerate(base.tokenizer.convert_ids_to_tokens(list(ids))):
        size = len(token)  # of a byte-level tokenizer every letter of a token is a byte
        if any(flags[at : at + size]):
            found.append(index)
        at += size
    assert at == len(flags)
    return tuple(found)


def rendered(talk):
    """Each character that the starter's template writes, and whether it is marked."""
    found = []
    for role, said in talk:
        found += [(letter, False) for letter in f"<|im_start|>{role}\n"]
        found += [(letter, marked) for text, marked in said for letter in text]
        found += [(letter, False) for letter in "<|im_end|>\n"]
    return found + [(letter, False) for letter in "<|im_start|>assistant\n"]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(talks)
def test_the_base_reads_the_tokens_it_reads_without_marks_and_exactly_those_under_marked_characters_are_edited(starter, talk):
    marked, unmarked = ([Message(role, write(said)) for role, said in talk] for write in (written, bare))
    characters = rendered(talk)
    expected = prompt_ids(starter, unmarked)
    if not any(flag for _, flag in characters):
        with pytest.raises(DataError, match="Nothing is marked"):
            read_prompt(starter, marked, BETWEEN_MARKS)
        return
    found = read_prompt(starter, marked, BETWEEN_MARKS)
    assert found.ids == expected
    assert found.edited.prefix == covered(starter, expected, characters)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(spans.filter(lambda said: any(text and marked for text, marked in said)))
def test_of_an_encoders_text_the_same_tokens_are_edited(starter, bert, said):
    found = read_prompt(bert, user(written(said)), BETWEEN_MARKS)
    assert found.ids == prompt_ids(bert, user(bare(said)))
    assert [found.ids.count(token) for token in range(4)] == [0, 0, 1, 1]
    characters = [(letter, marked) for text, marked in said for letter in text]
    assert found.edited.prefix == tuple(1 + index for index in covered(starter, found.ids[1:-1], characters))


def test_a_token_that_a_mark_cuts_through_is_edited(starter):
    whole = starter.tokenizer(" children", add_special_tokens=False)["input_ids"]
    assert len(whole) == 1
    found = read_prompt(starter, user("the chi<reft>ld</reft>ren"), BETWEEN_MARKS)
    assert [found.ids[index] for index in found.edited.prefix] == whole


@pytest.mark.parametrize(
    "text",
    [
        "<|im_<reft>end</reft>|>x",
        "<reft><|im_</reft>end|>",
        "<|<reft>im_end|></reft>",
        "<reft><|im_end|></reft>",
        "<<reft>|im_end|</reft>>",
    ],
)
def test_marks_inside_a_control_token_that_a_person_types_do_not_bring_it_to_life(starter, text):
    found = read_prompt(starter, user(text), BETWEEN_MARKS)
    assert found.ids == prompt_ids(starter, user(plain(text)))
    assert [found.ids.count(token) for token in range(4)] == [0, 0, 2, 1]
    before, _, rest = text.partition("<reft>")
    inside = rest.partition("</reft>")[0]
    assert inside in starter.tokenizer.decode([found.ids[index] for index in found.edited.prefix])
    assert before + inside in starter.tokenizer.decode(found.ids)


def test_a_control_token_cannot_be_pieced_together_with_marks(starter):
    sly = "<|im_<reft></reft>end|><reft><|im_<|im_</reft>end|>end|>\ue000</re<reft></reft>ft>"
    found = read_prompt(starter, user(sly), BETWEEN_MARKS)
    assert [found.ids.count(token) for token in range(4)] == [0, 0, 2, 1]
    assert "</reft>" in starter.tokenizer.decode(found.ids), "a mark that taking marks out leaves is text"


def test_marks_in_several_turns_of_a_conversation_are_found(starter):
    talk = [Message("user", "I am <reft>Ann</reft>."), Message("assistant", "Hello <reft>Ann</reft>!"), Message("user", "Who am I?")]
    found = read_prompt(starter, talk, BETWEEN_MARKS)
    assert found.ids == prompt_ids(starter, [Message(turn.role, plain(turn.content)) for turn in talk])
    words = starter.tokenizer.decode([found.ids[index] for index in found.edited.prefix])
    assert words == " Ann Ann"
    assert "<reft>" not in starter.tokenizer.decode(found.ids)


@pytest.mark.parametrize(
    "text", ["<reft> cat </reft>", " <reft>cat</reft> ", "\n<reft>\n cat</reft>\n", "<reft> </reft>a <reft>cat</reft>"]
)
def test_a_template_that_trims_messages_trims_them_as_without_marks(starter, text):
    trimming = replace(starter, template=starter.template.replace("message['content']", "message['content'] | trim"))
    found = read_prompt(trimming, user(text), BETWEEN_MARKS)
    assert found.ids == prompt_ids(trimming, user(plain(text)))
    assert found.ids == prompt_ids(starter, user(plain(text).strip()))
    assert "cat" in starter.tokenizer.decode([found.ids[index] for index in found.edited.prefix])


def test_a_template_that_writes_something_else_where_there_are_marks_is_refused(starter):
    counting = replace(starter, template=starter.template.replace("message['content']", "message['content'] | length"))
    with pytest.raises(DataError, match="The chat template of starter changes what is marked"):
        read_prompt(counting, user("<reft>cat</reft>"), BETWEEN_MARKS)


def test_white_space_that_a_tokenizer_leaves_out_of_its_offsets_is_edited(starter):
    tokenizer = copy.deepcopy(starter.tokenizer)
    tokenizer.backend_tokenizer.post_processor = Sequence([ByteLevel(trim_offsets=True), TemplateProcessing(single="$A", pair="$A $B:1")])
    base = replace(starter, tokenizer=tokenizer)
    assert tokenizer("a  b", add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"] == [(0, 1), (2, 2), (3, 4)]
    for text in ("a<reft>  </reft>b", "a<reft> </reft> b", "a <reft> </reft>b", "<reft>a </reft> b", "a🐱<reft> </reft> b<reft>\n</reft>"):
        assert read_prompt(base, user(text), BETWEEN_MARKS) == read_prompt(starter, user(text), BETWEEN_MARKS)


class Slow:
    """A tokenizer that cannot say where its tokens stand."""

    is_fast = False

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def __call__(self, *args, **options):
        return self.tokenizer(*args, **options)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def test_a_tokenizer_that_cannot_say_what_a_mark_covers_is_refused(starter):
    slow = replace(starter, tokenizer=Slow(starter.tokenizer))
    assert prompt_ids(slow, user("a cat")) == prompt_ids(starter, user("a cat"))
    with pytest.raises(DataError, match="The tokenizer of starter cannot say which tokens a mark covers"):
        read_prompt(slow, user("a <reft>cat</reft>"), BETWEEN_MARKS)


@pytest.mark.parametrize("positions", ["f7+l7", "all", "l1"])
def test_under_other_positions_marks_are_text_like_any_other(tiny, strong, positions):
    text = "a <reft>cat</reft>"
    row = encode(tiny, Example(1, tuple(user(text)), "yes"), 160, ReftConfig(positions=positions))
    assert text in tiny.tokenizer.decode(row.prompt_ids)
    assert row.edited == edited_tokens(PositionSpec.parse(positions), len(row.prompt_ids))
    reft = strong(tiny.model, positions=positions)
    ids = torch.tensor([prompt_ids(tiny, user(text))])
    with torch.no_grad():
        first = int(reft(ids).logits[0, -1].argmax())
    assert generate(tiny, text, [reft], max_new_tokens=1) == [tiny.tokenizer.decode([first], skip_special_tokens=True)]


# --- what is wrong is refused


BAD = {
    "a <reft>cat": "A <reft> is not closed by </reft>",
    "a cat</reft>": "<reft> and </reft> must take turns",
    "<reft>a <reft>cat</reft></reft>": "<reft> and </reft> must take turns",
    "</reft>a cat<reft>": "<reft> and </reft> must take turns",
    "<reft>a</reft> cat</reft>": "<reft> and </reft> must take turns",
    "a cat": "Nothing is marked: put <reft> and </reft> around what is to be edited",
    "a<reft></reft> cat": "Nothing is marked: put <reft> and </reft> around what is to be edited",
    "": "Nothing is marked: put <reft> and </reft> around what is to be edited",
}


@pytest.mark.parametrize("text", BAD)
def test_marks_that_are_missing_or_not_in_pairs_are_refused_and_the_line_is_named(tiny, bert, text):
    example = Example(41, tuple(user(text)), "animal")
    with pytest.raises(DataError, match=rf"^Line 41: {BAD[text]}"):
        encode(tiny, example, 160, MARKED)
    with pytest.raises(DataError, match=rf"^Line 41: {BAD[text]}"):
        encode_text(bert, example, 160, MARKED)
    found = read_rows(NextToken(tiny, MARKED, SETTINGS), [example, Example(42, tuple(user("<reft>a</reft>")), "b")])
    assert ([row.example.line for row in found.usable], len(found.left_out)) == ([42], 1)


@pytest.mark.parametrize("text", BAD)
def test_a_prompt_to_answer_with_wrong_marks_is_refused(tiny, strong, text):
    with pytest.raises(DataError, match=f"^{BAD[text]}"):
        generate(tiny, text, [None, strong(tiny.model, positions="marked")])


def test_rows_without_marks_are_left_out_of_training_and_named(tiny):
    result = train(tiny, [*ROWS, ("What is that?", "a cat")], MARKED, SETTINGS.model_copy(update={"epochs": 1}))
    assert len(result.left_out) == 1
    assert result.left_out[0].startswith(f"Line {len(ROWS) + 1}: Nothing is marked")
    with pytest.raises(DataError, match="Line 1: Nothing is marked"):
        train(tiny, [("What is that?", "a cat")], MARKED, SETTINGS)


def test_a_forward_pass_that_is_not_told_what_is_marked_is_refused(tiny, strong):
    with pytest.raises(ConfigError, match="need to be told which tokens are marked") as caught:
        strong(tiny.model, positions="marked")(torch.tensor([[5, 6, 7]]))
    assert caught.value.field == "marked"


def test_a_marked_token_that_the_prompt_does_not_have_is_refused(tiny, strong):
    with pytest.raises(ConfigError, match="A prompt of 3 tokens cannot have the token 3 marked"):
        strong(tiny.model, positions="marked")(torch.tensor([[5, 6, 7, 8]]), None, [3], marked=[[0, 3]])


# --- editing, learning, answering


@pytest.fixture(scope="module")
def bert(starter, framing):
    """An encoder whose tokenizer puts a token before a text and one behind it."""
    model = families.build("bert", vocab_size=len(starter.tokenizer)).requires_grad_(False)
    return replace(starter, model=model, tokenizer=framing, template=TEXT_TEMPLATE, name="bert")


@pytest.mark.parametrize("side", ["left", "right"])
def test_exactly_the_marked_tokens_differ_behind_an_edited_block(tiny, strong, side):
    reft = strong(tiny.model, positions="marked", layers=[1])
    texts = ("<reft>cat</reft> or <reft>dog</reft>", "the <reft>hen</reft>", ROWS[0][0])
    prompts = [read_prompt(tiny, user(text), BETWEEN_MARKS) for text in texts]
    width = max(len(prompt.ids) for prompt in prompts)
    ids, mask, expected = torch.zeros(3, width, dtype=torch.int64), torch.zeros(3, width, dtype=torch.int64), set()
    for row, prompt in enumerate(prompts):
        start = width - len(prompt.ids) if side == "left" else 0
        ids[row, start : start + len(prompt.ids)], mask[row, start : start + len(prompt.ids)] = torch.tensor(prompt.ids), 1
        expected |= {(row, start + index) for index in prompt.edited.prefix}
    states = []
    handle = blocks.find_blocks(tiny.model)[1].register_forward_hook(lambda _module, _args, output: states.append(output))
    with torch.no_grad():
        for strength in (0.0, 1.0):
            reft(ids, mask, marked=[prompt.edited.prefix for prompt in prompts], strength=strength)
    handle.remove()
    assert {tuple(pair) for pair in (states[0] != states[1]).any(dim=-1).nonzero().tolist()} == expected
    assert 3 < len(expected) < int(mask.sum())


def test_of_marked_rows_the_marked_tokens_are_trained(tiny, strong):
    reft = strong(tiny.model, scale=1.0, rank=2, positions="marked")
    objective = NextToken(tiny, MARKED, SETTINGS)
    rows = [objective.encode(Example(line, tuple(user(text)), answer)) for line, (text, answer) in enumerate(ROWS, 1)]
    data = collate(tiny, rows)
    plan = reft.plan(data.inputs["attention_mask"], [len(row.prompt_ids) for row in rows], marked=[row.edited.prefix for row in rows])
    assert [(int(row), int(column)) for row, column in zip(plan.rows[0], plan.columns[0], strict=True)] == [
        (row, column) for row, example in enumerate(rows) for column in read_prompt(tiny, user(ROWS[row][0]), BETWEEN_MARKS).edited.prefix
    ]
    assert reft.edits(plan, reft.factors()).keys() == {0, 1, 2}
    with torch.no_grad():
        loss, expected = float(objective.loss(rows, reft, reft.acting())), 0.0
        for row in rows:
            ids, length = torch.tensor([row.prompt_ids + row.answer_ids]), len(row.prompt_ids)
            shares = reft(ids, None, [length], marked=[row.edited.prefix]).logits[0].log_softmax(dim=-1)
            expected -= float(shares[length - 1 : -1].gather(1, ids[0, length:, None]).sum())
    assert loss == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_marked_rows_are_learned_and_the_adapter_file_keeps_it(tiny, tmp_path):
    result = train(tiny, ROWS, MARKED, SETTINGS.model_copy(update={"epochs": 24}), folder=tmp_path)
    assert result.loss_last < 0.95 * result.loss_first
    loaded = ReftModel.load(tmp_path / "adapter", tiny.model)
    assert loaded.reft_config.positions == "marked"
    for text, _ in ROWS:
        assert generate(tiny, text, [loaded], max_new_tokens=8) == generate(tiny, text, [result.reft], max_new_tokens=8)
    rows = [Example(line, tuple(user(text)), answer) for line, (text, answer) in enumerate(ROWS, 1)]
    figures = evaluate(tiny, loaded, rows)
    assert figures == evaluate(tiny, result.reft, rows)
    assert figures["tuned"]["loss"] < figures["base"]["loss"]


@pytest.mark.slow
def test_a_run_on_marked_rows_measures_and_shows_rows_that_were_held_out(tiny):
    result = train(tiny, ROWS, MARKED, SETTINGS.model_copy(update={"held_out": 0.2, "epochs": 2}))
    assert result.held_out_tuned is not None
    assert result.held_out_tuned != result.held_out_base


@pytest.mark.parametrize("kind", ["decoder", "t5"])
def test_answers_equal_full_recomputation_and_the_bare_column_reads_no_marks(tiny, starter, strong, kind):
    base, text = tiny, ROWS[0][0]
    if kind == "t5":
        model = families.build("t5", seed=2, vocab_size=len(starter.tokenizer)).requires_grad_(False)
        base = replace(starter, model=model, template=TEXT_TEMPLATE, name="t5")
    reft = strong(base.model, scale=10.0, positions="marked")
    asked, said = read_prompt(base, user(text), BETWEEN_MARKS), []
    for _ in range(6):
        started = [model.config.decoder_start_token_id, *said] if kind == "t5" else None
        inputs = {"decoder_input_ids": torch.tensor([started])} if started else {}
        ids = torch.tensor([list(asked.ids) if started else [*asked.ids, *said]])
        with torch.no_grad():
            output = reft(ids, None, [len(asked.ids)], marked=[asked.edited.prefix], use_cache=False, **inputs)
        said.append(int(output.logits[0, -1].argmax()))
        if said[-1] == 3:
            break
    answers = generate(base, text, [None, reft], max_new_tokens=6)
    assert answers[1] == base.tokenizer.decode(said, skip_special_tokens=True)
    assert answers[0] == generate(base, plain(text), max_new_tokens=6)[0]
    assert answers[0] != answers[1]


@pytest.mark.slow
def test_an_evaluation_lets_the_base_model_read_no_marks_either(starter, strong):
    said = generate(starter, "What does a cat say?")[0]
    reft = strong(starter.model, scale=10.0, positions="marked")
    row = Example(1, tuple(user("What does a <reft>cat</reft> say?")), said)
    assert generate(starter, "What does a <reft>cat</reft> say?")[0] != said
    assert evaluate(starter, reft, [row])["base"]["exact_match"] == 1.0


def test_an_edit_of_other_positions_beside_a_marked_one_reads_no_marks_either(tiny, strong):
    marked, ends = strong(tiny.model, positions="marked"), strong(tiny.model, seed=1)
    text = ROWS[0][0]
    assert generate(tiny, text, [ends, marked], max_new_tokens=8) == [
        *generate(tiny, plain(text), [ends], max_new_tokens=8),
        *generate(tiny, text, [marked], max_new_tokens=8),
    ]


@pytest.mark.slow
def test_hugging_faces_generate_edits_the_marked_tokens_of_each_row(tiny, strong):
    reft = strong(tiny.model, scale=10.0, positions="marked")
    prompts = [read_prompt(tiny, user(text), BETWEEN_MARKS) for text in (ROWS[0][0], "<reft>hen</reft>")]
    width = max(len(prompt.ids) for prompt in prompts)
    ids = torch.tensor([[0] * (width - len(prompt.ids)) + list(prompt.ids) for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts])
    for way in ({}, {"num_beams": 3}, {"use_cache": False}):
        options = {"do_sample": False, "max_new_tokens": 5, "min_new_tokens": 5, "eos_token_id": 3, "pad_token_id": 0, **way}
        together = reft.generate(ids, mask, marked=[prompt.edited.prefix for prompt in prompts], **options)[:, -5:]
        alone = [reft.generate(torch.tensor([prompt.ids]), marked=[prompt.edited.prefix], **options)[:, -5:] for prompt in prompts]
        assert torch.equal(together, torch.cat(alone))
        assert not torch.equal(together, reft.generate(ids, mask, marked=[[], []], **options)[:, -5:])


def test_a_classifier_edits_what_is_marked_in_either_text_of_a_pair(bert, strong):
    reft = strong(bert.model, scale=1.0, positions="marked", labels=LABELS, pooling="mean")
    pair = ("a <reft>cat</reft>", "is <reft>not</reft> a dog")
    found = read_prompt(bert, [Message("user", text) for text in pair], BETWEEN_MARKS)
    assert found.ids == tuple(bert.tokenizer(*map(plain, pair))["input_ids"])
    assert bert.tokenizer.decode([found.ids[index] for index in found.edited.prefix]) == " cat not"
    with torch.no_grad():
        logits = reft(torch.tensor([found.ids]), marked=[found.edited.prefix]).logits[0]
    shares = classify(bert, reft, [pair])[0]
    assert [shares[label] for label in LABELS] == pytest.approx(logits.softmax(dim=0).tolist(), abs=1e-5)


def test_of_a_text_that_is_cut_the_marks_that_are_left_are_edited(bert):
    config = MARKED.model_copy(update={"labels": LABELS})
    text = "<reft>cat</reft> dog cow hen <reft>pig</reft>"
    whole = encode_text(bert, Example(1, tuple(user(text)), ""), 160, config)
    cut = encode_text(bert, Example(1, tuple(user(text)), ""), len(whole.ids) - 2, config)
    assert cut.ids == (*whole.ids[:-3], 3)
    assert whole.edited.prefix != cut.edited.prefix == tuple(index for index in whole.edited.prefix if index < len(whole.ids) - 3)


@pytest.mark.parametrize("limit", [9, 12, 15])
def test_of_a_pair_that_is_cut_the_marks_that_are_left_are_edited_in_both_texts(bert, limit):
    config = MARKED.model_copy(update={"labels": LABELS})
    pair = ("<reft> cat</reft> dog cow hen cat dog cow hen cat<reft> pig</reft>", " dog<reft> hen</reft> cow cat")
    found = encode_text(bert, Example(1, tuple(Message("user", text) for text in pair), ""), limit, config)
    assert len(found.ids) == limit
    assert bert.tokenizer.decode([found.ids[index] for index in found.edited.prefix]) == " cat hen"
    assert bert.tokenizer.decode([found.ids[found.second]]) == " dog"
