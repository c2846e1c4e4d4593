"""Similarity of two sets of paired vectors: row i of both belongs to one sentence or item.

Every measure takes float ``[n, p]`` and ``[n, q]`` and returns a number, 1 for equal geometry
(0 for ``procrustes``, a distance). Columns are centered first. CCA needs many more rows than
columns; :mod:`m2m_adapters.analysis.uncertainty` measures what chance alone would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError

Matrix: TypeAlias = npt.NDArray[np.float64] | npt.NDArray[np.float32]
Measure: TypeAlias = Callable[[Matrix, Matrix], float]

VARIANCE = 0.99
"""Share of variance that SVCCA keeps, as in the papers that introduced and used it."""


def svcca(x: Matrix, y: Matrix) -> float:
    """Mean canonical correlation between the leading principal directions of both.

    Of each side the fewest directions that hold 99 % of its variance are kept (Raghu et al. 2017).
    """
    return float(correlations(leading(x), leading(y)).mean())


def pwcca(x: Matrix, y: Matrix) -> float:
    """Canonical correlations weighted by how much of ``x`` each explains (Morcos et al. 2018)."""
    basis_x, basis_y = span(x), span(y)
    left, rho, _ = np.linalg.svd(basis_x.T @ basis_y, full_matrices=False)
    weights = np.abs((basis_x @ left).T @ centered(x)).sum(axis=1)
    return float(np.clip(rho, 0, 1) @ weights / weights.sum())


def linear_cka(x: Matrix, y: Matrix) -> float:
    """Centered kernel alignment with a linear kernel (Kornblith et al. 2019)."""
    x, y = centered(x), centered(y)
    alone = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(x.T @ y) ** 2 / alone)


def rbf_cka(x: Matrix, y: Matrix, width: float = 0.5) -> float:
    """Centered kernel alignment with a Gaussian kernel; ``width`` in median distances."""
    return _alignment(_gaussian(x, width), _gaussian(y, width))


def rsa(x: Matrix, y: Matrix) -> float:
    """Spearman correlation of the pairwise correlation distances (Kriegeskorte et al. 2008)."""
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    return float(spearmanr(pdist(x, "correlation"), pdist(y, "correlation")).statistic)


def mutual_neighbors(x: Matrix, y: Matrix, k: int = 10) -> float:
    """Share of the ``k`` nearest rows (by angle) that a row has in both (Huh et al. 2024)."""
    k = min(k, len(x) - 1)
    pairs = zip(_neighbors(x, k), _neighbors(y, k), strict=True)
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in pairs]) / k)


def procrustes(x: Matrix, y: Matrix) -> float:
    """Squared distance left after the best rotation and scale, 0 to 1 (scipy's disparity).

    The narrower side is padded with zero columns.
    """
    x, y = centered(x), centered(y)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return float(1 - np.linalg.norm(x.T @ y, "nuc") ** 2)


def retrieval(x: Matrix, y: Matrix) -> float:
    """Share of rows of ``x`` whose nearest row of ``y`` (by cosine) is their own; ties share.

    Both need the same columns: two layers of one encoder, or two encoders of one space.
    """
    if x.shape[1] != y.shape[1]:
        return float("nan")
    scores = _unit(x) @ _unit(y).T
    own = np.diag(scores)[:, None]
    best = (scores > own).sum(axis=1) == 0
    return float((best / (scores == own).sum(axis=1)).mean())


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


def _unit(x: Matrix) -> Matrix:
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


def _alignment(a: Matrix, b: Matrix) -> float:
    a, b = _double_centered(a), _double_centered(b)
    return float((a * b).sum() / np.sqrt(np.square(a).sum() * np.square(b).sum()))


def _double_centered(kernel: Matrix) -> Matrix:
    rows, columns = kernel.mean(axis=1)[:, None], kernel.mean(axis=0)
    return np.asarray(kernel - columns - rows + kernel.mean())


def _neighbors(x: Matrix, k: int) -> npt.NDArray[np.int64]:
    scores = _unit(x) @ _unit(x).T
    np.fill_diagonal(scores, -np.inf)
    return np.asarray(np.argpartition(-scores, k - 1, axis=1)[:, :k])
