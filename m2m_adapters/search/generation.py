"""Write a generation of an index and switch to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from m2m_adapters._internal.files import parent_folder
from m2m_adapters.errors import UserError
from m2m_adapters.search import bias, metadata
from m2m_adapters.search.faiss_files import Codes
from m2m_adapters.search.format import (
    FORMAT,
    GENERATIONS,
    ITEMS,
    LOCK,
    RECORD,
    Bias,
    IndexRecord,
    Origin,
    TargetRecord,
    described,
    read_record,
    write_record,
)
from m2m_adapters.search.metadata import Bad, Item, Part
from m2m_adapters.search.place import (
    GENERATION_FILES,
    GENERATION_NAME,
    check_place,
    remove_generation,
)
from m2m_adapters.search.stores import FaissStore, Store


@dataclass(frozen=True)
class Content:
    """What an index is to hold. Its vectors are read before its items.

    vectors: pieces of fp16 rows, in the order of ``parts``. origin: called when all of them have
    been read. store: what keeps the vectors.
    """

    target: TargetRecord
    items: Iterable[Item]
    parts: Iterable[Part]
    vectors: Iterable[Codes]
    bad: Sequence[Bad] = ()
    roots: Sequence[str] = ()
    window: float = 0.0
    adapter: str = ""
    bias: Bias | None = None
    origin: Callable[[], Origin] | None = None
    store: Store = field(default_factory=FaissStore)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The one writer of an index. A run that is refused before any work leaves no folder behind."""
    check_place(folder)
    new = not folder.exists()
    parent_folder(folder / LOCK)
    lock = filelock.FileLock(str(folder / LOCK))
    try:
        with lock.acquire(timeout=0):
            try:
                yield
            except BaseException:
                if new and [path.name for path in folder.iterdir()] == [LOCK]:
                    with suppress(OSError):  # a file that is locked cannot go everywhere
                        (folder / LOCK).unlink()
                        folder.rmdir()
                raise
    except filelock.Timeout:
        raise UserError(
            f"another process is writing the index {folder}", "wait until it has finished"
        ) from None


def write(folder: Path, content: Content) -> IndexRecord:
    """A new generation, and the switch to it; the caller holds the lock."""
    name = _next(folder)
    place = folder / GENERATIONS / name
    remove_generation(folder, name)  # of a run that was killed before the switch
    place.mkdir(parents=True, exist_ok=True)
    try:
        record = _written(place, content)
    except BaseException:
        remove_generation(folder, name)
        raise
    write_record(folder, record)
    sweep(folder, name, content.store)
    return record


def _written(place: Path, content: Content) -> IndexRecord:
    """The files of a generation, flushed to disk, and what they are."""
    columns = content.target.dim + (content.bias is not None)
    rows, engine = content.store.write(place, columns, content.vectors)
    items, parts = metadata.write(place / ITEMS, content.items, content.parts, content.bad)
    assert parts == rows, f"{rows} vectors of {parts} parts"
    files = [path for path in sorted(place.iterdir()) if path.name in GENERATION_FILES]
    record = IndexRecord(
        format=FORMAT,
        generation=place.name,
        target=content.target,
        rows=rows,
        items=items,
        bad=len(content.bad),
        roots=list(content.roots),
        window=content.window,
        engine=engine,
        files={path.name: described(path) for path in files},
        adapter=content.adapter,
        bias=content.bias,
        origin=content.origin() if content.origin is not None else None,
    )
    for path in files:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    return record


def _next(folder: Path) -> str:
    if not (folder / RECORD).is_file():
        return "000001"
    return f"{int(read_record(folder).generation) % 999_999 + 1:06d}"


def sweep(folder: Path, current: str, store: Store) -> None:
    """Remove other generations.

    Whoever calls holds the folder's lock; open readers keep what they have mapped.
    """
    bias.sweep(folder, current)
    store.sweep(current)
    for old in (folder / GENERATIONS).iterdir():
        if old.name != current and GENERATION_NAME.fullmatch(old.name):
            remove_generation(folder, old.name)
