"""Spanish: gender and number of adjectives after the noun."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {
    "circle": ("círculo", "m"), "square": ("cuadrado", "m"), "triangle": ("triángulo", "m"),
    "star": ("estrella", "f"), "heart": ("corazón", "m"), "cross": ("cruz", "f"),
    "ring": ("anillo", "m"), "diamond": ("rombo", "m"), "moon": ("luna", "f"),
}  # fmt: skip
ADJECTIVES = {  # a trailing o becomes a in the feminine
    "red": "rojo", "green": "verde", "blue": "azul", "yellow": "amarillo", "orange": "naranja",
    "purple": "morado", "pink": "rosa", "brown": "marrón", "white": "blanco", "black": "negro",
    "small": "pequeño", "large": "grande", "striped": "a rayas", "dotted": "de lunares",
    "soft": "suave", "loud": "fuerte", "slow": "lento", "fast": "rápido", "low": "grave",
    "high": "agudo", "rising": "ascendente", "falling": "descendente",
}  # fmt: skip
SOUNDS = {
    "beep": ("pitido", "m"), "rising": ("silbido", "m"), "falling": ("silbido", "m"),
    "hiss": ("siseo", "m"), "click": ("chasquido", "m"), "siren": ("sirena", "f"),
    "chord": ("acorde", "m"), "buzz": ("zumbido", "m"),
}  # fmt: skip


def form(word: str, gender: str, plural: bool = False) -> str:
    adjective = ADJECTIVES[word]
    if gender == "f" and adjective.endswith("o"):
        adjective = adjective[:-1] + "a"
    return adjective + ("s" if plural else "")


def thing(obj: Object, case: str, rng: random.Random) -> str:
    noun, gender = SHAPES[obj["shape"]]
    size = form(obj["size"], gender) if obj["size"] else None
    texture = form(obj["tex"], gender) if obj["tex"] else None
    return words("una" if gender == "f" else "un", noun, form(obj["color"], gender), size, texture)


def sound(event: Event, rng: random.Random) -> str:
    noun, gender = SOUNDS[event["what"]]
    plural = event["times"] > 1
    kind = form(event["what"], gender, plural) if event["what"] in ("rising", "falling") else None
    after = [form(d, gender, plural) for d in reversed(details(event))]
    adjectives = " y ".join(after) if len(after) < 3 else f"{after[0]}, {after[1]} y {after[2]}"
    number = {1: "una" if gender == "f" else "un", 2: "dos", 3: "tres"}[event["times"]]
    return words(number, noun + ("s" if plural else ""), kind, adjectives)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} a la izquierda de {b}", "nom"), ("{a} está a la izquierda de {b}", "nom"),
                 ("a la izquierda de {b} hay {a}", "nom")],
        "right": [("{a} a la derecha de {b}", "nom"), ("{a} está a la derecha de {b}", "nom"),
                  ("a la derecha de {b} hay {a}", "nom")],
        "above": [("{a} encima de {b}", "nom"), ("{a} está encima de {b}", "nom"),
                  ("encima de {b} hay {a}", "nom")],
        "below": [("{a} debajo de {b}", "nom"), ("{a} está debajo de {b}", "nom"),
                  ("debajo de {b} hay {a}", "nom")],
        "inside": [("{a} dentro de {b}", "nom"), ("{a} está dentro de {b}", "nom"),
                   ("dentro de {b} hay {a}", "nom")],
    },
    places={
        "tl": ["arriba a la izquierda", "en la esquina superior izquierda"],
        "tr": ["arriba a la derecha", "en la esquina superior derecha"],
        "bl": ["abajo a la izquierda", "en la esquina inferior izquierda"],
        "br": ["abajo a la derecha", "en la esquina inferior derecha"],
    },
    alone=["{a}", "hay {a}", "se ve {a}"],
    located=["{a} {place}", "hay {a} {place}", "{place}, {a}"],
    row=["{a}, {b} y {c} de izquierda a derecha", "de izquierda a derecha: {a}, {b} y {c}",
         "a la izquierda {a}, en el medio {b} y a la derecha {c}"],
    column=["{a}, {b} y {c} de arriba abajo", "de arriba abajo: {a}, {b} y {c}",
            "arriba {a}, en el medio {b} y abajo {c}"],
    sound=sound,
    heard=["{a}", "el sonido de {a}"],
    then_two=["{a}, luego {b}", "primero {a}, luego {b}", "{a} y después {b}"],
    then_three=["{a}, luego {b}, luego {c}", "primero {a}, luego {b} y por último {c}"],
    together=["{a} y {b} al mismo tiempo", "al mismo tiempo {a} y {b}"],
)  # fmt: skip
