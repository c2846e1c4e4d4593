"""Finished batches of a run that has not ended, so that a killed run goes on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
from msgspec import structs

from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.format import JOURNAL
from m2m_adapters.search.metadata import COLUMNS, Bad, Item

Key = tuple[str, float]
"""Digest of a file and the second at which the window starts (0 for a whole file)."""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS about (what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items ({", ".join(COLUMNS)}, PRIMARY KEY (path));
CREATE TABLE IF NOT EXISTS windows (
  digest TEXT NOT NULL, start REAL NOT NULL, end REAL, PRIMARY KEY (digest, start));
CREATE TABLE IF NOT EXISTS vectors (
  digest TEXT NOT NULL, start REAL NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (digest, start));
CREATE TABLE IF NOT EXISTS bad (path TEXT PRIMARY KEY, size, mtime_ns, reason);
"""


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA synchronous = FULL")
        with db:
            db.executescript(SCHEMA)
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)
    except BaseException:
        db.close()
        raise
    return db


class Journal:
    """One transaction per batch. about: what the vectors depend on; else the journal is emptied.
    A damaged one is begun anew: all it holds can be computed again."""

    def __init__(self, folder: Path, about: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _opened(folder / JOURNAL)
        except sqlite3.OperationalError:  # such as a full disk
            raise
        except sqlite3.DatabaseError:
            (folder / JOURNAL).unlink()
            (folder / f"{JOURNAL}-journal").unlink(missing_ok=True)
            self._db = _opened(folder / JOURNAL)
        if (row := self._db.execute("SELECT what FROM about").fetchone()) is None or row[
            0
        ] != about:
            with self._db:
                for table in ("about", "items", "windows", "vectors", "bad"):
                    self._db.execute(f"DELETE FROM {table}")
                self._db.execute("INSERT INTO about VALUES (?)", [about])

    def close(self) -> None:
        self._db.close()

    def commit(
        self,
        items: Iterable[Item],
        windows: Iterable[tuple[str, float, float | None]],
        vectors: Iterable[tuple[Key, Vectors]],
        bad: Iterable[Bad],
    ) -> None:
        """One finished batch, whole or not at all."""
        marks = ", ".join("?" * len(COLUMNS))
        with self._db as db:
            db.executemany(
                f"INSERT OR REPLACE INTO items VALUES ({marks})",
                (structs.astuple(one) for one in items),
            )
            db.executemany("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", windows)
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                ((*key, np.asarray(v, "<f4").tobytes()) for key, v in vectors),
            )
            db.executemany(
                "INSERT OR REPLACE INTO bad VALUES (?, ?, ?, ?)", (astuple(one) for one in bad)
            )

    def items(self) -> Iterator[Item]:
        for values in self._db.execute("SELECT * FROM items ORDER BY path"):
            yield Item(*values)

    def bad(self) -> Iterator[Bad]:
        for values in self._db.execute("SELECT * FROM bad ORDER BY path"):
            yield Bad(*values)

    def windows(self, digest: str) -> list[tuple[float, float | None]]:
        query = "SELECT start, end FROM windows WHERE digest = ? ORDER BY start"
        return self._db.execute(query, [digest]).fetchall()

    def has(self, key: Key) -> bool:
        query = "SELECT 1 FROM vectors WHERE digest = ? AND start = ?"
        return self._db.execute(query, key).fetchone() is not None

    def vector(self, key: Key) -> Vectors | None:
        """float32 ``[dim]``."""
        query = "SELECT vector FROM vectors WHERE digest = ? AND start = ?"
        row = self._db.execute(query, key).fetchone()
        return None if row is None else np.frombuffer(row[0], "<f4")
