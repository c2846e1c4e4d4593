"""The ``m2m`` command in a process of its own that starts with its libraries imported.

Importing torch, transformers and sentence-transformers takes longer than most commands. One
process per worker of the tests imports them and does nothing else; each command is a fork of it.
Libraries also read variables when they are imported (``HF_ENDPOINT``, ``PYTHONPATH``), so a command
that changes any but our own ``M2M_*`` starts anew.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

LIBRARIES = [
    "m2m_cli.main",
    "m2m_adapters.alignment.align",
    "m2m_adapters.evaluation.evaluate",
    "sentence_transformers",
    "transformers.models.clip.modeling_clip",
]


SET_BY_LIBRARIES = ("KMP_", "OMP_WAIT_POLICY", "RAY_", "TORCHINDUCTOR_", "_")
"""Variables that torch, OpenMP, Ray, other libraries and m2m itself set when they are imported."""


def _not_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in environment.items()
        if not key.startswith(("M2M_", "PYTEST_", "COVERAGE_", "COV_", *SET_BY_LIBRARIES))
    }


AT_IMPORT = _not_ours(os.environ)


class Ended(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a command in this environment would import its libraries as they are imported."""
    return sys.platform == "linux" and _not_ours(environment) == AT_IMPORT


def m2m_in_fork(
    arguments: list[str], stdin: bytes, cwd: Path | None, environment: dict[str, str], timeout: int
) -> Ended:
    """Run the command to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(stdin)
        process = context.Process(
            target=_command, args=(arguments, streams, str(cwd or os.getcwd()), environment)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"m2m {' '.join(arguments)} ran for more than {timeout} s")
        return Ended(process.exitcode, *(path.read_bytes() for path in streams[1:]))


def _command(
    arguments: list[str], streams: list[Path], cwd: str, environment: dict[str, str]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[:] = [cwd, *(p for p in sys.path if Path(p) != Path(__file__).parent)]
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    sys.argv = ["m2m", *arguments]
    from m2m_cli.main import run

    try:
        run(arguments)
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(end.code)
