"""Commands that are killed and given again: the short form of ``benchmarks/kills.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "kills.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
def test_killed_runs_end_as_undisturbed_ones() -> None:
    told = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "8", "--sentences", "6000", "--json"],
        env=told, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row[0] for row in rows] == ["align", "embed", "analyze", "cache"]
    for _, kills, rounds, same, _, _, unexcused, _ in rows:
        assert int(kills) == 2 and same == f"{rounds} of {rounds}" and unexcused == "0"
