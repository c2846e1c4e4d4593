"""Batches of scenes with their near-duplicates, and English captions drawn afresh."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from m2m_tiny import scenes
from m2m_tiny.captions import caption

FAMILY = 4  # a base and three near-duplicates


class ScenePool:
    """Families of rendered scenes, none of them in the held-out gallery."""

    def __init__(self, families: int = 12_000, seed: int = 1) -> None:
        rng = random.Random(seed)
        held_out = {scenes.key(scene) for scene in scenes.gallery()[0]}
        self.families: list[list[scenes.Scene]] = []
        while len(self.families) < families:
            base = scenes.random_scene(rng)
            family = [base, *rng.sample(scenes.near_duplicates(base, rng), FAMILY - 1)]
            keys = {scenes.key(scene) for scene in family}
            if len(keys) == FAMILY and not keys & held_out:
                self.families.append(family)
        flat = [scene for family in self.families for scene in family]
        self.pixels = scenes.render_batch(flat, rng)

    def batch(
        self, size: int, rng: random.Random
    ) -> tuple[npt.NDArray[np.uint8], list[str]]:
        """uint8 ``[size, 40, 40, 3]`` and a caption for each; families stay together."""
        chosen = rng.sample(range(len(self.families)), size // FAMILY)
        rows = [FAMILY * family + member for family in chosen for member in range(FAMILY)]
        said = [scenes.mention(scene, rng, 0.1) for f in chosen for scene in self.families[f]]
        pixels = self.pixels[rows]
        # A shift of a pixel keeps the model from learning single renderings by heart.
        shifted = np.roll(pixels, (rng.randint(-1, 1), rng.randint(-1, 1)), axis=(1, 2))
        return shifted, [caption(spec, "en", rng) for spec in said]


def held_out() -> tuple[npt.NDArray[np.uint8], list[str]]:
    """The gallery's 1,000 pictures and English captions, always the same."""
    specs, said = scenes.gallery()
    rng = random.Random(5)
    return scenes.render_batch(specs, rng), [caption(spec, "en", rng) for spec in said]
