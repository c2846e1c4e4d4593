"""A real Chromium for tests of pages: Playwright drives the one that the system has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
WIDTHS = (320, 1280)
_running: list[Any] = []  # Playwright's driver and the browser, while tests use them
_users: list[Any] = []


@dataclass
class Opened:
    """A page in the browser. complaints: what it wrote to the console as errors, or threw."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression, or of a function, in the page."""
        return self.page.evaluate(script)

    @property
    def overflow(self) -> int:
        """By how many pixels the body is wider than the window."""
        return int(self.ask("document.documentElement.scrollWidth - window.innerWidth"))


OpenPage = Callable[..., Opened]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser; skipped where there is none, which is a failure in CI."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    lacking = None if path else f"none of {', '.join(NAMES)} is installed"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking = "the Python package playwright is not installed"
    if lacking is not None:
        if os.environ.get("CI"):
            pytest.fail(f"tests of pages need a browser, and CI is set: {lacking}")
        pytest.skip(f"no browser: {lacking}")
    # The fixture exists once for each folder of tests that imports it; Playwright only once.
    if not _running:
        driver = sync_playwright().start()
        _running.append(driver)
        _running.append(driver.chromium.launch(executable_path=path, args=ARGUMENTS))
    _users.append(path)
    yield _running[1]
    _users.pop()
    if not _users:
        _running.pop().close()
        _running.pop().stop()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[OpenPage]:
    """Opens a file in the browser: ``open_page(path, width=1280, dark=False)``."""
    contexts = []

    def opened(path: Path, *, width: int = 1280, dark: bool = False) -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            offline=True,  # a page must hold everything it shows
        )
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on(
            "console",
            lambda line: seen.complaints.append(line.text) if line.type == "error" else None,
        )
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.complaints.append("dialog"), dialog.dismiss()))
        seen.page.goto(path.resolve().as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


def check_page(open_page: OpenPage, path: Path) -> None:
    """What every page of ours must do: no complaint, no sideways scrolling, two color schemes."""
    grounds = set()
    for width in WIDTHS:
        for dark in (False, True):
            seen = open_page(path, width=width, dark=dark)
            assert seen.complaints == [], (width, dark)
            assert seen.overflow <= 0, f"the body scrolls sideways at {width} px"
            grounds.add(seen.ask("getComputedStyle(document.body).backgroundColor"))
            assert seen.ask("[...document.images].every(one => one.naturalWidth > 0)")
    assert len(grounds) == 2, "light and dark look alike"
