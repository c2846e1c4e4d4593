"""The files of a folder tree that a modality can read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from m2m_adapters.errors import UserError

HEIF = frozenset({".heic", ".heif"})
"""Named as bad items rather than passed over."""
SOUND_SUFFIXES = frozenset({".m4a", ".aac", ".wma"})
"""Sounds that libsndfile may not read: named as bad items rather than passed over."""
LATEST = (1 << 63) - 1
"""Nanoseconds that SQLite holds; a file system may tell of later times."""


@dataclass(frozen=True)
class File:
    path: str
    size: int
    mtime_ns: int


def suffixes(modality: str) -> Collection[str] | None:
    """Endings of files, lower case; None for a modality of a plugin: every file."""
    if modality == "image":
        from PIL import Image

        from m2m_adapters.models.images import FORMATS

        extensions = Image.registered_extensions()
        readable = {ending for ending, kind in extensions.items() if kind in FORMATS}
        return readable | HEIF
    if modality == "audio":
        import soundfile

        formats = {f".{name.lower()}" for name in soundfile.available_formats()}
        return (formats | SOUND_SUFFIXES | {".mp3", ".oga", ".opus", ".aif"}) - {".raw", ".mat5"}
    return None


def roots(folders: Sequence[str | Path]) -> list[str]:
    """Absolute folders (or single files); one that is not there is refused."""
    wanted = []
    for folder in folders:
        path = Path(folder).expanduser()
        if not path.exists():
            raise UserError(
                f"there is no folder {folder}",
                "check the name, or connect the drive; otherwise its items would count as deleted",
            )
        wanted.append(str(path.absolute()))
    return list(dict.fromkeys(os.path.normpath(path) for path in wanted))


def walk(folders: Sequence[str], modality: str, *, without: Sequence[Path] = ()) -> Iterator[File]:
    """Files below the folders, sorted by path, each once. Hidden ones and links to folders are
    left out, as is everything below ``without``."""
    endings = suffixes(modality)
    skip = {os.path.normpath(path.absolute()) for path in without}
    seen: dict[str, File] = {}
    for root in folders:
        if os.path.isfile(root):
            _add(seen, root)
            continue
        for folder, below, names in os.walk(root, onerror=_unreadable):
            below[:] = [b for b in below if not b.startswith(".")
                        and os.path.join(folder, b) not in skip]  # fmt: skip
            for name in names:
                if name.startswith("."):
                    continue
                if endings is None or os.path.splitext(name)[1].lower() in endings:
                    _add(seen, os.path.join(folder, name))
    for path in sorted(seen):
        yield seen[path]


def _add(seen: dict[str, File], path: str) -> None:
    try:
        path.encode("utf-8")
        about = os.stat(path)
    except (OSError, UnicodeEncodeError):  # gone by now, or a name that no text can hold
        return
    if os.path.isfile(path):
        seen[path] = file_of(path, about)


def file_of(path: str, about: os.stat_result) -> File:
    return File(path, about.st_size, max(-LATEST, min(LATEST, about.st_mtime_ns)))


def _unreadable(error: OSError) -> None:
    raise UserError(
        f"cannot read the folder {error.filename}: {error.strerror}",
        "correct its permissions; otherwise its items would count as deleted",
    )


def below(path: str, folders: Sequence[str]) -> bool:
    """Whether ``path`` is one of the folders or in one of them."""
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
               for folder in folders)  # fmt: skip
