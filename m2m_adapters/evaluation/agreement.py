"""Agreement of the languages: whether captions of one item, in several languages, find the same.

Two figures. The share of the first ten items that two languages have in common; and the Mean
Rank Variance of Nie et al. (KDD 2024, arXiv 2406.18254; also used by ATRI, arXiv 2502.14627):
the variance, over languages, of the rank of the right item, averaged over items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.metrics import Floats
from m2m_adapters.evaluation.ranking import Ints

RANK_VARIANCE_SOURCE = "Mean Rank Variance, Nie et al. 2024 (arXiv 2406.18254)"


@dataclass(frozen=True)
class Agreement:
    """Agreement item by item; only items that every language describes count.

    items: their indices, ``[n]``. shared: pair of languages -> float64 ``[n]``, the share of the
    first ten in common. rank_variance: float64 ``[n]``.
    """

    items: Ints
    shared: dict[tuple[str, str], Floats]
    rank_variance: Floats

    @property
    def overlap(self) -> Floats:
        """Mean over pairs of languages: float64 ``[n]``."""
        return np.asarray(np.mean(list(self.shared.values()), axis=0))

    def with_english(self) -> dict[str, Floats]:
        """Language -> the share it has in common with English."""
        return {
            b if a == "en" else a: share for (a, b), share in self.shared.items() if "en" in (a, b)
        }


def agreement(
    top: Mapping[str, Ints], ranks: Mapping[str, Ints], benchmark: Benchmark
) -> Agreement | None:
    """Each language asks with its first caption of an item; None for fewer than two languages."""
    codes = list(top)
    first = {code: np.unique(benchmark.owners[code], return_index=True) for code in codes}
    described = set.intersection(*(set(items.tolist()) for items, _ in first.values()))
    if len(codes) < 2 or not described:
        return None
    items = np.array(sorted(described), np.int32)
    rows = {}
    for code, (owned, place) in first.items():
        rows[code] = place[np.searchsorted(owned, items)]
    shared = {}
    for number, a in enumerate(codes):
        for b in codes[number + 1 :]:
            x, y = top[a][rows[a]], top[b][rows[b]]
            shared[a, b] = (x[:, :, None] == y[:, None, :]).sum((1, 2)) / x.shape[1]
    by_language = np.stack([ranks[code][rows[code]] for code in codes]).astype(np.float64)
    return Agreement(items, shared, by_language.var(axis=0))


def consistency(
    top: Mapping[str, Ints], ranks: Mapping[str, Ints], benchmark: Benchmark
) -> dict[str, object]:
    """Agreement in percent, means over items: of all pairs, and of each language with English."""
    agreed = agreement(top, ranks, benchmark)
    if agreed is None:
        return {}
    summary: dict[str, object] = {
        "items": len(agreed.items),
        "all pairs": round(100 * float(agreed.overlap.mean()), 2),
        "mean rank variance": round(float(agreed.rank_variance.mean()), 3),
    }
    if english := agreed.with_english():
        summary["with English"] = {
            code: round(100 * float(share.mean()), 2) for code, share in english.items()
        }
    return summary
