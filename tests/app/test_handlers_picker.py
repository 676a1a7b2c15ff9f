"""What the picker of the Train page is drawn from: a row's tokens as they are trained, and what an edit is and costs."""

import json
from dataclasses import replace

import pytest

from app.errors import StudioError
from app.handlers import datasets, picker
from app.handlers.picker import Asked, Figures, Price, facts, figures, picture, sentence
from app.handlers.train import TrainForm
from app.services import make_services
from app.settings import Settings
from reft_engine import ConfigError, ReftConfig, load_base, prompt_positions, trainable_parameters
from reft_engine.data import dump_examples, inspect_rows
from reft_engine.positions import PositionSpec
from tests.settings.house import answering

LENGTHS = (30, 1, 7, 200, 3)
"""Words of the rows' prompts."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory, tiny_base):
    """A studio whose worker answers from this process, a dataset with rows of these lengths, and one with marks."""
    folder = tmp_path_factory.mktemp("picker")
    services = make_services(Settings(data_dir=folder / "data", models=[str(tiny_base)]))
    with answering(services) as resident:
        resident.base(str(tiny_base))
        yield services
    services.storage.close()


def kept(services, rows, name="rows"):
    source = services.storage.files.root / f"{name}.jsonl"
    source.write_bytes(dump_examples(inspect_rows(rows).examples))
    return services.storage.datasets.create(
        name=name, label=source.name, shape="pairs", rows=len(rows), usable_rows=len(rows), source=source, examples=source.read_bytes()
    )


@pytest.fixture(scope="module")
def words(studio):
    return kept(studio, [{"prompt": "no " * count + "?", "answer": f"yes {count}"} for count in LENGTHS])


@pytest.fixture(scope="module")
def marked(studio):
    return kept(studio, [{"prompt": f"Is <reft>{n} good</reft> for me?", "answer": "yes"} for n in range(3)], "marked")


@pytest.fixture
def form(tiny_base):
    return TrainForm(base=str(tiny_base))


def test_the_rows_are_found_by_their_lengths(studio, words, form):
    shown = [picture(studio, words.id, form, Asked(at=at)) for at in (0, 2, 4)]
    assert [each.line for each in shown] == [2, 3, 4]
    assert [each.prompt for each in shown] == sorted(each.prompt for each in shown)
    assert {(each.rows, each.problem) for each in shown} == {(5, "")}
    assert picture(studio, words.id, form, Asked()) == shown[1], "the typical one is the one in the middle"
    assert picture(studio, words.id, form, Asked(at=99, count=7)).count == 7
    assert picture(studio, words.id, form, Asked(at=99)).at == 4


def test_a_row_has_the_tokens_that_training_reads(studio, words, form, tiny_base):
    """Those of its ends if it is long, and as many as are counted."""
    base = load_base(str(tiny_base), device="cpu")
    (row,) = studio.worker.preview(form.base, [{"line": 3, "messages": [["user", "no " * 7 + "?"]], "answer": "yes 7"}], {})
    shown = picture(studio, words.id, form, Asked(at=2))
    assert [*shown.head, *shown.tail, *shown.answer] == [text for text, *_ in row["tokens"]][: shown.prompt + len(shown.answer)]
    assert (shown.prompt, shown.answers, shown.layers) == (row["prompt_tokens"], row["answer_tokens"], base.layers)
    assert shown.causal is (base.kind == "decoder")
    long = picture(studio, words.id, form, Asked(at=4))
    assert long.prompt > 2 * picker.WINDOW and len(long.head) == len(long.tail) == picker.WINDOW
    cut = picture(studio, words.id, replace(form, max_length=20), Asked(at=4))
    assert cut.problem or cut.prompt + cut.answers <= 20


def test_marked_tokens_are_those_that_the_text_marks(studio, marked, form):
    plain, shown = (picture(studio, marked.id, replace(form, positions=rule), Asked()) for rule in ("f1", "marked"))
    assert plain.marked == () and "<reft>" in "".join(plain.head)
    assert "good" in "".join(shown.head[index] for index in shown.marked) and "<reft>" not in "".join(shown.head)
    spec = PositionSpec.parse("marked")
    assert list(shown.marked) == prompt_positions(spec, shown.prompt, shown.marked)[0]


def test_what_cannot_be_drawn_is_said(studio, words, form, services, dataset):
    assert picture(studio, None, form, Asked()).problem == "Choose a dataset to see where the edit will be."
    assert "no such dataset" in picture(studio, "gone", form, Asked()).problem
    unmarked = picture(studio, words.id, replace(form, positions="marked"), Asked())
    assert unmarked.problem.startswith("This row is not trained on. Line 3: Nothing is marked") and unmarked.rows == 5
    assert picture(studio, words.id, replace(form, base=""), Asked()).problem == "Choose a base model first."
    elsewhere = picture(studio, words.id, replace(form, base="owner/elsewhere"), Asked())
    assert "not on this machine yet" in elsewhere.problem and studio.worker.describe("owner/elsewhere", load=False) is None, (
        "it is not fetched"
    )
    unfinished = replace(form, positions="f", layers="x", rank=None, epochs=None)
    assert picture(studio, words.id, unfinished, Asked()) == picture(studio, words.id, form, Asked()), (
        "other fields have a say of their own"
    )


def test_without_an_engine_the_picker_says_so_and_may_be_asked_again(services, dataset, monkeypatch):
    monkeypatch.setattr(datasets, "_STARTS_WITHIN", 0.0)
    shown = picture(services, dataset.id, TrainForm(), Asked())
    assert shown.again and "engine is not up" in shown.problem
    found = figures(services, dataset.id, TrainForm())
    assert (found.parameters, found.saved, facts(found)) == (None, None, [])
    assert sentence(found) == "Edits the first 7 and the last 7 tokens in all layers."


def test_what_the_browser_asks_is_read_or_refused():
    assert Asked.read("") == Asked() and Asked.read('{"at": 3, "count": 2}') == Asked(at=3, count=2)
    for wrong in ("{", '{"at": -1}', '{"at": "x"}', "[]"):
        with pytest.raises(StudioError):
            Asked.read(wrong)


@pytest.mark.parametrize(("rule", "tied"), [("l7", True), ("f3+l2", False), ("all", True)])
def test_figures_count_the_parameters_of_the_edit(studio, words, form, tiny_base, rule, tied):
    base = load_base(str(tiny_base), device="cpu")
    found = figures(studio, words.id, replace(form, positions=rule, tied=tied, rank=2))
    assert found.parameters == trainable_parameters(ReftConfig(positions=rule, tied=tied, rank=2), base.layers, base.hidden_size)
    assert found.base_parameters == base.parameters
    assert f"{found.parameters:,} trainable parameters" in sentence(found)


def test_a_rule_that_begins_late_costs_less_in_later_epochs(studio, words, form):
    late, early = (figures(studio, words.id, replace(form, positions=rule)) for rule in ("l1", "f7+l7"))
    assert late.saved > early.saved >= 0 and late.time and not early.time
    prices = {price.positions: price.ratio for price in late.prices}
    assert prices["l7"] <= 1 and prices["f7+l7"] < 1 / 3, "most of the long prompts is not computed again"
    assert [price.positions for price in early.prices] == ["l7"] and early.prices[0].ratio > 1
    once = figures(studio, words.id, replace(form, positions="l1", epochs=1))
    assert (once.saved, once.time, once.depth) == (0, False, False), "nothing comes again"
    assert not figures(studio, words.id, replace(form, positions="l1", reuse="depth")).time


def test_figures_of_settings_that_do_not_fit_are_refused(studio, words, form):
    with pytest.raises(ConfigError, match="does not exist"):
        figures(studio, words.id, replace(form, layers="900"))
    with pytest.raises(ConfigError, match="position rule"):
        figures(studio, words.id, replace(form, positions="f"))


def test_an_encoder_has_no_reuse_in_time(studio, form):
    spec = picker._row_spec(studio, form)
    assert [picker._allowed(spec, kind) for kind in ("decoder", "encoder", "encoder_decoder")] == ["all", "depth", "none"]


@pytest.mark.parametrize(
    ("rule", "layers", "words"),
    [
        ("f7+l7", "0-5", "Edits the first 7 and the last 7 tokens in layers 0 to 5: 1,216 trainable parameters."),
        ("f1+l2", "3", "Edits the first token and the last 2 tokens in layer 3: 1,216 trainable parameters."),
        ("l1", "all", "Edits the last token in all 8 layers: 1,216 trainable parameters."),
        ("f3", "3;9;18", "Edits the first 3 tokens in layers 3, 9, 18: 1,216 trainable parameters."),
        ("all", "0-7", "Edits every token of the prompt in all 8 layers: 1,216 trainable parameters."),
        ("marked", "1", "Edits the marked tokens in layer 1: 1,216 trainable parameters."),
    ],
)
def test_what_is_chosen_is_said_in_a_sentence(rule, layers, words):
    assert sentence(Figures(ReftConfig(positions=rule, layers=layers), parameters=1216, layers=8)) == words


def test_a_baseline_has_nothing_to_choose():
    assert sentence(Figures(None, "LoRA")) == "LoRA changes the whole model: it has neither positions nor layers to choose."


def test_prices_are_said_as_parts_and_multiples():
    ratios = (0.001, 0.05, 0.5, 1.0, 1.4, 20.0)
    told = facts(Figures(ReftConfig(), prices=tuple(Price("l7", ratio) for ratio in ratios)))
    assert [each["value"] for each in told] == ["next to nothing", "1/20", "1/2", "the same", "1.4 times", "20.0 times"]


def test_the_picture_is_plain_data(studio, words, form):
    assert json.loads(json.dumps(picker.as_data(picture(studio, words.id, form, Asked(count=3)))))["count"] == 3
