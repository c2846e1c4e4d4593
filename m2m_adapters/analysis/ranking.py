"""Do two systems order the same candidates alike?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from m2m_adapters.analysis.measures import Matrix, unit

Rows = npt.NDArray[np.float64]


def scores(queries: Matrix, candidates: Matrix) -> Rows:
    """float64 ``[queries, candidates]``: cosines."""
    return np.asarray(unit(queries) @ unit(candidates).T)


def rank_agreement(a: Rows, b: Rows) -> Rows:
    """float64 ``[queries]``: Spearman correlation of two systems' scores of all candidates."""
    x, y = (np.stack([ranks(row) for row in scores]) for scores in (a, b))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1) / np.where(lengths == 0, 1, lengths))


def same_first(a: Rows, b: Rows) -> Rows:
    """float64 ``[queries]``: 1 where both put the same candidate first."""
    return np.asarray(a.argmax(axis=1) == b.argmax(axis=1), np.float64)


def ranks(values: Rows) -> Rows:
    """Ranks from 1; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])
