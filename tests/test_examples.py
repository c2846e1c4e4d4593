"""Every example runs, offline, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_example_runs(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "M2M_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows something"


def test_every_example_is_listed() -> None:
    readme = (EXAMPLES[0].parent / "README.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 8
    assert not [path.name for path in EXAMPLES if path.name not in readme]
