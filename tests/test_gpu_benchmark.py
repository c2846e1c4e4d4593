"""``benchmarks/gpu.py`` in a small size on the CPU, so that it is right before a GPU is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu.py"


def test_every_step_runs(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--small", "--device", "cpu", "--out", str(out)],
        env={**os.environ, "M2M_CACHE": str(tmp_path / "cache")}, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = {row["what"]: float(row["value"]) for row in json.loads(out.read_text())["rows"]}
    for what in ("peak: matrix products in bf16", "SentenceTransformer.encode", "ours, fp32",
                 "ours, bf16: share of the peak", "align 300 sentences in bf16",
                 "refine, CPU, fp32"):  # fmt: skip
        assert rows[what] > 0, what
    assert rows["fp32: least cosine to fp32 on the CPU"] > 0.99999
    assert rows["bf16: least cosine to fp32 on the CPU"] > 0.99
