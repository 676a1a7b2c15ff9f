"""What `python -m benchmarks.classify` reads, measures and remembers."""

from dataclasses import replace

import pytest
import torch

from benchmarks.classification.methods import Run, labels_found, learn
from benchmarks.classification.plan import METHODS
from benchmarks.classification.results import Outcome, Results, Settings
from benchmarks.classification.tasks import SOURCES, Task, matthews
from reft_engine import Example, Message, load_base
from reft_engine.base.loading import TEXT_TEMPLATE
from tests.reft_engine import families

ROWS = {"sst2": (67349, 872), "rte": (2127, 277), "cola": (8551, 527), "banking77": (10003, 3080)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_a_dataset_is_read_whole(shared, name, rows):
    task = SOURCES[name].load(shared / "data/classify")
    assert (len(task.train), len(task.test)) == rows
    assert {example.answer for example in task.train} == set(task.labels)
    assert all(message.content for example in task.train for message in example.messages)
    assert len(task.first(500).train) == 500
    assert task.score([example.answer for example in task.test]) == 1


def test_matthews_is_the_correlation_of_two_columns():
    expected, found = list("ppppnnnn"), list("pppnnnnp")
    assert matthews(expected, found, "p") == pytest.approx(0.5)
    assert matthews(expected, ["p"] * 8, "p") == 0
    assert matthews(expected, ["n" if label == "p" else "p" for label in expected], "p") == -1


def test_a_finished_run_is_not_run_again_and_a_torn_line_is(tmp_path):
    path = tmp_path / "results.jsonl"
    first, second = (Settings("sst2", "loreft", seed, 10, 1, 32, 1e-3, 1e-3, "mean", "minilm") for seed in (1, 2))
    results = Results(path)
    results.add(first, Outcome(0.5, 10, 20, 1.0, "cpu"))
    results.add(second, Outcome(0.7, 10, 20, 1.0, "cpu"))
    path.write_text(path.read_text()[:-9])
    again = Results(path)
    assert first in again
    assert second not in again
    assert "50.0" in again.table({"loreft": "LoReFT"}, {"sst2": ("SST-2", "accuracy")})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["head", "loreft", "lora", "bitfit"])
def test_every_kind_of_method_learns_by_the_engines_own_steps_and_leaves_the_base_model_as_it_is(name):
    base = load_base("starter", device="cpu")
    model = families.build("bert", vocab_size=len(base.tokenizer)).requires_grad_(False)
    base = replace(base, model=model, name="bert", template=TEXT_TEMPLATE)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    said = [("good", "up"), ("bad", "down"), ("fine", "up"), ("poor", "down")]
    rows = [Example(line, (Message("user", f"{word} {line}"),), label) for line, (word, label) in enumerate(4 * said, 1)]
    task = Task("words", ("down", "up"), rows, rows, "accuracy")
    learned = learn(METHODS[name], base, task, Run(12, 4, 42, 5e-3, 5e-3, "mean"))
    biases = sum(value.numel() for key, value in before.items() if key.endswith("bias") and "pooler" not in key)
    lora = 3 * 2 * 8 * (32 + 32)
    assert learned.parameters == {"head": 0, "loreft": 3 * (2 * 32 + 1), "lora": lora, "bitfit": biases}[name]
    assert learned.head_parameters == 32 * 32 + 32 + 2 * 32 + 2
    assert task.score(labels_found(learned, base, task)) > 0.8
    assert before.keys() == model.state_dict().keys() and all(torch.equal(before[key], value) for key, value in model.state_dict().items())
