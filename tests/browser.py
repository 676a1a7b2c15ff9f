"""A real browser: Debian's Chromium where it is, else Playwright's own. Its shell for programs draws the same with a fifth less work."""

import gc
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from greenlet import greenlet
from playwright.sync_api import Browser, Page, Playwright

from tests.waiting import MILLISECONDS, PATIENCE

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
WINDOW: Any = {"width": 1280, "height": 800}
HANGS = 2 * PATIENCE
"""Seconds after which a test has not failed by itself because its browser answers nobody."""
KILLED = "has been closed"
"""What Playwright says of a call that the browser did not live to answer."""


def launch(playwright: Playwright) -> Browser:
    """Start it. Raises playwright's Error where there is none."""
    path = next(
        (found for name in ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser") if (found := shutil.which(name))),
        None,
    )
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


class Launched:
    """One browser and one tab for many tests, and others in their place where they have come to an end."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._browser: Browser | None = None
        self._tab: Page | None = None

    def browser(self) -> Browser:
        """The browser. Raises playwright's Error where there is none."""
        if self._browser is None or not self._browser.is_connected():
            self._browser, self._tab = launch(self._playwright), None
        return self._browser

    def tab(self) -> Page:
        """One for all tests: what a page loads is read and compiled once, so that it opens at a third of the cost."""
        browser = self.browser()
        if self._tab is None or self._tab.is_closed():
            self._tab = browser.new_context(viewport=WINDOW, accept_downloads=True, reduced_motion="reduce").new_page()
            self._tab.set_default_timeout(MILLISECONDS)
        return self._tab

    def close(self) -> None:
        """End it."""
        if self._browser is not None:
            self._browser.close()

    @contextmanager
    def killed_after(self, seconds: float) -> Iterator[None]:
        """Kill the browser if what is within takes longer, so that whoever waits for it gets an error, and say where that was."""
        timer = threading.Timer(seconds, _kill_browser)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _kill_browser() -> None:
    sys.stderr.write("The browser answers nobody, so it is killed. What waited for it:\n")
    for each in gc.get_objects():
        if issubclass(type(each), greenlet) and each.gr_frame is not None:
            traceback.print_stack(each.gr_frame)
    for process in psutil.Process().children(recursive=True):
        if "chrom" in process.name():
            process.kill()
