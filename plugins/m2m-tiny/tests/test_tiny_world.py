"""Scenes and sounds: meaning first, rendered without a word, near-duplicates that differ a little."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from m2m_tiny import scenes, sounds

WORLDS = [scenes, sounds]


def draw(world: ModuleType, rng: random.Random) -> Any:
    return world.random_scene(rng) if world is scenes else world.random_sound(rng)


@pytest.mark.parametrize("world", WORLDS)
def test_the_gallery_is_fixed_distinct_and_a_thousand(world: ModuleType) -> None:
    items, said = world.gallery()
    again, _ = world.gallery()
    assert items == again
    assert len(items) == len(said) == len({world.key(spec) for spec in items}) == 1000


@pytest.mark.parametrize("world", WORLDS)
def test_near_duplicates_differ_in_little(world: ModuleType) -> None:
    rng = random.Random(3)
    for _ in range(200):
        base = draw(world, rng)
        others = world.near_duplicates(base, rng)
        assert len({world.key(spec) for spec in others} | {world.key(base)}) == 5


@pytest.mark.parametrize("world", WORLDS)
def test_a_caption_never_says_more_than_the_item(world: ModuleType) -> None:
    rng = random.Random(4)
    details = {"size", "tex", "pitch", "loud", "speed"}
    for _ in range(200):
        spec = draw(world, rng)
        said = world.mention(spec, rng, 0.5)
        parts = "objs" if world is scenes else "events"
        for told in said[parts]:
            match = [part for part in spec[parts] if all(
                told[k] == part[k] or (k in details and told[k] is None) for k in told)]  # fmt: skip
            assert match, (spec, said)


def test_pictures() -> None:
    rng = random.Random(0)
    some = [scenes.random_scene(rng) for _ in range(20)]
    pixels = scenes.render_batch(some, random.Random(1))
    assert pixels.shape == (20, 40, 40, 3) and pixels.dtype == np.uint8
    assert (pixels == scenes.render_batch(some, random.Random(1))).all()
    jittered = scenes.render_batch(some, random.Random(2))
    assert all((a != b).any() for a, b in zip(pixels, jittered))


def test_red_is_painted_red_and_left_is_left() -> None:
    def one(color: str) -> dict[str, Any]:
        return {"shape": "square", "color": color, "size": None, "tex": None}

    scene = {"kind": "two", "objs": [one("red"), one("blue")], "rel": "left"}
    pixels = scenes.render(scene, random.Random(0)).astype(int)
    redness, blueness = (pixels[..., i] - pixels[..., 2 - i] for i in (0, 2))
    assert np.argmax(redness.max(0)) < 20 < np.argmax(blueness.max(0))


def test_sounds() -> None:
    rng = random.Random(0)
    for _ in range(20):
        spec = sounds.random_sound(rng)
        wave = sounds.render(spec, random.Random(1))
        assert wave.dtype == np.float32 and len(wave) == sounds.RATE * sounds.SECONDS
        assert np.isfinite(wave).all() and abs(wave).max() <= 1
        assert (wave == sounds.render(spec, random.Random(1))).all()


@pytest.mark.parametrize(
    ("key", "low", "high"), [("loud", "soft", "loud"), ("pitch", "low", "high")]
)
def test_loud_is_louder_and_high_is_higher(key: str, low: str, high: str) -> None:
    def heard(value: str) -> float:
        event = {"what": "beep", "pitch": None, "loud": None, "speed": None, "times": 1}
        spec = {"kind": "sound", "events": [{**event, key: value}], "link": "then"}
        wave = sounds.render(spec, random.Random(0))
        if key == "loud":
            return float(abs(wave).max())
        return float(np.argmax(abs(np.fft.rfft(wave))))

    assert heard(high) > 2 * heard(low)
