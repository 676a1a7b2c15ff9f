"""Goals, the settings that are suggested for them, and the objectives that rows offer."""

import pytest

from app.goals import GOALS, learning_rate
from app.handlers import objectives
from app.handlers.suggestions import BaseSize, default_goal, goal_title, price, suggest
from reft_engine import RunSpec, trainable_parameters
from reft_engine.data import Outline

SHORT = Outline("answers", (), ((40, 40),) * 64)
LONG = Outline("answers", (), ((8000, 400),) * 64)
LABELLED = Outline("answers", ("good", "bad"), ((40, 4),) * 64)
PAIRS = Outline("pairs", (), ((40, 40),))
TEXT = Outline("text", (), ((0, 400),))
LARGE, MIDDLE, STARTER = BaseSize(7_000_000_000, 32), BaseSize(360_000_000, 24), BaseSize(16_000_000, 6)


class Rows:
    """A dataset as far as suggestions look at it."""

    sample = None

    def __init__(self, usable_rows):
        self.usable_rows = usable_rows


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("base", [LARGE, MIDDLE, STARTER, BaseSize(), BaseSize(66_000_000, 6, is_encoder=True)])
@pytest.mark.parametrize("rows", [SHORT, LONG, LABELLED, Outline("answers", (), ())])
@pytest.mark.parametrize("count", [1, 60, 5000])
def test_every_suggestion_is_a_run_that_this_base_model_can_make(goal, base, rows, count):
    found = suggest(Rows(count), rows, base, goal)
    spec = RunSpec.of_settings({**found.values, "labels": found.values.get("labels") or None})
    trainable_parameters(spec.reft, base.layers or 6, 64)
    assert found.goal == goal and found.reasons.keys() <= found.values.keys()


def test_the_papers_settings_on_models_of_its_size():
    instructions = suggest(Rows(50_000), SHORT, LARGE, "instructions").values
    assert (instructions["layers"], instructions["positions"], instructions["tied"]) == ("3;9;18;24", "f5+l5", False)
    assert (instructions["epochs"], instructions["learning_rate"], instructions["warmup_ratio"]) == (9, 9e-4, 0.0)
    reasoning = suggest(Rows(10_000), SHORT, LARGE, "reasoning").values
    assert (reasoning["rank"], reasoning["layers"], reasoning["epochs"], reasoning["batch_size"]) == (8, "all", 12, 32)
    assert suggest(Rows(5000), SHORT, MIDDLE, "instructions").values["layers"] == "2;7;14;18", "as deep in a model with fewer blocks"


def test_the_learning_rate_falls_with_the_size_and_never_beyond_what_was_measured():
    sizes = [0, 16e6, 30e6, 1e8, 3e8, 9e8, 1e9, 8e9]
    rates = [learning_rate(int(size)) for size in sizes]
    assert [rate for rate, _ in rates] == sorted((rate for rate, _ in rates), reverse=True)
    assert [source for _, source in rates] == ["small", "small", "small", "between", "between", "between", "large", "large"]
    assert (rates[0][0], rates[-1][0]) == (4e-3, 9e-4)
    assert (learning_rate(None), learning_rate(125_000_000, is_encoder=True)) == ((9e-4, "unknown"), (6e-4, "encoder"))


def test_long_prompts_have_their_positions_suggested_by_the_price():
    found = suggest(Rows(100), LONG, STARTER, "style")
    assert found.values["positions"] == "l7" and "more than about 2,000 tokens" in found.reasons["positions"]
    assert suggest(Rows(100), SHORT, STARTER, "style").values["positions"] == "f7+l7"


def test_the_price_is_that_of_the_work():
    assert price("f7+l7", "l7", "all", 12, [2048] * 8, [100] * 8) > 15
    assert price("l7", "l7", "all", 12, [2048] * 8, [100] * 8) == 1


@pytest.mark.parametrize(
    ("rows", "count", "goal"),
    [(SHORT, 60, "style"), (SHORT, 5000, "instructions"), (LABELLED, 5000, "classify"), (PAIRS, 60, "steer"), (TEXT, 5000, "style")],
)
def test_rows_suggest_a_goal(rows, count, goal):
    assert default_goal(Rows(count), rows) == suggest(Rows(count), rows, STARTER, "nothing").goal == goal


def test_every_goal_has_a_title():
    assert len({goal_title(key) for key in GOALS}) == len(GOALS)


def test_an_encoder_is_given_the_labels_of_the_rows_and_a_decoder_writes_them():
    assert suggest(Rows(60), LABELLED, BaseSize(22_000_000, 6, is_encoder=True)).values["labels"] == "good, bad"
    assert "labels" not in suggest(Rows(60), LABELLED, STARTER).values


# Objectives


@pytest.mark.parametrize(
    ("rows", "encoder", "choices"),
    [
        (SHORT, False, ("answers",)), (LABELLED, False, ("answers", "labels")), (PAIRS, False, ("pairs", "preferred")),
        (TEXT, False, ("text",)), (LABELLED, True, ("labels",)), (SHORT, True, ("labels",)),
    ],
)  # fmt: skip
def test_rows_offer_their_objectives(rows, encoder, choices):
    assert objectives.offered(rows, is_encoder=encoder) == choices
    for each in choices:
        assert objectives.title(each) and objectives.sentence(each, rows)


@pytest.mark.parametrize(
    ("rows", "objective"), [(LABELLED, "answers"), (LABELLED, "labels"), (PAIRS, "pairs"), (PAIRS, "preferred"), (TEXT, "text")]
)
def test_an_objective_is_the_settings_that_stand_for_it(rows, objective):
    settings = objectives.settings_of(objective, rows, "")
    assert objectives.objective_of(rows, **settings) == objective


def test_labels_that_are_named_already_stay_and_a_made_up_objective_changes_nothing():
    assert objectives.settings_of("labels", LABELLED, "yes, no")["labels"] == "yes, no"
    assert objectives.settings_of("labels", LABELLED, "")["labels"] == "good, bad"
    assert objectives.settings_of("something", LABELLED, "") == objectives.settings_of(None, LABELLED, "") == {}
