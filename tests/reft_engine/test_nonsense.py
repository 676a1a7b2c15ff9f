"""What makes no sense is refused in words, whichever public function it is given to; nothing is answered with a number."""

import ast
import inspect
import math
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reft_engine
from reft_engine import (
    Example,
    Message,
    Preference,
    ReftConfig,
    ReftError,
    ReftModel,
    TrainConfig,
    classify,
    evaluate,
    generate,
    load_base,
    stream,
    train,
    train_many,
)
from reft_engine.base import checks
from reft_engine.edits.model import load_base_of, verify_adapter
from reft_engine.errors import AdapterError, ConfigError, DataError, ModelLoadError
from reft_engine.tokens.prompts import read_prompt
from tests.reft_engine import families

NAN, INF = math.nan, math.inf
QUICK = TrainConfig(epochs=1, batch_size=2, held_out=0.0)
SMALL = ReftConfig(rank=1)
ROWS = [("a", "b"), ("c", "d"), ("e", "f")]
IDS = torch.tensor([[5, 6, 7, 8]])
TWO = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 8]])


def user(text):
    return Message("user", text)


def assistant(text):
    return Message("assistant", text)


def mask(*rows, dtype=torch.int64):
    return torch.tensor(rows, dtype=dtype)


class World:
    """What the calls below are made with; ``folder`` holds a file of the name file."""

    def __init__(self, base, other, folder):
        self.base, self.other, self.folder, self.file = base, other, folder, folder / "file"
        self.reft = ReftModel(base, ReftConfig()).eval()
        self.marked = ReftModel(base, ReftConfig(positions="marked")).eval()
        self.classifier = ReftModel(base, ReftConfig(labels=("b", "d", "f"))).eval()
        self.foreign = ReftModel(other, ReftConfig()).eval()
        self.file.write_text("a file")


@pytest.fixture(scope="module")
def world(tiny, make_model, tmp_path_factory):
    torch.manual_seed(1)
    other = make_model("gpt2", seed=1).requires_grad_(False)
    other.resize_token_embeddings(len(tiny.tokenizer))
    return World(tiny, replace(tiny, model=other.eval(), name="other"), tmp_path_factory.mktemp("nonsense"))


def refused(call, world, error=ReftError):
    """The sentence with which a call is refused."""
    with pytest.raises(error) as caught:
        call(world)
    told = str(caught.value)
    assert re.fullmatch(r"\S.{8,400}[.!?]", told, re.DOTALL), told
    assert not re.search(r"Traceback|object at 0x|Error\b", told), told
    return caught.value


# Answers

BAD_SETTINGS = {
    "max_new_tokens": [0, -1, 1.5, "3", None, True, NAN],
    "temperature": [1e-40, 1e-310, NAN, INF, -INF, -1, "1", None, True, 1j, [0.5], 10**400],
    "top_p": [0, -0.1, 1.0001, 2, NAN, INF, "x", None, True],
    "strength": ["x", NAN, INF, None, [1.0], True, 1e300, 10**400, torch.tensor([1.0, 2.0])],
    "seed": ["1", 1.5, -1, 2**63, 2**70, None, True, False, NAN],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [pytest.param(field, value, id=f"{field}={str(value)[:20]}") for field, values in BAD_SETTINGS.items() for value in values],
)
@pytest.mark.parametrize("answering", [generate, stream])
def test_a_setting_of_answering_out_of_its_bounds_is_refused_at_once_and_by_its_name(world, answering, field, value):
    options = {"max_new_tokens": 2, "temperature": 1.0, field: value}
    assert refused(lambda world: answering(world.base, "Hi", [None, world.reft], **options), world, ConfigError).field == field


PROMPTS = {
    "nothing": "", "white space": " \n", "None": None, "a number": 5, "bytes": b"hi", "floats": [1.5], "truth": [True], "a set": {5},
    "an empty list": [], "a tensor": torch.tensor([5]), "a dict": {"role": "user", "content": "a"}, "nested": [[5]],
    "texts and a number": ["a", 5], "a negative id": [-1], "an unknown id": [10**9], "an endless id": [2**70], "too many ids": [5] * 160,
    "too long a text": "a " * 1000, "half a character": "a\ud800", "half a character in a message": [user("\udfff")],
    "an id and a message": [1, user("a")], "an answer last": [user("a"), assistant("b")], "an answer alone": [assistant("b")],
    "an answer last, as a dict": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    "an empty message last": [user("a"), assistant("b"), user(" ")], "a role that there is not": [Message("tool", "a")],
    "a role that there is not, as a dict": [{"role": "tool", "content": "a"}], "no text": [user(None)], "a number for text": [user(5)],
    "no text, as a dict": [{"role": "user", "content": None}],
}  # fmt: skip


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_that_is_none_is_refused(world, prompt):
    refused(lambda world: generate(world.base, prompt, [None, world.reft], max_new_tokens=2), world)
    refused(lambda world: stream(world.base, prompt, [None], max_new_tokens=2), world)


