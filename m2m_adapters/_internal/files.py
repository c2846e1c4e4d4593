"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2m_adapters._internal.unfinished import remove_abandoned, unfinished_file
from m2m_adapters._internal.user_folders import expanded, user_folder
from m2m_adapters.errors import UserError

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
    if folder not in _cleaned:  # once: a folder may hold many files
        _cleaned.add(folder)
        remove_abandoned(folder)
    temporary = unfinished_file(path)
    try:
        yield temporary
        # It was private to the user; a result is as readable as any other file.
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
