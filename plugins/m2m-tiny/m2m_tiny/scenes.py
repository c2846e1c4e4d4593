"""The visual world: scenes as meaning first, then as pixels. Captions know nothing of this file.

A scene is a plain dict, independent of language::

    {"kind": "one", "objs": [obj], "pos": None | "tl" | "tr" | "bl" | "br"}
    {"kind": "two", "objs": [a, b], "rel": "left" | "right" | "above" | "below" | "inside"}
    {"kind": "three", "objs": [a, b, c], "order": "row" | "col"}

with ``obj = {"shape", "color", "size", "tex"}``; size and texture may be None (plain).
"""

from __future__ import annotations

import copy
import math
import random
from typing import Any

import numpy as np
import numpy.typing as npt

Scene = dict[str, Any]
Pixels = npt.NDArray[np.uint8]

SHAPES = ["circle", "square", "triangle", "star", "heart", "cross", "ring", "diamond", "moon"]
COLORS = {
    "red": (0.86, 0.10, 0.10), "green": (0.08, 0.60, 0.18), "blue": (0.13, 0.22, 0.90),
    "yellow": (0.97, 0.88, 0.10), "orange": (0.97, 0.50, 0.04), "purple": (0.50, 0.10, 0.66),
    "pink": (0.98, 0.58, 0.76), "brown": (0.42, 0.24, 0.09), "white": (0.97, 0.97, 0.97),
    "black": (0.04, 0.04, 0.04),
}  # fmt: skip
SIZES = [None, "small", "large"]
TEXTURES = [None, "striped", "dotted"]
RELATIONS = ["left", "right", "above", "below", "inside"]
INVERSE = {"left": "right", "right": "left", "above": "below", "below": "above"}
POSITIONS = [None, "tl", "tr", "bl", "br"]
OUTER = ["circle", "square", "heart", "diamond"]  # shapes with room inside
RESOLUTION = 40
_NAMES = list(COLORS)
_RGB = np.array(list(COLORS.values()), np.float32)


def random_scene(rng: random.Random) -> Scene:
    """One to three objects with a position, a relation or an order."""
    kind = rng.choices(["one", "two", "three"], [0.2, 0.55, 0.25])[0]
    if kind == "one":
        return {"kind": kind, "objs": [_random_object(rng)], "pos": rng.choice(POSITIONS)}
    if kind == "three":
        objects = [_random_object(rng) for _ in range(3)]
        return {"kind": kind, "objs": objects, "order": rng.choice(["row", "col"])}
    relation = rng.choices(RELATIONS, [1, 1, 1, 1, 0.7])[0]
    a, b = (_random_object(rng, sized=relation != "inside") for _ in range(2))
    if relation == "inside":
        b["shape"] = rng.choice(OUTER)
        while a["color"] == b["color"]:
            a["color"] = rng.choice(_NAMES)
    return {"kind": kind, "objs": [a, b], "rel": relation}


def _random_object(rng: random.Random, sized: bool = True) -> dict[str, Any]:
    return {
        "shape": rng.choice(SHAPES),
        "color": rng.choice(_NAMES),
        "size": rng.choice(SIZES) if sized else None,
        "tex": rng.choices(TEXTURES, [2, 1, 1])[0],
    }


def near_duplicates(scene: Scene, rng: random.Random, n: int = 4) -> list[Scene]:
    """``n`` scenes that differ in one attribute, or in which object has it; fewer if there are."""
    variants: dict[str, Scene] = {}
    own = key(scene)
    for _ in range(20 * n):
        for other in _neighbors(scene, rng):
            if key(other) != own:
                variants.setdefault(key(other), other)
            if len(variants) == n:
                return list(variants.values())
    return list(variants.values())


def _neighbors(scene: Scene, rng: random.Random) -> list[Scene]:
    """A handful, the telling ones first; others at every call."""
    if scene["kind"] == "one":
        moved = copy.deepcopy(scene)
        moved["pos"] = rng.choice([p for p in POSITIONS if p != scene["pos"]])
        return [moved, *(_changed(scene, k, rng) for k in ("tex", "size", "color", "shape"))]
    swapped = copy.deepcopy(scene)
    a, b = rng.sample(swapped["objs"], 2)
    what = rng.choice(["color", "color", "tex"])
    a[what], b[what] = b[what], a[what]
    turned = copy.deepcopy(scene)
    if scene["kind"] == "three":
        rng.shuffle(turned["objs"])
    elif scene["rel"] == "inside":
        first = turned["objs"][0]
        first["tex"] = rng.choice([t for t in TEXTURES if t != first["tex"]])
    else:
        turned["rel"] = rng.choice([r for r in RELATIONS if r not in (scene["rel"], "inside")])
    return [
        swapped,
        turned,
        _changed(scene, rng.choice(["tex", "size"]), rng),
        _changed(scene, rng.choice(["shape", "color"]), rng),
    ]


