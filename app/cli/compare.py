"""``reft-studio compare``: runs of a studio side by side, as the Runs page compares them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.cli.folder import data_folder, require_data
from app.cli.output import finish, tell
from app.cli.run import services_of
from app.errors import StudioError
from app.words import say

if TYPE_CHECKING:
    from app.handlers.compare import Line
    from app.services import Services


def compare(options: argparse.Namespace) -> int:
    """Print what differs between runs, and their results. Raises StudioError."""
    from app.handlers import compare as comparing
    from app.settings import read_settings

    settings = read_settings(**({"data_dir": options.data_dir} if options.data_dir else {}))
    require_data(*data_folder(options.data_dir))
    with services_of(settings) as services:
        ids = [_id_of(services, name) for name in options.runs]
        found = comparing.comparison(services, comparing.read_ids(",".join(ids)))
    names = [each.run.name for each in found.runs]
    for sentence in found.sentences:
        tell(options, sentence)
    differing = [line for line in found.settings if line.differs]
    tell(options, _table(names, [*found.results, *differing]))
    tell(options, say("cli.compare.alike"))
    finish(options, comparing.as_data(found))
    return 0


def _id_of(services: "Services", name: str) -> str:
    """The id of a run outside the bin, from its name or id. Raises StudioError."""
    from storage import RunQuery

    store = services.storage.runs
    if any(run.binned_at is None for run in store.some([name])):
        return name
    named = [run.id for run in store.page(RunQuery(text=name), 500) if run.name == name]
    if not named:
        raise StudioError(say("cli.compare.no_run", name=name, folder=services.storage.files.root))
    if len(named) > 1:
        raise StudioError(say("cli.compare.several", name=name, ids=", ".join(named)))
    return named[0]


def _table(names: Sequence[str], lines: "Sequence[Line]") -> str:
    """Lines with a column for each run, padded to be read in a terminal."""
    rows = [["", *names], *([line.title, *line.values] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
