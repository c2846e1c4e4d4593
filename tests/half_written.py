"""What a process leaves that is killed while it writes a file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from m2m_adapters._internal import files

KILLED = """
import os, pathlib, signal, sys
from m2m_adapters._internal.files import whole_file
with whole_file(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""

FOLDER = """
import os, pathlib, signal, sys
from m2m_adapters._internal.folders import whole_folder
with whole_folder(pathlib.Path(sys.argv[1])) as temporary:
    (temporary / "a.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def half_written_folder(path: Path) -> None:
    """A process is killed while it writes into the folder ``path``."""
    done = subprocess.run([sys.executable, "-c", FOLDER, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL


def half_written(path: Path) -> Path:
    """The unfinished file that is left beside ``path``."""
    before = set(path.parent.glob(".*.part"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    files._cleaned.discard(path.parent)  # as if what follows ran in a new process
    (left,) = set(path.parent.glob(".*.part")) - before
    return left
