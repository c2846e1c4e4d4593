"""Routes: each text read by the source of its language, through one adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.registry.names import check_name, load_source
from m2m_adapters.registry.route import Route, is_route, route_parts, sources_of
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(800))


class Marked(ToySource):
    """Reads texts that begin with its mark, and English; others become noise."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark = mark

    def encode(self, texts: Sequence[str], **options: Any) -> m2m.Vectors:
        read = super().encode([text.removeprefix(self.mark) for text in texts], **options)
        turned = np.roll(read, len(self.mark), axis=1)
        for row, text in enumerate(texts):
            if ":" in text and not text.startswith(self.mark):
                seed = sum(map(ord, text))
                turned[row] = np.random.default_rng(seed).normal(size=self.dim)
        return np.asarray(turned, np.float32)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        return f"marked:{self.mark}"


@pytest.fixture(autouse=True)
def detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """``de: `` and ``sw: `` say what the language is; everything else is English."""
    monkeypatch.setattr(
        "m2m_adapters.registry.route.detect",
        lambda texts: [text[:2] if text[2:4] == ": " else "en" for text in texts],
    )


@pytest.fixture
def parts() -> list[Marked]:
    return [Marked("de: "), Marked("sw: ")]


def top1(adapter: m2m.Adapter, mark: str) -> float:
    asked = [mark + line for line in SENTENCES[:100]]
    scores = adapter.similarity(adapter.encode(asked), adapter.encode_items(SENTENCES[:100]))
    return float((scores.argmax(1) == np.arange(100)).mean())


def test_each_language_is_read_by_its_source(parts: list[Marked], tmp_path: Path) -> None:
    quiet = {"progress": False, "store": False}
    target = AffineTarget()
    route = Route(parts, [[], ["sw"]])
    alone = [m2m.align(part, target, SENTENCES, **quiet) for part in parts]
    made = m2m.align(route, target, SENTENCES, **quiet)
    assert top1(alone[0], "sw: ") < 0.5 > top1(alone[1], "de: ")
    assert min(top1(made, mark) for mark in ("", "de: ", "sw: ")) > 0.95
    for at, mark in enumerate(("de: ", "sw: ")):
        texts = [mark + line for line in SENTENCES[:20]]
        np.testing.assert_allclose(made.encode(texts), alone[at].encode(texts), atol=1e-5)
    told = made.encode(["sw: a dog"], language="de")  # the user knows better than the detector
    np.testing.assert_allclose(told, alone[0].encode(["sw: a dog"]), atol=1e-5)
    assert made.bank is not None and made.record.corpus is not None
    assert made.record.corpus.sentences == len(SENTENCES)
    again = m2m.load_adapter(made.save(tmp_path / "a"), source=route, target=target)
    assert np.array_equal(again.encode(["sw: a dog"]), made.encode(["sw: a dog"]))


def test_rows_have_length_one_and_blocks_of_their_own(parts: list[Marked]) -> None:
    route = Route(parts, [[], ["sw"]])
    rows = route.encode(["a dog", "sw: a dog", "de: a dog"])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    first, second = route.block(0), route.block(1)
    assert not rows[[0, 2], second].any() and not rows[1, first].any()
    assert route.encode([]).shape == (0, route.dim)
    assert route.fingerprint != Route(parts, [[], ["te"]]).fingerprint


def test_expressions() -> None:
    assert is_route("route(a|b[sw])") and not is_route("a+b")
    assert route_parts("route(a | b[sw, te])") == [("a", ()), ("b", ("sw", "te"))]
    assert sources_of("route(a|0.5*b+c[sw])") == ["a", "b", "c"]
    assert sources_of("a") == ["a"] and sources_of("0.3*a+b") == ["a", "b"]
    with pytest.raises(UserError, match="no source is called 'tony-source'"):
        check_name("source", "route(toy-source|tony-source[sw])")
    for expression, line in (
        ("route(toy-source)", "has one source"),
        ("route(toy-source|toy-source)", "does not say which languages"),
        ("route(toy-source|toy-source[sw)", "is not of the form SOURCE"),
        ("route(toy-source|toy-source[sw]|toy-source[swa])", "two sources of the route read 'sw'"),
    ):
        with pytest.raises(UserError, match=line):
            load_source(expression)
    loaded = load_source("route(toy-source|toy-source[sw])")
    assert isinstance(loaded, Route) and loaded.origin is not None
    assert loaded.origin.name == "route(toy-source|toy-source[sw])"


def test_a_route_is_found_again_by_its_name(tmp_path: Path) -> None:
    made = m2m.align("route(toy-source|toy-source[sw])", "toy-target", SENTENCES,
                     progress=False, store=False)  # fmt: skip
    again = m2m.load_adapter(made.save(tmp_path / "a"))
    assert again.name.startswith("route(toy-source|toy-source[sw])")
    assert np.array_equal(again.encode(["sw: a dog"]), made.encode(["sw: a dog"]))


def test_a_route_leads_to_no_generator(parts: list[Marked]) -> None:
    raw = AffineTarget()
    raw.text.normalized = False
    with pytest.raises(UserError, match="not with generators"):
        m2m.align(Route(parts, [[], ["sw"]]), raw, SENTENCES, progress=False, store=False)


def test_languages_are_chosen_by_forecasts() -> None:
    chosen = m2m.route("route(mpnet|labse)", "clip-b32", languages=["de", "sw", "te", "en"])
    answers = {
        name: {a.question.language: a.expected
               for a in m2m.forecast(name, "clip-b32", ["de", "sw", "te"])}
        for name in ("mpnet", "labse")
    }  # fmt: skip
    better = [c for c in ("de", "sw", "te") if answers["labse"][c] > answers["mpnet"][c]]
    assert better and chosen == f"route(mpnet|labse[{','.join(better)}])"
    kept = m2m.route("route(mpnet|labse[de])", "clip-b32", languages=["de"])
    assert kept == "route(mpnet|labse[de])"
