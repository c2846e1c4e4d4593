"""A text encoder and a modality model, complete. Import heavy libraries inside the functions."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import m2m_adapters as m2m


def _counts(parts: Iterable[str], dim: int) -> m2m.Vectors:
    """float32 [dim]: how often each part occurs, hashed into dim columns, length 1."""
    row = np.full(dim, 0.01, np.float32)
    for part in parts:
        row[int.from_bytes(hashlib.sha256(part.encode()).digest()[:4], "little") % dim] += 1
    return np.asarray(row / np.linalg.norm(row), np.float32)


class Letters(m2m.TextEncoder):
    """Counts letters and letter pairs: all a source needs is `dim` and `encode`.

    A source that also takes speech sets `item_modality = "audio"` and adds `encode_items(sounds)`.
    """

    dim = 128

    def encode(self, texts: Sequence[str], **options: Any) -> m2m.Vectors:
        rows = [_counts([*t, *(a + b for a, b in zip(t, t[1:]))], self.dim) for t in texts]
        return np.array(rows, np.float32).reshape(len(rows), self.dim)


class _Pairs(m2m.TextEncoder):
    dim = 64

    def encode(self, texts: Sequence[str], **options: Any) -> m2m.Vectors:
        rows = [_counts([a + b for a, b in zip(t, t[1:])] or [t], self.dim) for t in texts]
        return np.array(rows, np.float32).reshape(len(rows), self.dim)


class Words(m2m.ModalityModel):
    """A target: `text` is its own text tower, `encode_items` places items beside texts."""

    modality = "words"
    text: m2m.TextEncoder

    def __init__(self) -> None:
        self.text = _Pairs()

    def encode_items(self, items: Sequence[Any], **options: Any) -> m2m.Vectors:
        return self.text.encode([str(item) for item in items])
