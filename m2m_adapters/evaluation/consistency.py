"""How far the languages of one item agree in what they find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.ranking import Ints


def consistency(top: Mapping[str, Ints], benchmark: Benchmark) -> dict[str, Any]:
    """Shares of the first ten that two languages have in common, in percent.

    Each language asks with its first caption of an item; only items that all languages describe
    count. ``all pairs`` is the mean over pairs of languages, ``with English`` one language each.
    """
    codes = list(top)
    first: dict[str, Ints] = {}
    described = None
    for code in codes:
        items, place = np.unique(benchmark.owners[code], return_index=True)
        rows = np.full((len(benchmark.items), top[code].shape[1]), -1, np.int32)
        rows[items] = top[code][place]
        first[code] = rows
        here = np.zeros(len(benchmark.items), bool)
        here[items] = True
        described = here if described is None else described & here
    if described is None or not described.any() or len(codes) < 2:
        return {}
    k = first[codes[0]].shape[1]
    shared = {}
    for number, a in enumerate(codes):
        for b in codes[number + 1 :]:
            x, y = first[a][described], first[b][described]
            shared[a, b] = 100 * float((x[:, :, None] == y[:, None, :]).sum((1, 2)).mean()) / k
    told: dict[str, Any] = {"items": int(described.sum())}
    told["all pairs"] = round(float(np.mean(list(shared.values()))), 2)
    if "en" in codes:
        told["with English"] = {
            b if a == "en" else a: round(value, 2)
            for (a, b), value in shared.items()
            if "en" in (a, b)
        }
    return told
