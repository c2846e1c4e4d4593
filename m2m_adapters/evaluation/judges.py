"""Judges of generated pictures or sounds: what each shows, and how right that is.

A judge looks once at a list and keeps what it saw; figures are then computed from that, one
value for each picture, so that pictures can be resampled for intervals.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from m2m_adapters.evaluation.benchmark import Item
from m2m_adapters.evaluation.metrics import Floats

Seen: TypeAlias = npt.NDArray[Any]
"""What a judge keeps of a list of pictures: an array with a row for each."""


@dataclass(frozen=True)
class PerPicture:
    """A figure that keeps its pictures: float64 ``[n]`` each; its value is sums over counts.

    counts: how often the question was asked of a picture (a picture of two objects is asked
    for two shapes); 1 where it is a plain mean.
    """

    sums: Floats
    counts: Floats

    @classmethod
    def mean(cls, values: npt.ArrayLike) -> PerPicture:
        sums = np.asarray(values, dtype=np.float64)
        return cls(sums, np.ones_like(sums))

    @property
    def value(self) -> float:
        return float(self.sums.sum() / max(self.counts.sum(), 1e-12))

    def drawn(self, weights: Floats) -> Floats:
        """The value in each resample: weights float64 ``[resamples, n]`` -> ``[resamples]``."""
        return np.asarray((weights @ self.sums) / np.maximum(weights @ self.counts, 1e-12))


class PictureJudge(ABC):
    """Knows the meanings in their order; judges pictures (or sounds) of the first of them.

    name: for reports. headline: the figure that stands for all.
    """

    name: str
    headline: str

    @abstractmethod
    def look(self, pictures: Sequence[Item]) -> Seen:
        """An array with a row for each picture: what is seen in it."""

    @abstractmethod
    def figures(self, seen: Seen) -> Mapping[str, PerPicture]:
        """How right that is, the meanings being known."""

    @abstractmethod
    def alike(self, english: Seen, seen: Seen) -> Mapping[str, PerPicture]:
        """How much it agrees with what the English prompts of the same system gave."""
