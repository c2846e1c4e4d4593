"""`m2m generate` killed and given again: the short form of ``benchmarks/kills_generate.py``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "kills_generate.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
def test_killed_runs_leave_what_an_undisturbed_one_makes():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--prompts", "60", "--kills", "6", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    ((prompts, kills, files, same, again, half),) = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert (prompts, files, same, again, half) == ("60", "120", "120", "0", "0")
    assert int(kills) >= 3