EDITS: dict[str, Callable] = {
    "none": lambda world: [], "no list": lambda world: None, "a number": lambda world: 5, "a text": lambda world: "x",
    "a dict": lambda world: {}, "numbers": lambda world: [5], "truth": lambda world: [True], "a model": lambda world: [world.base.model],
    "settings": lambda world: [ReftConfig()], "of another base model": lambda world: [world.foreign],
    "of another base model, alone": lambda world: world.foreign, "a classifier": lambda world: [None, world.classifier],
    "an iterator": lambda world: iter([None]),
}  # fmt: skip


@pytest.mark.parametrize("edits", EDITS.values(), ids=EDITS)
def test_edits_that_are_none_of_this_base_model_are_refused(world, edits):
    assert refused(lambda world: generate(world.base, "Hi", edits(world), max_new_tokens=2), world, ConfigError).field in (
        "edits",
        "labels",
    )


BASES = {"None": None, "a name": "starter", "a number": 5}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
def test_what_load_base_has_not_made_is_refused_as_a_base_model(world, base):
    for call in (
        lambda world: generate(base, "Hi"),
        lambda world: stream(base, "Hi", [None]),
        lambda world: train(base, ROWS),
        lambda world: train_many(base, ROWS, [(SMALL, QUICK)]),
        lambda world: evaluate(base, world.reft, ROWS),
        lambda world: classify(base, world.classifier, ["a"]),
        lambda world: ReftModel(base, SMALL),
        lambda world: ReftModel.load(world.reft.save(world.folder / "good"), base),
    ):
        assert refused(call, world, ConfigError).field == "base"
    refused(lambda world: generate(world.base.model, "Hi"), world, ConfigError)


# Tensors

FORWARD = {
    "ids that are floats": lambda reft: reft(IDS.float()), "ids that are truth": lambda reft: reft(IDS.bool()),
    "ids of one dimension": lambda reft: reft(IDS[0]), "ids of three": lambda reft: reft(IDS[None]),
    "ids of none": lambda reft: reft(IDS[0, 0]),
    "a negative id": lambda reft: reft(mask([5, -1])), "an unknown id": lambda reft: reft(mask([5, 8192])),
    "ids in a list": lambda reft: reft([[5, 6]]), "no ids": lambda reft: reft(None), "a text": lambda reft: reft("hi"),
    "rows without tokens": lambda reft: reft(torch.zeros(1, 0, dtype=torch.int64)),
    "no rows": lambda reft: reft(torch.zeros(0, 4, dtype=torch.int64)),
    "a hole in the mask": lambda reft: reft(IDS, mask([1, 0, 1, 1])),
    "padding on both sides": lambda reft: reft(IDS, mask([0, 1, 1, 0])[:, [0, 1, 0, 1]]),
    "a row of padding": lambda reft: reft(TWO, mask([1, 1, 1, 1], [0, 0, 0, 0])),
    "padding alone": lambda reft: reft(IDS, mask([0, 0, 0, 0])),
    "twos in the mask": lambda reft: reft(IDS, mask([2, 2, 2, 2])), "a negative mask": lambda reft: reft(IDS, mask([-1, 1, 1, 1])),
    "halves in the mask": lambda reft: reft(IDS, mask([0.5, 1, 1, 1], dtype=torch.float32)),
    "a mask that is no number": lambda reft: reft(IDS, mask([NAN, 1, 1, 1], dtype=torch.float32)),
    "a mask of other columns": lambda reft: reft(IDS, mask([1, 1])), "a mask of other rows": lambda reft: reft(TWO, mask([1, 1, 1, 1])),
    "a mask in a list": lambda reft: reft(IDS, [[1, 1, 1, 1]]), "a mask of one dimension": lambda reft: reft(IDS, mask(1, 1, 1, 1)),
    "a mask of four": lambda reft: reft(IDS, torch.ones(1, 1, 4, 4)), "a text for a mask": lambda reft: reft(IDS, "x"),
    "an empty mask": lambda reft: reft(IDS, torch.zeros(1, 0)),
    "too long a prompt": lambda reft: reft(IDS, None, [5]),
    "too long a prompt beside padding": lambda reft: reft(IDS, mask([0, 1, 1, 1]), [4]),
    "a negative prompt": lambda reft: reft(IDS, None, [-1]), "prompts of other rows": lambda reft: reft(IDS, None, [1, 2]),
    "no prompts": lambda reft: reft(IDS, None, []), "half a token": lambda reft: reft(IDS, None, [1.5]),
    "texts for lengths": lambda reft: reft(IDS, None, ["a"]), "a text for lengths": lambda reft: reft(IDS, None, "2"),
    "a number for lengths": lambda reft: reft(IDS, None, 4), "None in lengths": lambda reft: reft(IDS, None, [None]),
    "truth in lengths": lambda reft: reft(IDS, None, [True]), "lengths of two dimensions": lambda reft: reft(IDS, None, mask([2])),
    "lengths of none": lambda reft: reft(IDS, None, torch.tensor(2)),
    "lengths that are floats": lambda reft: reft(IDS, None, torch.tensor([2.0])),
    "a strength that is text": lambda reft: reft(IDS, strength="x"), "a strength that is no number": lambda reft: reft(IDS, strength=NAN),
    "a strength that is None": lambda reft: reft(IDS, strength=None),
    "a strength that no float holds": lambda reft: reft(IDS, strength=1e300),
}  # fmt: skip
MARKED = {
    "left out": None, "too far": [[99]], "negative": [[-1]], "texts": ["ab"], "a number": 5, "not per row": [1],
    "of other rows": [[1], [2]],
    "halves": [[1.5]], "truth": [[True]],
}  # fmt: skip


