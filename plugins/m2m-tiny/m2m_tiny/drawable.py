"""The part of the visual world that tiny-diffusion can draw, and how to read a picture of it.

One object anywhere, or two beside or above each other: six shapes, eight colors, no textures
and no sizes. Small enough to learn on a laptop, rich enough that a picture can be wrong.
"""

from __future__ import annotations

import random
from typing import Any

SHAPES = ["circle", "square", "triangle", "star", "heart", "cross"]
COLORS = ["red", "green", "blue", "yellow", "orange", "purple", "white", "black"]
POSITIONS = [None, "tl", "tr", "bl", "br"]
RELATIONS = ["left", "right", "above", "below"]
# Where things are, as a picture shows it: "left of" and "right of" look alike.
PLACES = ["middle", "tl", "tr", "bl", "br", "row", "column"]

Scene = dict[str, Any]


def _object(shape: str, color: str) -> dict[str, Any]:
    return {"shape": shape, "color": color, "size": None, "tex": None}


def all_scenes() -> list[Scene]:
    """Every drawable scene, in a fixed order."""
    kinds = [(shape, color) for shape in SHAPES for color in COLORS]
    alone = [
        {"kind": "one", "objs": [_object(*kind)], "pos": position}
        for kind in kinds
        for position in POSITIONS
    ]
    pairs = [
        {"kind": "two", "objs": [_object(*a), _object(*b)], "rel": relation}
        for a in kinds
        for b in kinds
        if a != b
        for relation in RELATIONS
    ]
    return alone + pairs


def split(seed: int = 997) -> tuple[list[Scene], list[Scene]]:
    """(for training, held out): a fifth of all meanings is never trained on.

    A pair is held out together with its mirror ("a left of b", "b right of a"): the same
    picture must not be learned under its other name.
    """
    seen: dict[str, list[Scene]] = {}
    for scene in all_scenes():
        seen.setdefault(repr(picture(scene)), []).append(scene)
    groups = list(seen.values())
    random.Random(seed).shuffle(groups)
    cut = len(groups) // 5
    return [s for g in groups[cut:] for s in g], [s for g in groups[:cut] for s in g]


def picture(scene: Scene) -> dict[str, Any]:
    """What is to be seen: the place, and the objects from left to right or top to bottom."""
    objects = [(o["shape"], o["color"]) for o in scene["objs"]]
    if scene["kind"] == "one":
        return {"place": scene["pos"] or "middle", "objects": objects}
    if scene["rel"] in ("right", "below"):
        objects = objects[::-1]
    return {"place": "row" if scene["rel"] in ("left", "right") else "column", "objects": objects}


def draw(scenes: list[Scene], n: int, rng: random.Random) -> list[Scene]:
    """``n`` of ``scenes`` at random, a fifth of them single objects (there are few of those)."""
    alone = [s for s in scenes if s["kind"] == "one"]
    pairs = [s for s in scenes if s["kind"] == "two"]
    return [rng.choice(alone if rng.random() < 0.2 else pairs) for _ in range(n)]
