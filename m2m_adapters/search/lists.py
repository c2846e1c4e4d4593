"""Train the lists of an approximate index, and choose how many are probed by measuring."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.search import faiss_files
from m2m_adapters.search.engine import FaissEngine
from m2m_adapters.search.format import EngineRecord, Recall

THRESHOLD = 1_000_000
"""Rows from which an index gets lists; below, a scan of fp16 rows takes at most some 60 ms."""
WANTED_RECALL = 0.98
SPARE = 0.004
"""By so much probing every list must be above it, or too many would be probed for the rest."""
TRAINED_ON = 64
"""Rows per list that k-means sees."""
QUERIES, K = 200, 10
NOISE = 0.7
"""Length of the noise added to a row of length 1 to make a query: a cosine of about 0.82."""
BLOCK = 65_536


def number_of_lists(rows: int) -> int:
    """A power of two near four times the root of the rows, as faiss advises."""
    return 1 << round(math.log2(max(1.0, 4 * math.sqrt(rows))))


def build_lists(flat: Any, lists: int | None = None, seed: int = 0) -> Any:
    """An index of lists over the rows of ``flat``."""
    rows = faiss_files.codes(flat)
    lists = min(lists or number_of_lists(len(rows)), max(1, len(rows) // 39))
    index = faiss_files.ivf(flat.d, lists)
    index.cp.seed = seed + 1234
    index.cp.max_points_per_centroid = TRAINED_ON
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(len(rows), min(len(rows), lists * TRAINED_ON), replace=False))
    index.train(faiss_files.as_vectors(rows[sample]))
    for start in range(0, len(rows), BLOCK):
        index.add(faiss_files.as_vectors(rows[start : start + BLOCK]))
    return index


def measured(flat: Any, ivf: Any, seed: int = 0) -> EngineRecord:
    """The fewest lists that reach ``WANTED_RECALL``, and the recall they reach.

    Where 8 bits lose too much for it, however many lists are probed, rows are rescored.
    """
    engine = FaissEngine(flat, ivf)
    queries = probe_queries(engine, seed)
    k = min(K, engine.rows)
    exact = FaissEngine(flat).search(queries, k)[1]

    def reached(nprobe: int) -> float:
        engine.nprobe = nprobe
        return recall(engine.search(queries, k)[1], exact)

    every = int(ivf.nlist)
    engine.rescored = reached(every) < WANTED_RECALL + SPARE
    at, nprobe = 0.0, every
    for nprobe in _candidates(every):
        if (at := reached(nprobe)) >= WANTED_RECALL:
            break
    return EngineRecord(
        kind="ivf",
        lists=every,
        nprobe=nprobe,
        rescored=engine.rescored,
        recall=Recall(k=k, queries=len(queries), at=at),
    )


def _candidates(lists: int) -> list[int]:
    steps = [round(8 * 2 ** (i / 2)) for i in range(40)]
    return [*[n for n in steps if n < lists], lists]


def probe_queries(engine: FaissEngine, seed: int = 0) -> Vectors:
    """Stored rows with noise: queries near the items, without being one."""
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(engine.rows, min(QUERIES, engine.rows), replace=False))
    rows = engine.vectors(sample)
    noise = normalize(rng.standard_normal(rows.shape).astype(np.float32))
    return normalize(rows + NOISE * noise)


def recall(rows: Any, exact: Any) -> float:
    """The part of the exact answers that are among ``rows``."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, exact)]
    return float(np.sum(hits) / max(1, exact.size))
