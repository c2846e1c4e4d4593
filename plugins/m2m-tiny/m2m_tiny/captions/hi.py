"""Hindi: adjectives in -ा agree with the noun and bend before a postposition."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {  # all masculine here: direct, oblique
    "circle": ("वृत्त", "वृत्त"), "square": ("वर्ग", "वर्ग"), "triangle": ("त्रिभुज", "त्रिभुज"),
    "star": ("तारा", "तारे"), "heart": ("दिल", "दिल"), "cross": ("क्रॉस", "क्रॉस"),
    "ring": ("छल्ला", "छल्ले"), "diamond": ("समचतुर्भुज", "समचतुर्भुज"), "moon": ("चाँद", "चाँद"),
}  # fmt: skip
ADJECTIVES = {
    "red": "लाल", "green": "हरा", "blue": "नीला", "yellow": "पीला", "orange": "नारंगी",
    "purple": "बैंगनी", "pink": "गुलाबी", "brown": "भूरा", "white": "सफ़ेद", "black": "काला",
    "small": "छोटा", "large": "बड़ा", "striped": "धारीदार", "dotted": "बिंदीदार",
    "soft": "धीमा", "loud": "तेज़", "slow": "सुस्त", "fast": "फुर्तीला", "low": "नीचा",
    "high": "ऊँचा",
}  # fmt: skip
SOUNDS = {  # singular, plural, gender
    "beep": ("बीप", "बीप", "f"), "rising": ("चढ़ती सीटी", "चढ़ती सीटियाँ", "f"),
    "falling": ("उतरती सीटी", "उतरती सीटियाँ", "f"), "hiss": ("फुफकार", "फुफकारें", "f"),
    "click": ("खटका", "खटके", "m"), "siren": ("सायरन", "सायरन", "m"),
    "chord": ("स्वर-संघात", "स्वर-संघात", "m"), "buzz": ("भनभनाहट", "भनभनाहटें", "f"),
}  # fmt: skip


def bend(adjective: str, ending: str) -> str:
    """The form of an adjective; only those in -ा change."""
    return adjective[:-1] + ending if adjective.endswith("ा") else adjective


def thing(obj: Object, case: str, rng: random.Random) -> str:
    ending = "े" if case == "oblique" else "ा"
    said = [bend(ADJECTIVES[obj[k]], ending) for k in ("size", "color", "tex") if obj[k]]
    return words("एक", *said, SHAPES[obj["shape"]][case == "oblique"])


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    plural = event["times"] > 1
    ending = "ी" if gender == "f" else ("े" if plural else "ा")
    said = [bend(ADJECTIVES[d], ending) for d in details(event)]
    return words({1: "एक", 2: "दो", 3: "तीन"}[event["times"]], *said, many if plural else one)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{b} के बाईं ओर {a}", "oblique"), ("{b} के बाईं ओर {a} है", "oblique"),
                 ("{a} {b} के बाईं ओर है", "oblique")],
        "right": [("{b} के दाईं ओर {a}", "oblique"), ("{b} के दाईं ओर {a} है", "oblique"),
                  ("{a} {b} के दाईं ओर है", "oblique")],
        "above": [("{b} के ऊपर {a}", "oblique"), ("{b} के ऊपर {a} है", "oblique"),
                  ("{a} {b} के ऊपर है", "oblique")],
        "below": [("{b} के नीचे {a}", "oblique"), ("{b} के नीचे {a} है", "oblique"),
                  ("{a} {b} के नीचे है", "oblique")],
        "inside": [("{b} के अंदर {a}", "oblique"), ("{b} के अंदर {a} है", "oblique"),
                   ("{a} {b} के अंदर है", "oblique")],
    },
    places={
        "tl": ["ऊपर बाएँ कोने में", "ऊपर बाईं ओर"], "tr": ["ऊपर दाएँ कोने में", "ऊपर दाईं ओर"],
        "bl": ["नीचे बाएँ कोने में", "नीचे बाईं ओर"], "br": ["नीचे दाएँ कोने में", "नीचे दाईं ओर"],
    },
    alone=["{a}", "{a} है", "चित्र में {a} है"],
    located=["{place} {a}", "{place} {a} है", "{a} {place}"],
    row=["बाएँ से दाएँ {a}, {b} और {c}", "बाएँ से दाएँ: {a}, {b} और {c}",
         "बाईं ओर {a}, बीच में {b} और दाईं ओर {c}"],
    column=["ऊपर से नीचे {a}, {b} और {c}", "ऊपर से नीचे: {a}, {b} और {c}",
            "ऊपर {a}, बीच में {b} और नीचे {c}"],
    sound=sound,
    heard=["{a}", "सुनाई देता है: {a}"],
    then_two=["{a}, फिर {b}", "पहले {a}, फिर {b}", "{a} और उसके बाद {b}"],
    then_three=["{a}, फिर {b}, फिर {c}", "पहले {a}, फिर {b} और अंत में {c}"],
    together=["{a} और {b} एक साथ", "एक साथ {a} और {b}"],
)  # fmt: skip
