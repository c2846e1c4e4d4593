"""Where the vectors of an index are kept: in files of faiss beside it, or in a database."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from m2m_adapters.errors import UserError
from m2m_adapters.search import faiss_files, lists
from m2m_adapters.search.engine import Engine, FaissEngine
from m2m_adapters.search.faiss_files import Codes
from m2m_adapters.search.format import (
    FLAT,
    IVF,
    POINTS,
    RECORD,
    TABLES,
    EngineRecord,
    IndexRecord,
    read_record,
)
from m2m_adapters.search.lance_engine import LanceEngine, LanceTables
from m2m_adapters.search.qdrant_engine import QdrantCollections, QdrantEngine, write_points

ENGINES = ("faiss", "qdrant", "lancedb")


class Store(Protocol):
    """What keeps the vectors of each generation of an index."""

    def write(self, place: Path, columns: int, pieces: Iterable[Codes]) -> tuple[int, EngineRecord]:
        """Keep fp16 rows of the generation whose folder is ``place``: how many, and how they are
        searched."""

    def sweep(self, current: str) -> None:
        """Remove the vectors of generations that nobody reads, beyond what is in their folders."""


class Database(Protocol):
    """Collections of rows, under names."""

    def write(self, name: str, columns: int, pieces: Iterable[Codes]) -> int:
        """Keep rows in place of whatever has this name; returns their number."""

    def names(self) -> Sequence[str]:
        """Of every collection."""

    def drop(self, name: str) -> None:
        """Remove a collection, if it is there."""


@dataclass(frozen=True)
class FaissStore:
    """lists_from: rows from which an index is approximate."""

    lists_from: int = lists.THRESHOLD

    def write(self, place: Path, columns: int, pieces: Iterable[Codes]) -> tuple[int, EngineRecord]:
        rows = faiss_files.write_flat(place / FLAT, columns, pieces)
        flat = faiss_files.open_mapped(place / FLAT)
        assert (flat.ntotal, flat.d) == (rows, columns), "faiss writes flat indexes otherwise"
        if rows < max(self.lists_from, 1):
            return rows, EngineRecord(kind="flat")
        ivf = lists.build_lists(flat)
        faiss_files.write(ivf, place / IVF)
        return rows, lists.measured(flat, ivf)

    def sweep(self, current: str) -> None:
        pass


@dataclass(frozen=True)
class InPlace:
    """Vectors that stay in a collection which was there before: they are only counted.

    points: the id there of each row; read after the vectors.
    """

    engine: EngineRecord
    points: Iterable[str]

    def write(self, place: Path, columns: int, pieces: Iterable[Codes]) -> tuple[int, EngineRecord]:
        rows = sum(len(piece) for piece in pieces)
        write_points(place / POINTS, self.points)
        return rows, self.engine

    def sweep(self, current: str) -> None:
        pass


@dataclass(frozen=True)
class DatabaseStore:
    """A collection for each generation. kind, place: as the record names them. base: what the names
    of this index's collections begin with, which no other index has."""

    kind: str
    place: str
    base: str
    database: Database = field(repr=False)

    def write(self, place: Path, columns: int, pieces: Iterable[Codes]) -> tuple[int, EngineRecord]:
        name = f"{self.base}-{place.name}"
        rows = self.database.write(name, columns, pieces)
        return rows, EngineRecord(kind=self.kind, place=self.place, collection=name)

    def sweep(self, current: str) -> None:
        """The generation before stays: who has it open reads on, until the next update."""
        ours = re.compile(re.escape(self.base) + "-([0-9]{6})")
        matches = map(ours.fullmatch, self.database.names())
        numbers = [match[1] for match in matches if match]
        before = max((number for number in numbers if number < current), default=current)
        for number in numbers:
            if number not in (current, before):
                self.database.drop(f"{self.base}-{number}")


def chosen_store(folder: Path, engine: str | None, url: str | None, lists_from: int) -> Store:
    """What keeps the vectors of the index ``folder``; one that is there keeps its engine."""
    if engine is not None and engine not in ENGINES:
        raise UserError(f"there is no engine '{engine}'", f"choose one of {', '.join(ENGINES)}")
    recorded, place = _recorded(folder)
    if not recorded:
        default = "qdrant" if (url or "").startswith("http") else "faiss"
        return _store(folder, engine or default, url or "", lists_from)
    if engine not in (None, recorded) or url not in (None, place):
        raise UserError(
            f"the vectors of {folder} are in {recorded}{f' at {place}' if place else ''}",
            "choose another folder for the index",
        )
    return _store(folder, recorded, place, lists_from)


def _recorded(folder: Path) -> tuple[str, str]:
    """Engine and place of the index that is there; empty strings without one, or if its vectors are
    in a collection that was there before: a new import may copy them."""
    if not (folder / RECORD).is_file():
        return "", ""
    record = read_record(folder)
    if POINTS in record.files:
        return "", ""
    return record.engine.kind if record.engine.kind in ENGINES else "faiss", record.engine.place


def _store(folder: Path, kind: str, place: str, lists_from: int) -> Store:
    if kind == "faiss":
        if place:
            raise UserError("faiss keeps vectors in files, not at a URL", "leave --url out")
        faiss_files.load_faiss()  # says that it is missing before anything is encoded
        return FaissStore(lists_from)
    if kind == "qdrant":
        if "://" not in place:
            raise UserError(
                "the engine qdrant needs a server", "name it: --url http://localhost:6333"
            )
        server = QdrantCollections(place)
        server.names()  # says that it does not answer before anything is encoded
        return DatabaseStore(kind, place, _base(folder), server)
    if not place:
        return DatabaseStore(kind, "", "vectors", LanceTables(str(folder / TABLES)))
    return DatabaseStore(kind, place, _base(folder), LanceTables(place))


def _base(folder: Path) -> str:
    """The same for every run on this folder, and for no other one."""
    path = folder.absolute()
    digest = hashlib.sha256(f"{platform.node()}:{path.resolve()}".encode()).hexdigest()[:8]
    return f"m2m-{re.sub('[^A-Za-z0-9_]+', '-', path.name)[:40]}-{digest}"


def open_engine(folder: Path, inside: Path, record: IndexRecord, columns: int) -> Engine:
    """What searches the vectors of an index. inside: the folder of its generation."""
    about = record.engine
    if about.kind == "qdrant" and POINTS in record.files:
        return QdrantEngine(about, inside / POINTS, record.rows, columns)
    if about.kind in ("qdrant", "lancedb"):
        engine = _of_database(folder, about, record.rows, columns)
        if (count := engine.count()) != record.rows:
            raise UserError(
                f"the collection '{about.collection}' holds {count:,} vectors, the record of "
                f"{folder} says {record.rows:,}",
                "build the index again",
            )
        return engine
    ivf = inside / IVF if about.kind == "ivf" else None
    faiss = FaissEngine.open(inside / FLAT, ivf, about.nprobe, about.rescored)
    if faiss.rows != record.rows or faiss.columns != columns:
        raise UserError(
            f"{inside} holds {faiss.rows} x {faiss.columns} vectors, the record says "
            f"{record.rows} x {columns}",
            "build the index again",
        )
    return faiss


def _of_database(
    folder: Path, about: EngineRecord, rows: int, columns: int
) -> QdrantEngine | LanceEngine:
    if about.kind == "qdrant":
        return QdrantEngine(about, None, rows, columns)
    return LanceTables(about.place or str(folder / TABLES)).engine(about.collection, rows, columns)
