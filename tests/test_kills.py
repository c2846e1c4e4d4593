"""Commands that are killed and given again: the short form of ``benchmarks/kills*.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")


def rows_of(script: str, *options: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *options, "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    rows: list[list[str]] = json.loads(done.stdout.splitlines()[-1])["rows"]
    return rows


def test_killed_runs_end_as_undisturbed_ones() -> None:
    rows = rows_of("kills.py", "--kills", "8", "--sentences", "6000")
    assert [row[0] for row in rows] == ["align", "embed", "analyze", "cache"]
    for _, kills, rounds, same, _, _, unexcused, _ in rows:
        assert int(kills) == 2 and same == f"{rounds} of {rounds}" and unexcused == "0"


def test_a_killed_server_answers_as_before() -> None:
    ((_, kills, rounds, same, *_),) = rows_of(
        "kills_serve.py", "--kills", "3", "--rows", "5000", "--queries", "20"
    )
    assert int(kills) == 3 and same == f"{rounds} of {rounds}"
