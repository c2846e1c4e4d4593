"""What the trainers of dual encoders share: families of items, English captions, one loop."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m2m_tiny import scenes
from m2m_tiny.captions import caption
from m2m_tiny.zoo import training
from m2m_tiny.zoo.meaning import TEMPERATURE, Likeness, graded_loss, likeness_loss

FAMILY = 4  # a base and three near-duplicates
BATCH = 240
CAPTIONS = 4.0  # weight of captions among themselves: they learn likeness first, items follow
DROPPED = 0.25  # the share of optional details that a caption leaves out

Render = Callable[[list[Any], random.Random], Any]
"""Specs -> an array with a row for each, as the item tower's preprocessing leaves it."""


def draw(world: ModuleType, rng: random.Random) -> Any:
    """A random meaning of a world."""
    return world.random_scene(rng) if world is scenes else world.random_sound(rng)


class Pool:
    """Families of rendered items of a world, none of them in the held-out gallery."""

    def __init__(self, world: ModuleType, render: Render, families: int, seed: int = 1) -> None:
        rng = random.Random(seed)
        self.world = world
        held_out = {world.key(spec) for spec in world.gallery()[0]}
        self.families: list[list[Any]] = []
        while len(self.families) < families:
            base = draw(world, rng)
            family = [base, *rng.sample(world.near_duplicates(base, rng), FAMILY - 1)]
            keys = {world.key(spec) for spec in family}
            if len(keys) == FAMILY and not keys & held_out:
                self.families.append(family)
        self.items = render([spec for family in self.families for spec in family], rng)

    def batch(
        self, rng: random.Random, families: int = BATCH // FAMILY
    ) -> tuple[Any, list[str], list[Any], list[Any]]:
        """Rows of items, an English caption for each, the meanings shown, and what of them is said.

        Families stand together.
        """
        chosen = rng.sample(range(len(self.families)), families)
        rows = [FAMILY * family + member for family in chosen for member in range(FAMILY)]
        shown = [spec for family in chosen for spec in self.families[family]]
        said = [self.world.mention(spec, rng, DROPPED) for spec in shown]
        return self.items[rows], [caption(s, "en", rng) for s in said], shown, said


def held_out(world: ModuleType, render: Render) -> tuple[Any, list[str]]:
    """The gallery's 1,000 items and English captions, always the same."""
    specs, said = world.gallery()
    rng = random.Random(5)
    return render(specs, rng), [caption(spec, "en", rng) for spec in said]


def train(
    model: nn.Module,
    texts: Callable[[list[str]], Tensor],
    items: Callable[[Any], Tensor],
    scale: nn.Parameter,
    world: ModuleType,
    render: Render,
    *,
    families: int,
    plan: training.Plan,
    work: Path,
    within: bool = False,
    jitter: Callable[[Any, random.Random], Any] = lambda rows, _: rows,
) -> str:
    """Train contrastively on English captions; texts and items give rows of length 1.

    within: items are also compared with items, and captions with captions.
    """
    scale.requires_grad_(False).fill_(math.log(1 / TEMPERATURE))
    pool = Pool(world, render, families)
    gallery, captions = held_out(world, render)
    likeness = Likeness()

    def loss_of(step: int) -> Tensor:
        rng = training.step_rng(plan.seed, step)
        rows, lines, shown, said = pool.batch(rng)
        of_items, of_texts = items(jitter(rows, rng)), texts(lines)
        loss = graded_loss(of_items, of_texts, likeness(shown, said))
        if within:
            loss = loss + likeness_loss(of_items, likeness(shown, shown))
            loss = loss + CAPTIONS * likeness_loss(of_texts, likeness(said, said))
        return loss

    @torch.inference_mode()
    def score() -> str:
        vectors = torch.cat([items(gallery[i : i + 250]) for i in range(0, len(gallery), 250)])
        return training.both_ways(texts(captions), vectors)

    training.train(model, loss_of, plan, work, score=score)
    return score()


def shifted(pixels: Any, rng: random.Random) -> Any:
    """Pictures moved by a pixel, so that no rendering is learned by heart."""
    return np.roll(pixels, (rng.randint(-1, 1), rng.randint(-1, 1)), axis=(1, 2))


def pixel_values(pixels: Any) -> Tensor:
    """What the image processors make of pictures of the right size, for a whole batch."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
