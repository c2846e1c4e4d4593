"""Speech against text, layer by layer, by the study that compares pictures with text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import speech_folders
from speech_folders import RATE, sound

import m2m_adapters as m2m
from m2m_adapters.analysis.cross_lingual import Precision
from m2m_adapters.analysis.layers import item_layers, text_layers
from m2m_adapters.analysis.measures import linear_cka, unit
from m2m_adapters.analysis.parallel import Parallel
from m2m_adapters.analysis.speech_text import speech_text
from m2m_adapters.artifact.resolve import resolve_encoder
from m2m_adapters.errors import UserError
from m2m_adapters.testing import toy_sentences

QUICK = Precision(shuffles=1, halves=2)


@pytest.fixture(scope="module")
def spoken() -> Parallel:
    """Sentences in two languages, and a sound for each."""
    english = list(toy_sentences(24))
    other = [line[::-1] for line in english]
    sounds = [(sound(0.3 + 0.02 * i, i), RATE) for i in range(24)]
    return Parallel("toy-speech", {"en": english, "de": other}, sounds)


@pytest.mark.parametrize("scheme", ["speech", "speech-frames"])
def test_the_gap_between_speech_and_text(spoken: Parallel, scheme: str, tmp_path: Path) -> None:
    name = f"{scheme}:{speech_folders.folder('seamless-v2')}"
    study = m2m.analyze(name, "gaps", spoken, measures=["cka", "retrieval"], precision=QUICK,
                        store=m2m.Store(tmp_path))  # fmt: skip
    kinds = {(row["gap"], row["layer"]) for row in study.rows}
    assert ("speech", "output") in kinds and ("language", "embeddings") in kinds
    assert any("speech gap" in finding for finding in study.findings)
    assert "speech gap" in [name for chart in study.charts for name, _ in chart.series]


def test_the_length_adaptor_before_and_after(spoken: Parallel, tmp_path: Path) -> None:
    name = f"speech:{speech_folders.folder('seamless-v2')}"
    named = resolve_encoder(name, precision="fp32")
    study = m2m.analyze(named, "adaptor", spoken, measures=["cka", "retrieval"], precision=QUICK,
                        store=m2m.Store(tmp_path))  # fmt: skip
    sides = [row["speech"] for row in study.rows if row["measure"] == "cka"]
    assert sides.count("before the adaptor") == sides.count("after the adaptor") > 2
    speech = item_layers(named.text, spoken.items or [])
    text = text_layers(named.text, spoken.texts["en"], store=m2m.Store(tmp_path))
    # What leaves the adaptor is what the source returns.
    returned = named.text.encode_items(spoken.items)
    np.testing.assert_allclose(unit(speech[-2]), unit(returned), atol=1e-5)
    expected = linear_cka(text[-1], speech[-2])
    last = next(row for row in reversed(study.rows)
                if row["measure"] == "cka" and row["speech"] == "after the adaptor")  # fmt: skip
    assert last["value"] == pytest.approx(expected, abs=1e-4)
    assert "after it" in study.findings[0] and len(study.charts) == 2
    with pytest.raises(UserError, match="has no length adaptor"):
        m2m.analyze(name.replace("speech:", "speech-frames:"), "adaptor", spoken)


def test_a_source_of_texts_alone_is_refused(spoken: Parallel) -> None:
    with pytest.raises(UserError, match="give a target, or a source that takes speech"):
        m2m.analyze(f"speech:{speech_folders.folder('sonar')}", "gaps", spoken)
    with pytest.raises(UserError, match="reads no text"):
        m2m.analyze(f"speech:{speech_folders.folder('whisper')}", "gaps", spoken)


def test_the_claims_of_the_paper_are_measured(spoken: Parallel) -> None:
    """On a tiny random model: that it runs and says so, not what it says."""
    name = f"speech:{speech_folders.folder('seamless-v2')}"
    sounds = spoken.items or []
    study = speech_text(name, spoken.texts, {"en": sounds, "de": sounds[::-1]}, data="toy",
                        samples=QUICK, precision="fp32")  # fmt: skip
    assert {row["language"] for row in study.rows} == {"en", "de"} and len(study.findings) == 8
    assert all("as published" in line for line in study.findings)
    with pytest.raises(UserError, match="does not accept speech"):
        speech_text(f"speech:{speech_folders.folder('sonar')}", spoken.texts, {}, data="toy")
