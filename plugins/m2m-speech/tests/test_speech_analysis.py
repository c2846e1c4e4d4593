"""Speech against text, layer by layer, by the study that compares pictures with text."""

from __future__ import annotations

from pathlib import Path

import pytest
import speech_folders
from speech_folders import RATE, sound

import m2m_adapters as m2m
from m2m_adapters.analysis.cross_lingual import Precision
from m2m_adapters.analysis.parallel import Parallel
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


def test_a_source_of_texts_alone_is_refused(spoken: Parallel) -> None:
    with pytest.raises(UserError, match="give a target, or a source that takes speech"):
        m2m.analyze(f"speech:{speech_folders.folder('sonar')}", "gaps", spoken)
    with pytest.raises(UserError, match="reads no text"):
        m2m.analyze(f"speech:{speech_folders.folder('whisper')}", "gaps", spoken)
