"""The catalogue of texts: complete, used, and never passed by."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from app import words
from app.cli import main
from app.components.labels import I18N
from app.components.wiring import Page, live
from app.errors import StudioError
from app.pages import build
from app.words import LANGUAGES, language_of, placeholders, say, say_error, speaking, texts, translate
from app.worker.api import make_app
from app.worker.client import WorkerClient
from app.worker.resident import Resident
from reft_engine import DataError, ReftError
from storage import NotFoundError, StorageError
from tests.chatting import columns

APP = Path(words.__file__).parents[1]
FILES = sorted(path for path in APP.rglob("*.py") if path.parent != APP / "words" or path.name == "phrases.py")
SPEAKERS = {"app.words": {"say"}, "app.components.labels": {"label"}}
PIG = """
cli.chat.no_prompt = "Oink prompt"
settings.rank.help = "Oink rank."
errors.neutral = "Oink {{"
errors.length.too_long = "Oink {tokens:,}"
errors.datasets.not_found = "Oink dataset"
errors.runs.not_found = "Oink run"
errors.runs.other_values = "Oink {count}"
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


def test_an_error_is_said_by_its_kind_and_its_values(pig):
    """And by its own sentence where the language has none, or one with other values."""
    long = DataError("The prompt has {tokens} tokens.", kind="length.too_long", tokens=1234)
    missing, other = (
        NotFoundError("There is no run {id}.", kind="runs.missing", id="x"),
        StorageError("No {id}.", kind="runs.other_values", id="x"),
    )
    with speaking(pig):
        sentences = [say_error(error) for error in (long, missing, other, StudioError("A brace {."), ReftError("Plain."))]
    assert sentences == ["Oink 1,234", "There is no run x.", "No x.", "A brace {.", "Plain."]
    assert say_error(long) == "The prompt has 1234 tokens."


def test_the_command_line_says_what_is_translated(pig, capsys):
    """Help of a setting, which stands in the spec in English, and a refusal."""
    with speaking(pig):
        assert main(["chat", "adapter", "--prompt", " "]) == 2
        with pytest.raises(SystemExit):
            main(["train", "--help"])
    output = capsys.readouterr()
    assert output.err == "reft-studio: Oink prompt\n" and "oink rank [" in output.out
    assert main(["chat", "adapter", "--prompt", " "]) == 2 and capsys.readouterr().err == "reft-studio: The prompt is empty.\n"


def test_the_worker_refuses_in_the_language_of_the_event(pig, services):
    """With a status, and within a stream."""
    chat = {"base": "starter", "columns": columns("gone"), "messages": [{"role": "user", "content": "Hello"}]}
    with TestClient(make_app(Resident(services.storage))) as requests:
        client = WorkerClient(services.storage.files.socket)
        client._http = requests
        for language, no_dataset, no_run in (
            ("pig", "Oink dataset", "Oink run"),
            ("en", "There is no such dataset.", "There is no such run."),
        ):
            with speaking(language):
                with pytest.raises(StudioError) as refusal:
                    client.check({"base": "starter", "dataset": "gone"})
                assert str(refusal.value) == no_dataset
                with pytest.raises(StudioError) as refusal:
                    list(client.chat(chat))
                assert str(refusal.value) == no_run


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


@pytest.mark.slow
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


# Texts that pass it by

