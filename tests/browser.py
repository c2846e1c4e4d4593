"""A real Chromium for tests of pages: Playwright drives the one that the system has."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
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

    def until(self, script: str, argument: Any = None, *, seconds: float = 20) -> None:
        """Wait until an expression is true. (Playwright's own way needs eval in the page, which a
        content security policy forbids.)"""
        end = time.monotonic() + seconds
        while not self.page.evaluate(script, argument):
            if time.monotonic() > end:
                pytest.fail(f"never true: {script}")
            self.page.wait_for_timeout(40)

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
        # Offline: a page must hold everything it shows.
        contexts.append(_context(chromium, width, dark, offline=True))
        seen = _watched(contexts[-1].new_page())
        seen.page.goto(path.resolve().as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def open_address(chromium: Any) -> Iterator[OpenPage]:
    """Opens a page of a server: ``open_address(url, width=1280, dark=False)``.

    A request to any other server is refused, and counts as a complaint. script: runs before those
    of the page.
    """
    contexts = []

    def opened(
        url: str, *, width: int = 1280, dark: bool = False, script: str = "", **options: Any
    ) -> Opened:
        contexts.append(_context(chromium, width, dark, **options))
        seen = _watched(contexts[-1].new_page())
        if script:
            seen.page.add_init_script(script)
        origin = "/".join(url.split("/", 3)[:3]) + "/"

        def guard(route: Any) -> None:
            if route.request.url.startswith((origin, "blob:", "data:")):
                return route.continue_()
            seen.complaints.append(f"asks {route.request.url}")
            return route.abort()

        seen.page.route("**/*", guard)
        seen.page.goto(url)
        return seen

    yield opened
    for context in contexts:
        context.close()


def _context(chromium: Any, width: int, dark: bool, **options: Any) -> Any:
    scheme = "dark" if dark else "light"
    return chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **options
    )


def _watched(page: Any) -> Opened:
    seen = Opened(page)
    page.on(
        "console",
        lambda line: seen.complaints.append(line.text) if line.type == "error" else None,
    )
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (seen.complaints.append("dialog"), dialog.dismiss()))
    return seen


def serious_findings(page: Any) -> list[str]:
    """What axe finds at the page that keeps people from using it, in its words."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        if os.environ.get("CI"):
            pytest.fail("the Python package axe-playwright-python is not installed")
        pytest.skip("the Python package axe-playwright-python is not installed")
    page.evaluate((Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']}: {one['help']} ({'; '.join(node['html'][:120] for node in one['nodes'][:3])})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


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
