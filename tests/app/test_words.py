"""The catalogue of texts: complete, used, and never passed by."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import gradio as gr
import pytest

from app import words
from app.components.labels import I18N
from app.components.wiring import Page, live
from app.errors import StudioError
from app.pages import build
from app.words import LANGUAGES, language_of, placeholders, say, speaking, texts, translate

APP = Path(words.__file__).parents[1]
FILES = sorted(path for path in APP.rglob("*.py") if path.parent != APP / "words")
SPEAKERS = {"app.words": {"say"}, "app.components.labels": {"label"}}
PIG = """
errors.neutral = "Oink {{"
samples.emoji.title = "Oink"
pages.home = "Oinkome"
time.ago.days = { other = "oink {count}" }
"""


@pytest.fixture
def pig(monkeypatch, tmp_path):
    """A second language, with one text of each kind; all others are English."""
    (tmp_path / "pig.toml").write_text(PIG, encoding="utf-8")
    (tmp_path / "en.toml").write_text((APP / "words/en.toml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(words, "_FOLDER", tmp_path)
    monkeypatch.setattr(words, "LANGUAGES", ("en", "pig"))
    texts.cache_clear()
    yield "pig"
    texts.cache_clear()


def test_a_text_is_said_with_its_values():
    assert say("home.sample_facts", rows=1200, kind="CSV") == "1,200 rows, CSV"
    assert [say("time.ago.days", count=count) for count in (1, 2)] == ["1 day ago", "2 days ago"]


@pytest.mark.parametrize(
    ("key", "values"), [("home.nothing", {}), ("home.sample_facts", {}), ("home.sample_facts", {"rows": 1}), ("home.try", {"rows": 1})]
)
def test_a_text_that_is_not_there_or_has_other_values_is_a_mistake(key, values):
    with pytest.raises(LookupError, match=re.escape(key)):
        say(key, **values)


def test_another_language_is_one_file_and_what_it_lacks_is_english(pig):
    with speaking(pig):
        assert say("errors.neutral") == "Oink {"
        assert say("time.ago.days", count=1) == "oink 1"
        assert say("pages.data") == "Data"
        assert translate("samples.emoji.title", "Answer with emoji") == "Oink" and translate("samples.pirate.title", "Arr") == "Arr"
    assert say("pages.home") == "Home" and translate("samples.emoji.title", "Answer with emoji") == "Answer with emoji"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("pig", "pig"), ("pig-LATIN,en;q=0.9", "pig"), ("en-US,en;q=0.9,pig;q=0.8", "en"), ("fr, pig;q=0.5, en;q=0.2", "pig"),
        ("fr", "en"), ("", "en"), (None, "en"), (";q=x,,*", "en"),
    ],
)  # fmt: skip
def test_the_language_is_the_browsers(pig, accepted, language):
    assert language_of(accepted) == language


def test_an_event_answers_in_the_language_of_its_browser(pig, services):
    """A plain one, one that streams, and a refusal, as Gradio calls them: with the request in its context."""
    with gr.Blocks():
        part, note, button = gr.HTML(), live("note"), gr.Button()
        page = Page(services, {"part": part})

        def plain(_services):
            return {"part": say("pages.home")}

        def streams(_services):
            yield {"part": say("pages.home")}
            yield {"part": say("pages.home")}

        def refuses(_services):
            raise StudioError(say("pages.home"))

        def fails(_services):
            raise ValueError

        bound = [page.on(button.click, act, shows=["part"], note=note) for act in (plain, streams, refuses, fails)]
        edges = [gr.context.Context.root_block.fns[each["id"]].fn for each in bound]
    for accepted, home, neutral in (("pig", "Oinkome", "Oink {"), ("en", "Home", say("errors.neutral"))):
        gr.context.LocalContext.request.set(gr.Request(headers={"accept-language": accepted}))
        try:
            assert edges[0]()[part] == home
            assert [shown[part] for shown in edges[1]()] == [home, home]
            assert home in edges[2]()[note] and neutral in edges[3]()[note]
        finally:
            gr.context.LocalContext.request.set(None)


def test_the_layout_is_made_in_every_language(pig, services, monkeypatch):
    monkeypatch.setattr("app.components.labels.LANGUAGES", words.LANGUAGES)
    monkeypatch.setattr(I18N, "translations", {"en": {}, "pig": {}})
    build(services)
    assert I18N.translations["en"].keys() == I18N.translations["pig"].keys() and len(I18N.translations["en"]) > 10
    assert ">Oinkome</a>" in I18N.translations["pig"]["home.header"] and ">Home</a>" in I18N.translations["en"]["home.header"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_the_placeholders_of_english(language):
    english = texts("en")
    assert {key: placeholders(forms) for key, forms in texts(language).items() if key in english} == {
        key: placeholders(english[key]) for key in texts(language) if key in english
    }


# How the code uses it


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in FILES:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module in SPEAKERS]
        speakers = {name.name for node in imports for name in node.names} & set().union(*SPEAKERS.values())
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in speakers:
                yield path, node


def pattern(node: ast.expr) -> str:
    """What keys an expression may have."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.IfExp):
        return f"{pattern(node.body)}|{pattern(node.orelse)}"
    assert isinstance(node, ast.JoinedStr), f"a key is written where it is said: line {node.lineno}"
    return "".join(re.escape(str(piece.value)) if isinstance(piece, ast.Constant) else "[a-z0-9_]+" for piece in node.values)


CALLS = [(path, call) for path, call in calls() if path.name != "labels.py"]  # which passes keys on


def test_each_use_has_its_text_with_these_values():
    english = texts("en")
    for path, call in CALLS:
        keys = [key for key in english if re.fullmatch(pattern(call.args[0]), key)]
        assert keys, f"{path.name}:{call.lineno}: there is no such text"
        given = {keyword.arg for keyword in call.keywords}
        assert {placeholders(english[key]) == given for key in keys} == {True}, f"{path.name}:{call.lineno}: {keys} with {given}"


def test_each_text_is_used():
    patterns = [pattern(call.args[0]) for _, call in CALLS]
    assert [key for key in texts("en") if not any(re.fullmatch(each, key) for each in patterns)] == []


def test_each_plural_form_is_one_that_is_asked_for():
    forms = [forms for forms in texts("en").values() if isinstance(forms, dict)]
    assert forms and all(each.keys() == {"one", "other"} for each in forms)
    assert all(list(Formatter().parse(text)) for each in forms for text in each.values())
