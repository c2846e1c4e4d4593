"""Similarity of two sets of paired vectors: row i of both belongs to one sentence or item.

Every measure takes float ``[n, p]`` and ``[n, q]`` and returns a number, 1 for equal geometry
(0 for ``procrustes``, a distance). Columns are centered first. CCA needs many more rows than
columns; :mod:`m2m_adapters.analysis.uncertainty` measures what chance alone would give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

Matrix: TypeAlias = npt.NDArray[np.float64] | npt.NDArray[np.float32]

VARIANCE = 0.99
"""Share of variance that SVCCA keeps, as in the papers that introduced and used it."""


Prepared: TypeAlias = tuple[Any, ...]
"""What a measure computes of one side alone: arrays with a row for each row, and numbers."""


def _by_rows(prepared: Prepared, order: npt.NDArray[np.int64]) -> Prepared:
    return tuple(part[order] if isinstance(part, np.ndarray) else part for part in prepared)


@dataclass(frozen=True)
class Measure:
    """A similarity in two steps, so that what concerns one side is computed once.

    prepare: of one side. between: of two prepared sides. reorder: a prepared side with its rows in
    another order; None where that costs as much as preparing it again.
    """

    prepare: Callable[[Matrix], Prepared]
    between: Callable[[Prepared, Prepared], float]
    reorder: Callable[[Prepared, npt.NDArray[np.int64]], Prepared] | None = _by_rows

    def __call__(self, x: Matrix, y: Matrix) -> float:
        return self.between(self.prepare(x), self.prepare(y))


def _same(x: Prepared, y: Prepared) -> float:
    """Mean canonical correlation; eigenvalues of the small product are faster than an SVD."""
    product = x[0].T @ y[0]
    square = product @ product.T if len(product) <= product.shape[1] else product.T @ product
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(square), 0, 1)).mean())


svcca = Measure(lambda x: (leading(x),), _same)
"""Mean canonical correlation between the leading principal directions of both.

