"""The shift of one language from unlabeled text, and whether it may be stored.

No translation is at hand, so no recall can be measured. What can be: whether the shift is the same
in both halves of the text, whether the text is of the kind that the English text is, and whether
sentences of one half find *one* nearest English sentence more clearly with the shift of the other
half than without (CSLS: how much nearer it is than the neighbors of both).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m2m_adapters.interfaces import Vectors, normalize

SHARE = 0.75
"""Of the difference of the means that is taken off; flat from a half to all of it."""
MIN_SENTENCES = 50
MOST_APART = 0.6
"""Distance of the two halves' shifts, relative to the shift's length, that is still the same."""
LEAST_MUTUAL = 0.5
"""Share of mutual nearest neighbors, relative to English text, that is still the same kind."""
NEAREST = 10
RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class English:
    """Projected English sentences of length 1.

    reference: whose mean shifts are relative to. neighbors: others, among which neighbors are
    looked for.
    """

    reference: Vectors
    neighbors: Vectors

    @property
    def mean(self) -> Vectors:
        return np.asarray(self.reference.mean(0), np.float32)


@dataclass(frozen=True)
class Judged:
    """A language after it was judged.

    shift: float32 ``[dim]``. gain: in hundredths of a cosine, with its 95 % interval. refused:
    why it must not be stored; empty if it may.
    """

    code: str
    sentences: int
    shift: Vectors
    gain: tuple[float, float, float]
    refused: str = ""


def judge(code: str, foreign: Vectors, english: English, seed: int = 0) -> Judged:
    """The shift of a language from projected sentences ``[n, dim]``, and what halves say of it."""
    rows = normalize(np.asarray(foreign, np.float32))
    if len(rows) < MIN_SENTENCES:
        nothing = np.zeros(rows.shape[1], np.float32)
        reason = f"{len(rows)} distinct sentences are too few, at least {MIN_SENTENCES} are needed"
        return Judged(code, len(rows), nothing, (0.0, 0.0, 0.0), reason)
    order = np.random.default_rng(seed).permutation(len(rows))
    halves = [rows[order[::2]], rows[order[1::2]]]
    shifts = [_shift(half, english) for half in halves]
    gains, mutual, same = [], [], []
    for shift, other in zip(shifts, reversed(halves)):
        moved = normalize(other - shift)
        gains.append(_clearness(moved, english.neighbors) - _clearness(other, english.neighbors))
        mutual.append(_mutual(moved, english.neighbors))
        same.append(_mutual(english.reference[: len(other)], english.neighbors))
    gain = _interval(100 * np.concatenate(gains), seed)
    whole = _shift(rows, english)
    length = max(float(np.linalg.norm(whole)), 1e-12)
    apart = float(np.linalg.norm(shifts[0] - shifts[1])) / length
    refused = ""
    if apart > MOST_APART:
        refused = (
            f"the two halves of the text disagree by {100 * apart:.0f} % of the shift: too little "
            "text, or nothing in common"
        )
    elif np.mean(mutual) < LEAST_MUTUAL * np.mean(same):
        refused = (
            f"the text is not of the kind that the English text is ({100 * np.mean(mutual):.0f} % "
            f"mutual nearest neighbors, English has {100 * np.mean(same):.0f} %)"
        )
    elif gain[1] <= 0:
        refused = f"no gain that is certain ({gain[0]:+.2f} [{gain[1]:+.2f}, {gain[2]:+.2f}])"
    return Judged(code, len(rows), whole, gain, refused)


def _shift(rows: Vectors, english: English) -> Vectors:
    return np.asarray(SHARE * (rows.mean(0) - english.mean), np.float32)


def _clearness(rows: Vectors, neighbors: Vectors) -> Floats:
    """CSLS of each row and its nearest neighbor ``[n]``."""
    cosines = rows @ neighbors.T
    of_rows = _nearest_mean(cosines)
    of_neighbors = _nearest_mean(cosines.T)
    nearest = cosines.argmax(1)
    csls = 2 * cosines.max(1) - of_rows - of_neighbors[nearest]
    return np.asarray(csls, np.float64)


def _nearest_mean(cosines: Vectors) -> Vectors:
    k = min(NEAREST, cosines.shape[1])
    return np.asarray(np.partition(cosines, -k, axis=1)[:, -k:].mean(1), np.float32)


def _mutual(rows: Vectors, neighbors: Vectors) -> float:
    """Share of rows that are the nearest one of their nearest neighbor."""
    cosines = rows @ neighbors.T
    back = cosines.argmax(0)[cosines.argmax(1)]
    return float((back == np.arange(len(rows))).mean())


def _interval(values: Floats, seed: int) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)
