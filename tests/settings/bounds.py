"""The bounds of each person and of all, as they are set by their variables: what just fits comes through, and the next does not."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import StudioError
from app.handlers import datasets, disk, runs, train
from app.handlers.train import TrainForm
from app.launchers.local import Supervisor
from app.pages import data_html
from app.services import Services
from storage import BoundError


def _kept(services: Services, place: Any, name: str) -> Any:
    return datasets.save_upload(services, place.upload(name), label=name)


def _takes_two(place: Any, name: str, make: Callable[[Services, int], object], said: str) -> None:
    """Set to 2, a third is refused; with 0, or where nothing is said and there is one person, it is not."""
    services = place.studio(**{name: "2"})
    make(services, 0), make(services, 1)
    with pytest.raises(BoundError, match=said):
        make(services, 2)
    services.storage.close()
    for most in ("0", None):
        roomy = place.studio(**({name: most} if most else {}))
        if most is None:
            place.patch.delenv(f"REFT_STUDIO_{name.upper()}")
            roomy = place.studio()
        make(roomy, 2), make(roomy, 3)
        roomy.storage.close()


def _queues(place: Any) -> Callable[[Services, int], object]:
    """Queues a run in the studio's first dataset."""

    def queue(services: Services, number: int) -> object:
        kept = next(iter(services.storage.datasets.all()), None) or _kept(services, place, "rows.csv")
        return train.start(services, kept.id, TrainForm(), f"page {number}")

    return queue


def person_queued_runs(place: Any) -> None:
    _takes_two(place, "person_queued_runs", _queues(place), "2 of your runs are waiting already, and 2 may")


def max_queued_runs(place: Any) -> None:
    services = place.studio(max_queued_runs="1")
    queue = _queues(place)
    queue(services, 0)
    with pytest.raises(BoundError, match="1 runs are waiting already, and 1 may"):
        queue(services, 1)
    services.storage.close()
    assert place.studio(max_queued_runs="0").settings.max_queued_runs == 0
    roomy = place.studio(max_queued_runs="2")
    queue(roomy, 1)
    roomy.storage.close()


def person_datasets(place: Any) -> None:
    def keep(services: Services, number: int) -> object:
        return _kept(services, place, f"rows {number} {len(services.storage.datasets.all())}.csv")

    _takes_two(place, "person_datasets", keep, "You have 2 datasets already, and may have 2")
    services = place.studio(person_datasets="9")
    assert "of 9 datasets" in data_html.stored(None, 3, services.settings.of_person("person_datasets"))
    services.storage.close()


def person_mb(place: Any) -> None:
    """Datasets, versions and runs of what they are expected to write; the sentence says what to do."""
    services = place.studio(person_mb="3")
    kept = _kept(services, place, "rows.csv")
    used, most = disk.stored(services) or (0, 0)
    assert 0 < used < most == 3_000_000
    run = train.start(services, kept.id, TrainForm(), "first")
    begun = disk.stored(services) or (0, 0)
    assert begun[0] > used + 100_000, "what a run is expected to write"
    runs.stop(services, run.id)
    folder = services.storage.files.run_folder(run.id)
    folder.mkdir(exist_ok=True)
    (folder / "more").write_bytes(b"x" * 3_000_000)
    services.storage.runs.has_changed(run.id)
    for refused in (
        lambda: _kept(services, place, "more.csv"),
        lambda: train.start(services, kept.id, TrainForm(), "second"),
        lambda: runs.resume(services, run.id),
    ):
        with pytest.raises(BoundError, match=r"you may have 3\.0 MB\. Delete runs, datasets or conversations"):
            refused()
    assert "stored, the bin included" in data_html.stored(disk.stored(services), 1, 0)
    runs.delete(services, run.id)
    with pytest.raises(BoundError):
        _kept(services, place, "more.csv")
    runs.empty_bin(services)
    assert _kept(services, place, "more.csv")
    services.storage.close()
    roomy = place.studio(person_mb="0")
    assert disk.stored(roomy) is None and data_html.stored(None, 1, 0) == ""
    roomy.storage.close()


def person_run_tokens(place: Any) -> None:
    """Rows times epochs; the engine is away here, so that the size of the rows says how many tokens they have."""
    services = place.studio(person_run_tokens="1000")
    kept = _kept(services, place, "rows.csv")
    size = services.storage.files.rows(kept.version).stat().st_size // 4
    fits = 1000 // size
    assert train.start(services, kept.id, dataclasses.replace(TrainForm(), epochs=fits), "fits").status.waiting
    with pytest.raises(
        StudioError, match=rf"is estimated to read {size * (fits + 1):,} tokens, and a run may read 1,000.*about {fits:,} would"
    ):
        train.start(services, kept.id, dataclasses.replace(TrainForm(), epochs=fits + 1), "too many")
    assert len(services.storage.runs.all()) == 1
    services.storage.close()
    roomy = place.studio(person_run_tokens="0")
    assert train.start(roomy, kept.id, dataclasses.replace(TrainForm(), epochs=9_999), "roomy").status.waiting
    roomy.storage.close()


def person_chat_tokens(place: Any) -> None:
    """The worker is started with it; tests/app/test_meter.py says what it does there."""
    for value, given in (("77", "77"), ("0", "0")):
        services = place.studio(person_chat_tokens=value)
        assert _told(services, place.folder, place.patch)[-1] == given
        services.storage.close()
    place.patch.delenv("REFT_STUDIO_PERSON_CHAT_TOKENS")
    for people, given in (("team", ["8", "100000"]), ("local", ["0", "0"])):
        services = place.studio(people=people)
        command = _told(services, place.folder, place.patch)
        assert [command[command.index(flag) + 1] for flag in ("--together", "--chat-tokens")] == given
        services.storage.close()
    place.patch.delenv("REFT_STUDIO_PEOPLE")


def _told(services: Services, folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """What a worker is started with."""
    said: list[list[str]] = []
    with patch.context() as meanwhile:
        meanwhile.setattr("subprocess.Popen", lambda command, **_: said.append(command))
        Supervisor(services.settings, services.storage)._launch("w")
    return said[0]


BOUNDS: dict[str, Callable[[Any], None]] = {
    "person_queued_runs": person_queued_runs, "max_queued_runs": max_queued_runs, "person_datasets": person_datasets,
    "person_mb": person_mb, "person_run_tokens": person_run_tokens, "person_chat_tokens": person_chat_tokens,
}  # fmt: skip