Of each side the fewest directions that hold 99 % of its variance are kept (Raghu et al. 2017).
"""


def _weighted(x: Prepared, y: Prepared) -> float:
    left, rho, _ = np.linalg.svd(x[0].T @ y[0], full_matrices=False)
    weights = np.abs((x[0] @ left).T @ x[1]).sum(axis=1)
    return float(np.clip(rho, 0, 1) @ weights / weights.sum())


pwcca = Measure(lambda x: (span(x), centered(x)), _weighted)
"""Canonical correlations weighted by how much of ``x`` each explains (Morcos et al. 2018)."""


def _with_own_product(x: Matrix) -> Prepared:
    x = centered(x)
    wide = x.shape[1] > len(x)
    return x, float(np.linalg.norm(x @ x.T if wide else x.T @ x))


def _aligned(x: Prepared, y: Prepared) -> float:
    return float(np.linalg.norm(x[0].T @ y[0]) ** 2 / (x[1] * y[1]))


linear_cka = Measure(_with_own_product, _aligned)
"""Centered kernel alignment with a linear kernel (Kornblith et al. 2019)."""


def _kernel(x: Matrix, width: float = 0.5) -> Prepared:
    kernel = _double_centered(_gaussian(x, width))
    return kernel, float(np.linalg.norm(kernel))


rbf_cka = Measure(
    _kernel,
    lambda x, y: float((x[0] * y[0]).sum() / (x[1] * y[1])),
    lambda prepared, order: (prepared[0][np.ix_(order, order)], prepared[1]),
)
"""Centered kernel alignment with a Gaussian kernel of half a median distance."""


def _distance_ranks(x: Matrix) -> Prepared:
    from scipy.spatial.distance import pdist
    from scipy.stats import rankdata

    return (rankdata(pdist(x, "correlation")),)


rsa = Measure(_distance_ranks, lambda x, y: float(np.corrcoef(x[0], y[0])[0, 1]), None)
"""Spearman correlation of the pairwise correlation distances (Kriegeskorte et al. 2008)."""


def _shared(x: Prepared, y: Prepared) -> float:
    both = [len(np.intersect1d(a, b)) for a, b in zip(x[0], y[0], strict=True)]
    return float(np.mean(both) / x[0].shape[1])


def neighbors_in_common(k: int) -> Measure:
    """Share of the ``k`` nearest rows (by angle) that a row has in both (Huh et al. 2024)."""
    return Measure(lambda x: (_neighbors(x, min(k, len(x) - 1)),), _shared, None)


mutual_neighbors = neighbors_in_common(10)


def _scaled(x: Matrix) -> Prepared:
    x = centered(x)
    return (x / np.linalg.norm(x),)


procrustes = Measure(_scaled, lambda x, y: float(1 - np.linalg.norm(x[0].T @ y[0], "nuc") ** 2))
"""Squared distance left after the best rotation and scale, 0 to 1 (scipy's disparity).

The narrower side counts as padded with zero columns.
"""


def hits(x: Matrix, y: Matrix) -> npt.NDArray[np.float64]:
    """float64 ``[n]``: 1 where the nearest row of ``y`` (by cosine) is a row's own; ties share."""
    return first_hits(unit(x) @ unit(y).T)


def first_hits(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """float64 ``[n]``: 1 where column i is the highest of row i; ties share."""
    own = np.diag(scores)[:, None]
    best = (scores > own).sum(axis=1) == 0
    return np.asarray(best / (scores == own).sum(axis=1))


def _first(x: Prepared, y: Prepared) -> float:
    if x[0].shape[1] != y[0].shape[1]:
        return float("nan")
    return float(first_hits(x[0] @ y[0].T).mean())


retrieval = Measure(lambda x: (unit(x),), _first)
"""Share of rows of ``x`` whose nearest row of ``y`` (by cosine) is their own; ties share.

Both need the same columns: two layers of one encoder, or two encoders of one space.
"""


MEASURES: dict[str, Measure] = {
    "svcca": svcca,
    "pwcca": pwcca,
    "cka": linear_cka,
    "rbf-cka": rbf_cka,
    "rsa": rsa,
    "neighbors": mutual_neighbors,
    "procrustes": procrustes,
    "retrieval": retrieval,
}


def measure(name: str) -> Measure:
    """The measure called ``name``."""
    if name not in MEASURES:
        raise UserError(f"unknown measure '{name}'", f"use {', '.join(MEASURES)}")
    return MEASURES[name]


def comparable(name: str, x: Matrix, y: Matrix) -> bool:
    """Whether the measure takes both sides: retrieval wants columns of one space."""
    return name != "retrieval" or x.shape[1] == y.shape[1]


def centered(x: Matrix) -> Matrix:
    """float64, each column with mean 0."""
    values = np.asarray(x, np.float64)
    return np.asarray(values - values.mean(axis=0))


def leading(x: Matrix, variance: float = VARIANCE) -> Matrix:
    """Orthonormal ``[n, k]``: the fewest principal components that hold ``variance``.

    From the smaller Gram matrix: several times faster than an SVD, and exact enough for directions
    that hold this much.
    """
    x = centered(x)
    wide = x.shape[1] > len(x)
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    held = np.cumsum(values)
    if held[-1] <= len(x) * np.finfo(np.float32).eps ** 2:
        raise UserError("all vectors are equal", "compare texts that differ, at another layer")
    kept = int(np.searchsorted(held, variance * held[-1]) + 1)
    if wide:
        return vectors[:, :kept]
    return np.asarray(x @ vectors[:, :kept] / np.sqrt(values[:kept]))


def span(x: Matrix) -> Matrix:
    """Orthonormal ``[n, rank]``: a basis of the centered columns."""
    left, values, _ = np.linalg.svd(centered(x), full_matrices=False)
    rank = int((values > values[0] * max(x.shape) * np.finfo(np.float64).eps).sum())
    return left[:, : max(rank, 1)]


def correlations(basis_x: Matrix, basis_y: Matrix) -> Matrix:
    """Canonical correlations of two orthonormal bases, largest first."""
    return np.clip(np.linalg.svd(basis_x.T @ basis_y, compute_uv=False), 0, 1)


def unit(x: Matrix) -> Matrix:
    """float64, each row of length 1; zero rows stay."""
    values = np.asarray(x, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(lengths == 0, 1, lengths))


def _gaussian(x: Matrix, width: float) -> Matrix:
    """Kernel of all pairs of rows; the median is over the whole matrix, as in the paper's code."""
    from scipy.spatial.distance import pdist, squareform

    distances = squareform(pdist(np.asarray(x, np.float64), "sqeuclidean"))
    scale = width**2 * float(np.median(distances))
    if scale <= 0:
        raise UserError("most vectors are equal", "compare texts that differ")
    return np.asarray(np.exp(-distances / (2 * scale)))


def _double_centered(kernel: Matrix) -> Matrix:
    rows, columns = kernel.mean(axis=1)[:, None], kernel.mean(axis=0)
    return np.asarray(kernel - columns - rows + kernel.mean())


def _neighbors(x: Matrix, k: int) -> npt.NDArray[np.int64]:
    scores = unit(x) @ unit(x).T
    np.fill_diagonal(scores, -np.inf)
    return np.asarray(np.argpartition(-scores, k - 1, axis=1)[:, :k])
