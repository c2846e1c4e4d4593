"""Bootstrap over items: 95% intervals, averages over languages, paired comparisons.

Items are resampled, not captions, and every language and every system sees the same resamples:
so averages over languages and differences between systems keep what they have in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m2m_adapters.evaluation.metrics import FIGURES, Floats, Sums

RESAMPLES = 1000


class Resampler:
    """``RESAMPLES`` draws of ``n`` items with replacement, from one seed."""

    def __init__(self, n: int, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        # How often each item was drawn: float64 [resamples, n].
        self.weights = np.stack(
            [np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(resamples)]
        ).astype(np.float64)

    def __call__(self, sums: Sums) -> Figures:
        """The figures of one direction of one language with their spread."""
        asked = self.weights @ sums.counts
        drawn = (self.weights @ sums.sums) / np.maximum(asked, 1e-12)[:, None]
        return Figures(sums.means, drawn, sums.median)


@dataclass(frozen=True)
class Figures:
    """means float64 ``[6]`` and resampled means float64 ``[resamples, 6]``, columns FIGURES."""

    means: Floats
    drawn: Floats
    median: float | None = None

    def percent(self, figure: str) -> float:
        """One figure in percent, rounded as in :meth:`to_dict`."""
        return round(100 * float(self.means[FIGURES.index(figure)]), 2)

    def to_dict(self) -> dict[str, object]:
        """figure -> [value, low, high] in percent (all of them), and the median rank."""
        figures: dict[str, object] = {
            name: interval(self.means[i], self.drawn[:, i]) for i, name in enumerate(FIGURES)
        }
        if self.median is not None:
            figures["median rank"] = self.median
        return figures


def interval(value: float, drawn: Floats) -> list[float]:
    """[value, low, high] in percent: 95% of the resampled values ``[resamples]`` lie between."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [round(100 * float(one), 2) for one in (value, low, high)]


def average(figures: list[Figures]) -> Figures:
    """The mean over languages, its spread from the shared resamples."""
    return Figures(
        np.mean([f.means for f in figures], axis=0), np.mean([f.drawn for f in figures], axis=0)
    )


def difference(a: Figures, b: Figures) -> dict[str, dict[str, float]]:
    """a minus b, paired by item: value, 95% interval, and a two-sided p from the resamples."""
    drawn = a.drawn - b.drawn
    compared = {}
    for i, name in enumerate(FIGURES):
        # The share of resamples on the far side of zero, doubled; never below what 1,000 can say.
        beyond = min(float((drawn[:, i] <= 0).mean()), float((drawn[:, i] >= 0).mean()))
        value, low, high = interval(a.means[i] - b.means[i], drawn[:, i])
        compared[name] = {
            "difference": value,
            "low": low,
            "high": high,
            "p": round(min(1.0, max(2 * beyond, 2 / (len(drawn) + 1))), 4),
        }
    return compared
