"""Best linear prediction of unpublished figures from the published ones, on the logit scale.

Every effect is a random effect of known size, so mean and spread follow in closed form, also
with any figures left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from m2m_adapters.planning.effects import SPREADS, Array, Question, covariance
from m2m_adapters.planning.facts import OWN_TOWER, Figure, figures

Z90 = 1.645
"""Half-width of a normal 90 % interval, in standard deviations."""


def to_logit(percent: float | Array) -> Array:
    """Logit of a percentage, held back by one point at both ends."""
    p = np.asarray(percent, dtype=np.float64)
    logit: Array = np.log((p + 1) / (101 - p))
    return logit


def to_percent(logit: float | Array) -> Array:
    percent: Array = np.clip(102 / (1 + np.exp(-np.asarray(logit, dtype=np.float64))) - 1, 0, 100)
    return percent


def interval(mean: float, spread: float) -> tuple[float, float, float]:
    """(low, middle, high) in percent, 90 %."""
    low, middle, high = to_percent(np.array([mean - Z90 * spread, mean, mean + Z90 * spread]))
    return float(low), float(middle), float(high)


def usable(direction: str) -> list[Figure]:
    """The figures that the model rests on: not those of the targets' own English towers."""
    return [f for f in figures() if f.source != OWN_TOWER and f.value(direction) is not None]


class Model:
    """The published figures of one direction, and what they say about others."""

    def __init__(
        self,
        direction: str,
        rows: Sequence[Figure] | None = None,
        spreads: Mapping[str, float] = SPREADS,
    ) -> None:
        rows = usable(direction) if rows is None else rows
        self.direction, self.spreads = direction, spreads
        self.questions = [
            Question(r.benchmark, r.source, r.target, r.language, direction) for r in rows
        ]
        self.percent = np.array([r.value(direction) for r in rows], dtype=np.float64)
        logits = to_logit(self.percent)
        self.mean = float(logits.mean())
        self.centered = logits - self.mean
        full = covariance(self.questions, self.questions, spreads)
        full[np.diag_indices_from(full)] += spreads["rest"] ** 2
        self.precision = np.linalg.inv(full)
        self.weights = self.precision @ self.centered
        self._blocks: dict[tuple[int, ...], Array] = {}
        self.published = dict(zip(self.questions, self.percent.tolist(), strict=True))

    def predict(self, questions: Sequence[Question]) -> tuple[Array, Array]:
        """Mean and standard deviation of the logits."""
        cross = covariance(questions, self.questions, self.spreads)
        own = np.diag(covariance(questions, questions, self.spreads)) + self.spreads["rest"] ** 2
        variance = own - ((cross @ self.precision) * cross).sum(axis=1)
        return self.mean + cross @ self.weights, np.sqrt(np.maximum(variance, 1e-6))

    def predict_without(self, index: int, left_out: NDArray[np.intp]) -> tuple[float, float]:
        """The logit of figure ``index`` from all figures but ``left_out`` (it included)."""
        key = tuple(left_out.tolist())
        if key not in self._blocks:
            self._blocks[key] = np.linalg.inv(self.precision[np.ix_(left_out, left_out)])
        block = self._blocks[key]
        mean = self.centered[left_out] - block @ self.weights[left_out]
        at = int(np.flatnonzero(left_out == index)[0])
        return self.mean + float(mean[at]), float(np.sqrt(block[at, at]))


@cache
def model(direction: str) -> Model:
    """The model of all published figures of a direction."""
    return Model(direction)
