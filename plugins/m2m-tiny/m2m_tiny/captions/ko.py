"""Korean: modifiers before the noun, place words after it."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, words

SHAPES = {
    "circle": "원", "square": "정사각형", "triangle": "삼각형", "star": "별", "heart": "하트",
    "cross": "십자가", "ring": "고리", "diamond": "마름모", "moon": "초승달",
}  # fmt: skip
COLORS = {
    "red": "빨간", "green": "초록색", "blue": "파란", "yellow": "노란", "orange": "주황색",
    "purple": "보라색", "pink": "분홍색", "brown": "갈색", "white": "하얀", "black": "검은",
}  # fmt: skip
SIZES = {"small": "작은", "large": "큰", None: None}
TEXTURES = {"striped": "줄무늬", "dotted": "물방울무늬", None: None}
SOUNDS = {
    "beep": "삐 소리", "rising": "올라가는 휘파람 소리", "falling": "내려가는 휘파람 소리",
    "hiss": "쉿 소리", "click": "딸깍 소리", "siren": "사이렌 소리", "chord": "화음 소리",
    "buzz": "윙 소리",
}  # fmt: skip
DETAILS = {
    "soft": "조용한", "loud": "시끄러운", "slow": "느린", "fast": "빠른", "low": "낮은",
    "high": "높은", None: None,
}  # fmt: skip


def thing(obj: Object, case: str, rng: random.Random) -> str:
    return words(SIZES[obj["size"]], COLORS[obj["color"]], TEXTURES[obj["tex"]],
                 SHAPES[obj["shape"]])  # fmt: skip


def sound(event: Event, rng: random.Random) -> str:
    said = words(*(DETAILS[event.get(k)] for k in ("loud", "speed", "pitch")))
    number = {1: None, 2: "두 번의", 3: "세 번의"}[event["times"]]
    return words(number, said, SOUNDS[event["what"]])


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{b} 왼쪽에 {a}", "nom"), ("{b}의 왼쪽에 있는 {a}", "nom")],
        "right": [("{b} 오른쪽에 {a}", "nom"), ("{b}의 오른쪽에 있는 {a}", "nom")],
        "above": [("{b} 위에 {a}", "nom"), ("{b}의 위에 있는 {a}", "nom")],
        "below": [("{b} 아래에 {a}", "nom"), ("{b}의 아래에 있는 {a}", "nom")],
        "inside": [("{b} 안에 {a}", "nom"), ("{b}의 안에 있는 {a}", "nom")],
    },
    places={
        "tl": ["왼쪽 위 모서리에", "왼쪽 위에"], "tr": ["오른쪽 위 모서리에", "오른쪽 위에"],
        "bl": ["왼쪽 아래 모서리에", "왼쪽 아래에"], "br": ["오른쪽 아래 모서리에", "오른쪽 아래에"],
    },
    alone=["{a}", "{a} 그림", "그림 속의 {a}"],
    located=["{place} {a}", "{place} 있는 {a}"],
    row=["왼쪽부터 오른쪽으로 {a}, {b}, {c}", "왼쪽에 {a}, 가운데에 {b}, 오른쪽에 {c}"],
    column=["위에서 아래로 {a}, {b}, {c}", "위에 {a}, 가운데에 {b}, 아래에 {c}"],
    sound=sound,
    heard=["{a}", "{a}가 들린다"],
    then_two=["{a}, 그다음 {b}", "먼저 {a}, 그다음 {b}", "{a} 다음에 {b}"],
    then_three=["{a}, 그다음 {b}, 그다음 {c}", "먼저 {a}, 그다음 {b}, 마지막으로 {c}"],
    together=["동시에 {a}와 {b}", "{a}와 {b}가 동시에"],
)  # fmt: skip
