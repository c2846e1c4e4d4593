"""Alignment in closed form, from second moments that can be streamed.

Centered least squares with a ridge has one eigendecomposition for every ridge strength, so
trying many costs as much as one. Strengths are relative to the mean eigenvalue of the
source's covariance, which makes them mean the same for every encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from m2m_adapters.errors import UserError

RIDGES = tuple(10.0**power for power in (-9, -7, -6, -5, -4, -3.5, -3, -2.5, -2, -1.5, -1, 0))

BLOCK = 256
"""Columns of X'X that are summed at once."""


@dataclass
class Moments:
    """n, sum x, sum y, X'X, X'Y and sum y.y in float64; additive over chunks."""

    n: int
    sum_x: Tensor
    sum_y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def empty(cls, d_in: int, d_out: int, device: torch.device | str = "cpu") -> Moments:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        return cls(
            0,
            zeros(d_in),
            zeros(d_out),
            zeros(d_in, d_in),
            zeros(d_in, d_out),
            torch.zeros((), dtype=torch.float64, device=device),
        )

    def add(self, x: Tensor, y: Tensor, chunk: int = 4096) -> Moments:
        """Add rows x ``[n, d_in]`` and y ``[n, d_out]``."""
        for start in range(0, len(x), chunk):
            a = x[start : start + chunk].to(self.xx)
            b = y[start : start + chunk].to(self.xx)
            self.n += len(a)
            self.sum_x += a.sum(0)
            self.sum_y += b.sum(0)
            for row in range(0, a.shape[1], BLOCK):  # the matrix is symmetric
                self.xx[row : row + BLOCK, row:].addmm_(a[:, row : row + BLOCK].T, a[:, row:])
            self.xy.addmm_(a.T, b)
            self.yy += (b * b).sum()
        for row in range(BLOCK, len(self.xx), BLOCK):
            self.xx[row:, row - BLOCK : row] = self.xx[row - BLOCK : row, row:].T
        return self

    def centered(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(mean x, mean y, covariance of x, cross-covariance x,y)."""
        mean_x, mean_y = self.sum_x / self.n, self.sum_y / self.n
        return (
            mean_x,
            mean_y,
            self.xx / self.n - torch.outer(mean_x, mean_x),
            self.xy / self.n - torch.outer(mean_x, mean_y),
        )


@dataclass(frozen=True)
class AffineMap:
    """y = W x + b: float64 W ``[d_out, d_in]``, b ``[d_out]``; ``ridge`` is None for Procrustes."""

    weight: Tensor
    bias: Tensor
    ridge: float | None


def ridge_path(moments: Moments, ridges: Sequence[float] = RIDGES) -> Iterator[AffineMap]:
    """The least-squares map for every ridge strength, from one eigendecomposition."""
    mean_x, mean_y, cov_x, cov_xy = checked_moments(moments)
    values, vectors = torch.linalg.eigh(cov_x)
    values = values.clamp_min(0)
    scale = values.mean()
    turned = vectors.T @ cov_xy
    for ridge in ridges:
        weight = (vectors @ (turned / (values + ridge * scale)[:, None])).T
        yield AffineMap(weight, mean_y - weight @ mean_x, ridge)


def procrustes(moments: Moments) -> AffineMap:
    """The closest scaled rotation (semi-orthogonal when the dimensions differ)."""
    mean_x, mean_y, cov_x, cov_xy = checked_moments(moments)
    u, s, vh = torch.linalg.svd(cov_xy.T, full_matrices=False)
    rotation = u @ vh
    # With unequal widths only the part of x that the rotation keeps counts for the scale.
    spread = ((rotation @ cov_x) * rotation).sum()
    weight = rotation * (s.sum() / spread)
    return AffineMap(weight, mean_y - weight @ mean_x, None)


def stretched(affine: AffineMap, moments: Moments, near: float, structure: float) -> AffineMap:
    """The map, scaled to suit a head that normalizes and a loss of structure.

    For p = W x + b with E |p|^2 = 1, ``near * |p - y|^2`` and ``structure * (p_i.p_j - y_i.y_j)^2``
    have expectations that are functions of second moments alone. A stretch t along each principal
    axis u of what the map predicts is sought. With energy e = E (u.p)^2, c = E (u.p)(u.y) and
    g = |E (u.p) y|^2, they are least where ``2 structure e (e t^3 - (g/e) t) + lam e t = near c``,
    lam such that the energies e t^2 sum to 1. Of least squares c is e and g is e^2.
    """
    mean_x, mean_y, cov_x, cov_xy = checked_moments(moments)
    of_means = torch.outer(mean_y, mean_y)
    energies, axes = torch.linalg.eigh(affine.weight @ cov_x @ affine.weight.T + of_means)
    energies = energies.clamp_min(0)
    if energies.sum() >= 1:  # nothing is missing, or y is not of length 1
        return affine
    cross = axes.T @ (affine.weight @ cov_xy + of_means)
    there = energies > 1e-12 * energies.max()
    e = torch.where(there, energies, torch.ones_like(energies))
    wanted = torch.where(there, (cross * axes.T).sum(1).clamp_min(0) / e, torch.zeros_like(e))
    shape = torch.where(there, cross.square().sum(1) / e, torch.zeros_like(e))

    def stretches(lam: float) -> Tensor:
        t = torch.full_like(e, 10.0)
        for _ in range(80):  # Newton's method from above, where the cubic is convex
            excess = 2 * structure * (energies * t**3 - shape * t) + lam * t - near * wanted
            slope = 2 * structure * (3 * energies * t * t - shape) + lam
            step = excess / slope.clamp_min(1e-12)
            t = (t - step).clamp_min(0)
            if step.abs().max() < 1e-13:
                break
        return t

    low, high = 0.0, 4 * near
    for _ in range(60):
        lam = (low + high) / 2
        low, high = (lam, high) if (energies * stretches(lam) ** 2).sum() > 1 else (low, lam)
    stretch = (axes * stretches(high)) @ axes.T
    weight = stretch @ affine.weight
    return AffineMap(weight, stretch @ mean_y - weight @ mean_x, affine.ridge)


def checked_moments(moments: Moments) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(mean x, mean y, covariance of x, cross-covariance), refused where nothing can be fitted."""
    if moments.n < 2:
        raise UserError(f"{moments.n} sentences are too few to fit a map", "give more sentences")
    mean_x, mean_y, cov_x, cov_xy = moments.centered()
    # Relative to the length of the vectors: rounding alone leaves about 1e-14 of it.
    if cov_x.trace() <= 1e-10 * moments.xx.trace() / moments.n:
        raise UserError(
            "the source gives every sentence the same vector", "check the source and the corpus"
        )
    return mean_x, mean_y, cov_x, cov_xy
