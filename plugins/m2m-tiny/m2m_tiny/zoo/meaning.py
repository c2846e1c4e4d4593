"""How much two meanings share, and the loss that teaches encoders to tell.

In real data likeness comes by degrees, because captions share some of what they say; that is
what two encoders trained apart have in common. Random scenes have no such statistics of their
own, so the trainers are told: two meanings are as near as the share of details they agree in.
"""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import scenes, sounds

TEMPERATURE = 0.05
BAG = 0.5  # a detail anywhere counts less than the same detail in the same place
GRADES = 20.0  # weight of the likenesses against the ranking
READOUT = 2.0  # weight of telling the details linearly
DRAWN = 2000  # random meanings that show every detail there is
DETAILS = 256  # more than a scene or sound can show


def details(spec: dict[str, Any]) -> list[tuple[Any, float]]:
    """What a scene or sound shows, each with its weight; what is plain or unsaid shows nothing."""
    if "events" in spec:
        events = spec["events"]
        if spec["link"] == "together":  # no order: the same one first, whoever is named first
            events = sorted(events, key=lambda event: str(event["what"]))
        frame, parts = (spec["link"], len(events)), events
        parts = [{**part, "times": f"x{part['times']}"} for part in parts]
        keys: tuple[str, ...] = ("what", "pitch", "loud", "speed", "times")
    else:
        frame, parts = _in_order(spec)
        keys = ("shape", "color", "size", "tex")
    weighted: list[tuple[Any, float]] = [(("frame", *frame), 1.0)]
    for place, part in enumerate(parts):
        for key in keys:
            if part[key] is not None:
                weighted.append(((place, key, part[key]), 1.0))
                weighted.append((("any", key, part[key]), BAG))
    return weighted


def _in_order(scene: dict[str, Any]) -> tuple[tuple[Any, ...], list[dict[str, Any]]]:
    """Objects as they stand: from left to right, top to bottom, inside to outside."""
    objects = scene["objs"]
    if scene["kind"] == "two":
        relation = scene["rel"]
        if relation in ("right", "below"):
            objects = objects[::-1]
        same = {"right": "left", "below": "above"}
        return (scene["kind"], same.get(relation, relation)), objects
    return (scene["kind"], scene.get("order"), scene.get("pos")), objects


class Likeness:
    """Cosine of details: ``[len(a), len(b)]`` in [0, 1]."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        rng = random.Random(0)
        for _ in range(DRAWN):  # all are numbered now, and alike in every run
            self._rows([scenes.random_scene(rng), sounds.random_sound(rng)])

    def _rows(self, specs: list[Any]) -> Tensor:
        described = [details(spec) for spec in specs]
        for one in described:
            for name, _ in one:
                self._numbers.setdefault(name, len(self._numbers))
        rows = torch.zeros(len(specs), 1024)
        for row, one in enumerate(described):
            for name, weight in one:
                rows[row, self._numbers[name]] += weight
        return F.normalize(rows, dim=-1)

    def shown(self, specs: list[Any]) -> Tensor:
        """1 where a spec shows a detail, in a numbering of our own: ``[n, 1024]``."""
        return (self._rows(specs) > 0).float()

    def __call__(self, a: list[Any], b: list[Any]) -> Tensor:
        return self._rows(a) @ self._rows(b).T


def graded_loss(a: Tensor, b: Tensor, likeness: Tensor) -> Tensor:
    """Ranking of normalized rows a, b among each other, and their likeness itself.

    The ranking is the symmetric contrastive loss with the likenesses as soft labels.
    """
    cosines = a @ b.T
    logits, wanted = cosines / TEMPERATURE, likeness / TEMPERATURE
    there = F.cross_entropy(logits, wanted.softmax(1))
    back = F.cross_entropy(logits.T, wanted.T.softmax(1))
    return (there + back) / 2 + GRADES * F.mse_loss(cosines, likeness)


def likeness_loss(rows: Tensor, likeness: Tensor) -> Tensor:
    """How far the cosines of normalized rows among themselves are from their likeness."""
    return GRADES * F.mse_loss(rows @ rows.T, likeness)


def readout_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """How badly details can be read off linearly; rare ones count as much as common ones."""
    spread = wanted.var(0) + 0.01
    return READOUT * ((predicted - wanted).square() / spread).mean()
