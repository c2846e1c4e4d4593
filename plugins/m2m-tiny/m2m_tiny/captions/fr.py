"""French: gender, adjectives after the noun (size before it), elision."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {
    "circle": ("cercle", "m"), "square": ("carré", "m"), "triangle": ("triangle", "m"),
    "star": ("étoile", "f"), "heart": ("cœur", "m"), "cross": ("croix", "f"),
    "ring": ("anneau", "m"), "diamond": ("losange", "m"), "moon": ("lune", "f"),
}  # fmt: skip
ADJECTIVES = {  # masculine, feminine
    "red": ("rouge", "rouge"), "green": ("vert", "verte"), "blue": ("bleu", "bleue"),
    "yellow": ("jaune", "jaune"), "orange": ("orange", "orange"), "purple": ("violet", "violette"),
    "pink": ("rose", "rose"), "brown": ("marron", "marron"), "white": ("blanc", "blanche"),
    "black": ("noir", "noire"), "small": ("petit", "petite"), "large": ("grand", "grande"),
    "striped": ("rayé", "rayée"), "dotted": ("à pois", "à pois"), "soft": ("faible", "faible"),
    "loud": ("fort", "forte"), "slow": ("lent", "lente"), "fast": ("rapide", "rapide"),
    "low": ("grave", "grave"), "high": ("aigu", "aiguë"),
}  # fmt: skip
SOUNDS = {
    "beep": ("bip", "bips", "m"), "rising": ("sifflement montant", "sifflements montants", "m"),
    "falling": ("sifflement descendant", "sifflements descendants", "m"),
    "hiss": ("chuintement", "chuintements", "m"), "click": ("clic", "clics", "m"),
    "siren": ("sirène", "sirènes", "f"), "chord": ("accord", "accords", "m"),
    "buzz": ("bourdonnement", "bourdonnements", "m"),
}  # fmt: skip


def form(word: str, gender: str, plural: bool = False) -> str:
    return ADJECTIVES[word][gender == "f"] + ("s" if plural else "")


def thing(obj: Object, case: str, rng: random.Random) -> str:
    noun, gender = SHAPES[obj["shape"]]
    article = {"nom": ("un", "une"), "de": ("d'un", "d'une")}[case][gender == "f"]
    size = form(obj["size"], gender) if obj["size"] else None
    texture = form(obj["tex"], gender) if obj["tex"] else None
    return words(article, size, noun, form(obj["color"], gender), texture)


def sound(event: Event, rng: random.Random) -> str:
    one, many, gender = SOUNDS[event["what"]]
    plural = event["times"] > 1
    after = [form(d, gender, plural) for d in reversed(details(event))]
    # "fort et rapide": several adjectives after a noun are joined.
    adjectives = " et ".join(after) if len(after) < 3 else f"{after[0]}, {after[1]} et {after[2]}"
    number = {1: "une" if gender == "f" else "un", 2: "deux", 3: "trois"}[event["times"]]
    return words(number, many if plural else one, adjectives)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} à gauche {b}", "de"), ("{a} est à gauche {b}", "de"),
                 ("à gauche {b}, il y a {a}", "de")],
        "right": [("{a} à droite {b}", "de"), ("{a} est à droite {b}", "de"),
                  ("à droite {b}, il y a {a}", "de")],
        "above": [("{a} au-dessus {b}", "de"), ("{a} est au-dessus {b}", "de"),
                  ("au-dessus {b}, il y a {a}", "de")],
        "below": [("{a} au-dessous {b}", "de"), ("{a} est en dessous {b}", "de"),
                  ("en dessous {b}, il y a {a}", "de")],
        "inside": [("{a} à l'intérieur {b}", "de"), ("{a} est dans {b}", "nom"),
                   ("dans {b}, il y a {a}", "nom")],
    },
    places={
        "tl": ["en haut à gauche", "dans le coin supérieur gauche"],
        "tr": ["en haut à droite", "dans le coin supérieur droit"],
        "bl": ["en bas à gauche", "dans le coin inférieur gauche"],
        "br": ["en bas à droite", "dans le coin inférieur droit"],
    },
    alone=["{a}", "il y a {a}", "on voit {a}"],
    located=["{a} {place}", "il y a {a} {place}", "{place}, {a}"],
    row=["{a}, {b} et {c} de gauche à droite", "de gauche à droite : {a}, {b} et {c}",
         "à gauche {a}, au milieu {b} et à droite {c}"],
    column=["{a}, {b} et {c} de haut en bas", "de haut en bas : {a}, {b} et {c}",
            "en haut {a}, au milieu {b} et en bas {c}"],
    sound=sound,
    heard=["{a}", "on entend {a}"],
    then_two=["{a}, puis {b}", "d'abord {a}, puis {b}", "{a} et ensuite {b}"],
    then_three=["{a}, puis {b}, puis {c}", "d'abord {a}, puis {b}, enfin {c}"],
    together=["{a} et {b} en même temps", "en même temps {a} et {b}"],
)  # fmt: skip
