"""Captions said aloud, and the phones that languages share."""

from __future__ import annotations

import random

import numpy as np
import pytest
from m2m_tiny import scenes, sounds, speaking
from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.phones import NAMES, coarse

from m2m_adapters.errors import UserError

silent = speaking.why_silent()
needs_voice = pytest.mark.skipif(bool(silent), reason=silent)


def written(phones: list[int]) -> str:
    return "".join(NAMES[phone] for phone in phones)


def test_fine_phones_fall_into_the_classes_that_languages_share() -> None:
    assert written(coarse("ɐ ɹ_ˈɛ_d ɹ_ˈɪ_ŋ")) == "aredrin"
    assert written(coarse("ɑ̃ _ˈo_t œ̃_n")) == "anotøn"  # a nasal vowel is a vowel and n
    assert written(coarse("s._ɑ5_ŋ ts.h_ˈəɜ_ŋ")) == "ʃantʃən"  # tone and breath are dropped
    assert written(coarse("(en)_k_ˈiː_c_i(ja)")) == "kitʃi"
    assert coarse("") == []


@needs_voice
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_is_spoken_and_pronounced(lang: str) -> None:
    says = speaking.synthesizer()
    for number in range(12):
        rng = random.Random(number)
        world = (scenes, sounds)[number % 2]
        spec = scenes.random_scene(rng) if number % 2 == 0 else sounds.random_sound(rng)
        text = caption(world.mention(spec, rng), lang, rng)  # type: ignore[attr-defined]
        said = says.pronounce(text, lang)
        # A switch to another language is what eSpeak does with letters that it cannot read.
        assert "(" not in said, f"{text}: {said}"
        assert len(coarse(said)) > 8
    samples, rate = says.say(text, lang)
    assert samples.dtype == np.float32 and 0.5 < len(samples) / rate < 30
    again, _ = says.say(text, lang)  # never quite the same: eSpeak's voice flutters
    assert abs(len(samples) - len(again)) < 0.01 * len(samples)


@needs_voice
def test_speakers_differ_and_unknown_ones_are_refused() -> None:
    says = speaking.synthesizer()
    low, _ = says.say("a red ring", "en", speaker="m3")
    high, _ = says.say("a red ring", "en", speaker="f2")
    assert len(low) != len(high) or not np.allclose(low, high)
    fast, _ = says.say("a red ring", "en", speed=300)
    slow, _ = says.say("a red ring", "en", speed=100)
    assert len(fast) < len(slow)
    with pytest.raises(UserError, match="no voice 'xx'"):
        says.say("a red ring", "xx")


def test_without_a_synthesizer_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> object:
        raise UserError("no speech synthesizer is installed", "pip install espeakng-loader")

    monkeypatch.setattr(speaking, "synthesizer", absent)
    assert "pip install espeakng-loader" in speaking.why_silent()
