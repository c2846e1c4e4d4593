"""A million vectors: speed beside faiss itself, recall with and without filters, opening.

The vectors are synthetic and clustered: an item is one of 5,000 centers plus noise of 0.8 of its
length, and the spread of both falls from one dimension to the next as that of embeddings does.
Queries are drawn the same way and are no items. The index is written by the code behind
`m2m index`, then opened in a process of its own to measure time and resident memory, and asked in
turns with the faiss index it holds: single queries and batches, through the engine (scores and
rows, as faiss gives them) and through ``Index.nearest`` (with what is known of each item). Recall
compares with an exact scan of the same fp16 rows.

    python benchmarks/search.py
    python benchmarks/search.py --items 20000 --lists-from 20000
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, arguments

from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.search import faiss_files, generation
from m2m_adapters.search.format import TargetRecord
from m2m_adapters.search.index import Index, load_index
from m2m_adapters.search.lists import recall
from m2m_adapters.search.metadata import Item, Part
from m2m_adapters.search.stores import FaissStore, Store

CENTERS, NOISE, POWER, K, BLOCK = 5000, 0.8, 0.25, 10, 65_536

OPENING = """
import json, sys, time
from pathlib import Path
import faiss
from m2m_adapters.search.index import load_index

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

before, began = resident(), time.perf_counter()
index = load_index(sys.argv[1])
seconds, opened = time.perf_counter() - began, resident()
import numpy as np
query = np.random.default_rng(0).normal(size=(1, index.dim)).astype("float32")
index.nearest(query, 10, None, ["q"])
print(json.dumps([seconds, opened - before, resident() - before]))
"""


def clustered(count: int, dim: int, seed: int) -> Vectors:
    """float32 ``[count, dim]``; ``seed`` 0 draws other rows around the same centers as 1."""
    spread = (np.arange(1, dim + 1) ** -POWER).astype(np.float32)
    centers = np.random.default_rng(99).standard_normal((CENTERS, dim), np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, dim), np.float32)
    owner = rng.integers(0, CENTERS, count)
    return normalize(normalize(centers * spread)[owner] + NOISE * normalize(noise * spread))


def write_index(folder: Path, items: int, dim: int, store: Store) -> float:
    """The index of synthetic items; returns the seconds it took."""

    def codes() -> Iterator[Any]:
        for number, start in enumerate(range(0, items, BLOCK)):
            yield faiss_files.as_codes(clustered(min(BLOCK, items - start), dim, 1000 + number))

    target = TargetRecord(name="", options={}, modality="image", fingerprint="synthetic", dim=dim)
    described = (
        Item(f"/photos/{row}.jpg", "/photos", f"{row}.jpg", ".jpg", 1, 1, "", "image")
        for row in range(items)
    )
    began = time.perf_counter()
    with generation.locked(folder):
        generation.write(
            folder,
            generation.Content(
                target, described, (Part(row) for row in range(items)), codes(),
                store=store,
            ),
        )  # fmt: skip
    return time.perf_counter() - began


def in_turns(ours: Callable[[], Any], theirs: Callable[[], Any], turns: int) -> tuple[float, float]:
    """Seconds of both, the fastest of the turns: what else the machine does only adds to them."""
    ours(), theirs()
    fastest = {ours: math.inf, theirs: math.inf}
    for turn in range(turns):
        for call in (ours, theirs) if turn % 2 else (theirs, ours):
            began = time.perf_counter()
            call()
            fastest[call] = min(fastest[call], time.perf_counter() - began)
    return fastest[ours], fastest[theirs]


def speed(report: Report, index: Index, queries: Vectors, turns: int) -> None:
    """Ours beside faiss with the same index and the same number of probed lists."""
    import faiss

    engine: Any = index.engine
    record = index.record.engine
    if record.kind == "ivf":
        held, parameters = engine._ivf, faiss.SearchParametersIVF(nprobe=record.nprobe)
    else:
        held, parameters = engine._flat, None
    asked = iter(range(10**9))
    for size, name in ((1, "one query"), (64, "64 queries"), (1000, "1,000 queries")):
        some = queries[:size] if size > 1 else queries
        names = ["q"] * size

        def rows(some: Vectors = some, size: int = size) -> Vectors:
            if size > 1:
                return some
            at = next(asked) // 2 % len(some)
            return some[at : at + 1]

        repeats = max(20, turns // size)
        for way, ours in (
            ("engine", lambda: engine.search(rows(), K)),
            ("Index.nearest", lambda names=names: index.nearest(rows(), K, None, names)),
        ):
            a, b = in_turns(ours, lambda: held.search(rows(), K, params=parameters), repeats)
            report.add(f"{name}, {way}", f"{1000 * a:.3g} ms", f"{1000 * b:.3g} ms", f"{b / a:.3f}")


def recalls(report: Report, index: Index, queries: Vectors) -> None:
    """Against an exact scan, without a filter and under several."""
    from m2m_adapters.search.engine import FaissEngine

    engine: Any = index.engine
    exact = FaissEngine(engine._flat)
    rng = np.random.default_rng(5)
    filters: list[tuple[str, Any]] = [("no filter", None)]
    for part in (0.001, 0.01, 0.04, 0.1, 0.3):
        chosen = np.flatnonzero(rng.random(engine.rows) < part)
        filters.append((f"filter keeps {100 * part:g} % at random", chosen))
    near = engine.search(queries[:1], max(1, engine.rows // 10))[1][0]
    filters.append(("filter keeps 10 %, all near one query", np.sort(near[near >= 0])))
    for name, kept in filters:
        began = time.perf_counter()
        found = np.vstack([engine.search(query[None], K, kept)[1] for query in queries])
        seconds = (time.perf_counter() - began) / len(queries)
        wanted = exact.search(queries, K, kept)[1]
        report.add(f"recall@{K}, {name}", f"{recall(found, wanted):.3f}",
                   f"{1000 * seconds:.3g} ms a query", "")  # fmt: skip


def main() -> None:
    given = arguments(
        __doc__,
        items={"type": int, "default": 1_000_000},
        dim={"type": int, "default": 512},
        lists_from={"type": int, "default": 1_000_000},
        turns={"type": int, "default": 400},
        folder={"type": Path, "help": "keep the index here, and use it if it is there"},
    )
    report = Report(
        f"Search, {given.items:,} x {given.dim}",
        f"python benchmarks/search.py --items {given.items} --lists-from {given.lists_from}",
        ("", "ours", "faiss", "faiss / ours"),
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "index"
        if not (folder / "index.json").is_file():
            seconds = write_index(folder, given.items, given.dim, FaissStore(given.lists_from))
            report.add("written", f"{seconds:.0f} s", "", "")
        done = subprocess.run([sys.executable, "-c", OPENING, str(folder)], check=True,
                              capture_output=True, text=True)  # fmt: skip
        opened, resident, after = json.loads(done.stdout)
        report.add("opened", f"{1000 * opened:.1f} ms, {resident / 1e6:.1f} MB", "", "")
        report.add("after the first query", f"{after / 1e6:.1f} MB", "", "")
        index = load_index(folder)
        for name, file in sorted(index.record.files.items()):
            report.add(f"{name}, bytes a row", f"{file.bytes / len(index):.0f}", "", "")
        queries = clustered(1000, given.dim, 7)
        speed(report, index, queries, given.turns)
        recalls(report, index, queries[:200])
        record = index.record.engine
        report.notes = [
            f"index: {record.kind}, {record.lists} lists, nprobe {record.nprobe}"
            + (", rescored" if record.rescored else "")
            + (f", recall when built {record.recall.at:.3f}" if record.recall else ""),
            "times are the fastest of turns in one run; opening does not count imports",
        ]
        index.close()
    report.finish(given)


if __name__ == "__main__":
    main()
