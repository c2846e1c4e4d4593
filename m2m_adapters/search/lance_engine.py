"""LanceDB: tables of our own indexes, in a folder or at an address such as ``s3://...``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.database_engine import DatabaseEngine, RowHits
from m2m_adapters.search.engine import Rows
from m2m_adapters.search.faiss_files import Codes, as_vectors

AT_ONCE = 4096
ROW, VECTOR = "row", "vector"


class LanceTables:
    """A :class:`Database` of tables: the number of each row, and its vector."""

    def __init__(self, place: str) -> None:
        self._place = place
        try:
            import lancedb
        except ImportError as error:
            raise UserError(
                "the engine lancedb needs lancedb", 'pip install "m2m-adapters[lancedb]"'
            ) from error
        with _asking(place):
            self._database = lancedb.connect(place)

    def write(self, name: str, columns: int, pieces: Iterable[Codes]) -> int:
        import pyarrow as pa

        vector = pa.list_(pa.float32(), columns)
        schema = pa.schema([pa.field(ROW, pa.int64()), pa.field(VECTOR, vector)])
        self.drop(name)
        with _asking(self._place):
            table = self._database.create_table(name, schema=schema)
        rows = 0
        for piece in pieces:
            numbers = pa.array(np.arange(rows, rows + len(piece), dtype=np.int64))
            values = pa.array(as_vectors(piece).reshape(-1))
            vectors = pa.FixedSizeListArray.from_arrays(values, columns)
            with _asking(self._place):
                table.add(pa.record_batch([numbers, vectors], schema=schema))
            rows += len(piece)
        if rows:  # so that a filter reads the rows that it keeps, not all
            with _asking(self._place):
                table.create_scalar_index(ROW)
        return rows

    def names(self) -> list[str]:
        with _asking(self._place):
            return _table_names(self._database)

    def drop(self, name: str) -> None:
        if name in self.names():
            with _asking(self._place):
                self._database.drop_table(name)

    def engine(self, name: str, rows: int, columns: int) -> LanceEngine:
        if name not in self.names():
            raise UserError(f"{self._place} has no table '{name}'", "build the index again")
        with _asking(self._place):
            return LanceEngine(self._place, self._database.open_table(name), rows, columns)


class LanceEngine(DatabaseEngine):
    """A table of :class:`LanceTables`, searched exactly unless its owner has given it an index."""

    def __init__(self, place: str, table: Any, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self._place, self._table = place, table

    def count(self) -> int:
        with _asking(self._place):
            return int(self._table.count_rows())

    def _ask(self, queries: Vectors, limit: int, kept: Rows | None) -> tuple[list[RowHits], bool]:
        hits = [self._nearest(query, limit, kept) for query in queries]
        return hits, any(len(one) == limit for one in hits)

    def _nearest(self, query: Vectors, limit: int, kept: Rows | None) -> RowHits:
        with _asking(self._place):
            search = self._table.search(query).distance_type("dot").limit(limit)
            if kept is not None:
                search = search.where(_among(kept), prefilter=True)
            found = search.select([ROW, "_distance"]).to_arrow()
        scores = 1 - found["_distance"].to_numpy()  # its distance is 1 minus the inner product
        return list(zip(scores.tolist(), found[ROW].to_pylist()))

    def vectors(self, rows: Rows) -> Vectors:
        wanted, places = np.unique(rows, return_inverse=True)
        out = np.zeros((len(wanted), self.columns), np.float32)
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            with _asking(self._place):
                found = self._table.search().where(_among(part)).limit(len(part)).to_arrow()
            if found.num_rows < len(part):
                raise UserError(f"{self._place} lacks rows of the index", "build the index again")
            held = found[VECTOR].combine_chunks().flatten().to_numpy()
            at = np.searchsorted(wanted, found[ROW].to_numpy())
            out[at] = held.reshape(-1, self.columns)
        return out[places]


def _among(rows: Rows) -> str:
    return f"{ROW} IN ({', '.join(map(str, rows.tolist()))})"


def _table_names(database: Any) -> list[str]:
    names: list[str] = []
    while page := list(database.table_names(page_token=names[-1] if names else None, limit=100)):
        names += page
    return names


@contextmanager
def _asking(place: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # errors of its Rust side have many classes
        words = " ".join(str(error).split())[:160]
        raise UserError(f"LanceDB failed at {place} ({words})", "check the place") from error
