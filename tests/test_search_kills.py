"""An index whose building is killed again and again is the index of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from half_written import half_written

import m2m_adapters as m2m

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("faiss")

RUN = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
import test_search_index as t
import m2m_adapters as m2m

class Slow(t.Colors):
    def forward(self, batch):
        time.sleep(0.05)
        return super().forward(batch)
    def prepare(self, item, **options):
        with open(sys.argv[4], "a") as log:
            log.write(str(item) + "\\n")
        return super().prepare(item, **options)

print("ready", flush=True)
m2m.build_index(Slow(), sys.argv[2], sys.argv[3], batch_size=5, workers=1)
"""


def run(photos: Path, out: Path, log: Path, after: float | None = None) -> int:
    command = [
        sys.executable,
        "-c",
        RUN,
        str(Path(__file__).parent),
        str(photos),
        str(out),
        str(log),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    if after is not None:
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    return process.wait(timeout=120)


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
def test_a_killed_run_goes_on_at_its_last_batch(tmp_path: Path) -> None:
    photos, rng = tmp_path / "photos", random.Random(0)
    photos.mkdir()
    for number in range(60):
        color = (rng.randrange(1, 255), rng.randrange(1, 255), number)
        Image.new("RGB", (16, 16), color).save(photos / f"{number:02d}.png")
    assert run(photos, tmp_path / "calm", tmp_path / "calm.log") == 0
    kills = 0
    for _ in range(4):
        code = run(photos, tmp_path / "killed", tmp_path / "killed.log", 0.2 + rng.random())
        kills += code == -signal.SIGKILL
    assert run(photos, tmp_path / "killed", tmp_path / "killed.log") == 0
    calm, killed = (m2m.load_index(tmp_path / name) for name in ("calm", "killed"))
    assert kills and calm.record.files["flat.faiss"] == killed.record.files["flat.faiss"]
    assert [item for _, item in calm.metadata] == [item for _, item in killed.metadata]
    seen = Counter((tmp_path / "killed.log").read_text().splitlines())
    assert len(seen) == 60 and sum(seen.values()) <= 60 + 5 * kills


def test_a_record_that_a_kill_left_unfinished_goes(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.eye(48, dtype=np.float32))
    out = tmp_path / "index"
    m2m.import_index("toy-target", tmp_path / "v.npy", out, compare=0, progress=False)
    half_written(out / "index.json")
    np.save(tmp_path / "v.npy", np.eye(48, dtype=np.float32)[::-1])
    m2m.import_index("toy-target", tmp_path / "v.npy", out, compare=0, progress=False)
    assert not list(out.glob(".index.json.*.part"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are forked")
def test_killed_builds_updates_and_imports_end_as_undisturbed_ones() -> None:
    """The short form of ``benchmarks/kills_index.py``; M2M_KILLS=150 is the long one."""
    script = Path(__file__).resolve().parent.parent / "benchmarks" / "kills_index.py"
    kills = os.environ.get("M2M_KILLS", "9")
    done = subprocess.run(
        [sys.executable, str(script), "--kills", kills, "--items", "120", "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [row[0] for row in rows] == ["build", "update", "import"]
    for _, _, rounds, same, _, _, unexcused, _ in rows:
        assert same == f"{rounds} of {rounds}" and unexcused == "0"
