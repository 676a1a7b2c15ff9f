from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from reft_engine import ReftConfig, ReftModel, TrainConfig
from reft_engine.base import blocks
from reft_engine.errors import ConfigError
from reft_engine.positions import EditedTokens, PositionSpec, edited_tokens
from reft_engine.tokens.batches import collate, epoch_batches, in_batches
from reft_engine.tokens.examples import EncodedExample
from reft_engine.training.losses import answer_inputs, answer_losses
from reft_engine.training.objectives import NextToken
from tests.reft_engine import families

ids = st.lists(st.integers(0, 96), max_size=8).map(tuple)
edits = st.builds(EditedTokens, st.lists(st.integers(0, 7), max_size=3).map(tuple))
a_row = st.builds(EncodedExample, prompt_ids=ids.filter(len), answer_ids=ids, line=st.integers(1, 999), edited=edits)


def make_rows(lengths):
    generator = torch.Generator().manual_seed(11)
    draw = lambda count: tuple(torch.randint(0, 97, (count,), generator=generator).tolist())  # noqa: E731
    made = [EncodedExample(draw(prompt), draw(answer), line) for line, (prompt, answer) in enumerate(lengths, 1)]
    return under(ReftConfig().positions, made)


def under(rule, rows):
    """The rows as another rule edits them."""
    return [replace(row, edited=edited_tokens(PositionSpec.parse(rule), len(row.prompt_ids))) for row in rows]


def edits_of(reft, batch):
    return reft.edits(reft.plan_of(batch.prompts, None, batch.device), reft.factors())


@pytest.fixture(scope="module")
def rows():
    return make_rows([(9, 3), (4, 6), (1, 1), (12, 2), (2, 5)])


@pytest.mark.slow
@given(st.lists(a_row, min_size=1, max_size=6), st.integers(0, 96))
def test_a_batch_holds_each_row_and_labels_its_answer_only(tiny, rows, pad):
    batch = collate(replace(tiny, tokenizer=SimpleNamespace(pad_token_id=pad, model_input_names=[])), rows)
    for index, row in enumerate(rows):
        prompt, end = len(row.prompt_ids), len(row.prompt_ids) + len(row.answer_ids)
        ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
        assert tuple(ids[index, :end].tolist()) == row.ids == row.prompt_ids + row.answer_ids
        assert mask[index].tolist() == [1] * end + [0] * (ids.shape[1] - end)
        assert tuple(batch.targets[index, prompt - 1 : end - 1].tolist()) == row.answer_ids
        assert (batch.targets[index, : prompt - 1] == -100).all()
        assert (batch.targets[index, end - 1 :] == -100).all()
        assert (ids[index, end:] == pad).all()
        assert batch.rows[index] == (index, 0, end)
    assert batch.prompts.edited == [row.edited for row in rows]
    assert batch.prompts.starts == [(index, 0) for index in range(len(rows))]
    assert batch.counts == [len(row.answer_ids) for row in rows]
    assert batch.shape == batch.targets.shape


