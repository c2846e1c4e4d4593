"""Files and folders that are being written, and when the next writer may remove them.

They carry the machine and the process that writes them in their names. The one rule:

- the process is of this machine and has ended: at once;
- it is of this machine and runs: never;
- it cannot be asked (it is of another machine, or this is Windows): a day after the last write.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

ABANDONED_SECONDS = 86_400
FOLDER = ".m2m-part"
_TAG = r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+"
_FILE = re.compile(rf"\..+{_TAG}\.part")
_FOLDER = re.compile(re.escape(FOLDER) + _TAG)


def unfinished_file(path: Path) -> Path:
    """A new empty file beside ``path``, for its content until that is whole."""
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}.{_tag()}", suffix=".part", dir=path.parent
    )
    os.close(handle)
    return Path(name)


def unfinished_folder(inside: Path) -> Path:
    """A new folder in ``inside``, for files until all are whole."""
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER}.{_tag()}", dir=inside))


def is_unfinished_folder(name: str) -> bool:
    return name.startswith(f"{FOLDER}.")


def remove_abandoned(folder: Path) -> None:
    """Remove what writers into the folder left unfinished, by the rule above."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            with suppress(OSError):  # another process removes it too
                if not _abandoned(entry):
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)


def _abandoned(entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return False
    match = (_FOLDER if entry.is_dir() else _FILE).fullmatch(entry.name)
    if match is None:
        return False
    runs = _runs(int(match["process"])) if match["machine"] == _machine() else None
    if runs is None:
        return time.time() - _last_write(Path(entry.path)) > ABANDONED_SECONDS
    return not runs


def _last_write(path: Path) -> float:
    """When a file, or anything in a folder, was written last."""
    return max(inside.lstat().st_mtime for inside in (path, *path.rglob("*")))


def _runs(process: int) -> bool | None:
    """Whether a process of this machine runs; None where it cannot be asked."""
    if os.name == "nt":  # os.kill would end it
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's
    return True


def _tag() -> str:
    return f"{_machine()}-{os.getpid()}-"


@lru_cache
def _machine() -> str:
    """Says whose process numbers are ours: this machine's, and in a container only its own."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return hashlib.blake2b(f"{platform.node()} {numbers}".encode(), digest_size=4).hexdigest()
