"""Writes fake distributions to disk, for plugin discovery to find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ready_process import can_fork, m2m_in_fork


def fake_dist(
    folder: Path, name: str, code: str, *, entry: str | None = None, version: str = "1.0"
) -> Path:
    """A distribution ``name`` whose module holds ``code``; found when ``folder`` is on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[m2m_adapters]\n{entry or name} = {module}\n")
    return folder


def run_python(code: str, *paths: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, with ``paths`` in front and the environment changed."""
    env = {**os.environ, **environment}
    env["PYTHONPATH"] = os.pathsep.join([*map(str, paths), env.get("PYTHONPATH", "")]).rstrip(":")
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120
    )


def run_m2m(
    *arguments: str,
    paths: tuple[Path, ...] = (),
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """The ``m2m`` command in a process of its own."""
    env = {**os.environ, **environment}
    if paths:
        found = [*map(str, paths), *filter(None, [env.get("PYTHONPATH")])]
        env["PYTHONPATH"] = os.pathsep.join(found)
    raw = stdin.encode() if isinstance(stdin, str) else stdin
    command = [sys.executable, "-m", "m2m_cli.main", *arguments]
    if can_fork(env):
        ended = m2m_in_fork(list(arguments), raw or b"", cwd, env, timeout=300)
        return subprocess.CompletedProcess(
            command, ended.code, ended.stdout.decode(), ended.stderr.decode()
        )
    done = subprocess.run(
        command,
        env=env,
        capture_output=True,
        timeout=300,
        input=raw if raw is not None else b"",
        cwd=cwd,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
