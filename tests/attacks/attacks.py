"""The attacks: one for each thing that must be refused, survived or kept apart. To add one, write a function and name it in `ATTACKS`."""

import random
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.attacks import asking, browsing, files, host, load, models, shared
from tests.attacks.house import House
from tests.attacks.trial import Trial
from tests.faults.studio import wait
from tests.waiting import PATIENCE

ATTACKS: Mapping[str, Callable[[Trial], None]] = {
    "numbers-of-requests": host.numbers_of_requests,  # before those that fill the log: of each kind only the first stand there whole
    # Who asks
    "strangers-everywhere": asking.strangers,
    "wrong-pass-phrases": asking.wrong_phrases,
    "others-ids": asking.others_ids,
    "others-page-sessions": asking.others_sessions,
    "others-uploads": asking.others_uploads,
    "shared-links": shared.shared_links,
    "operators-page": shared.operators_page,
    "worker-calls": shared.worker_calls,
    "downloads-of-nothing": asking.downloads_of_nothing,
    # Requests
    "malformed-calls": asking.malformed,
    "malformed-queue-events": asking.queue_of_gradio,
    "extra-fields": asking.extra_fields,
    "flooded-log": host.flooded_log,
    "file-route-paths": asking.paths,
    "other-sites-and-hosts": asking.other_sites,
    "foreign-page-in-a-browser": browsing.foreign_page,
    "markup-as-text": browsing.markup,
    "same-start-many-times": asking.same_start,
    "acts-in-the-wrong-order": asking.wrong_order,
    # Files
    "uploads-over-the-cap": files.over_the_cap,
    "many-files-in-one-body": files.many_files_in_one_body,
    "disguised-files": files.disguised,
    "expanding-tables": files.tables_that_expand,
    "absurd-footers": files.absurd_footers,
    "absurd-texts": files.absurd_texts,
    "broken-rows": files.broken_rows,
    "encodings": files.encodings,
    "formulas-in-cells": files.formulas,
    "hostile-file-names": files.hostile_names,
    "control-tokens-in-text": files.control_tokens,
    "rows-with-nothing-to-learn": files.degenerate,
    # Models
    "model-ids": models.model_ids,
    "models-with-code-or-pickles": models.foreign_code,
    "spoiled-adapters": models.adapters,
    "pipes-links-devices": models.odd_files,
    "chat-templates": models.templates,
    "gated-and-huge-models": models.gated,
    # How much
    "endless-prompts": load.endless_prompts,
    "absurd-strengths": load.absurd_strengths,
    "readers-that-leave": load.readers_that_leave,
    "previews-that-are-left": load.left_previews,
    "many-chats": load.many_chats,
    "many-and-absurd-runs": load.many_runs,
    "huge-bodies": load.huge_bodies,
    "half-open-requests": load.half_requests,
    "open-streams": load.open_streams,
    "many-small-uploads": files.many_small,
    "honest-pages-beside-load": load.beside_expanding,
    # The host
    "file-modes": host.modes,
    "secrets": host.secrets,
    "quiet-network": host.quiet_network,
    "stuck-engine": host.stuck_engine,
    "killed-processes": host.kills,
    "disks-and-clocks": host.disks,
}
"""By name, in the order in which they are tried: what may harm the studio comes last."""

FULL_ONLY = ("honest-pages-beside-load", "disks-and-clocks", "gated-and-huge-models", "acts-in-the-wrong-order")
"""Those that take minutes, or judge nothing."""

_LONGEST = 3600.0
"""Seconds after which an attack in its whole form hangs."""


class Series:
    """Attacks on one studio, one after another.

    Args:
        quick: each kind a few times only.
        seed: of everything that is drawn at random.
    """

    def __init__(self, quick: bool, seed: int) -> None:
        self.quick, self.seed = quick, seed
        self._folder = Path(tempfile.mkdtemp(prefix="reft-attacks-"))
        self.house = House(self._folder / "data", models=models.folders(self._folder / "models"))

    def open(self) -> None:
        """Serve the studio. It must be ended also if this raises."""
        self.house.open()
        wait(self.house.lives, what="the worker")

    def attack(self, name: str) -> Trial:
        """Try one attack; if the studio is gone afterwards, that has come through as well."""
        trial = Trial(self.house, self.quick, random.Random(f"{self.seed} {name}"))
        trying = threading.Thread(target=_tried, args=(name, trial), daemon=True)
        trying.start()
        trying.join(PATIENCE if self.quick else _LONGEST)
        if trying.is_alive():
            trial.held(False, "it hangs")
        if not self.house.served:
            trial.held(False, "the web process has ended")
            self.house.start()
        wait(self.house.lives, what="the worker")
        for name in self.house.logged_out():
            trial.held(False, f"{name} has been logged out by it")
        return trial

    def end(self) -> list[str]:
        """End all processes; what was left over, in words."""
        left = self.house.end()
        shutil.rmtree(self._folder, ignore_errors=True)
        return left


def _tried(name: str, trial: Trial) -> None:
    try:
        ATTACKS[name](trial)
    except Exception as error:  # noqa: BLE001 (an attack that breaks off has not been withstood)
        trial.held(False, f"the attack broke off: {type(error).__name__}: {error}")
