"""Thirteen grammars: what they say, in which script, and a few sentences a speaker would check."""

from __future__ import annotations

import random
import re
import unicodedata
from typing import Any

import pytest
from m2m_tiny import scenes, sounds
from m2m_tiny.captions import LANGUAGES, caption

SCRIPTS = {"ru": "CYRILLIC", "zh": "CJK", "ja": "CJK|HIRAGANA|KATAKANA", "ko": "HANGUL",
           "ar": "ARABIC", "hi": "DEVANAGARI"}  # fmt: skip


def obj(shape: str, color: str, size: str | None = None, tex: str | None = None) -> dict[str, Any]:
    return {"shape": shape, "color": color, "size": size, "tex": tex}


def event(what: str, **details: Any) -> dict[str, Any]:
    return {"what": what, "pitch": None, "loud": None, "speed": None, "times": 1, **details}


def all_said(spec: dict[str, Any], code: str) -> set[str]:
    rng = random.Random(0)
    return {caption(spec, code, rng) for _ in range(200)}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_meaning_can_be_said(code: str) -> None:
    rng = random.Random(7)
    script = re.compile(SCRIPTS.get(code, "LATIN"))
    for _ in range(400):
        for spec in (scenes.random_scene(rng), sounds.random_sound(rng)):
            said = caption(spec, code, rng)
            assert (
                said == " ".join(said.split()) and said and "{" not in said and "None" not in said
            )
            assert unicodedata.normalize("NFC", said) == said
            letters = [c for c in said if c.isalpha()]
            assert all(script.search(unicodedata.name(c)) for c in letters), said


@pytest.mark.parametrize("code", LANGUAGES)
def test_different_meanings_are_said_differently(code: str) -> None:
    """No caption of a scene could be that of its neighbor: nothing that matters is lost."""
    base = {"kind": "two", "objs": [obj("circle", "red", "small"), obj("square", "blue")],
            "rel": "left"}  # fmt: skip
    others = [
        {**base, "objs": [obj("circle", "blue", "small"), obj("square", "red")]},
        {**base, "objs": [obj("circle", "red"), obj("square", "blue", "small")]},
        {**base, "objs": [obj("circle", "red", "large"), obj("square", "blue")]},
        {**base, "objs": [obj("star", "red", "small"), obj("square", "blue")]},
        {**base, "rel": "right"},
        {**base, "rel": "above"},
        {**base, "rel": "inside"},
    ]
    own = all_said(base, code)
    assert len(own) >= 2  # paraphrases
    for other in others:
        assert not own & all_said(other, code), other
    first, second = event("beep", pitch="high"), event("hiss", times=2)
    heard = all_said({"kind": "sound", "events": [first, second], "link": "then"}, code)
    for other in ([second, first], [event("beep", pitch="low"), second],
                  [first, event("hiss", times=3)]):  # fmt: skip
        assert not heard & all_said({"kind": "sound", "events": other, "link": "then"}, code)
    assert not heard & all_said(
        {"kind": "sound", "events": [first, second], "link": "together"}, code
    )


@pytest.mark.parametrize(("code", "wanted"), [
    ("de", "ein kleiner roter Kreis links von einem blauen Quadrat"),
    ("fr", "un petit cercle rouge à gauche d'un carré bleu"),
    ("es", "un círculo rojo pequeño a la izquierda de un cuadrado azul"),
    ("it", "un cerchio rosso piccolo a sinistra di un quadrato blu"),
    ("pl", "mały czerwony okrąg na lewo od niebieskiego kwadratu"),
    ("tr", "mavi bir karenin solunda küçük kırmızı bir daire"),
    ("ru", "маленький красный круг слева от синего квадрата"),
    ("zh", "一个蓝色正方形的左边有一个小的红色圆形"),
    ("ja", "青い正方形の左に小さな赤い円がある"),
    ("ko", "파란 정사각형의 왼쪽에 있는 작은 빨간 원"),
    ("ar", "دائرة حمراء صغيرة على يسار مربع أزرق"),
    ("hi", "एक नीले वर्ग के बाईं ओर एक छोटा लाल वृत्त है"),
])  # fmt: skip
def test_a_sentence_as_a_speaker_would_say_it(code: str, wanted: str) -> None:
    spec = {"kind": "two", "objs": [obj("circle", "red", "small"), obj("square", "blue")],
            "rel": "left"}  # fmt: skip
    assert wanted in {said.rstrip("。.") for said in all_said(spec, code)}, sorted(
        all_said(spec, code)
    )
