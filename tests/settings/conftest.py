"""What the tests of the way between a page, a flag or a request and the engine share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers.utils import logging

from reft_engine import load_base
from reft_engine.base.loading import Base
from tests.settings.house import House, inhabited
from tests.settings.words import ANIMALS
from tests.tiny import write_base


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """As in a process of its own, where a command says so before it loads the library."""
    logging.disable_progress_bar()
    logging.set_verbosity_error()


@pytest.fixture(scope="session")
def bases(tmp_path_factory) -> tuple[Path, Path]:
    """Two base models of one shape, with other weights, another context and another template."""
    folder = tmp_path_factory.mktemp("bases")
    return write_base(folder / "first", 0), write_base(folder / "second", 1, context=96, greeting="Listen. ")


@pytest.fixture(scope="session")
def base(bases) -> Base:
    return load_base(bases[0], device="cpu")


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    """Twenty-four rows, whose other columns hold something else."""
    path = tmp_path_factory.mktemp("tables") / "animals.csv"
    rows = [f"What is {times} {animal}?,{animal} {times}.,Where is {animal}?,Here {times}." for times in range(4) for animal in ANIMALS]
    path.write_text("\n".join(["prompt,answer,second,third", *rows]) + "\n")
    return path


@pytest.fixture(scope="session")
def house(tmp_path_factory, bases, table) -> Iterator[House]:
    with inhabited(tmp_path_factory.mktemp("house"), bases, table) as found:
        yield found
