"""Qdrant: collections that were there before, searched in place, and those of our own indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.database_engine import DatabaseEngine, RowHits
from m2m_adapters.search.engine import Rows
from m2m_adapters.search.faiss_files import Codes, as_vectors
from m2m_adapters.search.format import EngineRecord
from m2m_adapters.search.readers.databases import QdrantServer

AT_ONCE = 500


def write_points(path: Path, ids: Iterable[str]) -> None:
    """The id of the point of each row."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE points (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);"
        )
        db.executemany("INSERT INTO points VALUES (?, ?)", enumerate(ids))


class QdrantCollections:
    """A :class:`Database` of collections on a server; the id of a point is the number of a row."""

    def __init__(self, url: str) -> None:
        self._server = QdrantServer(url)

    def write(self, name: str, columns: int, pieces: Iterable[Codes]) -> int:
        from qdrant_client import models

        # Inner product, so that vectors of length 1 come back as they are, with a column of bias.
        config = models.VectorParams(size=columns, distance=models.Distance.DOT)
        self.drop(name)
        with self._server.asked() as client:
            client.create_collection(name, vectors_config=config)
        rows = 0
        for piece in pieces:
            for start in range(0, len(piece), AT_ONCE):
                vectors = as_vectors(piece[start : start + AT_ONCE])
                ids = list(range(rows, rows + len(vectors)))
                batch = models.Batch(ids=ids, vectors=vectors.tolist())
                with self._server.asked() as client:
                    client.upsert(name, batch, wait=True)
                rows += len(vectors)
        return rows

    def names(self) -> list[str]:
        with self._server.asked() as client:
            return [one.name for one in client.get_collections().collections]

    def drop(self, name: str) -> None:
        with self._server.asked() as client:
            client.delete_collection(name)


class QdrantEngine(DatabaseEngine):
    """A collection. points: a file of :func:`write_points` where ids are not numbers of rows."""

    def __init__(self, record: EngineRecord, points: Path | None, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self._record = record
        self._server = QdrantServer(record.place)
        self._points: sqlite3.Connection | None = None
        if points is not None:
            address = f"{points.resolve().as_uri()}?mode=ro&immutable=1"
            self._points = sqlite3.connect(address, uri=True, check_same_thread=False)

    def count(self) -> int:
        """Points of the collection; 0 if it is gone."""
        with self._server.asked() as client:
            if not client.collection_exists(self._record.collection):
                return 0
            return int(client.count(self._record.collection, exact=True).count)

    def _ask(self, queries: Vectors, limit: int, kept: Rows | None) -> tuple[list[RowHits], bool]:
        """Points that came to a collection after it was imported are left out."""
        from qdrant_client import models

        condition = None
        if kept is not None:
            ids = [_point(one) for one in self._ids(kept.tolist()).values()]
            condition = models.Filter(must=[models.HasIdCondition(has_id=ids)])
        requests = [
            models.QueryRequest(
                query=query.tolist(), using=self._record.vector or None, limit=limit,
                filter=condition, with_payload=False,
            )
            for query in queries
        ]  # fmt: skip
        with self._server.asked() as client:
            answers = client.query_batch_points(self._record.collection, requests)
        named = [[(float(p.score), str(p.id)) for p in answer.points] for answer in answers]
        rows = self._rows({name for hits in named for _, name in hits})
        more = any(len(hits) == limit for hits in named)
        return [[(s, rows[name]) for s, name in hits if name in rows] for hits in named], more

    def vectors(self, rows: Rows) -> Vectors:
        ids = self._ids(rows.tolist())
        by_id: dict[str, Any] = {}
        wanted = list(ids.values())
        for start in range(0, len(wanted), AT_ONCE):
            part = [_point(one) for one in wanted[start : start + AT_ONCE]]
            with self._server.asked() as client:
                points = client.retrieve(
                    self._record.collection, part, with_payload=False, with_vectors=True
                )
            for point in points:
                vector = point.vector
                if isinstance(vector, dict):
                    vector = vector[self._record.vector]
                by_id[str(point.id)] = vector
        if len(by_id) < len(wanted):
            remedy = "import the collection again" if self._points else "build the index again"
            raise UserError(
                f"{len(wanted) - len(by_id)} points of '{self._record.collection}' are gone", remedy
            )
        held = [by_id[ids[row]] for row in rows.tolist()]
        return np.array(held, np.float32).reshape(len(rows), self.columns)

    def _ids(self, rows: Sequence[int]) -> dict[int, str]:
        if self._points is None:
            return {row: str(row) for row in sorted(set(rows))}
        return dict(self._pairs("SELECT row, id FROM points WHERE row", sorted(set(rows))))

    def _rows(self, ids: Iterable[str]) -> dict[str, int]:
        if self._points is None:
            return {name: int(name) for name in ids}
        return dict(self._pairs("SELECT id, row FROM points WHERE id", sorted(ids)))

    def _pairs(self, query: str, keys: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
        assert self._points is not None
        for start in range(0, len(keys), AT_ONCE):
            part = keys[start : start + AT_ONCE]
            marks = ", ".join("?" * len(part))
            yield from self._points.execute(f"{query} IN ({marks})", part)


def _point(name: str) -> int | str:
    """The id as Qdrant takes it: a number or a UUID."""
    return int(name) if name.isdigit() else name