@pytest.mark.parametrize("call", FORWARD.values(), ids=FORWARD)
def test_tensors_that_do_not_fit_are_refused(world, call):
    before = world.reft(IDS).logits
    refused(lambda world: call(world.reft), world, ConfigError)
    refused(lambda world: call(world.classifier), world, ConfigError)
    assert torch.equal(world.reft(IDS).logits, before)


@pytest.mark.parametrize("marked", MARKED.values(), ids=MARKED)
def test_marks_that_do_not_fit_are_refused(world, marked):
    refused(lambda world: world.marked(IDS, marked=marked), world, ConfigError)


@pytest.mark.parametrize("rows", [[1], [-1], ["a"], [None], [True]])
def test_rows_that_a_batch_does_not_have_are_not_planned(world, rows):
    refused(lambda world: world.reft.plan(torch.ones(1, 4), [4], rows=rows), world, ConfigError)


GENERATE = {
    "ids that are floats": lambda reft: reft.generate(IDS.float()), "an unknown id": lambda reft: reft.generate(mask([5, 8192])),
    "a hole": lambda reft: reft.generate(IDS, mask([1, 0, 1, 1])), "padding alone": lambda reft: reft.generate(IDS, mask([0, 0, 0, 0])),
    "padding behind": lambda reft: reft.generate(TWO, mask([1, 1, 1, 1], [1, 1, 0, 0])),
    "too long a prompt": lambda reft: reft.generate(IDS, None, [9]), "no strength": lambda reft: reft.generate(IDS, strength="x"),
    **{f"{name}={value}": lambda reft, name=name, value=value: reft.generate(IDS, do_sample=True, **{"max_new_tokens": 2, name: value})
       for name, values in {"max_new_tokens": [0, -1, 1.5, "3", True], "temperature": [0, -1, NAN, 1e-40, "1", True],
                            "top_p": [0, 2, NAN, "x"], "num_beams": [0, -1, 1.5], "num_return_sequences": [0, "2"]}.items()
       for value in values},
}  # fmt: skip


@pytest.mark.parametrize("call", GENERATE.values(), ids=GENERATE)
def test_what_the_base_models_own_generate_cannot_do_is_refused(world, call):
    refused(lambda world: call(world.reft), world, ConfigError)


