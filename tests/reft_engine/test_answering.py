"""Several prompts in one batch: each is answered as alone, in every family, by the base model and by edits."""

from dataclasses import replace

import pytest
import torch

from reft_engine import Example, PeftConfig, evaluate, generate
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message
from reft_engine.errors import ConfigError, DataError
from reft_engine.inference import Asked, InferenceEngine, Limits, Sampling, answer_rows, answers_in_order, score, written_in_order
from reft_engine.inference.kv_cache import PromptCache
from reft_engine.inference.passes import Apart, Reading, RowEdit, Together
from reft_engine.inference.prompts import column_prompts
from reft_engine.inference.row_cache import keeps_all
from reft_engine.trainable import make_trainable
from tests.reft_engine import families

WRITERS = (*families.DECODERS, *families.ENCODER_DECODERS)
WITHOUT_POSITIONS = ("bloom", "mpt")
PROMPTS = [
    "Hi", "What is 2 cat? And what did the owl say to the hen on that day in spring, when nobody else was there?", "Say why.",
    [Message("system", "Be brief."), Message("user", "What is 1 dog?")], "🐱 3 pig?",
]  # fmt: skip
EDITS = {
    "base": None,
    "tied": {"positions": "f7+l7"},
    "untied": {"positions": "f7+l7", "tied": False},
    "all": {"positions": "all", "layers": [0, 2]},
    "last": {"positions": "l1"},
}


@pytest.fixture(scope="module")
def base_of(starter, framing):
    """Build a base model of one family, whose random weights end an answer now and then."""

    def build(name, **overrides):
        seed = {"bloom": 2, "t5": 2, "m2m100": 3}.get(name, 0)
        model = families.build(name, seed=seed, vocab_size=len(starter.tokenizer), **overrides).requires_grad_(False)
        base = replace(starter, model=model, name=name)
        return base if name in families.DECODERS else replace(base, tokenizer=framing, template=TEXT_TEMPLATE)

    return build


def one_by_one(base, prompts, reft, count):
    return [generate(base, prompt, [reft], max_new_tokens=count)[0] for prompt in prompts]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_each_row_is_answered_as_alone(base_of, strong, name):
    base = base_of(name)
    answers = {}
    for edit, config in EDITS.items():
        reft = None if config is None else strong(base.model, scale=2.0, **config)
        answers[edit] = answer_rows(base, PROMPTS, reft, max_new_tokens=12)
        assert answers[edit] == one_by_one(base, PROMPTS, reft, 12), edit
    assert all(answers[edit] != answers["base"] for edit in EDITS if edit != "base"), "an edit that changes nothing shows nothing"
    assert len(set(answers["all"])) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WRITERS if name not in WITHOUT_POSITIONS])
def test_the_logits_of_a_row_are_those_of_the_row_alone(base_of, strong, name):
    """Of each token up to the last, behind padding and far into the answer; so that equal texts are no luck."""
    base = base_of(name)
    reft = strong(base.model, scale=2.0, positions="f3+l2", tied=False)
    prompts = [column_prompts(base, prompt, [reft.positions])[0] for prompt in PROMPTS]
    tokens = [torch.randint(4, 2000, (len(PROMPTS),), generator=torch.Generator().manual_seed(step)) for step in range(10)]

    def logits_of(rows):
        together = Together(base, PromptCache()) if base.kind == "decoder" and keeps_all(base.model) else Apart(base)
        factors = reft.factors()
        logits = together.read([Reading(prompts[row].ids, (RowEdit(reft, factors, 1.0, prompts[row].edited),)) for row in rows])
        return torch.stack([logits[:, -1], *(together.next(token[rows].tolist()) for token in tokens)])

    together = logits_of(list(range(len(PROMPTS))))
    for row in range(len(PROMPTS)):
        alone = logits_of([row])[:, 0]
        assert (together[:, row] - alone).abs().max() < 2e-5 * alone.abs().max()


@pytest.mark.parametrize("name", WRITERS)
def test_the_rows_are_one_batch_where_the_base_model_takes_positions(base_of, name):
    base, sizes = base_of(name), []
    reader = base.model.get_encoder() if base.kind == "encoder_decoder" else base.model
    handle = reader.register_forward_pre_hook(
        lambda _module, args, kwargs: sizes.append(len(args[0] if args else kwargs["input_ids"])), with_kwargs=True
    )
    try:
        answer_rows(base, PROMPTS, max_new_tokens=1)
    finally:
        handle.remove()
    assert sizes == ([1] * len(PROMPTS) if name in WITHOUT_POSITIONS else [len(PROMPTS)])


