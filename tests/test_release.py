"""The wheels serve a stranger: built, checked, installed apart, and used there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "name",
    [
        "m2m_adapters/registry.yaml",
        "m2m_adapters/analysis/data/people.tsv",
        "m2m_adapters/planning/model_facts.json",
        "m2m_adapters/planning/published_figures.csv",
        "m2m_adapters/serve/static/index.html",
        "m2m_adapters/plugin_template/pyproject.toml",
        "m2m_cli/main.py",
    ],
)
def test_a_wheel_without_a_data_file_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    assert spec is not None and spec.loader is not None
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    monkeypatch.setattr(release, "run", lambda *command: "")
    wheel = tmp_path / "m2m_adapters-0.1.0-py3-none-any.whl"
    files = release.package_files("m2m_adapters")
    for left_out in ({name}, set()):
        with zipfile.ZipFile(wheel, "w") as archive:
            for path in files - left_out | {"m2m_adapters-0.1.0.dist-info/licenses/LICENSE"}:
                archive.writestr(path, "")
        if left_out:
            with pytest.raises(SystemExit, match=f"lacks {name}"):
                release.check([wheel], tmp_path)
    release.check([wheel], tmp_path)


def test_the_version_has_one_source() -> None:
    import m2m_adapters

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in text and "\nversion = " not in text
    assert f"\n## {m2m_adapters.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