def _changed(scene: Scene, key: str, rng: random.Random) -> Scene:
    scene = copy.deepcopy(scene)
    chosen = rng.choice(scene["objs"])
    if scene.get("rel") == "inside":
        if key == "shape":
            chosen = scene["objs"][0]  # the outer one must keep room inside
        if key == "size":
            key = "color"  # sizes are fixed by being inside
    options: Any = {
        "shape": SHAPES, "color": _NAMES, "size": SIZES, "tex": TEXTURES
    }[key]  # fmt: skip
    chosen[key] = rng.choice([value for value in options if value != chosen[key]])
    return scene


def mention(scene: Scene, rng: random.Random, p_drop: float = 0.2) -> Scene:
    """What a caption says of a scene: optional details are left out with probability p_drop."""
    said = copy.deepcopy(scene)
    for obj in said["objs"]:
        for detail in ("size", "tex"):
            if rng.random() < p_drop:
                obj[detail] = None
    if said["kind"] == "one" and rng.random() < p_drop:
        said["pos"] = None
    return said


def key(scene: Scene) -> str:
    """Equal for equal meanings."""
    objects = [(o["shape"], o["color"], o["size"], o["tex"]) for o in scene["objs"]]
    return repr((scene["kind"], scene.get("rel"), scene.get("order"), scene.get("pos"), objects))


