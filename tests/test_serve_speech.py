"""Spoken queries of ``m2m serve``: a sound file to the API, the microphone of the page."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving  # skips where the server cannot run
import toy_media
from browser import (  # noqa: F401  fixtures
    ARGUMENTS,
    NAMES,
    Opened,
    _running,
    _watched,
    chromium,
    serious_findings,
)
from search_page import SearchPage

import m2m_adapters as m2m
from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.sounds import mono_samples
from m2m_adapters.serve.app import create_app
from m2m_adapters.serve.holdings import Holdings, open_holdings
from m2m_adapters.testing import ToySource, toy_sentences

soundfile = pytest.importorskip("soundfile")

SAID = ["a small dog barks", "rain on the roof", "ein Hund bellt"]
PITCHES = {440: SAID[0], 660: SAID[1], 880: SAID[2]}
RATE = 16_000


class Whistled(toy_media.Hearing):
    """Takes speech in which each sentence is whistled at a pitch of its own, which a microphone
    does not destroy."""

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return self.encode([PITCHES[_pitch(mono_samples(item, RATE))] for item in items])


def _pitch(samples: Any) -> int:
    """The one of the pitches that the sound holds most of."""
    strength = np.abs(np.fft.rfft(samples))
    strongest = np.fft.rfftfreq(len(samples), 1 / RATE)[strength.argmax()]
    return min(PITCHES, key=lambda pitch: abs(pitch - strongest))


def _whistle(pitch: int, seconds: float = 1.0, rate: int = RATE) -> Any:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


@contextmanager
def _held(place: Path, *sources: Any) -> Iterator[Holdings]:
    """Pictures of the sentences, and an adapter from each source."""
    for text in SAID:
        toy_media.save_picture(place / "pictures" / f"{text}.png", text)
    target, texts = toy_media.Pictures(), list(toy_sentences(300))
    adapters = [
        m2m.align(source, target, texts, recipe="closed-form", progress=False) for source in sources
    ]
    m2m.build_index(target, place / "pictures", place / "photos")
    index = m2m.load_index(place / "photos", target=target)
    names = ["spoken", "written"][: len(sources)] if len(sources) > 1 else ["one"]
    holdings = open_holdings([index], adapters, adapter_names=names)
    yield holdings
    holdings.close()


def _address(text: str) -> str:
    file = io.BytesIO()
    samples = toy_media.sound(text)
    soundfile.write(file, samples, toy_media.RATE, format="WAV", subtype="FLOAT")
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


def _stems(answer: Any) -> list[str]:
    return [Path(hit["path"]).stem for hit in answer.json()["hits"]]


def test_a_spoken_query_answers_as_the_written_one(tmp_path: Path) -> None:
    with (
        _held(tmp_path, toy_media.Hearing(), ToySource()) as holdings,
        serving.client_of(holdings) as client,
    ):
        listed = {one["name"]: one["speech"] for one in client.get("/indexes").json()["adapters"]}
        assert listed == {"spoken": True, "written": False}
        for text in SAID:
            spoken = client.post("/search", json={"query": [{"speech": _address(text)}], "k": 3})
            written = client.post("/search", json={"query": text, "k": 3})
            assert _stems(spoken) == _stems(written) and _stems(spoken)[0] == text
            scores = [[hit["score"] for hit in one.json()["hits"]] for one in (spoken, written)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        both = [{"speech": _address(SAID[0])}, {"text": SAID[1]}]
        assert set(_stems(client.post("/search", json={"query": both, "k": 2}))) == set(SAID[:2])
        for side in ("written", "native"):
            body = {"query": [{"speech": _address(SAID[0])}], "adapter": side}
            refused = client.post("/search", json=body)
            assert refused.status_code == 400
            assert "no chosen adapter takes speech" in refused.json()["error"]["message"]
        for bad in ("data:audio/wav;base64,AAAA", "http://x/a.wav", "data:,", ""):
            refused = client.post("/search", json={"query": [{"speech": bad}]})
            assert refused.status_code == 400, refused.text
        two = client.post("/search", json={"query": [{"speech": _address("x"), "text": "x"}]})
        assert two.status_code == 400 and "2 of text" in two.json()["error"]["message"]
        term = client.get("/openapi.json").json()["components"]["schemas"]["TermBody"]
        assert "speech" in term["properties"]


def test_only_the_search_page_may_ask_for_the_microphone(tmp_path: Path) -> None:
    with _held(tmp_path, ToySource()) as holdings, serving.client_of(holdings) as client:
        header = "permissions-policy"
        assert "microphone=(self)" in client.get("/").headers[header]
        for path in ("/docs", "/static/app.js", "/indexes", "/health"):
            assert "microphone=()" in client.get(path).headers[header]
        assert "unsafe" not in client.get("/").headers["content-security-policy"]


@contextmanager
def _listening(holdings: Holdings) -> Iterator[str]:
    """The address of a server of this process."""
    uvicorn = pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(holdings), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([free],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{free.getsockname()[1]}/"
        server.should_exit = True
        thread.join(20)


@contextmanager
def _browser(sound: Path | None) -> Iterator[Any]:
    """Another Chromium, whose microphone hears a file; without one there is no permission."""
    import shutil

    path = next(filter(None, map(shutil.which, NAMES)))
    fake = ["--use-fake-device-for-media-stream"]
    if sound is not None:
        fake += ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={sound}"]
    browser = _running[0].chromium.launch(executable_path=path, args=ARGUMENTS + fake)
    yield browser
    browser.close()


def _opened(browser: Any, address: str) -> SearchPage:
    seen: Opened = _watched(browser.new_context(viewport={"width": 380, "height": 900}).new_page())
    seen.page.goto(address)
    seen.until("document.getElementById('holding').textContent !== ''")
    return SearchPage(seen)


def test_the_microphone_of_the_page(chromium: Any, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "whistled.wav"
    soundfile.write(file, _whistle(660, 3.0, 48_000), 48_000, subtype="PCM_16")
    with (
        _held(tmp_path, Whistled(), ToySource()) as holdings,
        _listening(holdings) as address,
        _browser(file) as browser,
    ):
        search = _opened(browser, address)
        button = search.at("#microphone")
        assert button.is_visible() and search.seen.overflow <= 0
        assert serious_findings(search.page) == []
        button.click()
        search.seen.until("document.getElementById('microphone').ariaPressed === 'true'")
        search.page.wait_for_timeout(1200)
        with search.answer():
            button.click()
        assert search.names()[0] == f"{SAID[1]}.png"
        (term,) = search.asked[-1]["query"]
        data = base64.b64decode(term["speech"].removeprefix("data:audio/wav;base64,"))
        samples, rate = soundfile.read(io.BytesIO(data))
        assert samples.ndim == 1 and 0.5 < len(samples) / rate < 10
        assert "spoken words" in search.at(".chip").text_content()
        assert button.get_attribute("aria-pressed") == "false"
        assert "speech" not in search.page.url  # a recording is not part of the address
        search.at("#adapter").select_option("written")
        assert button.is_hidden()
        search.at("#adapter").select_option("spoken")
        assert button.is_visible()
        button.click()
        search.seen.until("document.getElementById('microphone').ariaPressed === 'true'")
        assert search.at("#query").get_attribute("placeholder") == "Listening"
        search.at("#adapter").select_option("written")  # ends the recording, which is not sent
        assert button.is_hidden() and button.get_attribute("aria-pressed") == "false"
        assert search.at(".chip").count() == 1
        # The server refused the recording for the adapter without speech, which the page showed.
        assert all("400" in one for one in search.seen.complaints), search.seen.complaints


def test_a_page_without_permission_says_so(chromium: Any, tmp_path: Path) -> None:  # noqa: F811
    with (
        _held(tmp_path, Whistled()) as holdings,
        _listening(holdings) as address,
        _browser(None) as browser,
    ):
        search = _opened(browser, address)
        search.at("#microphone").click()
        search.page.wait_for_selector("#notice:not([hidden])")
        assert "microphone" in search.at("#notice").text_content()
        assert search.at("#microphone").get_attribute("aria-pressed") == "false"
        assert search.asked == []
