"""Speech as a query: the source hears it, the adapter maps it as it maps the written sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_media
from test_cli import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.registry.fusion import Fusion
from m2m_adapters.search.query import Query, Term
from m2m_adapters.testing import AffineTarget, TextEncoderSuite, ToySource, toy_sentences

SAID = ["a small dog barks", "rain on the roof", "ein Hund bellt"]


class TestHearing(TextEncoderSuite):
    def make(self) -> TextEncoder:
        return toy_media.Hearing()

    def speech(self) -> list[Any]:
        return [(toy_media.sound(text), toy_media.RATE) for text in SAID]


class TestFusionOfTwoThatHear(TestHearing):
    def make(self) -> TextEncoder:
        return Fusion([toy_media.Hearing(), toy_media.Hearing(16, salt=2)])


@pytest.fixture(scope="module")
def adapter() -> m2m.Adapter:
    texts = list(toy_sentences(300))
    source, target = toy_media.Hearing(), AffineTarget()
    return m2m.align(source, target, texts, recipe="closed-form", progress=False)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for number, text in enumerate(SAID):
        toy_media.save_sound(tmp_path / f"{number}.wav", text)
    return sorted(tmp_path.glob("*.wav"))


def test_what_is_said_is_what_is_written(adapter: m2m.Adapter, files: list[Path]) -> None:
    written = adapter.encode(SAID)
    np.testing.assert_allclose(adapter.encode_speech(files), written, atol=1e-6)
    np.testing.assert_allclose(adapter.encode_speech(str(files[0])), written[:1], atol=1e-6)
    encoder = adapter.as_text_encoder()
    assert encoder.item_modality == "audio" and encoder.can("encode_items")
    np.testing.assert_allclose(encoder.encode_items(files), written, atol=1e-6)


def test_a_source_of_texts_alone_says_which_take_speech(files: list[Path]) -> None:
    texts = list(toy_sentences(300))
    adapter = m2m.align(ToySource(), AffineTarget(), texts, recipe="closed-form", progress=False)
    with pytest.raises(AbilityMissing, match=r"does not accept speech; .*tiny-speech.*speech:"):
        adapter.encode_speech(files)
    assert not adapter.as_text_encoder().can("encode_items")
    with pytest.raises(AbilityMissing, match="encodes texts only"):
        Fusion([toy_media.Hearing(), ToySource()]).encode_items(files)
    with pytest.raises(AbilityMissing, match="does not show layers"):
        ToySource().encode_item_layers(files)


def test_bad_input_is_named(adapter: m2m.Adapter, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="on_error"):
        adapter.encode_speech([], onerror="skip")

    class Wide(toy_media.Hearing):
        def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
            return np.zeros((len(items), 3), np.float32)

    wide = m2m.align(
        Wide(), AffineTarget(), list(toy_sentences(300)), recipe="closed-form", progress=False
    )
    with pytest.raises(UserError, match=r"the source \(Wide\) returned shape \[1, 3\]"):
        wide.encode_speech([(toy_media.sound("a dog"), toy_media.RATE)])


def test_a_spoken_query_of_an_index(
    adapter: m2m.Adapter, files: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("faiss")
    pytest.importorskip("PIL")
    for text in SAID:
        toy_media.save_picture(tmp_path / "photos" / f"{text}.png", text)
    target = toy_media.Pictures()
    texts = list(toy_sentences(300))
    adapter = m2m.align(toy_media.Hearing(), target, texts, recipe="closed-form", progress=False)
    m2m.build_index(target, tmp_path / "photos", tmp_path / "index")
    index = m2m.load_index(tmp_path / "index", target=target)
    for text, file in zip(SAID, files, strict=True):
        spoken = index.search(Query.of_speech(file), 3, adapter=adapter)
        written = index.search(text, 3, adapter=adapter)
        assert spoken.query == str(file) and Path(spoken[0].item.path).stem == text
        assert [hit.score for hit in spoken] == pytest.approx([hit.score for hit in written])
    both = Query("both", (Term(speech=files[0]), Term(text=SAID[1])))
    found = index.search(both, 2, adapter=adapter)
    assert {Path(hit.item.path).stem for hit in found} == set(SAID[:2])
    with pytest.raises(AbilityMissing, match="own text tower does not accept speech"):
        index.search(Query.of_speech(files[0]), adapter="native")


def test_from_the_shell_a_source_without_speech_is_refused(files: list[Path]) -> None:
    done = run_m2m("encode", "toy-source", "--speech", str(files[0]))
    assert done.returncode == 2
    assert "'toy-source' does not accept speech" in done.stderr and "tiny-speech" in done.stderr
    done = run_m2m("encode", "toy-source", "a text", "--speech", str(files[0]))
    assert done.returncode == 2 and "--speech cannot be combined" in done.stderr
