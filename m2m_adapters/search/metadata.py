"""An index's facts about its items, in one SQLite file that never changes once it is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from m2m_adapters.errors import UserError
from m2m_adapters.search.where import folded

PARAMETERS_AT_ONCE = 900
MAPPED = 1 << 40
"""Bytes of the file that are read by memory map; SQLite lowers it to what the platform allows."""


class Item(Struct, frozen=True):
    """One file, or one entry of an imported index.

    path: absolute for files; the id of an imported entry without a file. mtime_ns, size, digest:
    0 and empty without a file. date: ISO local time, when a picture was taken (EXIF), else the
    time of the file. duration: seconds. text: caption or other words that came with the entry.
    """

    path: str
    folder: str
    name: str
    suffix: str
    size: int
    mtime_ns: int
    digest: str
    modality: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    date: str | None = None
    text: str | None = None


class Part(Struct, frozen=True):
    """A row of the vectors: an item, or the window of a sound from ``start`` to ``end`` seconds."""

    item: int
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Bad:
    """A file that cannot be used, and why."""

    path: str
    size: int
    mtime_ns: int
    reason: str


COLUMNS = Item.__struct_fields__
SCHEMA = """
CREATE TABLE items (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, folder TEXT NOT NULL, name TEXT NOT NULL,
  suffix TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest TEXT NOT NULL,
  modality TEXT NOT NULL, width INTEGER, height INTEGER, duration REAL, date TEXT, text TEXT);
CREATE TABLE parts (row INTEGER PRIMARY KEY, item INTEGER NOT NULL, start REAL, end REAL);
CREATE TABLE bad (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, reason TEXT NOT NULL);
"""
INDEXES = """
CREATE INDEX items_path ON items (path);
CREATE INDEX items_date ON items (date);
CREATE INDEX parts_item ON parts (item);
"""


def write(
    path: Path, items: Iterable[Item], parts: Iterable[Part], bad: Iterable[Bad] = ()
) -> tuple[int, int]:
    """items, parts: in the order of their numbers, from 0. Returns how many there were."""
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA)
        db.executemany(
            f"INSERT INTO items VALUES ({marks})",
            ((number, *structs.astuple(item)) for number, item in enumerate(items)),
        )
        written = db.execute("SELECT count(*) FROM items").fetchone()[0]
        db.executemany(
            "INSERT INTO parts VALUES (?, ?, ?, ?)",
            ((row, part.item, part.start, part.end) for row, part in enumerate(parts)),
        )
        rows = db.execute("SELECT count(*) FROM parts").fetchone()[0]
        db.executemany("INSERT INTO bad VALUES (?, ?, ?, ?)", (astuple(one) for one in bad))
        db.executescript(INDEXES)
    return int(written), int(rows)


class Metadata:
    """Reads such a file; usable from several threads.

    single: every item has one part, so that the number of a row is that of its item.
    """

    def __init__(self, path: Path, *, single: bool = False) -> None:
        self._path, self._single = path, single
        # immutable: no lock files, so that read-only media can be read.
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            self._db = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._db.execute(f"PRAGMA mmap_size = {MAPPED}")
            self._db.create_function("folded", 1, folded, deterministic=True)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        self._db.close()

    def __iter__(self) -> Iterator[tuple[int, Item]]:
        for number, *values in self._ask(f"SELECT id, {', '.join(COLUMNS)} FROM items ORDER BY id"):
            yield number, Item(*values)

    def all_parts(self) -> Iterator[Part]:
        for values in self._ask("SELECT item, start, end FROM parts ORDER BY row"):
            yield Part(*values)

    def bad(self) -> list[Bad]:
        return [Bad(*values) for values in self._ask("SELECT * FROM bad ORDER BY path")]

    def at(self, rows: Sequence[int]) -> dict[int, tuple[Part, Item]]:
        """What the rows stand for."""
        answers: dict[int, tuple[Part, Item]] = {}
        for start in range(0, len(rows), PARAMETERS_AT_ONCE):
            piece = [int(row) for row in rows[start : start + PARAMETERS_AT_ONCE]]
            marks = ", ".join("?" * len(piece))
            if self._single:
                query = f"SELECT {', '.join(COLUMNS)}, id FROM items WHERE id IN ({marks})"
                for *values, row in self._ask(query, piece):
                    answers[row] = (Part(row), Item(*values))
                continue
            chosen = ", ".join(f"i.{name}" for name in COLUMNS)
            query = (
                f"SELECT {chosen}, p.item, p.start, p.end, p.row FROM parts p "
                f"JOIN items i ON i.id = p.item WHERE p.row IN ({marks})"
            )
            for values in self._ask(query, piece):
                answers[values[-1]] = (Part(*values[-4:-1]), Item(*values[:-4]))
        return answers

    def rows_of(self, path: str) -> list[int]:
        """Rows of the item with this path."""
        query = "SELECT p.row FROM parts p JOIN items i ON i.id = p.item WHERE i.path = ?"
        return [row for (row,) in self._ask(query + " ORDER BY p.row", [path])]

    def rows_of_item(self, number: int) -> list[int]:
        """Rows of the item with this number."""
        query = "SELECT row FROM parts WHERE item = ? ORDER BY row"
        return [row for (row,) in self._ask(query, [number])]

    def counts(self, column: str, most: int = -1) -> dict[str, int]:
        """Items for each value of a column, the most frequent first."""
        if column not in COLUMNS:
            raise ValueError(column)
        query = f"SELECT {column}, count(*) FROM items GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?"
        return dict(self._ask(query, [most]))

    def dates(self) -> tuple[str, str] | None:
        """The first and the last date of the items."""
        query = "SELECT min(date), max(date) FROM items WHERE date != ''"
        first, last = next(self._ask(query))
        return (first, last) if first else None

    def item(self, number: int) -> Item | None:
        query = f"SELECT {', '.join(COLUMNS)} FROM items WHERE id = ?"
        return next((Item(*values) for values in self._ask(query, [number])), None)

    def rows_where(self, condition: str, parameters: Sequence[Any]) -> list[int]:
        """Rows, sorted. condition: SQL over ``i`` (items) and ``p`` (parts), of ``where`` only."""
        query = f"SELECT p.row FROM parts p JOIN items i ON i.id = p.item WHERE {condition}"
        return [row for (row,) in self._ask(query + " ORDER BY p.row", parameters)]

    def _ask(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        try:
            with closing(self._db.cursor()) as cursor:
                yield from cursor.execute(query, parameters)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> UserError:
        return UserError(f"{self._path} cannot be read ({error})", "build the index again")
