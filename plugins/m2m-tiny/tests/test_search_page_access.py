"""The page of `m2m serve` for everyone: keys alone, screen readers, phones, dark rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser import OpenPage, serious_findings
from search_page import SearchPage

OpenSearch = Callable[..., SearchPage]
STATES = {
    "welcome": "",
    "results": "?q=a+red+star",
    "chips": "?q=a+star&t=%2B1%3Atext%3Aa+red+square&t=-2%3Atext%3Aa+circle&index=images",
    "compare": "?q=a+red+star&versus=native",
    "nothing": "?q=a+red+star&size=%3E%3D+10MB",
}


def shown(open_search: OpenSearch, state: str, **options: Any) -> SearchPage:
    search = open_search(STATES[state], **options)
    ready = {"welcome": "#welcome:not([hidden])", "nothing": "#notice:not([hidden])"}
    search.page.wait_for_selector(ready.get(state, ".hit"))
    search.page.wait_for_timeout(200)
    return search


def test_by_keys_alone(open_search: OpenSearch) -> None:
    search = open_search("?index=images")
    page, press = search.page, search.page.keyboard.press
    assert search.focused() == "query"
    with search.answer():
        page.keyboard.type("a red star")
    names = search.names()
    press("ArrowDown")
    assert search.focused() == names[0]
    press("ArrowRight")
    assert search.focused() == names[1]
    press("ArrowDown")
    below = names.index(search.focused())
    assert below > 1 and page.evaluate("document.activeElement.getBoundingClientRect().top") > 0
    press("ArrowUp")
    assert search.focused() == names[1]
    press("Enter")
    assert page.evaluate("viewer.open") and names[1] in search.at("#about h2").text_content()
    press("ArrowRight")
    assert names[2] in search.at("#about h2").text_content()
    press("Escape")
    # The browser says that the viewer has closed a moment later, and then the focus moves.
    search.seen.until(
        "name => document.activeElement.closest('.hit')?.hit.path.endsWith(name)", names[2]
    )
    assert not page.evaluate("viewer.open")
    with search.answer():
        press("+")
    assert search.at(".chip.added").count() == 1
    press("Escape")
    assert search.focused() == "query"
    press("ArrowDown")
    with search.answer():
        press("m")
    assert search.at("#query").input_value() == "" and search.at(".chip").count() == 1
    page.evaluate("document.activeElement.blur()")
    press("/")
    assert search.focused() == "query"
    press("Escape")
    assert search.at(".chip").count() == 0 and search.at("#welcome").is_visible()
    page.evaluate("document.activeElement.blur()")
    press("?")
    assert page.evaluate("help.open")
    press("Escape")
    assert not page.evaluate("help.open") and search.seen.complaints == []


def test_tab_reaches_everything_once(open_search: OpenSearch) -> None:
    search = shown(open_search, "chips")
    seen = []
    for _ in range(40):
        search.page.keyboard.press("Tab")
        seen.append(
            search.page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    for name in ("language", "show-filters", "compare", "share", "theme", "show-help", "sign"):
        assert name in seen, name
    assert sum("main" in name.split() for name in seen) <= 3, "every result is a stop of its own"


def test_a_screen_reader_hears_what_happens(open_search: OpenSearch) -> None:
    search = open_search("?index=images")
    search.write("ein rotes Quadrat")
    search.seen.until("live.textContent.includes('30 results')")
    assert search.at("#live").get_attribute("role") == "status"
    assert search.at("#notice").get_attribute("role") == "alert"
    assert search.page.get_by_role("search").count() == 1
    assert search.page.get_by_role("list", name="Pictures").get_by_role("listitem").count() == 30
    label = search.at(".hit .main").first.get_attribute("aria-label")
    assert label.startswith("scene ") and "score" in label


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(open_search: OpenSearch, state: str, dark: bool) -> None:
    search = shown(open_search, state, dark=dark)
    search.at("#show-filters").click()
    assert serious_findings(search.page) == []
    if state == "results":
        search.at(".hit.picture .main").first.click()
        assert serious_findings(search.page) == []
        search.page.keyboard.press("Escape")
    search.at("#show-help").click()
    assert serious_findings(search.page) == []
    assert search.seen.complaints == []


@pytest.mark.parametrize("state", STATES)
def test_on_a_phone(open_search: OpenSearch, state: str) -> None:
    search = shown(open_search, state, width=380, has_touch=True, is_mobile=True)
    page = search.page
    # A phone's window grows with what is too wide, so that overflow alone would not tell.
    assert search.seen.overflow <= 0 and page.evaluate("innerWidth") == 380
    if state != "welcome" and state != "nothing":
        search.at(".hit .main").first.scroll_into_view_if_needed()
        search.at(".hit.picture .main").first.tap()
        box = search.at("#viewer").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 380
        page.keyboard.press("Escape")
        assert page.evaluate("getComputedStyle(document.querySelector('.acts')).opacity") == "1"
    page.evaluate("scrollTo(0, 0)")
    search.at("#show-filters").tap()
    assert search.at("#filters").is_visible() and search.seen.overflow <= 0
    search.at("#show-help").tap()
    assert search.at("#help").bounding_box()["width"] <= 380
    assert search.seen.overflow <= 0 and search.seen.complaints == []


def test_dark_by_system_or_by_choice(open_search: OpenSearch) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = open_search(""), open_search("", dark=True)
    grounds = [one.page.evaluate(ground) for one in (light, dark)]
    assert grounds[0] != grounds[1]
    light.at("#theme").click()
    assert light.page.evaluate(ground) == grounds[1]
    assert light.at("#theme").get_attribute("aria-pressed") == "true"
    light.page.reload()
    assert light.page.evaluate(ground) == grounds[1], "the choice is forgotten"
    light.at("#theme").click()
    assert light.page.evaluate(ground) == grounds[0]
    assert light.seen.complaints == dark.seen.complaints == []


@pytest.mark.parametrize("width", [380, 1280])
def test_the_page_about_the_api(page_server: str, open_address: OpenPage, width: int) -> None:
    seen = open_address(f"{page_server}docs", width=width)
    seen.until("document.querySelectorAll('#schemas pre').length >= 4")
    assert "POST /search" in seen.ask("operations.textContent")
    assert seen.overflow <= 0 and serious_findings(seen.page) == [] and seen.complaints == []
