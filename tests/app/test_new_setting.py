"""A setting that is made up here, as one field of the spec and nothing else, is on the page, a flag and a row of the docs, and arrives."""

import argparse

import gradio as gr
import pytest

from app.cli.flags import add_settings, given_settings
from app.pages.train import field
from app.run_texts import flag_of
from reft_engine.errors import ConfigError
from reft_engine.settings import Setting, setting, settings_of
from reft_engine.spec import ReftConfig, RunSpec, TrainConfig
from tests.settings.examples import another, ends
from tests.settings.pages import reads
from tests.test_settings_docs import line

TEXTS = {"why": "Nobody has tried another.", "help": "How often the cat is fed.", "group": "Learning"}


class Training(TrainConfig):
    meals: int = setting(3, ge=0, le=9, title="Meals", unit="bowls", **TEXTS)
    rest: float | None = setting(None, gt=0, lt=24, title="Rest", blank="all day", step=0.5, **TEXTS)
    purrs: bool = setting(True, title="Purring", advanced=False, **TEXTS)


class Spec(RunSpec):
    reft: ReftConfig = ReftConfig()
    train: Training = Training()


ROWS = {row.name: row for row in settings_of(Spec) if row.name in Training.__annotations__}


def flags(*given: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_settings(parser, ROWS.values())
    options = parser.parse_args(given)
    return {name: getattr(options, name) for name in ROWS if hasattr(options, name)}


def test_it_is_read_off_its_field():
    assert ROWS["meals"] == Setting(
        "meals", "train", "Learning", "integer", "Meals", TEXTS["help"], TEXTS["why"], "bowls", 0, 9, False, False, (), False, 3, False, "",
        True, 1,
    )  # fmt: skip
    assert (ROWS["rest"].range, ROWS["rest"].default_text, ROWS["purrs"].kind) == ("more than 0, less than 24", "all day", "switch")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_it_has_a_field_of_the_page(row):
    with gr.Blocks():
        part = field(row)
    assert (reads(part.label), part.elem_id) == (row.title, f"train-{row.name}") and row.help[:-1] in reads(part.info)
    assert part.value == row.default


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_another_value_of_it_arrives_from_its_flag(row):
    value = another(row)
    given = flags(f"--no-{flag_of(row)[2:]}") if row.kind == "switch" else flags(flag_of(row), str(value))
    spec = Spec.of_settings(given)
    assert given == {row.name: value} and getattr(spec.train, row.name) == value != row.default
    assert Spec.from_yaml(spec.to_yaml()) == spec != Spec.of_settings({})
    for end in ends(row):
        assert getattr(Spec.of_settings({row.name: end}).train, row.name) == end


def test_what_it_does_not_take_is_refused_by_its_name():
    for values in ({"meals": 10}, {"rest": 24}, {"rest": 0}, {"purrs": "perhaps"}):
        with pytest.raises(ConfigError) as refused:
            Spec.of_settings(values)
        assert refused.value.field in values
    with pytest.raises(ConfigError, match="no setting naps"):
        Spec.of_settings({"naps": 1})
    assert flags("--rest", "none") == {"rest": None}


def test_its_row_of_the_docs_says_what_it_takes():
    assert line(ROWS["meals"]) == (
        "| Meals | `meals`, `--meals` | How often the cat is fed. | 0 to 9 bowls | `3` | Nobody has tried another. |"
    )
    assert "more than 0, less than 24 | all day |" in line(ROWS["rest"]) and "| **Purring** |" in line(ROWS["purrs"])


def test_a_free_text_without_an_example_is_not_passed_over():
    class Named(TrainConfig):
        nickname: str = setting("cat", title="Nickname", **TEXTS)

    (row,) = (row for row in settings_of(Named) if row.name == "nickname")
    with pytest.raises(AssertionError, match="name another value"):
        another(row)


def test_settings_that_no_flag_was_given_for_are_left_out():
    assert flags() == {} and given_settings(argparse.Namespace(rank=3)) == {"rank": 3}
