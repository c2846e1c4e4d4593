"""The page of `m2m serve` in a real browser: search, pictures, sounds, arithmetic, comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from search_page import WAIT, SearchPage

OpenSearch = Callable[..., SearchPage]
FIVE_SCRIPTS = {"de": "ltr", "ru": "ltr", "ar": "rtl", "ja": "ltr", "hi": "ltr"}


@pytest.fixture(scope="module")
def said() -> dict[str, list[str]]:
    """A caption of each scene in every language."""
    from m2m_tiny import scenes
    from m2m_tiny.benchmarks import captions

    return captions(scenes.gallery()[1])


@pytest.mark.parametrize("code", FIVE_SCRIPTS)
def test_five_scripts(open_search: OpenSearch, said: dict[str, list[str]], code: str) -> None:
    search = open_search("?index=images")
    search.write(said[code][0])
    assert "scene 0001.png" in search.names()[:10]
    assert search.page.evaluate("getComputedStyle(query).direction") == FIVE_SCRIPTS[code]
    assert search.at("#query").get_attribute("lang") == code
    assert search.at("#language option").first.text_content().endswith(", detected")
    assert (
        search.page.evaluate("""Promise.all([...document.querySelectorAll(".hit img")]
        .slice(0, 6).map(one => one.decode().then(() => one.naturalWidth)))""")
        == [40] * 6
    )
    assert search.seen.complaints == []


def test_a_language_that_was_detected_wrongly_is_corrected(open_search: OpenSearch) -> None:
    search = open_search()
    search.write("ein rotes Quadrat")
    with search.answer():
        search.at("#language").select_option("it")
    assert search.asked[-1]["language"] == "it"
    assert "language=it" in search.page.url
    with search.answer():
        search.at("#language").select_option("")
    assert search.asked[-1]["language"] is None


def test_results_come_while_typing_and_stale_answers_are_dropped(open_search: OpenSearch) -> None:
    search = open_search(
        "?index=images",
        script="""
        const real = window.fetch; let late = true;
        window.fetch = async (address, options) => {
          if (!String(address).endsWith("search") || !late) return real(address, options);
          late = false;  // the first answer comes last, and cannot be called off
          const { signal, ...others } = options;
          const answer = await real(address, others);
          await new Promise(done => setTimeout(done, 1200));
          window.lateAnswer = true;
          return answer;
        };""",
    )
    search.at("#query").press_sequentially("a red star", delay=10)
    search.page.wait_for_timeout(300)
    search.at("#query").press_sequentially(" and a blue circle", delay=10)
    search.seen.until("window.lateAnswer")
    search.page.wait_for_timeout(200)
    asked = [one["query"] for one in search.asked]  # a slow machine may ask in between, too
    assert asked[0] == "a red star" and asked[-1] == "a red star and a blue circle"
    shown = search.names()
    search.write("a red star")
    assert search.names() != shown
    assert search.seen.complaints == []


def test_half_a_word_of_an_input_method_is_no_query(open_search: OpenSearch) -> None:
    search = open_search()
    search.page.evaluate("""() => { query.dispatchEvent(new CompositionEvent("compositionstart"));
        query.value = "あか"; query.dispatchEvent(new InputEvent("input")); }""")
    search.page.wait_for_timeout(400)
    assert search.asked == []
    with search.answer():
        search.page.evaluate("""() => { query.value = "赤い円";
            query.dispatchEvent(new CompositionEvent("compositionend")); }""")
    assert search.asked[-1]["query"] == "赤い円"


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
def test_a_picture_as_the_query(open_search: OpenSearch, pictures: Path, way: str) -> None:
    search = open_search("?index=images")
    picture = pictures / "group 01" / "scene 0007.png"
    with search.answer():
        if way == "drop":
            assert search.drop(picture), "the page does not say that a picture can be dropped"
        elif way == "paste":
            search.paste(picture)
        else:
            search.at("#file").set_input_files(picture)
    assert search.names()[0] == picture.name
    assert search.at(".chip img").get_attribute("alt") == picture.name
    assert search.at("#drop").is_hidden()
    assert "data:" not in search.page.url
    search.at("#share").click()
    search.seen.until(
        "() => (document.querySelector('#summary').textContent"
        " + document.querySelector('#notice').textContent).includes('not part of it')"
    )
    assert search.seen.complaints == []


def test_what_is_no_picture_is_refused_in_plain_words(
    open_search: OpenSearch, tmp_path: Path
) -> None:
    search = open_search()
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"not a picture")
    search.drop(damaged)
    search.page.wait_for_selector("#notice:not([hidden])")
    assert "cannot read this picture" in search.at("#notice").text_content()
    search.drop(damaged, "text/plain")
    search.page.wait_for_timeout(100)
    assert "neither a picture nor a sound" in search.at("#notice").text_content()
    assert search.asked == []


def test_a_sound_is_played(open_search: OpenSearch) -> None:
    search = open_search("?index=sounds&q=a+high+beep")
    search.page.wait_for_selector(".wave .peaks", state="attached", timeout=WAIT)
    first = search.at(".hit.sound .play").first
    first.click()
    search.seen.until(
        "Number(document.querySelector('.wave clipPath rect').getAttribute('width')) > 5"
    )
    assert first.get_attribute("aria-label").startswith("Pause")
    first.click()
    search.page.wait_for_timeout(100)
    assert first.get_attribute("aria-label").startswith("Play")
    # A click into the drawing plays from there.
    box = search.at(".wave").first.bounding_box()
    search.page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 10)
    search.seen.until("""(() => { const rect = document.querySelector('.wave clipPath rect');
        return rect.getAttribute('width') > 0.75 * rect.ownerSVGElement.viewBox.baseVal.width; })()""")
    assert search.seen.complaints == []


def test_a_long_sound_is_played_from_the_second_that_was_found(open_search: OpenSearch) -> None:
    search = open_search("?index=long&q=a+high+beep")
    search.page.wait_for_selector(".wave .peaks", state="attached", timeout=WAIT)
    second, seconds = search.page.evaluate(
        "(({second, seconds}) => [second, seconds])(document.querySelector('.hit').hit)"
    )
    assert 0 < second < seconds and seconds > 15
    button = search.at(".hit .play").first
    assert f"from 0:{int(second):02d}" in button.get_attribute("aria-label")
    assert search.at(".wave .found").first.get_attribute("x1")
    button.click()
    search.seen.until(
        """([from, length]) => { const rect = document.querySelector('.wave clipPath rect');
        const share = rect.getAttribute('width') / rect.ownerSVGElement.viewBox.baseVal.width;
        return share >= from / length && share < (from + 4) / length; }""",
        [second, seconds],
    )
    assert search.seen.complaints == []


def test_filters(open_search: OpenSearch) -> None:
    search = open_search("?q=a+red+star")
    search.at("#show-filters").click()
    with search.answer():
        search.at("#modality").select_option("image")
    assert search.asked[-1]["where"] == 'modality = "image"'
    with search.answer():
        search.at("#folder").select_option(
            search.at("#folder option", has_text="images/group 02").get_attribute("value")
        )
    assert all(name.startswith("scene 00") for name in search.names()) and len(search.names()) == 25
    with search.answer():
        search.at("#until").fill("2020-01-30")
    assert sorted(search.names()) == [f"scene {n:04d}.png" for n in range(26, 31)]
    assert search.at("#show-filters").text_content() == "Filters: 3"
    with search.answer():
        search.at("#size").select_option(label="10 MB and more")
    assert search.names() == []
    assert "Nothing passes these filters" in search.at("#notice").text_content()
    with search.answer():
        search.at("#notice button").click()
    assert len(search.names()) == 30 and search.at("#notice").is_hidden()
    assert search.seen.complaints == []


def test_more_results(open_search: OpenSearch) -> None:
    search = open_search("?index=images&q=a+red+star")
    search.page.wait_for_selector("#more")
    first = search.names()
    with search.answer():
        search.at("#more").click()
    assert search.names()[: len(first)] == first and len(search.names()) == 90


def test_arithmetic_by_clicks(open_search: OpenSearch, pictures: Path) -> None:
    search = open_search("?index=images")
    search.write("a red star")
    with search.answer():
        search.at("#plus").click()
    assert search.asked[-1]["query"] == [{"text": "a red star", "weight": 1}]
    search.at(".hit").nth(1).hover()
    chosen = search.names()[1]
    with search.answer():
        search.at(".hit").nth(1).get_by_label("Take ").click()
    words, item = search.asked[-1]["query"]
    assert words["text"] == "a red star" and item["index"] == "images" and item["weight"] == -1
    assert chosen not in search.names()[:5]
    with search.answer():
        search.at(".chip.taken .sign").click()
    assert [one["weight"] for one in search.asked[-1]["query"]] == [1, 1]
    with search.answer():
        search.at(".chip .weight").first.click()
    assert [one["weight"] for one in search.asked[-1]["query"]] == [1.5, 1]
    search.write("2:a circle - a square")
    assert [one["weight"] for one in search.asked[-1]["query"]] == [1.5, 1, 2, -1]
    for _ in range(2):
        with search.answer():
            search.at(".chip .remove").first.click()
    assert search.asked[-1]["query"] == "2:a circle - a square"
    assert search.at("#chips").is_hidden()
    assert search.seen.complaints == []


def test_more_like_this(open_search: OpenSearch) -> None:
    search = open_search("?index=images&q=a+red+star")
    search.page.wait_for_selector(".hit")
    chosen = search.names()[2]
    search.at(".hit").nth(2).hover()
    with search.answer():
        search.at(".hit").nth(2).get_by_label("More like").click()
    assert search.names()[0] == chosen and search.at("#query").input_value() == ""


def test_a_query_that_only_takes_away_says_so(open_search: OpenSearch) -> None:
    search = open_search("?t=-1%3Atext%3Aa+star")
    search.page.wait_for_selector("#notice:not([hidden])")
    assert (
        "has only terms that are subtracted" in search.at("#notice").text_content()
        and search.asked == []
    )


def test_two_adapters_or_native_side_by_side(
    open_search: OpenSearch, said: dict[str, list[str]]
) -> None:
    search = open_search("?index=images")
    search.write(said["ar"][0])
    with search.answer():
        search.at("#compare").click()
    search.seen.until("document.querySelectorAll('.column').length === 2")
    assert [one["adapter"] for one in search.asked[-2:]] == [None, "native"]
    columns = [search.names(f".column:nth-child({n}) .hit") for n in (1, 2)]
    assert "scene 0001.png" in columns[0][:10] and columns[0] != columns[1]
    assert "found by both" in search.at("#summary").text_content()
    assert "Native" in search.at(".column h2").nth(1).text_content()
    both = set(columns[0]) & set(columns[1])
    assert search.at(".hit.shared").count() == 2 * len(both)
    # Both columns follow what is typed, and the address holds the comparison.
    search.write(said["de"][30])
    assert search.at(".column").count() == 2 and "versus=native" in search.page.url
    with search.answer():
        search.at("#compare").click()
    assert search.at(".column").count() == 1
    assert search.seen.complaints == []


def test_the_address_holds_the_search(open_search: OpenSearch) -> None:
    search = open_search("?index=images")
    search.write("a red star")
    with search.answer():
        search.at(".hit").nth(0).get_by_label("Add ").dispatch_event("click")
    address, shown = search.page.url, search.names()
    again = open_search(address[address.index("?") :])
    again.page.wait_for_selector(".hit")
    assert again.names() == shown and again.at(".chip img").count() == 1
    with search.answer():
        search.page.go_back()
    assert search.at(".chip").count() == 0 and search.at("#query").input_value() == "a red star"
    assert search.seen.complaints == [] and again.seen.complaints == []


def test_troubles_are_told_in_plain_words(open_search: OpenSearch) -> None:
    search = open_search("?index=images")

    def refuse(status: int, **headers: str) -> None:
        search.page.route("**/search", lambda route: route.fulfill(
            status=status, headers=headers, content_type="application/json",
            body='{"error": {"message": "the query has <b>too many</b> words"}}'))  # fmt: skip

    search.page.route("**/search", lambda route: route.abort())
    search.at("#query").fill("a red star")
    search.page.wait_for_selector("#notice:not([hidden])", timeout=WAIT)
    assert "Is m2m serve still running?" in search.at("#notice").text_content()
    search.page.unroute("**/search")
    with search.answer():
        search.at("#notice button").click()
    assert len(search.names()) == 30 and search.at("#notice").is_hidden()
    refuse(400)
    with search.answer():
        search.at("#query").fill("a red circle")
    assert "The query has <b>too many</b> words" in search.at("#notice").text_content()
    search.page.unroute("**/search")
    refuse(429, **{"Retry-After": "1"})
    with search.answer():
        search.at("#query").fill("a red square")
    assert "busy" in search.at("#notice").text_content()
    search.page.unroute("**/search")
    with search.answer():
        pass  # it is tried again
    assert search.at("#notice").is_hidden()


def test_names_of_files_are_never_markup(open_search: OpenSearch, strange: str) -> None:
    search: Any = open_search("?index=strange&q=a+red+star")
    search.page.wait_for_selector(".hit")
    assert search.names() == [strange]
    search.at(".hit .main").click()
    assert search.at("#about h2").text_content() == strange
    assert search.page.evaluate("typeof window.hacked") == "undefined"
    assert search.seen.complaints == []
