import json
import math
from itertools import pairwise

import pytest

from reft_engine.errors import ConfigError
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("all", "all"),
        (" ALL ", "all"),
        ("3;9;18", (3, 9, 18)),
        ("18, 3, 9", (3, 9, 18)),
        ("0-7", tuple(range(8))),
        ("0-2;5;1-3", (0, 1, 2, 3, 5)),
        ([18, 3, 3], (3, 18)),
        ((0,), (0,)),
        ({2, 1}, (1, 2)),
    ],
)
def test_layers_are_read_into_a_sorted_tuple(written, expected):
    assert ReftConfig(layers=written).layers == expected


NO_TEXT = ["", ";", "x", "3;x", "-1", "1-", "-", "1--3", "7-0", "1.5", "²", "0-99999999999", "0-9999999", "9" * 5000]
NO_LIST = [[], [-1], [None], ["x"], [[1]], [math.inf], [1.5], [True], {"a": 1}, None, 3, 1.5]


@pytest.mark.parametrize("written", [*NO_TEXT, *NO_LIST])
def test_layers_that_make_no_sense_are_refused_and_the_field_is_named(written):
    with pytest.raises(ConfigError) as caught:
        ReftConfig(layers=written)
    assert caught.value.field == "layers"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        (ReftConfig, {"rank": 0}, "rank"),
        (ReftConfig, {"rank": 4097}, "rank"),
        (ReftConfig, {"rank": 1.5}, "rank"),
        (ReftConfig, {"method": "lora"}, "method"),
        (ReftConfig, {"positions": "m3"}, "positions"),
        (ReftConfig, {"positions": None}, "positions"),
        (ReftConfig, {"dropout": 1.0}, "dropout"),
        (ReftConfig, {"dropout": math.nan}, "dropout"),
        (ReftConfig, {"output_dir": "/"}, "output_dir"),
        (TrainConfig, {"epochs": 0}, "epochs"),
        (TrainConfig, {"learning_rate": 0}, "learning_rate"),
        (TrainConfig, {"learning_rate": math.nan}, "learning_rate"),
        (TrainConfig, {"learning_rate": 1e9}, "learning_rate"),
        (TrainConfig, {"batch_size": 0}, "batch_size"),
        (TrainConfig, {"max_grad_norm": math.inf}, "max_grad_norm"),
        (TrainConfig, {"held_out": 0.95}, "held_out"),
        (TrainConfig, {"seed": -1}, "seed"),
        (TrainConfig, {"status": "finished"}, "status"),
        (RunSpec, {"base": ""}, "base"),
        (RunSpec, {"base": "x" * 301}, "base"),
        (RunSpec, {"user": "root"}, "user"),
    ],
)
def test_a_value_out_of_range_is_refused_and_its_field_is_named(kind, values, field):
    with pytest.raises(ConfigError) as made:
        kind(**values)
    with pytest.raises(ConfigError) as read:
        kind.read(values)
    assert made.value.field == read.value.field == field
    assert str(read.value)


@pytest.mark.parametrize("values", [None, 3, "text", [], [["rank", 3]]])
def test_plain_data_that_is_no_object_is_refused(values):
    with pytest.raises(ConfigError):
        ReftConfig.read(values)


def test_a_fault_inside_a_run_is_found_however_it_is_nested():
    with pytest.raises(ConfigError) as caught:
        RunSpec.read({"reft": {"rank": 0}})
    assert caught.value.field is not None
    assert caught.value.field.endswith("rank")


def test_a_spec_survives_json():
    spec = RunSpec(
        base="owner/model",
        reft=ReftConfig(method="direft", rank=2, layers="1;3", positions="F3 + l2", tied=False, dropout=0.25),
        train=TrainConfig(epochs=7, learning_rate=1e-3, seed=5),
    )
    assert RunSpec.read(json.loads(spec.model_dump_json())) == spec


def test_positions_are_kept_in_one_spelling():
    assert ReftConfig(positions=" F7 +L7").positions == "f7+l7"


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        ReftConfig().rank = 5


def test_only_an_untied_rule_with_two_ends_has_two_edits_per_layer():
    groups = {(tied, rule): ReftConfig(tied=tied, positions=rule).groups for tied in (True, False) for rule in ("f7+l7", "f7", "l7", "all")}
    assert [case for case, count in groups.items() if count == 2] == [(False, "f7+l7")]


def test_a_description_that_expands_nests_or_has_no_end_is_refused():
    lists = ["a: &a [x,x,x,x,x,x,x,x,x,x]", *(f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]" for old, new in pairwise("abcdefghi"))]
    for text in ("\n".join([*lists, "base: *i"]), "[" * 20_000, "base: x\n" * 50_000):
        with pytest.raises(ConfigError) as refused:
            RunSpec.from_yaml(text)
        assert len(str(refused.value)) < 200
