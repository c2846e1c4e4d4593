"""An index in LanceDB beside the same one in faiss: writing, queries, filters, the same answers.

Synthetic vectors as in ``search.py``, searched exactly by both. Qdrant is not measured: what
answers without a server is an engine in Python that is meant for tests.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments, spread
from search import K, clustered, write_index

from m2m_adapters.search.index import load_index
from m2m_adapters.search.lance_engine import LanceTables
from m2m_adapters.search.lists import recall
from m2m_adapters.search.stores import DatabaseStore, FaissStore


def main() -> None:
    given = arguments(
        __doc__,
        items={"type": int, "default": 100_000},
        dim={"type": int, "default": 512},
        queries={"type": int, "default": 50},
    )
    report = Report(
        f"Engines, {given.items:,} x {given.dim}",
        f"python benchmarks/engines.py --items {given.items} --queries {given.queries}",
        ("", "faiss", "LanceDB"),
    )
    queries = clustered(given.queries, given.dim, 7)
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as temporary:
        places = [Path(temporary) / "faiss", Path(temporary) / "lancedb"]
        tables = LanceTables(str(places[1] / "lancedb"))
        stores = [FaissStore(given.items + 1), DatabaseStore("lancedb", "", "vectors", tables)]
        written = [write_index(place, given.items, given.dim, store)
                   for place, store in zip(places, stores)]  # fmt: skip
        report.add("written, s", *(f"{seconds:.1f}" for seconds in written))
        indexes = [load_index(place) for place in places]
        for part in (1.0, 0.01, 0.2):
            kept = None if part == 1 else np.flatnonzero(rng.random(given.items) < part)
            taken: list[list[float]] = [[], []]
            found: list[list[Any]] = [[], []]
            for query in queries:  # in turns, so that other work on the machine falls on both
                for way, index in enumerate(indexes):
                    began = time.perf_counter()
                    found[way].append(index.engine.search(query[None], K, kept)[1][0])
                    taken[way].append(1000 * (time.perf_counter() - began))
            name = "one query" if kept is None else f"... filter keeps {100 * part:g} %"
            report.add(f"{name}, ms", *map(spread, taken))
            report.add("... the same answers", "", f"{recall(found[1], np.array(found[0])):.4f}")
        for index in indexes:
            index.close()
    report.notes.append(
        f"load of the machine at the end: {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"
    )
    report.finish(given)


if __name__ == "__main__":
    main()
