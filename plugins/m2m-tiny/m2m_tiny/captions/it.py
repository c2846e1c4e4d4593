"""Italian: gender, number, and the article that depends on the next sound."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {
    "circle": ("cerchio", "m"), "square": ("quadrato", "m"), "triangle": ("triangolo", "m"),
    "star": ("stella", "f"), "heart": ("cuore", "m"), "cross": ("croce", "f"),
    "ring": ("anello", "m"), "diamond": ("rombo", "m"), "moon": ("luna", "f"),
}  # fmt: skip
ADJECTIVES = {  # o/a/i/e, or e/i, or invariable
    "red": "rosso", "green": "verde", "blue": "blu", "yellow": "giallo", "orange": "arancione",
    "purple": "viola", "pink": "rosa", "brown": "marrone", "white": "bianco", "black": "nero",
    "small": "piccolo", "large": "grande", "striped": "a strisce", "dotted": "a pois",
    "soft": "debole", "loud": "forte", "slow": "lento", "fast": "rapido", "low": "grave",
    "high": "acuto", "rising": "ascendente", "falling": "discendente",
}  # fmt: skip
SOUNDS = {
    "beep": ("segnale acustico", "segnali acustici", "m"), "rising": ("fischio", "fischi", "m"),
    "falling": ("fischio", "fischi", "m"), "hiss": ("sibilo", "sibili", "m"),
    "click": ("clic", "clic", "m"), "siren": ("sirena", "sirene", "f"),
    "chord": ("accordo", "accordi", "m"), "buzz": ("ronzio", "ronzii", "m"),
}  # fmt: skip


def form(word: str, gender: str, plural: bool = False) -> str:
    adjective = ADJECTIVES[word]
    if adjective.endswith("o"):
        return adjective[:-1] + {"m": "oi", "f": "ae"}[gender][plural]
    if plural and adjective.endswith("e"):
        return adjective[:-1] + "i"
    return adjective


def thing(obj: Object, case: str, rng: random.Random) -> str:
    noun, gender = SHAPES[obj["shape"]]
    size = form(obj["size"], gender) if obj["size"] else None
    texture = form(obj["tex"], gender) if obj["tex"] else None
    return words("una" if gender == "f" else "un", noun, form(obj["color"], gender), size, texture)


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    plural = event["times"] > 1
    kind = form(event["what"], gender, plural) if event["what"] in ("rising", "falling") else None
    after = [form(d, gender, plural) for d in reversed(details(event))]
    adjectives = " e ".join(after) if len(after) < 3 else f"{after[0]}, {after[1]} e {after[2]}"
    number = {1: "una" if gender == "f" else "un", 2: "due", 3: "tre"}[event["times"]]
    return words(number, many if plural else one, kind, adjectives)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} a sinistra di {b}", "nom"), ("{a} è a sinistra di {b}", "nom"),
                 ("a sinistra di {b} c'è {a}", "nom")],
        "right": [("{a} a destra di {b}", "nom"), ("{a} è a destra di {b}", "nom"),
                  ("a destra di {b} c'è {a}", "nom")],
        "above": [("{a} sopra {b}", "nom"), ("{a} è sopra {b}", "nom"), ("sopra {b} c'è {a}", "nom")],
        "below": [("{a} sotto {b}", "nom"), ("{a} è sotto {b}", "nom"), ("sotto {b} c'è {a}", "nom")],
        "inside": [("{a} dentro {b}", "nom"), ("{a} è dentro {b}", "nom"),
                   ("dentro {b} c'è {a}", "nom")],
    },
    places={
        "tl": ["in alto a sinistra", "nell'angolo in alto a sinistra"],
        "tr": ["in alto a destra", "nell'angolo in alto a destra"],
        "bl": ["in basso a sinistra", "nell'angolo in basso a sinistra"],
        "br": ["in basso a destra", "nell'angolo in basso a destra"],
    },
    alone=["{a}", "c'è {a}", "si vede {a}"],
    located=["{a} {place}", "c'è {a} {place}", "{place}, {a}"],
    row=["{a}, {b} e {c} da sinistra a destra", "da sinistra a destra: {a}, {b} e {c}",
         "a sinistra {a}, al centro {b} e a destra {c}"],
    column=["{a}, {b} e {c} dall'alto in basso", "dall'alto in basso: {a}, {b} e {c}",
            "in alto {a}, al centro {b} e in basso {c}"],
    sound=sound,
    heard=["{a}", "il suono di {a}"],
    then_two=["{a}, poi {b}", "prima {a}, poi {b}", "{a} e dopo {b}"],
    then_three=["{a}, poi {b}, poi {c}", "prima {a}, poi {b} e infine {c}"],
    together=["{a} e {b} allo stesso tempo", "contemporaneamente {a} e {b}"],
)  # fmt: skip
