"""Least squares pulled towards a rotation, for languages that English pairs say nothing about.

Shrinking a map towards zero loses the directions that English hardly uses. Shrinking it towards a
rotation keeps the source's own geometry there, and that geometry is what other languages share.
How strong the pull is follows from the source and from English held-out pairs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from m2m_adapters.alignment.closed_form import AffineMap, Moments, checked_moments

FLOOR = 1.5
"""Least strength, in units of the source's median direction.

Translations differ from their English about evenly in all directions, by 1.3 to 1.9 times the
variance of the source's median direction (Multi30k's training captions in three languages)."""
CLOSE, MOST = 0.10, 0.5
"""The pull grows up to MOST while the held-out loss rises by no more than this share."""
GUARD = 0.25
"""Held-out loss that the pull may cost at most: where the encoders share no geometry, the rotation
is a bad prior, and held-out English shows it."""
STRENGTHS = tuple(10.0 ** (power / 4) for power in range(-24, 3))
SILENT = 1e-6
"""Directions with less than this share of the largest variance hold rounding, not language."""


@dataclass(frozen=True)
class Choice:
    """The chosen map and what the rule saw.

    strength: of the pull. floor: the least strength that languages need. best: the strength of
    least held-out loss. given_up: share of that loss the choice costs. All three are None where
    the strength was given.
    """

    map: AffineMap
    strength: float
    floor: float | None
    best: float | None
    given_up: float | None


class Pulled:
    """Least squares pulled towards the closest rotation, for any strength of the pull.

    One eigendecomposition serves every strength: W = (YX + r s R)(C + r s I)^-1, where R is the
    rotation at its least-squares scale and s the mean eigenvalue of the source's covariance C.
    """

    def __init__(self, moments: Moments) -> None:
        self.mean_x, self.mean_y, cov_x, cov_xy = checked_moments(moments)
        values, self.vectors = torch.linalg.eigh(cov_x)
        self.values = values.clamp_min(0)
        self.scale = self.values.mean()
        self.turned = self.vectors.T @ cov_xy
        self.turned_prior = self.vectors.T @ rotation(cov_x, cov_xy).T

    def _solution(self, strength: float) -> Tensor:
        pull = strength * self.scale
        solution: Tensor = (self.turned + pull * self.turned_prior) / (self.values + pull)[:, None]
        return solution

    def map(self, strength: float) -> AffineMap:
        weight = (self.vectors @ self._solution(strength)).T
        return AffineMap(weight, self.mean_y - weight @ self.mean_x, strength)

    def chosen(self, strength: float) -> Choice:
        """The map at the caller's strength."""
        return Choice(self.map(strength), strength, None, None, None)

    def along(self, x: Tensor) -> Tensor:
        """Rows x ``[n, d_in]`` along the eigenvectors of the covariance."""
        turned: Tensor = (x.to(self.vectors) - self.mean_x) @ self.vectors
        return turned

    def predicted(self, along: Tensor, strength: float) -> Tensor:
        """What :meth:`map` gives, for rows already in the coordinates of :meth:`along`."""
        rows: Tensor = along @ self._solution(strength) + self.mean_y
        return rows

    def floor(self, along: Tensor) -> float:
        """Variance of the median direction of held-out rows over that of the mean direction.

        Held-out rows: where the sentences are few for the width, the fit's own eigenvalues are
        too far apart. Directions that nothing fills do not count.
        """
        spread = along.square().mean(0)
        used = spread[spread > SILENT * spread.max()]
        return float(used.median() / self.scale)


def rotation(cov_x: Tensor, cov_xy: Tensor) -> Tensor:
    """The closest rotation (semi-orthogonal where widths differ) at its least-squares scale."""
    u, s, vh = torch.linalg.svd(cov_xy.T, full_matrices=False)
    # Fewer sentences than directions: directions without data have no rotation.
    turned: Tensor = (u * (s > 1e-12 * s[0])) @ vh
    scaled: Tensor = turned * (s.sum() / ((turned @ cov_x) * turned).sum())
    return scaled


def choose(
    moments: Moments, x_held: Tensor, y_held: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> Choice:
    """The map at the strength that other languages, or few sentences, need; whichever is more.

    loss: of predictions ``[n, d_out]`` before the head, and targets.

    Wanted is the largest of ``FLOOR`` times the source's median direction, the strength of least
    held-out loss, and the strongest pull up to ``MOST`` that costs no more than ``CLOSE``. The
    guard takes the strongest below it that costs no more than ``GUARD``.
    """
    pulled = Pulled(moments)
    along = pulled.along(x_held)
    floor = FLOOR * pulled.floor(along)
    y = y_held.to(along)
    tried = [
        (strength, float(loss(pulled.predicted(along, strength), y)))
        for strength in sorted({*STRENGTHS, MOST, floor})
    ]
    best, least = min(tried, key=lambda one: one[1])
    cheap = [s for s, value in tried if s <= MOST and value <= least + CLOSE * abs(least)]
    wanted = max([floor, best, *cheap])
    strength, reached = [
        (s, value) for s, value in tried if s <= wanted and value <= least + GUARD * abs(least)
    ][-1]
    given_up = reached / least - 1 if least else 0.0
    return Choice(pulled.map(strength), strength, floor, best, given_up)