def test_a_row_longer_than_a_table_of_positions_is_refused(make_model):
    reft = ReftModel(make_model("gpt2"), SMALL).eval()
    assert reft(torch.full((1, 64), 5)).logits.shape[1] == 64
    with pytest.raises(ConfigError, match="The rows have 65 tokens; this base model reads at most 64"):
        reft(torch.full((1, 65), 5))
    roberta = ReftModel(families.build("roberta"), SMALL).eval()
    longest = reft_engine.base.blocks.context_length(roberta.base)
    assert roberta(torch.full((1, longest), 5))
    with pytest.raises(ConfigError, match=f"at most {longest}"):
        roberta(torch.full((1, longest + 1), 5))


# Models and settings

CONFIGS = {
    "layers": [1.5, [-1], "x", [], None, [True], True, "9-3", "", [1, "2"], [[1]], {1: 2}, 3, "²", "1-", "-1"],
    "rank": [0, -1, 1.5, "four", True, NAN, None, 2**70], "positions": [None, 3, "", "f0", "l", "f²", True],
    "method": ["x", None, 1, True], "dropout": [1.0, -0.1, NAN, "x", True], "tied": ["maybe", None, 2],
    "labels": [("a",), ("a", "a"), "ab", (1, 2), ("", "b"), True], "activation": ["x", True], "colour": ["red"],
}  # fmt: skip
TRAINING = {
    "learning_rate": [0, -1, NAN, INF, "x", None, True], "epochs": [0, 1.5, "x", None, True], "seed": [-1, 2**40, "x", True, False, None],
    "held_out": [1.0, -0.1, NAN, True], "max_grad_norm": [0, INF, NAN], "batch_size": [0, True, 2**40], "max_length": [0, -5, "x", True],
    "reuse": ["some", True], "packing": ["perhaps"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        pytest.param(kind, field, value, id=f"{field}={str(value)[:20]}")
        for kind, fields in ((ReftConfig, CONFIGS), (TrainConfig, TRAINING))
        for field, values in fields.items()
        for value in values
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(kind, field, value):
    for make in (lambda: kind(**{field: value}), lambda: kind.read({field: value})):
        with pytest.raises(ConfigError) as caught:
            make()
        assert (caught.value.field or "").split(".")[0] == field


MODELS = {
    "settings in a dict": lambda world: ReftModel(world.base, {"rank": 4}),
    "settings of training": lambda world: ReftModel(world.base, QUICK),
    "no settings": lambda world: ReftModel(world.base, None), "the two the other way round": lambda world: ReftModel(SMALL, world.base),
    "a module": lambda world: ReftModel(torch.nn.Linear(2, 2), SMALL),
    "an unknown layer": lambda world: ReftModel(world.base, ReftConfig(layers=[3])),
    "an endless layer": lambda world: ReftModel(world.base, ReftConfig(layers=[10**30])),
    "a rank above the width": lambda world: ReftModel(world.base, ReftConfig(rank=33)),
    **{f"seed {seed!r}": lambda world, seed=seed: ReftModel(world.base, SMALL, seed=seed) for seed in BAD_SETTINGS["seed"]},
}  # fmt: skip


@pytest.mark.parametrize("call", MODELS.values(), ids=MODELS)
def test_an_edit_that_cannot_be_is_not_made(world, call):
    refused(call, world, ConfigError)


LOADS = {
    "a number": lambda: load_base(5), "None": lambda: load_base(None), "a list": lambda: load_base(["a"]),
    "bytes": lambda: load_base(b"starter"),
    "nothing": lambda: load_base(""), "an address": lambda: load_base("https://example.org/x"), "a way up": lambda: load_base("../x/y"),
    "half a character": lambda: load_base("\ud800"), "a zero": lambda: load_base("a\0b"), "an endless name": lambda: load_base("a" * 5000),
    "another device": lambda: load_base(device="abacus"), "a number for a device": lambda: load_base(device=5),
    "another precision": lambda: load_base(dtype="float8"), "a type": lambda: load_base(dtype=torch.float32),
    "three bits": lambda: load_base(quantize="3bit"), "a number for a template": lambda: load_base(template=5),
}  # fmt: skip


@pytest.mark.parametrize("call", LOADS.values(), ids=LOADS)
def test_a_base_model_that_cannot_be_is_not_loaded(call):
    refused(lambda world: call(), None, ModelLoadError)


def test_a_template_that_is_no_template_is_refused_when_it_is_used(tiny):
    with pytest.raises(DataError, match="chat template of tiny refuses this conversation"):
        generate(replace(tiny, template="{{"), "Hi")


# Rows

ROWS_REFUSED = {
    "none": [], "None": None, "a number": 5, "a text": "abc", "texts": ["abc"], "a dict": {"a": "b"}, "a tensor": torch.zeros(3, 2),
    "numbers": [1, 2], "nothings": [None], "dicts": [{"prompt": "a", "answer": "b"}], "one text": [("a",)], "four": [("a", "b", "c", "d")],
    "numbers in pairs": [(1, 2)], "bytes": [(b"a", b"b")], "a None in a pair": [("a", None)], "a None in a triple": [("a", "b", None)],
    "half a character": [("\ud800", "b")], "half a character to answer": [("a", "\ud800")], "an empty prompt": [("", "b")],
    "a blank prompt": [(" \n", "b")], "an empty answer": [("a", "")], "a blank answer": [("a", " ")], "both answers the same": [("a",
    "b", "b")],
    "an empty preference": [("a", "", "b")], "half a character to prefer": [("a", "\ud800", "b")], "two kinds": [("a", "b"), ("a", "b",
    "c")],
    "an answer last": [Example(1, (user("a"), assistant("b")), "c")], "no messages": [Example(1, (), "c")],
    "texts for messages": [Example(1, ("a",), "c")], "a text for messages": [Example(1, "abc", "b")],
    "None for messages": [Example(1, None, "b")],
    "dicts for messages": [Example(1, ({"role": "user", "content": "a"},), "b")], "None to answer": [Example(1, (user("a"),), None)],
    "a number to answer": [Example(1, (user("a"),), 5)], "a number in a message": [Example(1, (user(5),), "a")],
    "a role that there is not": [Example(1, (Message("tool", "a"),), "b")], "no line": [Example(None, (user("a"),), "b")],
    "an answer last, to prefer": [Preference(1, (user("a"), assistant("b")), "c", "d")],
}  # fmt: skip


@pytest.mark.parametrize("rows", ROWS_REFUSED.values(), ids=ROWS_REFUSED)
def test_rows_that_are_none_are_neither_trained_on_nor_measured(world, rows):
    refused(lambda world: train(world.base, rows, SMALL, QUICK), world, DataError)
    refused(lambda world: train_many(world.base, rows, [(SMALL, QUICK)] * 2), world, DataError)
    refused(lambda world: evaluate(world.base, world.reft, rows), world, DataError)


CLASSIFIED = [
    "none",
    "None",
    "a text",
    "half a character",
    "an empty prompt",
    "a number in a message",
    "an unknown label",
    "an empty preference",
]


@pytest.mark.parametrize("rows", [{**ROWS_REFUSED, "an unknown label": [("a", "z")]}[name] for name in CLASSIFIED], ids=CLASSIFIED)
def test_rows_that_are_none_are_not_learned_to_classify(world, rows):
    refused(lambda world: train(world.base, rows, world.classifier.reft_config, QUICK), world, DataError)
    refused(lambda world: evaluate(world.base, world.classifier, rows), world, DataError)


def test_a_row_that_is_none_among_good_ones_is_left_out_and_its_line_is_named(world):
    result = train(world.base, [*ROWS, ("\ud800", "b"), ("", "x"), ("g", " ")], SMALL, QUICK)
    assert [re.match(r"Line \d: [Tt]he", reason)[0] for reason in result.left_out] == ["Line 4: The", "Line 5: the", "Line 6: the"]
    assert result.steps == 2


RUNS = {
    "none": [], "None": None, "a number": 5, "settings alone": [SMALL], "the two the other way round": [(QUICK, SMALL)],
    "dicts": [({}, {})],
    "one of the two": [(SMALL,)], "some that classify": [(SMALL, QUICK), (ReftConfig(labels=("b", "d", "f")), QUICK)],
    "an unknown layer": [(ReftConfig(layers=[99]), QUICK)],
}  # fmt: skip


@pytest.mark.parametrize("runs", RUNS.values(), ids=RUNS)
def test_runs_that_are_none_are_not_trained(world, runs):
    refused(lambda world: train_many(world.base, ROWS, runs), world, ConfigError)


@pytest.mark.parametrize(
    "settings", [{"config": {}}, {"config": QUICK}, {"train_config": {}}, {"train_config": SMALL}, {"config": "loreft"}]
)
def test_settings_of_another_kind_are_not_taken_for_the_defaults(world, settings):
    refused(lambda world: train(world.base, ROWS, **settings), world, ConfigError)


TEXTS = {
    "none": [], "None": None, "a text": "hi", "a dict": {"a": "b"}, "numbers": [1], "nothings": [None], "an empty text": [""],
    "a blank text": [" "],
    "half a character": ["\ud800"], "three texts": [("a", "b", "c")], "a text and a number": [("a", 1)], "an empty list": [()],
    "bytes": [b"a"],
    "dicts": [{"role": "user", "content": "a"}], "a message": [user("a")], "a set": [{"a"}],
}  # fmt: skip


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_texts_that_are_none_are_not_classified(world, texts):
    refused(lambda world: classify(world.base, world.classifier, texts), world, DataError)


def test_an_encoder_reads_one_text_or_two(starter):
    bert = replace(starter, model=families.build("bert", vocab_size=len(starter.tokenizer)))
    refused(lambda world: read_prompt(bert, [user("a"), user("b"), user("c")]), None, DataError)


@pytest.mark.parametrize(
    "reft", [lambda world: None, lambda world: 5, lambda world: world.base, lambda world: world.foreign, lambda world: SMALL]
)
def test_what_is_no_edit_of_the_base_model_neither_classifies_nor_is_measured(world, reft):
    assert refused(lambda world: classify(world.base, reft(world), ["a"]), world, ConfigError).field == "reft"
    assert refused(lambda world: evaluate(world.base, reft(world), ROWS), world, ConfigError).field == "reft"
    refused(lambda world: classify(world.base, world.reft, ["a"]), world, ConfigError)


@pytest.mark.parametrize("length", [0, -5, 1.5, "x", None, True])
def test_a_longest_row_that_cannot_be_is_refused(world, length):
    refused(lambda world: classify(world.base, world.classifier, ["a"], max_length=length), world, ConfigError)
    refused(lambda world: evaluate(world.base, world.reft, ROWS, max_length=length), world, ConfigError)


# Folders

FOLDERS = {
    "a file": lambda world: world.file, "a file, as text": lambda world: str(world.file),
    "below a file": lambda world: world.file / "x" / "y",
    "a number": lambda world: 5, "nothing": lambda world: "", "a zero": lambda world: "a\0b", "bytes": lambda world: b"a",
    "an endless name": lambda world: world.folder / ("a" * 5000),
}  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_what_can_be_no_folder_is_refused_and_what_lies_there_is_left_alone(world, folder):
    for call in (
        lambda world: world.reft.save(folder(world)),
        lambda world: world.reft.save_pyreft(folder(world)),
        lambda world: train(world.base, ROWS, SMALL, QUICK, folder=folder(world)),
        lambda world: train_many(world.base, ROWS, [(SMALL, QUICK)], folder=folder(world)),
        lambda world: ReftModel.load(folder(world), world.base),
        lambda world: ReftModel.from_pyreft(folder(world), world.base, "f1"),
        lambda world: verify_adapter(folder(world), world.base.model),
        lambda world: load_base_of(folder(world)),
    ):
        refused(call, world, AdapterError)
    assert world.file.read_text() == "a file"


@pytest.mark.parametrize("details", [{"base": "starter"}, {"training": {"a": object()}}, {"training": {"loss": NAN}}])
def test_an_adapter_whose_description_would_not_be_readable_is_not_written(world, details, tmp_path):
    refused(lambda world: world.reft.save(tmp_path / "new", **details), world, ConfigError)
    assert not (tmp_path / "new").exists()


# What is odd, and makes sense

SENSIBLE = {
    "more tokens than there is room for": lambda world: generate(world.base, "Hi", [None], max_new_tokens=10**9),
    "a great heat": lambda world: generate(world.base, "Hi", [None], max_new_tokens=2, temperature=1e30),
    "the lowest temperature": lambda world: generate(world.base, "Hi", [None], max_new_tokens=2, temperature=1e-6),
    "a share that rounds to nothing": lambda world: generate(world.base, "Hi", [None], max_new_tokens=2, temperature=1.0, top_p=1e-300),
    "the largest seed": lambda world: generate(world.base, "Hi", [None], max_new_tokens=2, temperature=1.0, seed=2**63 - 1),
    "ids up to the context": lambda world: generate(world.base, [5] * 159, [None], max_new_tokens=2),
    "a zero in a text": lambda world: generate(world.base, "a\0b", [None], max_new_tokens=2),
    "a system message alone": lambda world: generate(world.base, [Message("system", "Be kind.")], [None], max_new_tokens=2),
    "ids of 32 bits": lambda world: world.reft(IDS.int()).logits,
    "a mask of truth": lambda world: world.reft(IDS, mask([False, True, True, True], dtype=torch.bool)).logits,
    "a mask of floats": lambda world: world.reft(IDS, torch.ones(1, 4)).logits,
    "a prompt of no tokens": lambda world: world.reft(IDS, None, [0]).logits,
    "marks that nothing asks for": lambda world: world.reft(IDS, marked=[[99]]).logits,
    "a row with no mark": lambda world: world.marked(IDS, marked=[[]]).logits,
    "messages in a list": lambda world: train(world.base, [Example(1, [user("a")], "b")] * 3, SMALL, QUICK).steps,
    "rows of an iterator": lambda world: evaluate(world.base, world.reft, iter(ROWS)),
    "a conversation to classify that ends with an answer": lambda world: classify(world.base, world.classifier, [[user("a"),
    assistant("b")]]),
    "a pair of texts": lambda world: classify(world.base, world.classifier, iter([("a", "b")])),
    "a number as text in settings": lambda world: ReftConfig(rank="4"),
    "a folder as a path": lambda world: load_base(Path(reft_engine.__file__).parent / "starter", device="cpu").name,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("call", SENSIBLE.values(), ids=SENSIBLE)
def test_what_is_odd_and_makes_sense_is_answered(world, call):
    found = call(world)
    assert found is not None and (not isinstance(found, torch.Tensor) or bool(torch.isfinite(found).all()))


def test_a_share_that_rounds_to_nothing_takes_the_likeliest_token(world):
    wanted = generate(world.base, "Hi", world.reft, max_new_tokens=8)
    assert generate(world.base, "Hi", world.reft, max_new_tokens=8, temperature=1.0, top_p=1e-300) == wanted
    assert generate(world.base, "Hi", world.reft, max_new_tokens=8, temperature=1e-6) == wanted


# Anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anything=ANYTHING, where=st.integers(0, 12))
def test_whatever_is_given_there_is_an_answer_or_an_error_in_words(world, anything, where):
    calls = [
        lambda: generate(world.base, anything, max_new_tokens=1),
        lambda: generate(world.base, "Hi", anything, max_new_tokens=1),
        lambda: generate(world.base, "Hi", max_new_tokens=anything),
        lambda: generate(world.base, "Hi", temperature=anything, max_new_tokens=1),
        lambda: generate(world.base, "Hi", seed=anything, top_p=anything, strength=anything, max_new_tokens=1),
        lambda: train(world.base, anything, SMALL, QUICK),
        lambda: train_many(world.base, ROWS, anything),
        lambda: evaluate(world.base, world.reft, anything),
        lambda: classify(world.base, world.classifier, anything),
        lambda: world.reft(anything, anything, anything),
        lambda: world.reft(IDS, None, anything, marked=anything, strength=anything),
        lambda: ReftConfig.read(anything),
        lambda: ReftModel(world.base, ReftConfig(layers=anything), seed=anything),
    ]
    try:
        found = calls[where]()
    except ReftError as error:
        found = str(error).strip() or None
    assert found is not None


def test_the_loop_of_training_and_that_of_tokens_call_no_check_but_the_cheap_one_of_strength():
    """Checks read numbers off tensors, which would make a GPU wait in every step."""
    called = {
        name: {node.func.attr for node in ast.walk(ast.parse(Path(module.__file__).read_text())) if _checks(node)}
        for name in (
            "training.loop",
            "training.objectives",
            "training.losses",
            "training.reuse.plan",
            "tokens.batches",
            "tokens.packing",
            "base.blocks",
            "edits.interventions",
            "training.measuring",
        )
        for module in [import_module(f"reft_engine.{name}")]
    }
    assert not any(called.values()), called
    assert "checks.check_strength" in inspect.getsource(ReftModel.edits) and inspect.getsource(ReftModel.edits).count("checks.") == 1
    assert "checks." not in inspect.getsource(ReftModel.plan_of)
    assert "Tensor" not in inspect.getsource(checks.check_strength) + inspect.getsource(checks.is_number)


def _checks(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and (
        node.func.value.id == "checks"
    )  # fmt: skip