NOT_READ = {
    "bases/catalog.py": "the head of the catalogue, a file for those who keep it",
    "run_texts.py": "a program and a command, which are the same in every language",
    "components/theme.py": "names of fonts and colours",
    "worker/main.py": "the help of a command that the studio itself gives",
    "worker/verify.py": "a line for a run's log",
    "__main__.py": "said when nothing of the studio could be imported",
}
"""Files whose sentences no page shows, and why."""
KNOWN = {
    "instruction, input, output; prompt, completion; question, answer; text, label; messages; conversations": "names of columns",
    "False": "a value of an environment variable",
    "Given": "a type",
    "Value": "a type",
    "noreferrer noopener": "what a browser reads of a link",
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'": "a rule for browsers",
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; {scripts}form-action {forms}; base-uri 'none'": ("a rule for browsers"),
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors {ancestors}": "another",
    "; frame-ancestors \0": "another",
    "nobody asks": "a mistake of the program, which no person reads",
    "The request does not say on whose behalf.": "the same",
    "data: \0\n\n": "an event of a stream",
    "Input should be ": "how pydantic begins a rule",
    "Hello!": "a prompt for the starter, which knows English",
    "JSON Lines": "a name of its own",
    "SSR mode is not supported": "by which a warning of Gradio's is known",
    "Consistency check failed": "words of the Hub's library",
    "can't allocate memory": "words of torch and of the system, as the three below",
    "not enough memory": "",
    "Cannot allocate memory": "",
    "out of memory": "",
    "File size": "how Gradio begins to say that a file is too large",
}
"""Sentences that are no texts of ours, and why."""


def not_texts(tree: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, annotations, what goes to logs, patterns and names of keys; and the pieces of f-strings, which are read as wholes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                yield text
            case ast.arg(annotation=ast.Constant() as text) | ast.FunctionDef(returns=ast.Constant() as text):
                yield text
            case ast.Call(func=ast.Attribute(value=ast.Name(id="_log" | "log" | "re") | ast.Attribute(attr="_log" | "log"))):
                yield from ast.walk(node)
            case ast.Call(func=ast.Name(id="Field")) | ast.Call(func=ast.Attribute(attr="Formatter")):
                yield from ast.walk(node)
            case ast.JoinedStr():
                yield from node.values


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The texts that a program holds, an f-string's with a sign for each value."""
    passed_by = set(map(id, not_texts(tree)))
    for node in ast.walk(tree):
        if id(node) in passed_by:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(piece.value) if isinstance(piece, ast.Constant) else "\0" for piece in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def is_read(text: str) -> bool:
    """Whether a person reads it: words beside each other outside of tags, or a single one with a capital."""
    plain = re.sub(r"<[^<>]*>|^[^<>]*>|<[^<>]*$", "", text)
    plain = re.sub(r"[\w-]+=\S*", "", plain).strip()
    if plain.startswith(("rs-", "tok ")):  # names of styles
        return False
    return bool(re.search(r"(?<![\w.#])[A-Za-z'-]{2,}[,;:]? [a-zA-Z\0]", plain) or re.fullmatch(r"[A-Z][a-z]{2,}\W*", plain))


def passing_by() -> Iterator[tuple[str, str]]:
    for path in FILES:
        name = path.relative_to(APP).as_posix()
        if name in NOT_READ:
            continue
        for line, text in literals(ast.parse(path.read_text(encoding="utf-8"))):
            if is_read(text):
                yield f"{name}:{line}", text


def test_no_text_passes_the_catalogue_by_but_those_that_are_known():
    texts_found = list(passing_by())
    assert [(place, text) for place, text in texts_found if text not in KNOWN] == []
    assert KNOWN.keys() == {text for _, text in texts_found}, "an exception that is no longer needed"


@pytest.mark.parametrize(
    "text", ["Choose a run first.", "Stop", "<p>No file at hand?</p>", "about \0 left, at most", "Both answered in \0 s", "Rows: \0 of \0"]
)
def test_what_a_person_reads_is_known(text):
    assert is_read(text)


@pytest.mark.parametrize(
    "text", ["rs-notice bad", "data.upload", '<div class="rs-row">\0</div>', "run_id", "step", "files/runs/\0/log.txt"]
)
def test_what_is_only_for_programs_is_known(text):
    assert not is_read(text)


def test_a_text_that_passes_it_by_is_found():
    tree = ast.parse('def f():\n    """What it does."""\n    _log.info("not this one")\n    raise StudioError(f"Run {1} is gone.")\n')
    assert [text for _, text in literals(tree) if is_read(text)] == ["Run \0 is gone."]


@pytest.mark.parametrize("name", NOT_READ)
def test_a_file_that_is_left_out_still_holds_sentences(name):
    assert any(is_read(text) for _, text in literals(ast.parse((APP / name).read_text(encoding="utf-8"))))