def test_each_row_ends_by_itself(base_of, starter, strong):
    """The starter ends its answers; shorter ones end before longer ones, and none gets anything behind its end."""
    reft = strong(starter.model, scale=0.3, positions="f2+l2")
    prompts = ["What does a cat say?", "Is seven an odd number?", "Tell me about the sea.", "Hi"]
    for model in (None, reft):
        answers = answer_rows(starter, prompts, model, max_new_tokens=40)
        assert answers == one_by_one(starter, prompts, model, 40)
        assert len({len(starter.tokenizer(answer)["input_ids"]) for answer in answers}) > 1


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "gemma3", "t5"])
def test_a_long_prompt_ends_where_the_context_ends_and_the_others_go_on(base_of, strong, name):
    base = base_of(name, max_position_embeddings=40)
    assert base.context <= 40 or base.kind == "encoder_decoder"
    long = [5] * (base.context - 4 if base.kind == "decoder" else 30)
    prompts = [[7, 8, 9], long]
    for reft in (None, strong(base.model, scale=2.0, positions="l1")):
        answers = answer_rows(base, prompts, reft, max_new_tokens=20)
        assert answers == one_by_one(base, prompts, reft, 20)


def test_marks_are_read_by_the_edit_and_removed_for_the_base_model(tiny, strong):
    reft = strong(tiny.model, positions="marked")
    prompts = ["What is <reft>2</reft> cat?", "<reft>Hi</reft> there, how are you?"]
    pairs = [generate(tiny, prompt, [None, reft], max_new_tokens=10) for prompt in prompts]
    assert answer_rows(tiny, prompts, reft, max_new_tokens=10) == [tuned for _, tuned in pairs]
    assert answer_rows(tiny, prompts, reft, edited=False, max_new_tokens=10) == [base for base, _ in pairs]
    assert answer_rows(tiny, prompts, max_new_tokens=10) != [base for base, _ in pairs], "without an edit, marks are text"


def test_a_list_of_prompts_is_answered_in_order_beside_others(tiny, strong):
    """Each prompt in all its columns, however many are asked ahead, while somebody else is answered by the same engine."""
    reft, engine = strong(tiny.model, positions="f2+l2"), InferenceEngine(tiny, limits=Limits(rows=4, waiting_of_one=3))
    other = engine.submit(PROMPTS[1], [reft], max_new_tokens=30)
    asked = [Asked(prompt, [None, reft], count) for prompt, count in zip(PROMPTS * 2, range(3, 13), strict=True)]
    found = list(answers_in_order(engine, asked))
    assert found == [generate(tiny, each.prompt, [None, reft], max_new_tokens=each.max_new_tokens) for each in asked]
    assert other.texts() == generate(tiny, PROMPTS[1], [reft], max_new_tokens=30) and engine.is_idle


@pytest.mark.parametrize("closed", [True, False])
def test_a_list_that_nobody_reads_on_leaves_the_batch(tiny, closed):
    engine, stopped = InferenceEngine(tiny), []
    answers = answers_in_order(engine, [Asked(prompt, [None], 20) for prompt in PROMPTS], should_stop=lambda: bool(stopped))
    assert next(answers) == generate(tiny, PROMPTS[0], [None], max_new_tokens=20)
    if closed:
        answers.close()
    else:
        stopped.append(True)
        assert list(answers) == []
    engine.step()
    assert engine.is_idle and engine.rows_in_flight == 0


def test_what_else_a_request_takes_goes_with_each_prompt(tiny, strong):
    reft, engine = strong(tiny.model, positions="f2+l2"), InferenceEngine(tiny)
    drawn = {"sampling": Sampling(temperature=1.0, seed=3), "strength": [1.0, 0.0, -2.0]}
    asked = [Asked(prompt, [None, reft, reft], 12, drawn) for prompt in PROMPTS]
    for each, written in zip(asked, written_in_order(engine, asked), strict=True):
        alone = engine.submit(each.prompt, each.models, max_new_tokens=12, **drawn)
        assert written.texts == alone.texts() and written.texts[0] == written.texts[1] != written.texts[2]
        assert [written.request.ids(at) for at in range(3)] == [alone.ids(at) for at in range(3)]
        assert written.request.ending(0) in ("end", "length")


