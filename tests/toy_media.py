"""Pictures and sounds that say what they show, and toy targets that read it.

They are real files of the real formats; only the seeing and hearing is a toy. What a picture
shows is written into its pixels, what a sound tells into its samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.interfaces import Vectors
from m2m_adapters.models.images import rgb_image
from m2m_adapters.models.items import ItemTarget
from m2m_adapters.models.sounds import mono_samples
from m2m_adapters.testing import AffineTarget, ToySource

SIDE, RATE = 24, 8000


def picture(text: str) -> Any:
    """A PIL image whose pixels are the text's bytes, white after them."""
    from PIL import Image

    data = text.encode()
    pixels = np.full(SIDE * SIDE * 3, 255, np.uint8)
    pixels[: len(data)] = list(data)
    return Image.fromarray(pixels.reshape(SIDE, SIDE, 3))


def save_picture(path: Path, text: str) -> None:
    """Lossless PNG data under any name; decoders look at the data, not the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        picture(text).save(file, format="PNG")


def sound(text: str) -> Any:
    """float32 ``[n]``: one sample for each byte, zero after them."""
    samples = np.zeros(400, np.float32)
    samples[: len(text.encode())] = np.frombuffer(text.encode(), np.uint8) / 256
    return samples


def save_sound(path: Path, text: str) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound(text), RATE, subtype="FLOAT")


class Pictures(AffineTarget):
    """Sees what :func:`picture` shows."""

    modality = "image"

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        found = [np.asarray(rgb_image(item)).reshape(-1) for item in items]
        return self.text.encode([bytes(p[p != 255].tolist()).decode() for p in found])


class Sounds(AffineTarget):
    """Hears what :func:`sound` tells."""

    modality = "audio"

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        found = [np.rint(mono_samples(item, RATE) * 256).astype(np.uint8) for item in items]
        return self.text.encode([bytes(s[s != 0].tolist()).decode() for s in found])


class Hearing(ToySource):
    """A source that takes speech: hears what :func:`sound` tells, as the text itself."""

    item_modality = "audio"

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        found = [np.rint(mono_samples(item, RATE) * 256).astype(np.uint8) for item in items]
        return self.encode([bytes(s[s != 0].tolist()).decode() for s in found])


class Seeing(ItemTarget):
    """Sees what :func:`picture` shows, one item at a time."""

    modality = "image"

    def __init__(self, dim: int = 48) -> None:
        self._tower = AffineTarget(dim).text

    @property
    def text(self) -> Any:
        return self._tower

    def prepare(self, item: Any, **options: Any) -> Any:
        return bytes(v for v in rgb_image(item).tobytes() if v != 255).decode()

    def forward(self, batch: list[Any]) -> Any:
        import torch

        return torch.from_numpy(self._tower.encode(batch))
