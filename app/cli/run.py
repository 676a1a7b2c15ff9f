"""``reft-studio run``: makes the run of a run.yaml in a studio's data folder, and follows it if asked to."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.cli.flags import run_file
from app.cli.folder import require_data, version_difference
from app.cli.output import finish, note, tell
from app.errors import StudioError
from app.words import say

if TYPE_CHECKING:
    from app.services import Services
    from app.settings import Settings
    from storage import RunRecord

_LOOK_SECONDS = 0.5
_EVERY_STEPS = 10


def run(options: argparse.Namespace) -> int:
    """Queue the run of a file; with ``--watch`` follow it to its end, trained by a worker of this command if no studio runs."""
    from app.handlers import spec

    described = run_file(options.file)
    settings = _settings(options)
    if described.data and described.data.dataset:
        require_data(settings.data_dir, settings.database_url)
    with services_of(settings) as services:
        record = spec.start(services, described, options.file.resolve().parent, options.name)
        note(say("cli.run.queued", name=record.name, run=record.id))
        if not options.watch:
            _say_where(services, options, record)
            return 0
        with _trained_by_somebody(services, settings):
            record = _followed(services, record)
        return _told(services, options, record)


def _settings(options: argparse.Namespace) -> "Settings":
    from app.settings import read_settings

    return read_settings(**({"data_dir": options.data_dir} if options.data_dir else {}))


@contextmanager
def services_of(settings: "Settings") -> "Iterator[Services]":
    """The services of a data folder, without pages. Raises StudioError for one of a later version."""
    from app.services import make_services

    if (settings.data_dir / "studio.db").is_file() and version_difference(settings.data_dir, settings.database_url) > 0:
        raise StudioError(say("cli.doctor.newer"))
    services = make_services(settings)
    try:
        yield services
    finally:
        services.storage.close()


def _say_where(services: "Services", options: argparse.Namespace, record: "RunRecord") -> None:
    """Where the run can be seen, or what it waits for."""
    from app.lock import served_at

    folder = services.storage.files.root
    address = served_at(folder)
    if address:
        tell(options, say("cli.run.see", address=f"{address}/runs?run={record.id}"))
    elif services.worker.health() is None:
        tell(options, say("cli.run.nobody", folder=folder))
    finish(options, {"run": record.id, "name": record.name, "status": record.status.value, "address": address})


@contextmanager
def _trained_by_somebody(services: "Services", settings: "Settings") -> Iterator[None]:
    """Keep a worker running meanwhile, unless one serves the data folder already."""
    from app.launchers.local import Supervisor

    if services.worker.health() is not None:
        yield
        return
    note(say("cli.run.worker"))
    supervisor = Supervisor(settings, services.storage)
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()


def _followed(services: "Services", record: "RunRecord") -> "RunRecord":
    """Write what happens to the run, until it ends."""
    runs, seen, step = services.storage.runs, 0, 0
    while True:
        record = runs.get(record.id)
        events = services.storage.events.all(record.id)
        for event in events[seen:]:
            note(event.text)
        seen = len(events)
        if record.step >= step + _EVERY_STEPS and record.total_steps:
            step = record.step
            note(say("cli.run.step", step=step, total=record.total_steps, seconds=record.seconds_left or 0.0))
        if record.status.ended:
            return record
        time.sleep(_LOOK_SECONDS)


def _told(services: "Services", options: argparse.Namespace, record: "RunRecord") -> int:
    """Say how the run ended; 1 if it failed."""
    from app.handlers.verdict import verdict_of
    from storage import RunStatus

    if record.status is RunStatus.FAILED:
        note(say("cli.refused", sentence=record.failure.sentence if record.failure else record.sentence))
    adapter = services.storage.files.adapter(record.id)
    verdict = verdict_of(record)
    for sentence in (verdict.title, *verdict.sentences) if verdict else ():
        tell(options, sentence)
    if adapter.is_dir():
        tell(options, say("cli.run.written", folder=adapter))
    values: dict[str, Any] = {"run": record.id, "name": record.name, "status": record.status.value}
    summary = {name: value for name, value in (record.summary or {}).items() if name != "evidence"}
    finish(options, {**values, **summary, "adapter": str(adapter) if adapter.is_dir() else None})
    return 1 if record.status is RunStatus.FAILED else 0