def test_a_prompt_that_is_refused_does_not_hold_up_the_others(tiny):
    asked = [Asked(prompt) for prompt in (PROMPTS[0], "cat " * 3000, PROMPTS[1])]
    first, refused, last = written_in_order(InferenceEngine(tiny), asked)
    assert first.texts and last.texts and not refused.texts and refused.request is None
    assert "The prompt has" in str(refused.error)
    with pytest.raises(ConfigError, match="The prompt has"):
        list(answers_in_order(InferenceEngine(tiny), asked))


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_a_baseline_answers_row_by_row(tiny, method):
    lora = make_trainable(tiny, PeftConfig(method=method), 0)
    with torch.no_grad():
        for weight in lora.parameters():
            weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    lora.eval()
    tuned = answer_rows(tiny, PROMPTS, lora, max_new_tokens=8)
    assert tuned == one_by_one(tiny, PROMPTS, lora, 8)
    plain = answer_rows(tiny, PROMPTS, lora, edited=False, max_new_tokens=8)
    assert plain == one_by_one(tiny, PROMPTS, None, 8) != tuned


def test_what_cannot_be_answered_is_refused(tiny, strong):
    with pytest.raises(DataError, match="no prompts"):
        answer_rows(tiny, [])
    with pytest.raises(DataError, match="must be a list"):
        answer_rows(tiny, "Hi")
    with pytest.raises(ConfigError, match="empty"):
        answer_rows(tiny, ["Hi", " "])
    with pytest.raises(ConfigError, match="reads at most"):
        answer_rows(tiny, ["Hi", "cat " * 400])
    with pytest.raises(ConfigError, match="classifies"):
        answer_rows(tiny, ["Hi"], strong(tiny.model, labels=("a", "b")))


@pytest.mark.parametrize("name", ["llama", "bloom", "mistral", "t5"])
def test_a_given_answer_is_scored_as_a_measurement_scores_it(base_of, strong, name):
    """Where rows share a batch all its tokens are one pass, elsewhere each is one; the loss of held-out rows is another way to the same."""
    base = base_of(name)
    reft = strong(base.model, scale=1.5, positions="f2+l2")
    for question, answer in (("What is 2 cat and 3 dog and 6 hen?", "cat 2."), ("Hi", "so it is said, and why not?")):
        bare, tuned = score(base, question, answer, [None, reft])
        figures = evaluate(base, reft, [Example(1, (Message("user", question),), answer)])
        for found, key in ((bare, "base"), (tuned, "tuned")):
            assert -sum(token.log_probability for token in found) / len(found) == pytest.approx(figures[key]["loss"], rel=1e-4)


@pytest.mark.parametrize("place", range(3))
def test_a_list_goes_on_past_a_prompt_whose_pass_fails(tiny, monkeypatch, place):
    texts = ["Hi", "Say why.", "Tell me."]
    alone = answer_rows(tiny, texts, max_new_tokens=4)
    bad, read = column_prompts(tiny, texts[place], [None])[0].ids, Together.read

    def fails(together, rows):
        if any(list(row.ids) == list(bad) for row in rows):
            raise RuntimeError("no memory left")
        return read(together, rows)

    monkeypatch.setattr(Together, "read", fails)
    engine = InferenceEngine(tiny)
    found = list(written_in_order(engine, [Asked(text, max_new_tokens=4) for text in texts]))
    assert [each.texts for each in found] == [[] if at == place else [alone[at]] for at in range(3)]
    assert [str(each.error) if each.error else "" for each in found] == ["no memory left" if at == place else "" for at in range(3)]
    with pytest.raises(RuntimeError, match="no memory left"):
        list(answers_in_order(engine, [Asked(text, max_new_tokens=4) for text in texts]))
    assert engine.is_idle


def test_an_error_in_place_of_a_prompt_is_handed_on_in_its_place(tiny):
    refused = DataError("Not this one.")
    found = list(written_in_order(InferenceEngine(tiny), [refused, Asked("Hi", max_new_tokens=2), refused]))
    assert [each.error for each in found] == [refused, None, refused] and len(found[1].texts) == 1
