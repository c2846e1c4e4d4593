"""`m2m new-plugin` from the built wheel alone: installs, is listed, passes its suite, aligns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.testing.new_plugin import write_plugin

ROOT = Path(__file__).resolve().parent.parent


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def test_a_new_plugin_works_from_outside(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    built = run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps",
                 "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)], tmp_path)  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("m2m_adapters-*.whl")
    venv = tmp_path / "venv"
    run([sys.executable, "-m", "venv", str(venv)], tmp_path)
    # A new environment that sees the libraries of this one: torch is not fetched again.
    python = venv / "bin" / "python"
    where = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                tmp_path).stdout.strip()  # fmt: skip
    seen = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(where) / "outer.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in sorted(seen))
    )
    m2m = [str(python), "-m", "m2m_cli.main"]

    def install(what: Path) -> None:
        done = run([str(python), "-m", "pip", "install", "--quiet", "--no-deps",
                    "--no-build-isolation", "--force-reinstall", str(what)], tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr

    install(wheel)
    core = run([str(python), "-c", "import m2m_adapters; print(m2m_adapters.__file__)"], tmp_path)
    assert core.stdout.startswith(str(venv)), "this test is about the wheel, not the repository"
    written = run([*m2m, "new-plugin", "my-letters"], tmp_path)
    assert written.returncode == 0, written.stderr
    install(tmp_path / "m2m-my-letters")
    health = {row["distribution"]: row for row in
              json.loads(run([*m2m, "plugins", "--json"], tmp_path).stdout)}  # fmt: skip
    assert health["m2m-my-letters"]["health"] == "ok"
    assert health["m2m-my-letters"]["version"] == "0.1.0"
    suite = run([str(python), "-m", "pytest", "-q", str(tmp_path / "m2m-my-letters")], tmp_path)
    assert suite.returncode == 0, suite.stdout
    assert "passed" in suite.stdout
    (tmp_path / "file.txt").write_text(
        "\n".join(f"the {a} {b} runs past {c}" for a in ("red", "old", "big", "shy")
                  for b in ("dog", "fox", "cow") for c in ("home", "me", "us", "town"))
    )  # fmt: skip
    aligned = run([*m2m, "align", "--source", "my-letters", "--target", "my-letters-words",
                   "--texts", "file.txt", "--out", "a"], tmp_path)  # fmt: skip
    assert aligned.returncode == 0, aligned.stderr
    shape = run([str(python), "-c", "import m2m_adapters as m2m;"
                 "print(m2m.load_adapter('a').encode(['ein Hund', 'x']).shape)"], tmp_path)  # fmt: skip
    assert shape.stdout.strip() == "(2, 64)"


@pytest.mark.parametrize("name", ["Bad", "1st", "a_b", "a--b", "-a", "", "import", "a b", "../x"])
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be a plugin's name"):
        write_plugin(name, tmp_path / "x")


def test_an_existing_folder_is_spared(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine").write_text("dear")
    with pytest.raises(UserError, match="exists already"):
        write_plugin("fine", tmp_path / "x")


def test_a_new_plugin_is_typed(tmp_path: Path) -> None:
    """Strict mypy is content with what authors start from."""
    pytest.importorskip("mypy")
    folder = write_plugin("typed", tmp_path / "typed")
    done = run([sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports",
                "--follow-imports", "silent", "--no-incremental", str(folder / "m2m_typed")], ROOT)  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_name_may_be_that_of_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_plugin("m2m-mine") == Path("m2m-mine")
    assert (tmp_path / "m2m-mine" / "m2m_mine" / "__init__.py").is_file()
