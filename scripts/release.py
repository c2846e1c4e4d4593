"""Build every distribution, check it, and use the wheels as a stranger would.

python scripts/release.py [--out dist] [--reuse-libraries]

Builds wheels and source distributions of the core and of every plugin, checks their metadata,
installs the wheels into a fresh environment outside the repository, and runs there: `m2m demo`,
`m2m new-plugin`, and the tests of the plugin that it wrote. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APART = {"m2m-laion-clap"}
"""Built and checked, but not installed beside the others: it pins numpy below 2."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Output of a command; a failure ends the script with what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def projects() -> list[Path]:
    """Folders of the distributions: the core and the plugins."""
    plugins = sorted(path.parent for path in ROOT.glob("plugins/m2m-*/pyproject.toml"))
    return [ROOT, *plugins]


def build(out: Path) -> list[Path]:
    """Wheels and source distributions of every project, in ``out``; the wheels are returned."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        sys.exit(f"{out} is not empty: choose a new folder with --out")
    for project in projects():
        print(f"build {project.name if project != ROOT else 'm2m-adapters'}", flush=True)
        run(sys.executable, "-m", "hatchling", "build", "-d", out.resolve(), cwd=project)
    wheels = sorted(out.glob("*.whl"))
    if len(wheels) != len(projects()):
        sys.exit(f"{len(projects())} projects gave {len(wheels)} wheels")
    return wheels


def check(wheels: list[Path], out: Path) -> None:
    """Metadata that an index accepts, a license in every wheel, typed packages, and all files."""
    run(sys.executable, "-m", "twine", "check", "--strict", *sorted(out.iterdir()))
    for wheel in wheels:
        names = zipfile.ZipFile(wheel).namelist()
        for wanted in ("licenses/LICENSE", "py.typed"):
            if not any(name.endswith(wanted) for name in names):
                sys.exit(f"{wheel.name} has no {wanted}")
        missing = sorted(package_files(wheel.name.split("-")[0]) - set(names))
        if missing:
            sys.exit(f"{wheel.name} lacks {', '.join(missing[:5])}")


def package_files(package: str) -> set[str]:
    """Names in a wheel of all files of its package: code, tables, models, pages."""
    if package != "m2m_adapters":
        return _inside(ROOT / "plugins" / package.replace("_", "-") / package, package)
    template = _inside(ROOT / "plugins" / "template", "m2m_adapters/plugin_template")
    commands = _inside(ROOT / "cli" / "m2m_cli", "m2m_cli")
    own = _inside(ROOT / package, package)
    return own | commands | template | {"m2m_adapters/registry.yaml"}


def _inside(folder: Path, prefix: str) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        f"{prefix}/{path.as_posix()}"
        for path in files
        if not any(part == "__pycache__" or part.startswith(".") for part in path.parts)
    }


def environment(folder: Path, wheels: list[Path], *, reuse_libraries: bool) -> Path:
    """A fresh environment with the wheels; its folder of commands.

    reuse_libraries: third-party libraries are those of the running environment, which saves the
    download of several gigabytes; the wheels themselves are still installed apart.
    """
    venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    chosen = [w for w in wheels if w.name.split("-")[0].replace("_", "-") not in APART]
    if not reuse_libraries:
        run(commands / "python", "-m", "pip", "install", "--quiet", *chosen, "pytest")
        return commands
    run(commands / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *chosen)
    own = run(commands / "python", "-c", "import site; print(site.getsitepackages()[0])").strip()
    libraries = "\n".join(path for path in sys.path if path.endswith("site-packages"))
    (Path(own) / "libraries_of_the_builder.pth").write_text(libraries + "\n", encoding="utf-8")
    return commands


def try_out(commands: Path, folder: Path) -> None:
    """What a stranger does first, in a folder that knows nothing of the repository."""
    python = commands / "python"
    place = run(python, "-c", "import m2m_adapters; print(m2m_adapters.__file__)", cwd=folder)
    if str(ROOT) in place:
        sys.exit(f"the repository is used instead of the wheel: {place}")
    m2m = (python, "-m", "m2m_cli.main")
    print("m2m demo", flush=True)
    run(*m2m, "demo", "--out", "demo-page", "--sentences", "1500", cwd=folder)
    if not (folder / "demo-page" / "index.html").is_file():
        sys.exit("m2m demo left no page")
    print("m2m new-plugin, and its tests", flush=True)
    run(*m2m, "new-plugin", "my-encoder", cwd=folder)
    run(python, "-m", "pytest", "-q", ".", cwd=folder / "m2m-my-encoder")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--reuse-libraries", action="store_true")
    arguments = parser.parse_args()
    wheels = build(arguments.out)
    check(wheels, arguments.out)
    outside = Path(tempfile.mkdtemp(prefix="m2m-release-"))
    try:
        commands = environment(
            outside / "environment", wheels, reuse_libraries=arguments.reuse_libraries
        )
        (outside / "work").mkdir()
        try_out(commands, outside / "work")
    finally:
        shutil.rmtree(outside, ignore_errors=True)
    print(f"{len(wheels)} distributions are built, checked and tried; see {arguments.out}")


if __name__ == "__main__":
    main()
