"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2m_adapters.errors import UserError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``; moved there, flushed to disk, if the block succeeds."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=_folder(path))
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp is private to the user; a result is as readable as any other file.
        temporary.chmod(0o666 & ~_umask())
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


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that takes its place if the block succeeds."""
    path = Path(path)
    folder = _folder(path)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=folder))
    except OSError as error:
        raise UserError(
            f"cannot write in {folder}: {error.strerror or error}", "choose another place"
        ) from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        for file in temporary.rglob("*"):
            if file.is_file():
                with open(file, "rb+") as opened:
                    os.fsync(opened.fileno())
        old = path.with_name(f".{path.name}.old") if path.exists() else None
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
        os.replace(temporary, path)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or choose another place",
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _folder(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {path.parent}: {error.strerror or error}",
            "choose another place",
        ) from error
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"the folder {path.parent} is not writable", "choose another place")
    return path.parent


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cache_folder() -> Path:
    """``M2M_CACHE``, else the platform's cache folder."""
    import platformdirs

    told = os.environ.get("M2M_CACHE")
    return Path(told or platformdirs.user_cache_dir("m2m-adapters", appauthor=False)).expanduser()
