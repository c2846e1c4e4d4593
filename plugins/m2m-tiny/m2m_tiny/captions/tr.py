"""Turkish: the genitive of the thing that others stand beside, written out per noun."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {  # nominative, genitive
    "circle": ("daire", "dairenin"), "square": ("kare", "karenin"),
    "triangle": ("üçgen", "üçgenin"), "star": ("yıldız", "yıldızın"), "heart": ("kalp", "kalbin"),
    "cross": ("haç", "haçın"), "ring": ("halka", "halkanın"), "diamond": ("baklava", "baklavanın"),
    "moon": ("hilal", "hilalin"),
}  # fmt: skip
ADJECTIVES = {
    "red": "kırmızı", "green": "yeşil", "blue": "mavi", "yellow": "sarı", "orange": "turuncu",
    "purple": "mor", "pink": "pembe", "brown": "kahverengi", "white": "beyaz", "black": "siyah",
    "small": "küçük", "large": "büyük", "striped": "çizgili", "dotted": "benekli",
    "soft": "hafif", "loud": "gürültülü", "slow": "yavaş", "fast": "hızlı", "low": "pes",
    "high": "tiz",
}  # fmt: skip
SOUNDS = {
    "beep": "bip sesi", "rising": "yükselen ıslık", "falling": "alçalan ıslık",
    "hiss": "tıslama", "click": "tıkırtı", "siren": "siren", "chord": "akor", "buzz": "vızıltı",
}  # fmt: skip


def thing(obj: Object, case: str, rng: random.Random) -> str:
    # size, pattern, color, "bir", noun: the article stands right before the noun.
    said = [ADJECTIVES[obj[k]] for k in ("size", "tex", "color") if obj[k]]
    return words(*said, "bir", SHAPES[obj["shape"]][case == "gen"])


def sound(event: Event, rng: random.Random) -> str:
    said = [ADJECTIVES[d] for d in details(event)]
    if event["times"] == 1:
        return words(*said, "bir", SOUNDS[event["what"]])
    # After a number the noun stays singular.
    return words({2: "iki", 3: "üç"}[event["times"]], *said, SOUNDS[event["what"]])


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{b} solunda {a}", "gen"), ("{b} solunda {a} var", "gen"),
                 ("{a}, {b} solunda", "gen")],
        "right": [("{b} sağında {a}", "gen"), ("{b} sağında {a} var", "gen"),
                  ("{a}, {b} sağında", "gen")],
        "above": [("{b} üstünde {a}", "gen"), ("{b} üstünde {a} var", "gen"),
                  ("{a}, {b} üstünde", "gen")],
        "below": [("{b} altında {a}", "gen"), ("{b} altında {a} var", "gen"),
                  ("{a}, {b} altında", "gen")],
        "inside": [("{b} içinde {a}", "gen"), ("{b} içinde {a} var", "gen"),
                   ("{a}, {b} içinde", "gen")],
    },
    places={
        "tl": ["sol üst köşede", "sol üstte"], "tr": ["sağ üst köşede", "sağ üstte"],
        "bl": ["sol alt köşede", "sol altta"], "br": ["sağ alt köşede", "sağ altta"],
    },
    alone=["{a}", "{a} var", "resimde {a} var"],
    located=["{place} {a}", "{place} {a} var", "{a}, {place}"],
    row=["soldan sağa {a}, {b} ve {c}", "soldan sağa: {a}, {b} ve {c}",
         "solda {a}, ortada {b}, sağda {c}"],
    column=["yukarıdan aşağıya {a}, {b} ve {c}", "yukarıdan aşağıya: {a}, {b} ve {c}",
            "üstte {a}, ortada {b}, altta {c}"],
    sound=sound,
    heard=["{a}", "{a} duyuluyor"],
    then_two=["{a}, sonra {b}", "önce {a}, sonra {b}", "{a}, ardından {b}"],
    then_three=["{a}, sonra {b}, sonra {c}", "önce {a}, sonra {b}, en son {c}"],
    together=["aynı anda {a} ve {b}", "{a} ve {b} aynı anda"],
)  # fmt: skip
