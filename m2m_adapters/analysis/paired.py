"""Retrieval row by row, and its intervals: rows are resampled, the candidates stay all of them.

Every language and every system is resampled alike, so averages and differences keep what they
share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 1_000


@dataclass(frozen=True)
class Interval:
    """A mean of rows with its 95 % interval."""

    value: float
    low: float
    high: float

    def rounded(self) -> tuple[float, float, float]:
        """Value, low and high with four digits."""
        return round(self.value, 4), round(self.low, 4), round(self.high, 4)


class Resamples:
    """Draws of ``rows`` rows with replacement, from one seed."""

    def __init__(self, rows: int, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        counts = [np.bincount(generator.integers(0, rows, rows), minlength=rows)
                  for _ in range(resamples)]  # fmt: skip
        self.weights = np.stack(counts).astype(np.float64) / rows

    def mean(self, values: npt.NDArray[np.float64]) -> Interval:
        """Of one value for each row."""
        low, high = np.percentile(self.weights @ values, [2.5, 97.5])
        return Interval(float(values.mean()), float(low), float(high))

    def mean_of(self, several: Sequence[npt.NDArray[np.float64]]) -> Interval:
        """Of the average over languages, each with one value for each row."""
        return self.mean(np.mean(several, axis=0))
