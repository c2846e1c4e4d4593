"""Japanese: particles, the described thing last; い-adjectives and nouns with の."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object

SHAPES = {
    "circle": "円", "square": "正方形", "triangle": "三角形", "star": "星", "heart": "ハート",
    "cross": "十字", "ring": "輪", "diamond": "ひし形", "moon": "三日月",
}  # fmt: skip
COLORS = {
    "red": "赤い", "green": "緑色の", "blue": "青い", "yellow": "黄色い", "orange": "オレンジ色の",
    "purple": "紫色の", "pink": "ピンク色の", "brown": "茶色い", "white": "白い", "black": "黒い",
}  # fmt: skip
SIZES = {"small": "小さな", "large": "大きな", None: ""}
TEXTURES = {"striped": "縞模様の", "dotted": "水玉模様の", None: ""}
SOUNDS = {
    "beep": "ビープ音", "rising": "上がる笛の音", "falling": "下がる笛の音", "hiss": "シューという音",
    "click": "カチッという音", "siren": "サイレン", "chord": "和音", "buzz": "ブザー音",
}  # fmt: skip
DETAILS = {
    "soft": "静かな", "loud": "大きな", "slow": "遅い", "fast": "速い", "low": "低い", "high": "高い",
    None: "",
}  # fmt: skip


def thing(obj: Object, case: str, rng: random.Random) -> str:
    parts = SIZES[obj["size"]], COLORS[obj["color"]], TEXTURES[obj["tex"]], SHAPES[obj["shape"]]
    return "".join(parts)


def sound(event: Event, rng: random.Random) -> str:
    said = "".join(DETAILS[event.get(k)] for k in ("loud", "speed", "pitch"))
    number = {1: "", 2: "二回の", 3: "三回の"}[event["times"]]
    return f"{number}{said}{SOUNDS[event['what']]}"


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{b}の左に{a}", "nom"), ("{b}の左に{a}がある", "nom"), ("{a}が{b}の左にある", "nom")],
        "right": [("{b}の右に{a}", "nom"), ("{b}の右に{a}がある", "nom"), ("{a}が{b}の右にある", "nom")],
        "above": [("{b}の上に{a}", "nom"), ("{b}の上に{a}がある", "nom"), ("{a}が{b}の上にある", "nom")],
        "below": [("{b}の下に{a}", "nom"), ("{b}の下に{a}がある", "nom"), ("{a}が{b}の下にある", "nom")],
        "inside": [("{b}の中に{a}", "nom"), ("{b}の中に{a}がある", "nom"), ("{a}が{b}の中にある", "nom")],
    },
    places={
        "tl": ["左上の隅", "左上"], "tr": ["右上の隅", "右上"], "bl": ["左下の隅", "左下"],
        "br": ["右下の隅", "右下"],
    },
    alone=["{a}", "{a}がある", "{a}の絵"],
    located=["{place}に{a}", "{place}に{a}がある", "{a}が{place}にある"],
    row=["左から右へ{a}、{b}、{c}", "左に{a}、真ん中に{b}、右に{c}"],
    column=["上から下へ{a}、{b}、{c}", "上に{a}、真ん中に{b}、下に{c}"],
    sound=sound,
    heard=["{a}", "{a}が聞こえる"],
    then_two=["{a}、それから{b}", "まず{a}、次に{b}", "{a}の後に{b}"],
    then_three=["{a}、それから{b}、それから{c}", "まず{a}、次に{b}、最後に{c}"],
    together=["{a}と{b}が同時に聞こえる", "同時に{a}と{b}"],
)  # fmt: skip
