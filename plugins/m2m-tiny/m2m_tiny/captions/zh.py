"""Chinese (simplified): measure words; the place of a thing follows it."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object

SHAPES = {
    "circle": "圆形", "square": "正方形", "triangle": "三角形", "star": "星形", "heart": "心形",
    "cross": "十字形", "ring": "圆环", "diamond": "菱形", "moon": "月牙形",
}  # fmt: skip
COLORS = {
    "red": "红色", "green": "绿色", "blue": "蓝色", "yellow": "黄色", "orange": "橙色",
    "purple": "紫色", "pink": "粉色", "brown": "棕色", "white": "白色", "black": "黑色",
}  # fmt: skip
SIZES = {"small": "小的", "large": "大的", None: ""}
TEXTURES = {"striped": "条纹", "dotted": "圆点", None: ""}
SOUNDS = {
    "beep": "哔声", "rising": "上升的哨声", "falling": "下降的哨声", "hiss": "嘶嘶声",
    "click": "咔嗒声", "siren": "警笛声", "chord": "和弦", "buzz": "嗡嗡声",
}  # fmt: skip
DETAILS = {
    "soft": "轻柔的", "loud": "响亮的", "slow": "缓慢的", "fast": "快速的", "low": "低沉的",
    "high": "高亢的", None: "",
}  # fmt: skip


def thing(obj: Object, case: str, rng: random.Random) -> str:
    texture = TEXTURES[obj["tex"]]
    color = COLORS[obj["color"]]
    return f"一个{SIZES[obj['size']]}{color}{texture}{SHAPES[obj['shape']]}"


def sound(event: Event, rng: random.Random) -> str:
    said = "".join(DETAILS[event.get(k)] for k in ("loud", "speed", "pitch"))
    number = {1: "一声", 2: "两声", 3: "三声"}[event["times"]]
    return f"{number}{said}{SOUNDS[event['what']]}"


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a}在{b}的左边", "nom"), ("{b}的左边有{a}", "nom")],
        "right": [("{a}在{b}的右边", "nom"), ("{b}的右边有{a}", "nom")],
        "above": [("{a}在{b}的上面", "nom"), ("{b}的上面有{a}", "nom")],
        "below": [("{a}在{b}的下面", "nom"), ("{b}的下面有{a}", "nom")],
        "inside": [("{a}在{b}的里面", "nom"), ("{b}的里面有{a}", "nom")],
    },
    places={"tl": ["左上角"], "tr": ["右上角"], "bl": ["左下角"], "br": ["右下角"]},
    alone=["{a}", "有{a}", "图中有{a}"],
    located=["{a}在{place}", "{place}有{a}", "{place}：{a}"],
    row=["从左到右：{a}、{b}和{c}", "从左到右是{a}、{b}和{c}", "左边是{a}，中间是{b}，右边是{c}"],
    column=["从上到下：{a}、{b}和{c}", "从上到下是{a}、{b}和{c}", "上面是{a}，中间是{b}，下面是{c}"],
    sound=sound,
    heard=["{a}", "听到{a}"],
    then_two=["{a}，然后{b}", "先是{a}，然后是{b}", "{a}，接着{b}"],
    then_three=["{a}，然后{b}，然后{c}", "先是{a}，然后是{b}，最后是{c}"],
    together=["{a}和{b}同时响起", "同时有{a}和{b}"],
)  # fmt: skip
