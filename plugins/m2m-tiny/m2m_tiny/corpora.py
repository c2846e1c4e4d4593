"""English captions as alignment text: as many as asked for, never of a held-out item."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from m2m_tiny import captions, scenes, sounds

DEFAULT = 50_000


def scene_captions(n: int | None = None, seed: int = 0) -> Iterator[str]:
    """``n`` distinct English captions of scenes (50,000 unless told)."""
    held_out = {scenes.key(scene) for scene in scenes.gallery()[0]}
    return _distinct(n, seed, scenes.random_scene, scenes.mention, scenes.key, held_out)


def sound_captions(n: int | None = None, seed: int = 0) -> Iterator[str]:
    """``n`` distinct English captions of sounds (50,000 unless told)."""
    held_out = {sounds.key(sound) for sound in sounds.gallery()[0]}
    return _distinct(n, seed, sounds.random_sound, sounds.mention, sounds.key, held_out)


def drawable_captions(n: int | None = None, seed: int = 0) -> Iterator[str]:
    """``n`` distinct English captions of what the tiny painters can draw (20,000)."""
    from m2m_tiny import drawable

    shown = drawable.split()[0]
    alone = [scene for scene in shown if scene["kind"] == "one"]
    pairs = [scene for scene in shown if scene["kind"] == "two"]
    rng = random.Random(1_000_003 + seed)
    seen: set[str] = set()
    while len(seen) < (20_000 if n is None else n):
        line = captions.caption(rng.choice(alone if rng.random() < 0.2 else pairs), "en", rng)
        if line not in seen:
            seen.add(line)
            yield line


def _distinct(
    n: int | None,
    seed: int,
    draw: Callable[..., Any],
    mention: Callable[..., Any],
    key: Callable[[Any], str],
    held_out: set[str],
) -> Iterator[str]:
    rng = random.Random(1_000_003 + seed)
    seen: set[str] = set()
    wanted = DEFAULT if n is None else n
    while len(seen) < wanted:
        spec = draw(rng)
        if key(spec) in held_out:
            continue
        caption = captions.caption(mention(spec, rng, 0.15), "en", rng)
        if caption not in seen:
            seen.add(caption)
            yield caption
