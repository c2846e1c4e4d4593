"""German: gender, nominative and dative, strong and mixed adjective endings."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {
    "circle": ("Kreis", "m"), "square": ("Quadrat", "n"), "triangle": ("Dreieck", "n"),
    "star": ("Stern", "m"), "heart": ("Herz", "n"), "cross": ("Kreuz", "n"), "ring": ("Ring", "m"),
    "diamond": ("Raute", "f"), "moon": ("Mond", "m"),
}  # fmt: skip
COLORS = {
    "red": "rot", "green": "grün", "blue": "blau", "yellow": "gelb", "orange": "orangefarben",
    "purple": "violett", "pink": "rosafarben", "brown": "braun", "white": "weiß",
    "black": "schwarz",
}  # fmt: skip
ADJECTIVES = {
    "small": "klein", "large": "groß", "striped": "gestreift", "dotted": "gepunktet",
    "soft": "leis", "loud": "laut", "slow": "langsam", "fast": "schnell", "low": "tief",
    "high": "hoh", "rising": "ansteigend", "falling": "abfallend",
}  # fmt: skip
SOUNDS = {
    "beep": ("Piepton", "Pieptöne", "m"), "rising": ("Pfiff", "Pfiffe", "m"),
    "falling": ("Pfiff", "Pfiffe", "m"), "hiss": ("Zischlaut", "Zischlaute", "m"),
    "click": ("Klick", "Klicks", "m"), "siren": ("Sirene", "Sirenen", "f"),
    "chord": ("Akkord", "Akkorde", "m"), "buzz": ("Summton", "Summtöne", "m"),
}  # fmt: skip
ENDING = {"m": "er", "n": "es", "f": "e"}


def thing(obj: Object, case: str, rng: random.Random) -> str:
    noun, gender = SHAPES[obj["shape"]]
    if case == "dat":
        article, ending = ("einer" if gender == "f" else "einem"), "en"
    else:
        article, ending = ("eine" if gender == "f" else "ein"), ENDING[gender]
    stems = [ADJECTIVES[obj[k]] for k in ("size", "tex") if obj[k]] + [COLORS[obj["color"]]]
    return words(article, *(stem + ending for stem in stems), noun)


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    stems = [ADJECTIVES[d] for d in details(event)]
    if event["what"] in ("rising", "falling"):
        stems.append(ADJECTIVES[event["what"]])
    if event["times"] > 1:
        number = {2: "zwei", 3: "drei"}[event["times"]]
        return words(number, *(s + "e" for s in stems), many)
    article = "eine" if gender == "f" else "ein"
    return words(article, *(stem + ENDING[gender] for stem in stems), one)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} links von {b}", "dat"), ("{a} ist links von {b}", "dat"),
                 ("links von {b} ist {a}", "dat")],
        "right": [("{a} rechts von {b}", "dat"), ("{a} ist rechts von {b}", "dat"),
                  ("rechts von {b} ist {a}", "dat")],
        "above": [("{a} über {b}", "dat"), ("{a} ist über {b}", "dat"), ("über {b} ist {a}", "dat")],
        "below": [("{a} unter {b}", "dat"), ("{a} ist unter {b}", "dat"),
                  ("unter {b} ist {a}", "dat")],
        "inside": [("{a} in {b}", "dat"), ("{a} ist in {b}", "dat"), ("in {b} ist {a}", "dat")],
    },
    places={
        "tl": ["oben links", "in der oberen linken Ecke"],
        "tr": ["oben rechts", "in der oberen rechten Ecke"],
        "bl": ["unten links", "in der unteren linken Ecke"],
        "br": ["unten rechts", "in der unteren rechten Ecke"],
    },
    alone=["{a}", "hier ist {a}"],
    located=["{a} {place}", "{place} ist {a}", "{place}: {a}"],
    row=["{a}, {b} und {c} von links nach rechts", "von links nach rechts: {a}, {b} und {c}",
         "links {a}, in der Mitte {b} und rechts {c}"],
    column=["{a}, {b} und {c} von oben nach unten", "von oben nach unten: {a}, {b} und {c}",
            "oben {a}, in der Mitte {b} und unten {c}"],
    sound=sound,
    heard=["{a}", "zu hören: {a}"],
    then_two=["{a}, dann {b}", "erst {a}, dann {b}", "{a} und danach {b}"],
    then_three=["{a}, dann {b}, dann {c}", "erst {a}, dann {b}, zuletzt {c}"],
    together=["{a} und {b} gleichzeitig", "gleichzeitig {a} und {b}"],
)  # fmt: skip
