"""Reads what a picture of the drawable world shows: place, and shape and color of each object.

A small convolutional network trained on rendered scenes (``m2m_tiny.zoo.diffusion_reader``), so
that generated pictures are judged by something that has met neither prompts nor generators.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.evaluation import PerPicture
from m2m_tiny.drawable import COLORS, PLACES, SHAPES, Scene, picture

if TYPE_CHECKING:
    import torch

CLASSES = [len(PLACES), *[len(SHAPES) + 1, len(COLORS) + 1] * 2]
"""Answers to: place; shape and color of the first and of the second object; the last is none."""

NAMES = ["place", "shape 1", "color 1", "shape 2", "color 2"]


def new_reader() -> torch.nn.Module:
    """``[n, 3, 40, 40]`` from -1 to 1 -> ``[n, 39]``, the answers side by side."""
    from torch import nn

    def block(a: int, b: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, stride, 1), nn.BatchNorm2d(b), nn.ReLU()]

    return nn.Sequential(
        *block(3, 16, 1), *block(16, 32, 2), *block(32, 48, 2), *block(48, 64, 2),
        nn.Flatten(), nn.Linear(64 * 25, 128), nn.ReLU(), nn.Linear(128, sum(CLASSES)),
    )  # fmt: skip


def labels(scenes: Sequence[Scene]) -> Any:
    """int64 ``[n, 5]``: the right answers."""
    rows = []
    for scene in scenes:
        seen = picture(scene)
        row = [PLACES.index(seen["place"])]
        for shape, color in seen["objects"]:
            row += [SHAPES.index(shape), COLORS.index(color)]
        rows.append([*row, len(SHAPES), len(COLORS)][:5])
    return np.array(rows)


@lru_cache(maxsize=1)
def _reader(folder: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    model = new_reader()
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name: value.to(model.state_dict()[name].dtype)
                           for name, value in weights.items()})  # fmt: skip
    return model.eval()


def read(pictures: Sequence[Any], folder: Path | None = None) -> Any:
    """int64 ``[n, 5]``: answers for pictures (PIL or uint8 ``[40, 40, 3]``)."""
    import torch

    from m2m_tiny.family import MODELS

    model = _reader(folder or MODELS / "tiny-reader")
    if not len(pictures):
        return np.zeros((0, 5), np.int64)
    pixels = np.stack([np.asarray(one.convert("RGB") if hasattr(one, "convert") else one)
                       for one in pictures])  # fmt: skip
    with torch.inference_mode():
        answers = model(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1)
    return np.stack([logits.argmax(1).numpy() for logits in answers.split(CLASSES, 1)], 1)


def accuracy(answers: Any, truth: Any) -> dict[str, PerPicture]:
    """Shares of right answers: of places, shapes, colors (of objects that are there), and all.

    answers, truth: int64 ``[n, 5]``. ``attributes`` is the share over all of them together;
    ``exact`` of pictures all right.
    """
    right = (answers == truth).astype(float)
    there = np.stack([np.ones(len(truth)), truth[:, 3] < len(SHAPES)], 1)
    shapes, colors = ((right[:, columns] * there).sum(1) for columns in ([1, 3], [2, 4]))
    objects = there.sum(1)
    return {
        "place": PerPicture.mean(right[:, 0]),
        "shape": PerPicture(shapes, objects),
        "color": PerPicture(colors, objects),
        "attributes": PerPicture(right[:, 0] + shapes + colors, 1 + 2 * objects),
        "exact": PerPicture.mean(right.all(1)),
    }
