"""Search a Qdrant collection in place: its vectors are not copied."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.engine import Rows, empty
from m2m_adapters.search.format import EngineRecord
from m2m_adapters.search.readers import databases

AT_ONCE = 500
LISTED = 10_000
"""A filter that keeps more rows is applied to the answers instead of being sent."""


def write_points(path: Path, ids: Iterable[str]) -> None:
    """The id of the point of each row."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE points (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);"
        )
        db.executemany("INSERT INTO points VALUES (?, ?)", enumerate(ids))


class QdrantEngine:
    """An :class:`Engine` over a collection compared by cosine, and the points of its rows."""

    def __init__(self, record: EngineRecord, points: Path, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self._record = record
        address = f"{points.resolve().as_uri()}?mode=ro&immutable=1"
        self._points = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._client, self._failures = databases.qdrant_client(record.place)

    def search(self, queries: Vectors, k: int, kept: Rows | None = None) -> tuple[Vectors, Rows]:
        scores, rows = empty(len(queries), k)
        there = self.rows if kept is None else len(kept)
        if min(k, there) and len(queries):
            for at, hits in enumerate(self._best(queries, min(k, there), kept)):
                for place, (score, row) in enumerate(hits[:k]):
                    scores[at, place], rows[at, place] = score, row
        return scores, rows

    def _best(
        self, queries: Vectors, wanted: int, kept: Rows | None
    ) -> list[list[tuple[float, int]]]:
        """(score, row) of at least ``wanted`` kept points for each query, best first."""
        if kept is None or len(kept) <= LISTED:
            listed, beyond, limit = kept, None, wanted
        else:  # too many to name: ask for more, and keep what the filter keeps
            limit = min(self.rows, math.ceil(2 * wanted * self.rows / len(kept)))
            listed, beyond = None, kept
        while True:
            hits_by_query, more = self._ask(queries, limit, listed)
            if beyond is not None:
                hits_by_query = [
                    [hit for hit in hits if _among(hit[1], beyond)] for hits in hits_by_query
                ]
            if not more or min(map(len, hits_by_query)) >= wanted:
                return hits_by_query
            limit *= 4  # a filter, or points that came later, took too many places

    def _ask(
        self, queries: Vectors, limit: int, kept: Rows | None
    ) -> tuple[list[list[tuple[float, int]]], bool]:
        """(score, row) of the best points of each query, and whether there may be more of them.

        Points that came to the collection after it was imported are left out.
        """
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
        try:
            answers = self._client.query_batch_points(self._record.collection, requests)
        except self._failures as error:
            raise databases.unreachable(self._record.place, error) from error
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
            try:
                points = self._client.retrieve(
                    self._record.collection, part, with_payload=False, with_vectors=True
                )
            except self._failures as error:
                raise databases.unreachable(self._record.place, error) from error
            for point in points:
                vector = point.vector
                if isinstance(vector, dict):
                    vector = vector[self._record.vector]
                by_id[str(point.id)] = vector
        if len(by_id) < len(wanted):
            raise UserError(
                f"{len(wanted) - len(by_id)} points of '{self._record.collection}' are gone",
                "import the collection again",
            )
        held = [by_id[ids[row]] for row in rows.tolist()]
        return np.array(held, np.float32).reshape(len(rows), self.columns)

    def _ids(self, rows: Sequence[int]) -> dict[int, str]:
        return dict(self._pairs("SELECT row, id FROM points WHERE row", sorted(set(rows))))

    def _rows(self, ids: Iterable[str]) -> dict[str, int]:
        return dict(self._pairs("SELECT id, row FROM points WHERE id", sorted(ids)))

    def _pairs(self, query: str, keys: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
        for start in range(0, len(keys), AT_ONCE):
            part = keys[start : start + AT_ONCE]
            marks = ", ".join("?" * len(part))
            yield from self._points.execute(f"{query} IN ({marks})", part)


def _point(name: str) -> int | str:
    """The id as Qdrant takes it: a number or a UUID."""
    return int(name) if name.isdigit() else name


def _among(row: int, kept: Rows) -> bool:
    at = int(np.searchsorted(kept, row))
    return at < len(kept) and int(kept[at]) == row