@pytest.mark.slow
@given(st.lists(a_row, min_size=1, max_size=50), st.integers(1, 7), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_has_every_row_once_in_batches_of_the_size(rows, size, seed, epoch):
    batches = epoch_batches(rows, size, seed, epoch)
    assert Counter(row for batch in batches for row in batch) == Counter(rows)
    assert len(batches) == -(-len(rows) // size)
    assert all(1 <= len(batch) <= size for batch in batches)


def test_the_order_follows_from_seed_and_epoch_alone():
    rows = make_rows([(1 + index % 7, 1 + index % 5) for index in range(40)])
    assert epoch_batches(rows, 4, 1, 0) == epoch_batches(rows, 4, 1, 0)
    assert epoch_batches(rows, 4, 1, 0) != epoch_batches(rows, 4, 1, 1)
    assert epoch_batches(rows, 4, 1, 0) != epoch_batches(rows, 4, 2, 0)


def test_rows_of_like_length_share_a_batch():
    rows = make_rows([(1 + index % 32, 1) for index in range(64)])
    spread = [
        max(len(row.prompt_ids) for row in batch) - min(len(row.prompt_ids) for row in batch) for batch in epoch_batches(rows, 4, 0, 0)
    ]
    assert max(spread) <= 4


def test_slices_come_in_the_given_order(rows):
    assert [list(part) for part in in_batches(rows, 2)] == [rows[0:2], rows[2:4], rows[4:5]]


def mean_loss(base, reft, rows):
    return NextToken(base, ReftConfig(), TrainConfig()).mean(rows, reft, edited=reft is not None)


def naive_losses(model, reft, row):
    """Softmax by hand over the full logits of the row alone."""
    tokens = torch.tensor([row.prompt_ids + row.answer_ids])
    with torch.no_grad():
        logits = model(input_ids=tokens).logits[0] if reft is None else reft(tokens, None, [len(row.prompt_ids)]).logits[0]
    at = len(row.prompt_ids)
    return [-(logits[place - 1] - logits[place - 1].logsumexp(dim=0))[int(tokens[0, place])].item() for place in range(at, tokens.shape[1])]


@pytest.mark.parametrize("edited", [False, True], ids=["base", "tuned"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "neox"])
def test_the_losses_are_the_masked_cross_entropy(make_model, tiny, strong, rows, family, edited):
    model = make_model(family)
    base = replace(tiny, model=model)
    reft = strong(model, positions="f2+l2", tied=False) if edited else None
    rows = under("f2+l2", rows)
    batch = collate(base, rows)
    edits = edits_of(reft, batch) if reft else {}
    with torch.no_grad():
        losses = answer_losses(base, batch, edits)
    expected = [naive_losses(model, reft, row) for row in rows]
    assert batch.counts == [len(part) for part in expected]
    assert (losses - torch.tensor([value for part in expected for value in part])).abs().max() < 1e-4
    mean = sum(value for part in expected for value in part) / sum(len(part) for part in expected)
    assert mean_loss(base, reft, rows) == pytest.approx(mean, abs=1e-4)


def test_the_loss_and_its_gradient_equal_those_of_the_full_logits(tiny, strong, rows):
    reft = ReftModel(tiny.model, ReftConfig(rank=2, positions="all")).train()
    batch = collate(tiny, under("all", rows))
    ours = answer_losses(tiny, batch, edits_of(reft, batch)).mean()
    ours.backward()
    gradients = [parameter.grad.clone() for parameter in reft.parameters()]
    reft.zero_grad()
    logits = reft(**batch.inputs, prompt_lengths=[len(row.prompt_ids) for row in rows]).logits
    full = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=-100)
    full.backward()
    assert ours.item() == pytest.approx(full.item(), abs=1e-5)
    for parameter, gradient in zip(reft.parameters(), gradients, strict=True):
        assert (parameter.grad - gradient).abs().max() < 1e-5


def test_padding_adds_nothing_to_a_loss(tiny, rows):
    short = rows[2]
    with torch.no_grad():
        alone = answer_losses(tiny, collate(tiny, [short]), {})
        padded = answer_losses(tiny, collate(tiny, [short, rows[3]]), {})
    assert (padded[: len(alone)] - alone).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("family", "scale"),
    [
        ("cohere", "logit_scale"),
        ("granite", "logits_scaling"),
        ("gemma2", "final_logit_softcapping"),
        ("falcon_h1", "lm_head_multiplier"),
    ],
)
def test_families_that_scale_or_cap_their_logits_get_their_own_loss(tiny, rows, family, scale):
    kind = {"cohere": "Cohere", "granite": "Granite", "gemma2": "Gemma2", "falcon_h1": "FalconH1"}[family]
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    if family == "falcon_h1":
        shape |= {"mamba_d_ssm": 16, "mamba_n_heads": 2, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_chunk_size": 8}
    config = getattr(transformers, f"{kind}Config")(vocab_size=97, head_dim=8, **shape, **{scale: 0.25, "initializer_range": 0.5})
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    base = replace(tiny, model=model)
    with torch.no_grad():
        losses = answer_losses(base, collate(base, rows), {})
    expected = [value for row in rows for value in naive_losses(model, None, row)]
    assert (losses - torch.tensor(expected)).abs().max() < 1e-4


def test_a_family_whose_prefix_only_its_checkpoints_have_gets_its_loss(tiny, rows, monkeypatch, llama):
    monkeypatch.setattr(type(llama), "base_model_prefix", "language_model")
    base = replace(tiny, model=llama)
    with torch.no_grad():
        losses = answer_losses(base, collate(base, rows), {})
    expected = [value for row in rows for value in naive_losses(llama, None, row)]
    assert (losses - torch.tensor(expected)).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_a_decoder_of_its_own_reads_the_answer_as_the_models_own_method_moves_it(tiny, name):
    model = families.build(name)
    labels = collate(replace(tiny, model=model), make_rows([(3, 4), (2, 1), (1, 6)])).targets
    assert (labels == -100).any()
    moved = answer_inputs(model, labels)
    assert torch.equal(moved, model.prepare_decoder_input_ids_from_labels(labels))
    assert (labels == -100).any(), "the labels themselves stay as they are"


def test_an_encoder_decoder_without_a_start_token_is_refused(tiny):
    model = families.build("m2m100", decoder_start_token_id=None)
    model.generation_config.decoder_start_token_id = None
    base = replace(tiny, model=model)
    batch = collate(base, make_rows([(3, 2)]))
    with pytest.raises(ConfigError, match="which token an answer begins with") as caught:
        answer_losses(base, batch, {})
    assert caught.value.field == "base"


def test_a_start_token_that_only_the_generation_config_names_is_taken():
    model = families.build("bart", decoder_start_token_id=None)
    model.generation_config.decoder_start_token_id = 7
    assert blocks.decoder_start_token(model) == 7


def fsmt():
    """Its head is the decoder's embedding."""
    shape = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "init_std": 0.2}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    config = transformers.FSMTConfig(src_vocab_size=97, tgt_vocab_size=97, langs=["en", "de"], pad_token_id=0, **shape, **heads)
    return transformers.FSMTForConditionalGeneration(config)


def prophetnet():
    """Its head is called with the hidden states of several streams."""
    shape = {"hidden_size": 32, "num_encoder_layers": 2, "num_decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
    heads = {"num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4, "num_buckets": 8, "relative_max_distance": 32}
    config = transformers.ProphetNetConfig(vocab_size=97, pad_token_id=0, init_std=0.2, ngram=2, **shape, **heads)
    return transformers.ProphetNetForConditionalGeneration(config)


@pytest.mark.parametrize("build", [fsmt, prophetnet])
def test_a_head_that_is_no_linear_layer_or_called_in_another_shape_is_left_alone(tiny, build):
    torch.manual_seed(0)
    model = build().eval()
    reft = ReftModel(model, ReftConfig(rank=2))
    base = replace(tiny, model=model)
    batch = collate(base, make_rows([(4, 3), (2, 5)]))
    with torch.no_grad():
        losses = answer_losses(base, batch, edits_of(reft, batch))
        full = reft(**batch.inputs, decoder_input_ids=answer_inputs(model, batch.targets), use_cache=False).logits
    expected = F.cross_entropy(full.flatten(0, 1), batch.targets.flatten(), reduction="none")[batch.targets.flatten() != -100]
    assert (losses - expected).abs().max() < 1e-5
