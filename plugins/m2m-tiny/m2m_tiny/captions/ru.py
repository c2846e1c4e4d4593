"""Russian: gender, and nominative, genitive and instrumental case."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SHAPES = {  # nominative, genitive, instrumental, gender
    "circle": ("круг", "круга", "кругом", "m"), "square": ("квадрат", "квадрата", "квадратом", "m"),
    "triangle": ("треугольник", "треугольника", "треугольником", "m"),
    "star": ("звезда", "звезды", "звездой", "f"), "heart": ("сердце", "сердца", "сердцем", "n"),
    "cross": ("крест", "креста", "крестом", "m"), "ring": ("кольцо", "кольца", "кольцом", "n"),
    "diamond": ("ромб", "ромба", "ромбом", "m"), "moon": ("луна", "луны", "луной", "f"),
}  # fmt: skip
CASES = {"nom": 0, "gen": 1, "ins": 2}
STEMS = {
    "red": ("красн", "hard"), "green": ("зелён", "hard"), "blue": ("син", "soft"),
    "yellow": ("жёлт", "hard"), "orange": ("оранжев", "hard"), "purple": ("фиолетов", "hard"),
    "pink": ("розов", "hard"), "brown": ("коричнев", "hard"), "white": ("бел", "hard"),
    "black": ("чёрн", "hard"), "small": ("маленьк", "k"), "large": ("больш", "sh"),
    "striped": ("полосат", "hard"), "dotted": ("пятнист", "hard"),
    "low": ("низк", "k"), "high": ("высок", "k"), "soft": ("тих", "k"), "loud": ("громк", "k"),
    "slow": ("медленн", "hard"), "fast": ("быстр", "hard"), "rising": ("восходящ", "shch"),
    "falling": ("нисходящ", "shch"),
}  # fmt: skip
# kind of stem -> gender -> nominative, genitive, instrumental
ENDINGS = {
    "hard": {"m": ("ый", "ого", "ым"), "n": ("ое", "ого", "ым"), "f": ("ая", "ой", "ой")},
    "soft": {"m": ("ий", "его", "им"), "n": ("ее", "его", "им"), "f": ("яя", "ей", "ей")},
    "k": {"m": ("ий", "ого", "им"), "n": ("ое", "ого", "им"), "f": ("ая", "ой", "ой")},
    "sh": {"m": ("ой", "ого", "им"), "n": ("ое", "ого", "им"), "f": ("ая", "ой", "ой")},
    "shch": {"m": ("ий", "его", "им"), "n": ("ее", "его", "им"), "f": ("ая", "ей", "ей")},
}
PLURAL_GENITIVE = {"hard": "ых", "soft": "их", "k": "их", "sh": "их", "shch": "их"}
SOUNDS = {  # nominative, genitive singular (after two, three), gender
    "beep": ("гудок", "гудка", "m"), "rising": ("свист", "свиста", "m"),
    "falling": ("свист", "свиста", "m"), "hiss": ("шипящий звук", "шипящих звука", "m"),
    "click": ("щелчок", "щелчка", "m"), "siren": ("сирена", "сирены", "f"),
    "chord": ("аккорд", "аккорда", "m"), "buzz": ("жужжащий звук", "жужжащих звука", "m"),
}  # fmt: skip


def adjective(word: str, gender: str, case: str = "nom") -> str:
    stem, kind = STEMS[word]
    return stem + ENDINGS[kind][gender][CASES[case]]


def thing(obj: Object, case: str, rng: random.Random) -> str:
    *forms, gender = SHAPES[obj["shape"]]
    said = [obj[k] for k in ("size", "color", "tex") if obj[k]]
    return words(*(adjective(word, gender, case) for word in said), forms[CASES[case]])


def sound(event: Event, rng: random.Random) -> str:
    one, few, gender = SOUNDS[event["what"]]
    said = details(event) + ([event["what"]] if event["what"] in ("rising", "falling") else [])
    if event["times"] == 1:
        return words(*(adjective(word, gender) for word in said), one)
    number = {2: "две" if gender == "f" else "два", 3: "три"}[event["times"]]
    return words(number, *(STEMS[w][0] + PLURAL_GENITIVE[STEMS[w][1]] for w in said), few)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} слева от {b}", "gen"), ("{a} находится слева от {b}", "gen"),
                 ("слева от {b} находится {a}", "gen")],
        "right": [("{a} справа от {b}", "gen"), ("{a} находится справа от {b}", "gen"),
                  ("справа от {b} находится {a}", "gen")],
        "above": [("{a} над {b}", "ins"), ("{a} находится над {b}", "ins"),
                  ("над {b} находится {a}", "ins")],
        "below": [("{a} под {b}", "ins"), ("{a} находится под {b}", "ins"),
                  ("под {b} находится {a}", "ins")],
        "inside": [("{a} внутри {b}", "gen"), ("{a} находится внутри {b}", "gen"),
                   ("внутри {b} находится {a}", "gen")],
    },
    places={
        "tl": ["слева вверху", "в левом верхнем углу"],
        "tr": ["справа вверху", "в правом верхнем углу"],
        "bl": ["слева внизу", "в левом нижнем углу"],
        "br": ["справа внизу", "в правом нижнем углу"],
    },
    alone=["{a}", "здесь {a}", "на картинке {a}"],
    located=["{a} {place}", "{place} находится {a}", "{place}: {a}"],
    row=["{a}, {b} и {c} слева направо", "слева направо: {a}, {b} и {c}",
         "слева {a}, посередине {b} и справа {c}"],
    column=["{a}, {b} и {c} сверху вниз", "сверху вниз: {a}, {b} и {c}",
            "сверху {a}, посередине {b} и внизу {c}"],
    sound=sound,
    heard=["{a}", "слышно: {a}"],
    then_two=["{a}, затем {b}", "сначала {a}, затем {b}", "{a}, а потом {b}"],
    then_three=["{a}, затем {b}, затем {c}", "сначала {a}, затем {b} и наконец {c}"],
    together=["{a} и {b} одновременно", "одновременно {a} и {b}"],
)  # fmt: skip
