"""How reliable a similarity is: chance level, interval, and a warning on small samples.

Chance: the same measure after the rows of one side were shuffled, so that nothing belongs
together. With few rows CCA finds correlation in noise; only what exceeds chance is similarity.
Interval: from half samples without replacement, whose spread estimates that of the whole sample
(delete-half jackknife). A bootstrap would draw rows twice, which CCA and neighbors take for
similarity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from m2m_adapters.analysis.measures import Matrix, Measure, leading

ROWS_PER_COLUMN = 10
"""Below so many rows for each direction that is compared, CCA is mostly chance."""


@dataclass(frozen=True)
class Estimate:
    """A similarity with its 95 % interval; chance is None where it was not computed."""

    value: float
    low: float
    high: float
    chance: float | None
    rows: int

    def to_dict(self) -> dict[str, float | int | None]:
        """For JSON and tables; what is not a number becomes None."""
        figures = {"value": self.value, "low": self.low, "high": self.high, "chance": self.chance}
        clean = {
            key: None if value is None or np.isnan(value) else round(float(value), 6)
            for key, value in figures.items()
        }
        return {**clean, "rows": self.rows}


def estimate(
    measure: Measure, x: Matrix, y: Matrix, *, shuffles: int = 5, halves: int = 20, seed: int = 0
) -> Estimate:
    """The measure of all rows, its chance level and its interval.

    shuffles, halves: how many of each; 0 leaves it out (the interval is then the value).
    """
    return estimates(measure, {"": x}, y, shuffles=shuffles, halves=halves, seed=seed)[""]


def estimates(
    measure: Measure,
    sides: Mapping[str, Matrix],
    common: Matrix,
    *,
    shuffles: int = 5,
    halves: int = 20,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Of every side with one ``common`` side, which is prepared once for all of them."""
    generator = np.random.default_rng(seed)
    n = len(common)
    prepared = {name: measure.prepare(side) for name, side in sides.items()}
    whole = measure.prepare(common)
    value = {name: measure.between(side, whole) for name, side in prepared.items()}
    chance: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(shuffles):
        order = generator.permutation(n)
        reorder = measure.reorder
        shuffled = measure.prepare(common[order]) if reorder is None else reorder(whole, order)
        for name, side in prepared.items():
            chance[name].append(measure.between(side, shuffled))
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(halves):
        rows = np.sort(generator.permutation(n)[: n // 2])
        half = measure.prepare(common[rows])
        for name, matrix in sides.items():
            samples[name].append(measure.between(measure.prepare(matrix[rows]), half))
    return {name: _estimate(value[name], samples[name], chance[name], n) for name in sides}


def _estimate(value: float, samples: list[float], chance: list[float], rows: int) -> Estimate:
    spread = 1.96 * float(np.std(samples, ddof=1)) if len(samples) > 1 else 0.0
    high = min(value + spread, max(value, 1.0))
    return Estimate(value, value - spread, high, float(np.mean(chance)) if chance else None, rows)


def sample_warning(x: Matrix, y: Matrix) -> str | None:
    """A sentence where CCA has too few rows for its columns; None where it has enough."""
    directions = max(leading(x).shape[1], leading(y).shape[1])
    if len(x) >= ROWS_PER_COLUMN * directions:
        return None
    return (
        f"{len(x):,} rows for {directions:,} directions: SVCCA and PWCCA are raised by chance; "
        f"compare them with the chance column, or give {ROWS_PER_COLUMN * directions:,} rows"
    )
