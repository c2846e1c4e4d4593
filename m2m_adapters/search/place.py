"""Which files of an index folder are ours: nothing else is ever removed.

Their names are plain words that other folders may have, too. So a folder without ``index.json`` is
only used if everything in it has a name that a first run gives, which may have been killed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from m2m_adapters.errors import UserError
from m2m_adapters.search.format import (
    BIASES,
    FLAT,
    GENERATIONS,
    ITEMS,
    IVF,
    JOURNAL,
    KEYS,
    LOCK,
    MEDIA,
    POINTS,
    RECORD,
    SPOOL,
    TABLES,
    WORK,
)
from m2m_adapters.search.media import is_media

GENERATION_NAME = re.compile("[0-9]{6}")
GENERATION_FILES = (ITEMS, FLAT, IVF, POINTS)
WORK_FILES = (JOURNAL, f"{JOURNAL}-journal", SPOOL, KEYS)
MEDIA_FILES = (MEDIA, f"{MEDIA}-journal")
BIAS_NAME = re.compile(r"[0-9]{6}-[0-9a-f]{16}\.npy")
UNFINISHED_BIAS = re.compile(rf"\.{BIAS_NAME.pattern}\..+\.part")
TABLE_NAME = re.compile(r"vectors-[0-9]{6}\.lance")


def check_place(folder: Path) -> None:
    """Refuse a folder with files that m2m did not write."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, not a folder", "choose another folder for the index")
    if not folder.is_dir() or (folder / RECORD).exists():
        return
    if (other := next(_others(folder), None)) is not None:
        raise UserError(
            f"{folder} contains files that m2m did not write ({other})",
            "choose an empty or a new folder for the index",
        )


def _others(folder: Path) -> Iterator[str]:
    """What is in a folder without a record and is not ours."""
    for entry in sorted(folder.iterdir()):
        name = entry.name
        if name in (WORK, GENERATIONS, BIASES, TABLES) and entry.is_dir():
            yield from (f"{name}/{path.name}" for path in sorted(entry.iterdir())
                        if not _is_ours(name, path))  # fmt: skip
        elif name == MEDIA:
            if not is_media(entry):
                yield name
        elif name not in (LOCK, *MEDIA_FILES) and not name.startswith(f".{RECORD}."):
            yield name


def _is_ours(folder: str, path: Path) -> bool:
    """Whether what is in a folder of an index has the name of something that belongs there."""
    if folder == WORK:
        return path.name in WORK_FILES
    if folder == BIASES:
        return bool(BIAS_NAME.fullmatch(path.name) or UNFINISHED_BIAS.fullmatch(path.name))
    if folder == TABLES:
        return bool(TABLE_NAME.fullmatch(path.name))
    if not GENERATION_NAME.fullmatch(path.name) or not path.is_dir():
        return False
    return {held.name for held in path.iterdir()} <= set(GENERATION_FILES)


def remove_generation(folder: Path, name: str) -> None:
    _remove(folder / GENERATIONS / name, GENERATION_FILES)


def remove_work(folder: Path) -> None:
    _remove(folder / WORK, WORK_FILES)


def remove_first_run(folder: Path) -> None:
    """Everything that a first run wrote that is not to go on."""
    remove_work(folder)
    for name in MEDIA_FILES:
        (folder / name).unlink(missing_ok=True)
    tables, generations = folder / TABLES, folder / GENERATIONS
    for path in tables.iterdir() if tables.is_dir() else ():
        if TABLE_NAME.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
    for path in generations.iterdir() if generations.is_dir() else ():
        if GENERATION_NAME.fullmatch(path.name):
            remove_generation(folder, path.name)
    for path in (tables, generations):
        with suppress(OSError):
            path.rmdir()


def _remove(folder: Path, names: tuple[str, ...]) -> None:
    """These files, and the folder if nothing else is in it; what cannot be removed stays."""
    with suppress(OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
