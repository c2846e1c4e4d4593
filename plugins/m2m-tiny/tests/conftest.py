"""The browser of the project's own tests, and a server of the tiny world for the search page."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from browser import OpenPage, chromium, open_address, open_page  # noqa: F401  fixtures
from search_page import SearchPage
from serving import running

STRANGE = "<img src=x onerror='window.hacked=1'> \"&amp;.png"


@pytest.fixture(scope="session")
def tiny_indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Name, index and adapter: pictures, sounds, sounds of 24 seconds, a strange file name."""
    import numpy as np
    import soundfile
    from PIL import Image

    import m2m_adapters as m2m
    from m2m_adapters.report.demo_index import prepare_demo

    place = tmp_path_factory.mktemp("served")
    images, sounds = prepare_demo(place / "demo", sentences=3000, items=100)
    held = {one.name: (one.index, one.adapter) for one in (images, sounds)}
    short = sorted(sounds.index.parent.rglob("*.flac"))
    (place / "long").mkdir()
    for number in range(4):
        samples = np.concatenate([soundfile.read(p)[0] for p in short[6 * number : 6 * number + 6]])
        soundfile.write(place / "long" / f"long {number}.flac", samples, 16_000)
    m2m.build_index(sounds.adapter, place / "long", place / "long-index", window=4.0)
    held["long"] = (place / "long-index", sounds.adapter)
    (place / "strange").mkdir()
    Image.new("RGB", (300, 200), "red").save(place / "strange" / STRANGE)
    m2m.build_index(images.adapter, place / "strange", place / "strange-index")
    held["strange"] = (place / "strange-index", images.adapter)
    return held


@pytest.fixture(scope="session")
def strange() -> str:
    return STRANGE


@pytest.fixture(scope="session")
def pictures(tiny_indexes: dict[str, tuple[Path, Path]]) -> Path:
    """The folder of the pictures."""
    return tiny_indexes["images"][0].parent / "images"


@pytest.fixture(scope="session")
def page_server(tiny_indexes: dict[str, tuple[Path, Path]]) -> Iterator[str]:
    """The address of `m2m serve` with these indexes."""
    folders = [str(index) for index, _ in tiny_indexes.values()]
    adapters = dict.fromkeys(str(adapter) for _, adapter in tiny_indexes.values())
    names = [word for name in tiny_indexes for word in ("--name", name)]
    chosen = [word for adapter in adapters for word in ("--adapter", adapter)]
    with running(*folders, *names, *chosen) as address:
        yield address


@pytest.fixture
def open_search(page_server: str, open_address: OpenPage) -> Callable[..., SearchPage]:  # noqa: F811
    """Opens the page at an address: ``open_search("?q=a+red+star", width=380, script="...")``."""

    def opened(address: str = "", **options: Any) -> SearchPage:
        seen = open_address(page_server + address, **options)
        seen.until("document.getElementById('holding').textContent !== ''")
        return SearchPage(seen)

    return opened
