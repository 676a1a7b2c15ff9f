"""Errors of engine and storage say a sentence, which one it is, and what it names."""

import ast
import copy
import pickle
from pathlib import Path
from string import Formatter

import pytest

import reft_engine
import storage
from reft_engine.errors import AdapterError, ConfigError, DataError, ModelLoadError, PositionError, ReftError, StoppedError, TrainingError
from storage.errors import ConflictError, LeaseLostError, NotFoundError, StorageError, TooLargeError, UnavailableError

ROOTS = [Path(package.__file__).parent for package in (reft_engine, storage)]
FILES = sorted(path for root in ROOTS for path in root.rglob("*.py"))
ENGINE = {
    error.__name__
    for error in (ReftError, AdapterError, ConfigError, DataError, ModelLoadError, PositionError, StoppedError, TrainingError)
}
STORAGE = {error.__name__ for error in (StorageError, ConflictError, LeaseLostError, NotFoundError, TooLargeError, UnavailableError)}


def test_values_fill_the_sentence_and_are_kept():
    error = DataError("Line {line}: {what} is no number.", kind="row.number", line=3, what="{x}")
    assert str(error) == "Line 3: {x} is no number."
    assert (error.kind, error.group, error.values) == ("row.number", "row", {"line": 3, "what": "{x}"})
    assert str(DataError("A brace { alone.")) == "A brace { alone."


@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
@pytest.mark.parametrize(
    "error",
    [
        ConfigError("Layer {layer} does not exist.", "layers", kind="spec.layer", detail="d", layer=9),
        PositionError("Odd.", kind="positions.odd"),
        DataError("Line {line}.", kind="row", line=1),
        NotFoundError("There is no run {id}.", kind="runs.not_found", id="x"),
        StorageError("Full."),
    ],
)
def test_an_error_survives_pickling(error, again):
    found = again(error)
    assert type(found) is type(error) and str(found) == str(error) and found.__dict__ == error.__dict__


def raised(path):
    """Every error that a file makes, with its sentence where that is a literal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ENGINE | STORAGE:
            yield node


def kind_of(call):
    return next((each.value for each in call.keywords if each.arg == "kind"), None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name + "/" + path.name)
def test_a_sentence_of_an_error_is_whole_and_its_values_stand_beside_it(path):
    """So that another language can say it: no f-string, a kind, and a value for each placeholder."""
    for call in raised(path):
        place = f"{path.name}:{call.lineno}"
        assert kind_of(call) is not None, f"{place} has no kind"
        if any(each.arg is None for each in call.keywords) or not isinstance(call.args[0], ast.Constant):
            assert not isinstance(call.args[0], ast.JoinedStr), f"{place}: values stand beside the sentence, not in it"
            continue
        names = {name for _, name, _, _ in Formatter().parse(call.args[0].value) if name}
        values = {each.arg for each in call.keywords} - {"kind", "detail", "field"}
        assert not values or names == values, f"{place}: {names ^ values}"


def test_a_kind_is_of_one_sentence():
    sentences = {}
    for path in FILES:
        for call in raised(path):
            kind = kind_of(call)
            if isinstance(kind, ast.Constant) and "." in kind.value and isinstance(call.args[0], ast.Constant):
                sentences.setdefault((call.func.id in STORAGE, kind.value), set()).add(call.args[0].value)
    assert {key: said for key, said in sentences.items() if len(said) > 1} == {}
