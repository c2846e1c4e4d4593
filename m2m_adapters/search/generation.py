"""Write a generation of an index and switch to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from m2m_adapters._internal.files import parent_folder
from m2m_adapters.errors import UserError
from m2m_adapters.search import faiss_files, lists, metadata
from m2m_adapters.search.faiss_files import Codes
from m2m_adapters.search.format import (
    FLAT,
    FORMAT,
    GENERATIONS,
    ITEMS,
    IVF,
    LOCK,
    RECORD,
    Bias,
    EngineRecord,
    IndexRecord,
    Origin,
    TargetRecord,
    check_place,
    described,
    read_record,
    write_record,
)
from m2m_adapters.search.metadata import Bad, Item, Part


@dataclass(frozen=True)
class Content:
    """What an index is to hold.

    vectors: pieces of fp16 rows, in the order of ``parts``; None when they stay in a place of
    somebody else's (``engine`` says where).
    """

    target: TargetRecord
    items: Sequence[Item]
    parts: Sequence[Part]
    vectors: Iterable[Codes] | None
    bad: Sequence[Bad] = ()
    roots: Sequence[str] = ()
    window: float = 0.0
    adapter: str = ""
    bias: Bias | None = None
    origin: Origin | None = None
    engine: EngineRecord | None = None
    lists_from: int = lists.THRESHOLD


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The one writer of an index."""
    check_place(folder)
    parent_folder(folder / LOCK)
    lock = filelock.FileLock(str(folder / LOCK))
    try:
        with lock.acquire(timeout=0):
            yield
    except filelock.Timeout:
        raise UserError(
            f"another process is writing the index {folder}", "wait until it has finished"
        ) from None


def write(folder: Path, content: Content) -> IndexRecord:
    """A new generation, and the switch to it; the caller holds the lock."""
    name = _next(folder)
    place = folder / GENERATIONS / name
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed before the switch
    place.mkdir(parents=True)
    metadata.write(place / ITEMS, content.items, content.parts, content.bad)
    engine = content.engine or _write_vectors(place, content)
    record = IndexRecord(
        format=FORMAT,
        generation=name,
        target=content.target,
        rows=len(content.parts),
        items=len(content.items),
        bad=len(content.bad),
        roots=list(content.roots),
        window=content.window,
        engine=engine,
        files={path.name: described(path) for path in sorted(place.iterdir())},
        adapter=content.adapter,
        bias=content.bias,
        origin=content.origin,
    )
    _flush(place)
    write_record(folder, record)
    _sweep(folder, name)
    return record


def _write_vectors(place: Path, content: Content) -> EngineRecord:
    assert content.vectors is not None
    flat: Any = None
    for piece in content.vectors:
        if flat is None:
            flat = faiss_files.flat(piece.shape[1] // 2)
        faiss_files.add_codes(flat, piece)
    if flat is None:
        flat = faiss_files.flat(content.target.dim + (content.bias is not None))
    faiss_files.write(flat, place / FLAT)
    if flat.ntotal < max(content.lists_from, 1):
        return EngineRecord(kind="flat")
    ivf = lists.build_lists(flat)
    faiss_files.write(ivf, place / IVF)
    return lists.measured(flat, ivf)


def _next(folder: Path) -> str:
    if not (folder / RECORD).is_file():
        return "000001"
    return f"{int(read_record(folder).generation) % 999_999 + 1:06d}"


def _flush(place: Path) -> None:
    for path in place.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def _sweep(folder: Path, current: str) -> None:
    """Remove other generations; open readers keep what they have mapped."""
    for old in (folder / GENERATIONS).iterdir():
        if old.name != current and old.name.isdigit():
            shutil.rmtree(old, ignore_errors=True)