def gallery(seed: int = 999, groups: int = 40, size: int = 25) -> tuple[list[Scene], list[Scene]]:
    """The held-out scenes and what their captions say: each base with its near-duplicates."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    seen: set[str] = set()
    while len(scenes) < groups * size:
        base = random_scene(rng)
        family = [base, *near_duplicates(base, rng, size - 1)]
        keys = {key(scene) for scene in family}
        while len(family) < size:  # some have few neighbors; theirs stand in
            for scene in near_duplicates(rng.choice(family), rng, size - len(family)):
                if key(scene) not in keys:
                    keys.add(key(scene))
                    family.append(scene)
        if not keys & seen:
            seen |= keys
            scenes += family
    return scenes, [mention(scene, rng, 0.25) for scene in scenes]


def render(scene: Scene, rng: random.Random) -> Pixels:
    """uint8 ``[40, 40, 3]``, with jitter, an uneven background and noise drawn from ``rng``."""
    image: npt.NDArray[np.uint8] = render_batch([scene], rng)[0]
    return image


def render_batch(scenes: list[Scene], rng: random.Random, oversample: int = 2) -> Pixels:
    """uint8 ``[n, 40, 40, 3]``."""
    size = RESOLUTION * oversample
    down, across = np.mgrid[0:size, 0:size].astype(np.float32)
    across, down = (across + 0.5) / oversample, (down + 0.5) / oversample
    out = np.empty((len(scenes), RESOLUTION, RESOLUTION, 3), np.uint8)
    noise = np.random.default_rng(rng.getrandbits(32))
    for number, scene in enumerate(scenes):
        image = _background(rng, across, down)
        for placed in _layout(scene, rng):
            _paint(image, placed, across, down, oversample, noise)
        shape = (RESOLUTION, oversample, RESOLUTION, oversample, 3)
        small = image.reshape(shape).mean((1, 3))
        small += noise.normal(0, 0.015, small.shape)
        out[number] = (np.clip(small, 0, 1) * 255).astype(np.uint8)
    return out


def _background(rng: random.Random, across: Any, down: Any) -> Any:
    image = np.empty((*across.shape, 3), np.float32)
    tint = [rng.gauss(0, 0.02) for _ in range(3)]
    image[:] = rng.uniform(0.42, 0.62) + np.array(tint, np.float32)
    slope = (across - RESOLUTION / 2) * rng.gauss(0, 0.002)
    slope += (down - RESOLUTION / 2) * rng.gauss(0, 0.002)
    return image + slope[..., None]


def _layout(scene: Scene, rng: random.Random) -> list[tuple[dict[str, Any], float, float, float]]:
    """(object, x, y, radius) in draw order, in pixels."""

    def wobble(amount: float) -> float:
        return rng.gauss(0, amount)

    middle, objects = RESOLUTION / 2, scene["objs"]
    if scene["kind"] == "one":
        size = objects[0]["size"]
        radius = {"small": 5.0, None: 8.0, "large": 11.5}[size] * rng.uniform(0.92, 1.08)
        away = 7.5 if size == "large" else 8.5
        corners = {None: (0, 0), "tl": (-1, -1), "tr": (1, -1), "bl": (-1, 1), "br": (1, 1)}
        right, low = corners[scene["pos"]]
        x = middle + right * away * rng.uniform(0.9, 1.2) + wobble(0.7)
        y = middle + low * away * rng.uniform(0.9, 1.2) + wobble(0.7)
        return [(objects[0], x, y, radius)]
    if scene["kind"] == "three":
        radii = {"small": 3.4, None: 4.8, "large": 6.5}
        placed = []
        for place, obj in enumerate(objects):
            along, beside = middle + (place - 1) * 13.0 + wobble(0.3), middle + wobble(1.5)
            x, y = (along, beside) if scene["order"] == "row" else (beside, along)
            placed.append((obj, x, y, radii[obj["size"]] * rng.uniform(0.95, 1.05)))
        return placed
    a, b = objects
    if scene["rel"] == "inside":
        x, y = middle + wobble(1.0), middle + wobble(1.0)
        return [
            (b, x, y, rng.uniform(15.0, 17.5)),
            (a, x + wobble(0.8), y + wobble(0.8), rng.uniform(5.0, 6.0)),
        ]
    radii = {"small": 4.2, None: 6.3, "large": 9.0}
    right, low = {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}[scene["rel"]]
    placed = []
    for obj, side in ((a, 1), (b, -1)):
        away = rng.uniform(9.2, 10.6)
        x = middle + side * right * away + wobble(0.4 if right else 1.8)
        y = middle + side * low * away + wobble(0.4 if low else 1.8)
        placed.append((obj, x, y, radii[obj["size"]] * rng.uniform(0.93, 1.07)))
    return [(obj, x, y, radius) for obj, x, y, radius in placed]


def _paint(
    image: Any, placed: tuple[dict[str, Any], float, float, float], across: Any, down: Any,
    oversample: int, noise: np.random.Generator,
) -> None:  # fmt: skip
    obj, x, y, radius = placed
    reach = int(radius * 1.3) + 2
    size = image.shape[0]
    left, right = max(0, int((x - reach) * oversample)), min(size, int((x + reach) * oversample))
    top, low = max(0, int((y - reach) * oversample)), min(size, int((y + reach) * oversample))
    px, py = across[top:low, left:right], down[top:low, left:right]
    u, v = (px - x) / radius, (py - y) / radius
    angle, phase = noise.normal(0, 0.12), noise.uniform(0, 4)
    cos, sin = math.cos(angle), math.sin(angle)
    mask = _mask(obj["shape"], u * cos + v * sin, v * cos - u * sin)
    color = _RGB[_NAMES.index(obj["color"])] + noise.normal(0, 0.02, 3)
    color = np.clip(color, 0, 1).astype(np.float32)
    dark = color.mean() > 0.45
    second = np.clip(color * 0.25 if dark else color * 0.3 + 0.68, 0, 1)
    paint = np.broadcast_to(color, (*mask.shape, 3))
    if obj["tex"] == "striped":
        stripes = np.mod((px + py) * 0.7071 + phase, 4.0) < 1.7
        paint = np.where(stripes[..., None], second, color)
    elif obj["tex"] == "dotted":
        dots = (np.mod(px + phase, 4.4) - 2.2) ** 2 + (np.mod(py + phase, 4.4) - 2.2) ** 2 < 1.5
        paint = np.where(dots[..., None], second, color)
    region = image[top:low, left:right]
    image[top:low, left:right] = np.where(mask[..., None], paint, region)


def _mask(shape: str, u: Any, v: Any) -> Any:
    """Where the unit shape covers the plane; u to the right, v downwards."""
    square = u * u + v * v
    if shape == "circle":
        return square < 0.92
    if shape == "square":
        return np.maximum(abs(u), abs(v)) < 0.82
    if shape == "triangle":
        u, v = u / 1.12, (v - 0.12) / 1.12
        return np.maximum(v - 0.5, abs(u) * 0.866 - v * 0.5 - 0.5) < 0
    if shape == "star":
        turn = np.mod(np.arctan2(u, -v) + math.pi / 5, 2 * math.pi / 5) - math.pi / 5
        reach = np.sqrt(square) / 1.12
        px, py = reach * np.cos(turn), reach * abs(np.sin(turn))
        bx, by = 0.42 * math.cos(math.pi / 5), 0.42 * math.sin(math.pi / 5)
        return (bx - 1) * py - by * (px - 1) > 0
    if shape == "heart":
        x, y = 1.2 * u, -1.2 * v + 0.1
        return (x * x + y * y - 1) ** 3 - x * x * y**3 < 0
    if shape == "cross":
        bar = np.maximum(abs(u) - 0.95, abs(v) - 0.3)
        return np.minimum(bar, np.maximum(abs(v) - 0.95, abs(u) - 0.3)) < 0
    if shape == "ring":
        return abs(np.sqrt(square) - 0.74) < 0.22
    if shape == "diamond":
        return abs(u) / 0.72 + abs(v) / 1.08 < 1
    return (square < 0.92) & ((u - 0.5) ** 2 + v * v > 0.5)  # moon
