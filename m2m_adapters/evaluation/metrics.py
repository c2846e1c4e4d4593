"""Ranks -> figures: R@k and their mean, MRR, nDCG@10, median rank, and their sums per item.

Every figure is a mean over queries. The sums per item are what the bootstrap resamples, so
that several captions of one item are never taken for independent evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m2m_adapters.evaluation.benchmark import Owners
from m2m_adapters.evaluation.ranking import Ranks

KS = (1, 5, 10)
FIGURES = (*(f"R@{k}" for k in KS), "MRR", "nDCG@10", "mean recall")
"""Figures that are means over queries, in the order of the columns of :class:`Sums`."""

DIRECTIONS = ("text_to_item", "item_to_text")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """One direction of one language.

    sums: float64 ``[n items, 6]``, FIGURES added over the queries that belong to an item.
    counts: float64 ``[n items]``, how many queries those are.
    median: median rank of the first right answer.
    """

    sums: Floats
    counts: Floats
    median: float

    @property
    def means(self) -> Floats:
        """float64 ``[6]``, 0 to 1."""
        return np.asarray(self.sums.sum(0) / self.counts.sum())


def _discount(ranks: npt.NDArray[np.int32]) -> Floats:
    """1 / log2(1 + rank) within the first ten, else 0; rank 0 means there is none."""
    inside = (ranks > 0) & (ranks <= 10)
    return np.where(inside, 1 / np.log2(1.0 + np.maximum(ranks, 1)), 0.0)


def _columns(first: npt.NDArray[np.int32], ndcg: Floats) -> Floats:
    hits = [(first <= k).astype(np.float64) for k in KS]
    return np.stack([*hits, 1 / first.astype(np.float64), ndcg, np.mean(hits, axis=0)], axis=1)


def text_to_item(ranks: Ranks, owners: Owners) -> Sums:
    """Every caption asks; its item is the only right answer."""
    n = len(ranks.item)
    columns = _columns(ranks.text, _discount(ranks.text))
    sums = np.zeros((n, len(FIGURES)))
    np.add.at(sums, owners, columns)
    counts = np.bincount(owners, minlength=n).astype(np.float64)
    return Sums(sums, counts, float(np.median(ranks.text)))


def item_to_text(ranks: Ranks) -> Sums:
    """Every item with captions asks; all its captions are right answers."""
    asked = ranks.item[:, 0] > 0
    item_ranks = ranks.item[asked]
    ideal_ranks = np.arange(1, ranks.item.shape[1] + 1, dtype=np.int32)
    ideal = np.cumsum(_discount(ideal_ranks))
    how_many = (item_ranks > 0).sum(1)
    ndcg = _discount(item_ranks).sum(1) / ideal[how_many - 1]
    sums = np.zeros((len(ranks.item), len(FIGURES)))
    sums[asked] = _columns(item_ranks[:, 0], ndcg)
    return Sums(sums, asked.astype(np.float64), float(np.median(item_ranks[:, 0])))
