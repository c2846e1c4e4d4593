"""Two toy encoders: enough to align, search and test without any model.

The source hashes words; the target's text tower is a hidden affine map of it plus a little
noise that depends on the text. Both are deterministic and need nothing but numpy.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize

NOUNS = (
    "dog",
    "cat",
    "bird",
    "train",
    "river",
    "child",
    "engine",
    "violin",
    "storm",
    "kettle",
    "crowd",
    "clock",
    "horse",
    "frog",
    "plane",
    "bell",
)
VERBS = (
    "barks",
    "sings",
    "passes",
    "murmurs",
    "laughs",
    "hums",
    "whistles",
    "rumbles",
    "ticks",
    "rings",
    "calls",
    "roars",
)
PLACES = (
    "in the park",
    "by the sea",
    "at night",
    "far away",
    "behind a wall",
    "in the rain",
    "on a hill",
    "near the road",
    "under a bridge",
    "in the kitchen",
)
KINDS = ("small", "big", "old", "young", "red", "grey", "quiet", "loud", "tired", "happy")


@lru_cache(maxsize=100_000)
def _word(word: str, dim: int, salt: int) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(f"{salt}:{word}".encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


class ToySource(TextEncoder):
    """The normalized sum of a random vector for each word; later words weigh a little less."""

    max_tokens = 64

    def __init__(self, dim: int = 64, salt: int = 0) -> None:
        self.dim = dim
        self.salt = salt

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for place, word in enumerate(text.lower().split()[: self.max_tokens] or [""]):
                out[row] += _word(word, self.dim, self.salt) / (1 + 0.1 * place)
        return normalize(out)


class _AffineText(TextEncoder):
    max_tokens = 64

    def __init__(
        self, dim: int, hidden: ToySource, noise: float, rotation: bool, seed: int
    ) -> None:
        random_state = np.random.default_rng(seed)
        self.dim, self.normalized, self._noise, self._hidden = dim, True, noise, hidden
        weight = random_state.standard_normal((dim, hidden.dim))
        if rotation:
            weight = np.linalg.qr(random_state.standard_normal((max(dim, hidden.dim),) * 2))[0]
            weight = weight[:dim, : hidden.dim]
        self._weight = weight.astype(np.float32)
        bias = 0.0 if rotation else 0.3
        self._bias = (bias * random_state.standard_normal(dim)).astype(np.float32)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        # Row by row: a sum must not depend on how many texts share the call.
        rows = self._hidden.encode(texts)
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            out[row] = self._weight @ rows[row] + self._bias
            out[row] += self._noise * _word(text, self.dim, 1) * np.linalg.norm(out[row]) / 8
        return normalize(out)


class AffineTarget(ModalityModel):
    """A target whose text tower is a hidden affine map of :class:`ToySource`.

    Its "items" are descriptions in plain words; ``encode_items`` places them like texts, and
    ``generate`` answers with the closest of a few descriptions.
    """

    modality = "words"

    def __init__(
        self,
        dim: int = 48,
        *,
        source: ToySource | None = None,
        noise: float = 0.02,
        rotation: bool = False,
        seed: int = 7,
    ) -> None:
        self._tower = _AffineText(dim, source or ToySource(), noise, rotation, seed)

    @cached_property
    def text(self) -> TextEncoder:
        return self._tower

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return self.text.encode([str(item) for item in items])


def toy_sentences(n: int | None = None, seed: int = 0) -> Iterator[str]:
    """Plain English sentences, all different: ``n`` of them, 5,000 by default."""
    chosen = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < (5000 if n is None else n):
        first = f"a {chosen.choice(KINDS)} {chosen.choice(NOUNS)} {chosen.choice(VERBS)}"
        second = f"a {chosen.choice(KINDS)} {chosen.choice(NOUNS)} {chosen.choice(VERBS)}"
        link = chosen.choice(("while", "after", "and"))
        sentence = f"{first} {chosen.choice(PLACES)} {link} {second}"
        if sentence not in seen:
            seen.add(sentence)
            yield sentence
