"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2m_adapters._internal.user_folders import expanded, user_folder
from m2m_adapters.errors import UserError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; moved there, flushed to disk, if the block succeeds.

    A link is followed, not replaced.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".part", dir=parent_folder(path)
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


def remove_unfinished(folder: Path, began: float) -> None:
    """Remove what runs killed before ``began`` left of files that are whole now."""
    for part in folder.glob(".*.part"):
        whole = folder / part.name[1:].rsplit(".", 2)[0]
        # One of another run that is going on may be newer than ours.
        if whole.is_file() and part.stat().st_mtime < began:
            part.unlink(missing_ok=True)


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
