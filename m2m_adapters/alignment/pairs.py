"""Pairs of source rows and target vectors: in memory, or streamed from a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.projectors.rows import Rows, TokenStates, between, width_of

MIN_SENTENCES = 32
MAX_HELD_OUT = 2000
RESIDENT_BYTES = 1 << 30
CHUNK = 8192

Chunk = tuple[Rows, Vectors]
"""What the projector reads of n texts, and the vectors it should give."""


def held_out_size(n: int) -> int:
    """A tenth, at least 8 and at most 2,000."""
    if n < MIN_SENTENCES:
        raise UserError(
            f"{n} sentences are too few to align with",
            f"give at least {MIN_SENTENCES}; a thousand give good results",
        )
    return min(MAX_HELD_OUT, max(8, n // 10))


@dataclass(frozen=True)
class Pairs:
    """Source rows and target rows that belong together.

    n: pairs to fit on. read(start, stop): (x, y) with x ``[k, d_in]`` float32, or the token states
    of k texts, and y ``[k, d_out]`` float32.
    x_held, y_held: pairs to judge by, never fitted on.
    """

    n: int
    read: Callable[[int, int], Chunk]
    x_held: Rows
    y_held: Vectors

    @property
    def d_in(self) -> int:
        return width_of(self.x_held)

    @property
    def d_out(self) -> int:
        return int(self.y_held.shape[1])

    def chunks(self) -> Iterator[Chunk]:
        """All pairs in order."""
        size = max(1, min(CHUNK, RESIDENT_BYTES // self.row_bytes))
        for start in range(0, self.n, size):
            yield self.read(start, min(start + size, self.n))

    @property
    def row_bytes(self) -> int:
        """Memory of one pair; of token states, the held-out ones' average."""
        if isinstance(self.x_held, TokenStates):
            return self.x_held.values.nbytes // len(self.x_held) + self.d_out * 4
        return (self.d_in + self.d_out) * 4

    @property
    def fits_in_memory(self) -> bool:
        return self.n * self.row_bytes <= RESIDENT_BYTES

    def target_spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance ``[d_out]`` of the target vectors, float64."""
        total, squares = np.zeros(self.d_out), np.zeros(self.d_out)
        shift = self.y_held.mean(0, dtype=np.float64)  # near the mean: squares stay precise
        for _, y in self.chunks():
            away = y - shift
            total += away.sum(0)
            squares += np.square(away).sum(0)
        mean = total / self.n
        return mean + shift, np.maximum(squares / self.n - mean**2, 0)

    def everything(self) -> Chunk:
        """All pairs at once."""
        return self.read(0, self.n)


def in_memory(x: Rows, y: Vectors, x_held: Rows, y_held: Vectors) -> Pairs:
    """Pairs of arrays."""
    return Pairs(len(x), lambda a, b: (between(x, a, b), y[a:b]), x_held, y_held)


def held_out_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows to fit on in random order, rows held out in rising order), int64."""
    order = np.random.default_rng(seed).permutation(n)
    held = held_out_size(n)
    return order[held:], np.sort(order[:held])
