"""Pairs of vectors to fit on: in memory, or streamed from wherever they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

MIN_SENTENCES = 32
MAX_HELD_OUT = 2000
RESIDENT_BYTES = 1 << 30
CHUNK = 8192

Chunk = tuple[Vectors, Vectors]


def held_out_size(n: int) -> int:
    """A tenth, at least 8 and at most 2,000."""
    if n < MIN_SENTENCES:
        raise UserError(
            f"{n} sentences are too few to align with",
            f"give at least {MIN_SENTENCES}; a thousand already do well",
        )
    return min(MAX_HELD_OUT, max(8, n // 10))


@dataclass(frozen=True)
class Pairs:
    """Source rows and target rows that belong together.

    n: pairs to fit on. read(start, stop): (x ``[k, d_in]``, y ``[k, d_out]``), float32.
    x_held, y_held: pairs to judge by, never fitted on.
    """

    n: int
    read: Callable[[int, int], Chunk]
    x_held: Vectors
    y_held: Vectors

    @property
    def d_in(self) -> int:
        return int(self.x_held.shape[1])

    @property
    def d_out(self) -> int:
        return int(self.y_held.shape[1])

    def chunks(self) -> Iterator[Chunk]:
        """All pairs in order."""
        for start in range(0, self.n, CHUNK):
            yield self.read(start, min(start + CHUNK, self.n))

    @property
    def fits_in_memory(self) -> bool:
        return self.n * (self.d_in + self.d_out) * 4 <= RESIDENT_BYTES

    def everything(self) -> Chunk:
        """All pairs at once."""
        return self.read(0, self.n)


def in_memory(x: Vectors, y: Vectors, x_held: Vectors, y_held: Vectors) -> Pairs:
    """Pairs that are there already."""
    return Pairs(len(x), lambda a, b: (x[a:b], y[a:b]), x_held, y_held)


def held_out_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows to fit on in random order, rows held out in rising order), int64."""
    order = np.random.default_rng(seed).permutation(n)
    held = held_out_size(n)
    return order[held:], np.sort(order[:held])
