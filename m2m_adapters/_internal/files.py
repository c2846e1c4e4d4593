"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from m2m_adapters._internal.user_folders import expanded, user_folder
from m2m_adapters.errors import UserError

TAG = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[^.]+(\.part)?$")
_cleaned: set[Path] = set()


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; moved there, flushed to disk, if the block succeeds.

    A link is followed, not replaced.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    folder = parent_folder(path)
    remove_unfinished(folder)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}.{process_tag()}", suffix=".part", dir=folder
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp is private to the user; a result is as readable as any other file.
        temporary.chmod(0o666 & ~umask())
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or choose another place",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written; once for each folder."""
    if folder in _cleaned:
        return
    _cleaned.add(folder)
    for part in folder.glob(".*.part"):
        if of_dead_process(part.name):
            part.unlink(missing_ok=True)


def process_tag() -> str:
    """Part of the names of unfinished files: whose they are."""
    return f"{_machine()}-{os.getpid()}-"


def of_dead_process(name: str) -> bool:
    """Whether the process that tagged the name has ended; False where that cannot be said."""
    match = TAG.search(name)
    if os.name == "nt" or match is None or match["machine"] != _machine():
        return False
    try:
        os.kill(int(match["process"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's
    return False


@lru_cache
def _machine() -> str:
    """Says whose process numbers are ours: this machine's, and in a container only its own."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return hashlib.blake2b(f"{platform.node()} {numbers}".encode(), digest_size=4).hexdigest()


def parent_folder(path: Path) -> Path:
    """The writable folder that holds ``path``, created if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot create the folder {path.parent}: {error.strerror or error}",
            "choose another place",
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"the folder {path.parent} is not writable", "choose another place")
    return path.parent


def umask() -> int:
    """Permissions that new files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cache_folder() -> Path:
    """``M2M_CACHE``, else the platform's cache folder."""
    if named := os.environ.get("M2M_CACHE"):
        return expanded(named)
    return user_folder("cache")
