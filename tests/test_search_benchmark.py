"""The short form of ``benchmarks/search.py``: what it measures at a million, at a small size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("faiss")
SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "search.py"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory of Linux")
def test_recall_opening_and_memory_at_a_small_size() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--items", "12000", "--dim", "64", "--lists-from", "12000",
         "--turns", "20", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    found = {row[0]: row[1] for row in rows}
    recalls = {name: float(value) for name, value in found.items() if name.startswith("recall")}
    assert len(recalls) >= 7 and min(recalls.values()) >= 0.95, recalls
    assert recalls["recall@10, filter keeps 1 % at random"] >= 0.97
    seconds, memory = found["opened"].split(", ")
    assert float(seconds.removesuffix(" ms")) < 2000 and float(memory.removesuffix(" MB")) < 50
