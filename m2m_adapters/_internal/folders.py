"""Write a folder whole, and never touch a file in it that we did not write.

A new folder appears by one rename. In a folder that exists, the new files are first put
together under ``PENDING``; the rename to that name is the moment from which they count. They are
then moved to their places one by one. Readers look under ``PENDING`` first (:func:`current`), so
they see the old files or the new ones, and a write that was killed is finished by the next one.

Files we wrote are known by a list that we leave beside them (``MANIFEST``), or by fixed names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from m2m_adapters._internal.files import parent_folder, umask
from m2m_adapters._internal.unfinished import (
    is_unfinished_folder,
    remove_abandoned,
    unfinished_folder,
)
from m2m_adapters.errors import UserError

MANIFEST = ".m2m-files.json"
PENDING = ".m2m-pending"
GONE = ".m2m-gone.json"
"""Among pending files: a list of older files of fixed names that the new ones do not replace."""


def check_folder(path: str | Path) -> Path:
    """Refuse a place that :func:`whole_folder` would refuse; call it before long work."""
    place = _place(path)
    _check_owned(place, None)
    _check_writable(place)
    return place


@contextmanager
def whole_folder(path: str | Path, *, names: Collection[str] | None = None) -> Iterator[Path]:
    """A temporary folder whose files are put into ``path`` if the block succeeds.

    A non-empty ``path`` is refused unless we wrote it: then the files of the last time are
    replaced or removed and everything else stays. names: the fixed names of our files, for
    folders that the caller recognizes itself; no ``MANIFEST`` is written then.
    """
    place = _place(path)
    _check_owned(place, names)
    _check_writable(place)
    try:
        inside = place if place.is_dir() else place.parent
        temporary = unfinished_folder(inside)
    except OSError as error:
        raise _cannot_write(place, error) from error
    try:
        yield temporary
        files = _finish(temporary, names is None)
        _commit(temporary, place, files, names)
    except OSError as error:
        if error.filename and not Path(os.fsdecode(error.filename)).is_relative_to(inside):
            raise  # an error of the block's own, about another file
        raise _cannot_write(place, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def current(folder: Path, name: str) -> Path:
    """Where the valid version of a file of ours lies while a write may be under way."""
    pending = folder / PENDING / name
    return pending if pending.exists() else folder / name


def _place(path: str | Path) -> Path:
    """The folder itself; a link to a folder is followed, not replaced."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise UserError(f"cannot write {path}: {error}", "choose another folder") from error


def _check_owned(place: Path, names: Collection[str] | None) -> None:
    try:
        if place.exists() and not place.is_dir():
            raise UserError(f"{place} is a file, not a folder", "choose another folder")
        held = {entry.name for entry in os.scandir(place)} if place.is_dir() else set()
    except OSError as error:
        raise _cannot_write(place, error) from error
    others = {name for name in held if name != PENDING and not is_unfinished_folder(name)}
    if not others or MANIFEST in others or names is not None:
        return
    if (place / PENDING / MANIFEST).is_file():
        return
    raise UserError(
        f"{place} contains files that m2m did not write ({sorted(others)[0]})",
        "choose an empty or a new folder",
    )


def _check_writable(place: Path) -> None:
    if not place.is_dir():
        parent_folder(place)
    elif not os.access(place, os.W_OK):
        raise UserError(f"the folder {place} is not writable", "choose another folder")


def _finish(temporary: Path, listed: bool) -> set[str]:
    """Relative names of the files; flushed to disk, as readable as any other file."""
    files = {p.relative_to(temporary).as_posix() for p in temporary.rglob("*") if p.is_file()}
    if listed:
        _write_list(temporary / MANIFEST, files)
        files.add(MANIFEST)
    for name in files:
        with open(temporary / name, "rb+") as opened:
            os.fsync(opened.fileno())
    temporary.chmod(0o777 & ~umask())
    return files


def _write_list(path: Path, files: Collection[str]) -> None:
    text = json.dumps({"files": sorted(files)}, indent=1, ensure_ascii=True)
    path.write_text(text + "\n", encoding="utf-8")


def _commit(temporary: Path, place: Path, files: set[str], names: Collection[str] | None) -> None:
    if not place.is_dir() or not any(place.iterdir()):
        with suppress(
            OSError
        ):  # another process was first, or the system cannot rename onto an existing folder
            os.rename(temporary, place)
            remove_abandoned(place.parent)
            return
    with _locked(place):
        _check_owned(place, names)
        _apply(place)
        _check_free(place, files, names)
        if names is not None:
            _write_list(temporary / GONE, {n for n in names if (place / n).is_file()} - files)
        os.rename(temporary, place / PENDING)
        _apply(place)
        remove_abandoned(place)


def _check_free(place: Path, files: set[str], names: Collection[str] | None) -> None:
    """A file that is in the way must be one of ours."""
    ours = set(names) if names is not None else _listed(place / MANIFEST) | {MANIFEST}
    for name in sorted(files - ours):
        if os.path.lexists(place / name):
            raise UserError(
                f"{place / name} exists and was not written by m2m",
                "move it, or choose another folder",
            )


def _apply(place: Path) -> None:
    """Move pending files to their places; the list of files last, so that it can be repeated."""
    pending = place / PENDING
    if not pending.is_dir():
        return
    new = {p.relative_to(pending).as_posix() for p in pending.rglob("*") if p.is_file()}
    new.discard(GONE)
    for name in sorted(_listed(pending / GONE) - new):
        _remove(place, name)
    if (pending / MANIFEST).is_file():
        keep = _listed(pending / MANIFEST)
        for name in sorted(_listed(place / MANIFEST) - keep):
            _remove(place, name)
    for name in sorted(new, key=lambda name: (name == MANIFEST, name)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(pending / name, place / name)
    shutil.rmtree(pending, ignore_errors=True)


def _remove(place: Path, name: str) -> None:
    """A file of the last time, and folders that are empty without it."""
    path = place / name
    path.unlink(missing_ok=True)
    with suppress(OSError):
        for folder in path.parents:
            if folder == place:
                break
            folder.rmdir()


def _listed(manifest: Path) -> set[str]:
    """Names in a list of files; those that lead out of the folder are left out."""
    try:
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        names = {name for name in files if isinstance(name, str)}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {n for n in names if n and not Path(n).is_absolute() and ".." not in Path(n).parts}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, where the system can lock a folder (not on Windows)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _cannot_write(place: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {place}: {error.strerror or error}",
        "free some space or choose another folder",
    )
