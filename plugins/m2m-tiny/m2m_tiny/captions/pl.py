"""Polish: gender, and nominative, genitive and instrumental case."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {  # nominative, genitive, instrumental, gender
    "circle": ("okrąg", "okręgu", "okręgiem", "m"),
    "square": ("kwadrat", "kwadratu", "kwadratem", "m"),
    "triangle": ("trójkąt", "trójkąta", "trójkątem", "m"),
    "star": ("gwiazda", "gwiazdy", "gwiazdą", "f"), "heart": ("serce", "serca", "sercem", "n"),
    "cross": ("krzyż", "krzyża", "krzyżem", "m"),
    "ring": ("pierścień", "pierścienia", "pierścieniem", "m"),
    "diamond": ("romb", "rombu", "rombem", "m"),
    "moon": ("księżyc", "księżyca", "księżycem", "m"),
}  # fmt: skip
CASES = {"nom": 0, "gen": 1, "ins": 2}
STEMS = {  # a stem and its kind: after k and g an i stands before e and m
    "red": ("czerwon", "y"), "green": ("zielon", "y"), "blue": ("niebiesk", "k"),
    "yellow": ("żółt", "y"), "orange": ("pomarańczow", "y"), "purple": ("fioletow", "y"),
    "pink": ("różow", "y"), "brown": ("brązow", "y"), "white": ("biał", "y"),
    "black": ("czarn", "y"), "small": ("mał", "y"), "large": ("duż", "y"),
    "striped": ("pasiast", "y"), "dotted": ("kropkowan", "y"), "soft": ("cich", "y"),
    "loud": ("głośn", "y"), "slow": ("powoln", "y"), "fast": ("szybk", "k"), "low": ("nisk", "k"),
    "high": ("wysok", "k"), "rising": ("wznosząc", "y"), "falling": ("opadając", "y"),
}  # fmt: skip
# kind of stem -> gender -> nominative, genitive, instrumental
ENDINGS = {
    "y": {"m": ("y", "ego", "ym"), "n": ("e", "ego", "ym"), "f": ("a", "ej", "ą")},
    "k": {"m": ("i", "iego", "im"), "n": ("ie", "iego", "im"), "f": ("a", "iej", "ą")},
}
SOUNDS = {  # singular, plural, gender
    "beep": ("pisk", "piski", "m"), "rising": ("gwizd", "gwizdy", "m"),
    "falling": ("gwizd", "gwizdy", "m"), "hiss": ("syk", "syki", "m"),
    "click": ("trzask", "trzaski", "m"), "siren": ("syrena", "syreny", "f"),
    "chord": ("akord", "akordy", "m"), "buzz": ("brzęk", "brzęki", "m"),
}  # fmt: skip


def adjective(word: str, gender: str, case: str = "nom") -> str:
    stem, kind = STEMS[word]
    return stem + ENDINGS[kind][gender][CASES[case]]


def thing(obj: Object, case: str, rng: random.Random) -> str:
    *forms, gender = SHAPES[obj["shape"]]
    said = [obj[k] for k in ("size", "color", "tex") if obj[k]]
    return words(*(adjective(word, gender, case) for word in said), forms[CASES[case]])


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    said = details(event) + ([event["what"]] if event["what"] in ("rising", "falling") else [])
    if event["times"] == 1:
        return words(*(adjective(word, gender) for word in said), one)
    number = {2: "dwie" if gender == "f" else "dwa", 3: "trzy"}[event["times"]]
    # Plural of things: like the neuter singular.
    return words(number, *(adjective(word, "n") for word in said), many)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} na lewo od {b}", "gen"), ("{a} jest na lewo od {b}", "gen"),
                 ("na lewo od {b} jest {a}", "gen")],
        "right": [("{a} na prawo od {b}", "gen"), ("{a} jest na prawo od {b}", "gen"),
                  ("na prawo od {b} jest {a}", "gen")],
        "above": [("{a} nad {b}", "ins"), ("{a} jest nad {b}", "ins"), ("nad {b} jest {a}", "ins")],
        "below": [("{a} pod {b}", "ins"), ("{a} jest pod {b}", "ins"), ("pod {b} jest {a}", "ins")],
        "inside": [("{a} wewnątrz {b}", "gen"), ("{a} jest wewnątrz {b}", "gen"),
                   ("wewnątrz {b} jest {a}", "gen")],
    },
    places={
        "tl": ["w lewym górnym rogu", "u góry po lewej"],
        "tr": ["w prawym górnym rogu", "u góry po prawej"],
        "bl": ["w lewym dolnym rogu", "u dołu po lewej"],
        "br": ["w prawym dolnym rogu", "u dołu po prawej"],
    },
    alone=["{a}", "oto {a}", "na obrazku jest {a}"],
    located=["{a} {place}", "{place} jest {a}", "{place}: {a}"],
    row=["{a}, {b} i {c} od lewej do prawej", "od lewej do prawej: {a}, {b} i {c}",
         "po lewej {a}, pośrodku {b}, a po prawej {c}"],
    column=["{a}, {b} i {c} od góry do dołu", "od góry do dołu: {a}, {b} i {c}",
            "u góry {a}, pośrodku {b}, a u dołu {c}"],
    sound=sound,
    heard=["{a}", "słychać: {a}"],
    then_two=["{a}, potem {b}", "najpierw {a}, potem {b}", "{a}, a następnie {b}"],
    then_three=["{a}, potem {b}, potem {c}", "najpierw {a}, potem {b}, a na końcu {c}"],
    together=["{a} i {b} jednocześnie", "jednocześnie {a} i {b}"],
)  # fmt: skip
