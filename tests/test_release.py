"""The wheels serve a stranger: built, checked, installed apart, and used there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_built_wheels_run_the_demo_and_a_new_plugins_tests(tmp_path: Path) -> None:
    """Libraries of others are those of this environment; `make release` downloads them afresh."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "release.py", "--out", tmp_path / "dist",
         "--reuse-libraries"],
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    wheels = {path.name.split("-")[0] for path in (tmp_path / "dist").glob("*.whl")}
    assert "m2m_adapters" in wheels
    assert wheels == {
        p.parent.name.replace("-", "_") for p in ROOT.glob("plugins/m2m-*/pyproject.toml")
    } | {"m2m_adapters"}


def test_the_version_has_one_source() -> None:
    import m2m_adapters

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in text and "\nversion = " not in text
    assert f"\n## {m2m_adapters.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
