"""Peak memory of a closed-form alignment against the size of the corpus.

Embeddings lie in the store, as after a pass of a real encoder; the corpus is a file of distinct
sentences. Each size runs in a process of its own, and its peak is set against that of 32 pairs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import Report, arguments

WIDTH = 768


def encoder(name: str):
    """A text encoder as wide as M-MPNet whose vectors cost next to nothing."""
    import m2m_adapters as m2m

    class Hashed(m2m.TextEncoder):
        dim = WIDTH
        fingerprint = f"benchmark:{name}"

        def __init__(self) -> None:
            self._table = np.random.default_rng(len(name)).standard_normal((4096, WIDTH))
            self._table = self._table.astype(np.float32)

        def encode(self, texts, **options):
            rows = np.array([[hash_of(t, name), hash_of(t[::-1], name)] for t in texts]) % 4096
            found = self._table[rows[:, 0]] + self._table[rows[:, 1]]
            return found / np.linalg.norm(found, axis=1, keepdims=True)

    return Hashed()


def hash_of(text: str, salt: str) -> int:
    import zlib

    return zlib.crc32((salt + text).encode())


def child(corpus: str) -> None:
    """Align once and print the peak in bytes."""
    import m2m_adapters as m2m

    class Target(m2m.ModalityModel):
        modality = "image"
        text = encoder("target")

    from m2m_adapters.alignment.anytime import Stopping

    began = time.perf_counter()
    m2m.align(encoder("source"), Target(), corpus, recipe="closed-form", progress=False,
              stopping=Stopping(use_all=True))  # fmt: skip
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.perf_counter() - began)


def main() -> None:
    told = arguments(__doc__, sizes={"default": "32,200000,2000000"}, child={"default": None})
    if told.child:
        child(told.child)
        return
    report = Report("Memory", f"python benchmarks/memory.py --sizes {told.sizes}",
                    ("pairs of 768", "peak RSS", "beyond 32 pairs", "seconds"))  # fmt: skip
    base = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for size in (int(s) for s in told.sizes.split(",")):
            corpus = Path(folder) / "corpus.txt"
            with open(corpus, "w") as file:
                file.writelines(f"a caption about thing number {i} in a row\n" for i in range(size))
            env = {**os.environ, "M2M_CACHE": str(Path(folder) / "cache")}
            done = subprocess.run([sys.executable, __file__, "--child", str(corpus)], env=env,
                                  capture_output=True, text=True, check=True)  # fmt: skip
            peak, took = (float(v) for v in done.stdout.split())
            base = base or peak
            report.add(f"{size:,}", f"{peak / 2**20:,.0f} MiB", f"{(peak - base) / 2**20:,.0f} MiB",
                       f"{took:.0f}")  # fmt: skip
    report.finish(told)


if __name__ == "__main__":
    main()
