"""Thumbnails of pictures and peaks of sounds, by the digest of the file they come from."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from m2m_adapters.errors import UserError

WAIT_SECONDS = 30
TABLE = "CREATE TABLE {}media (digest TEXT PRIMARY KEY, thumbnail BLOB, peaks BLOB) WITHOUT ROWID"


@dataclass(frozen=True)
class Preview:
    """What stands for a file in lists: a small JPEG, or the loudness of a sound over its time.

    peaks: one byte a step, 255 is full scale.
    """

    thumbnail: bytes | None = None
    peaks: bytes | None = None


class Media:
    """Previews in one SQLite file; one process writes while others read."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self._path, self._write = path, write
        if write:
            self._change(lambda db: None)

    def _open(self) -> sqlite3.Connection:
        mode = "rwc" if self._write else "ro"
        address = f"{self._path.resolve().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS)

    def add(self, previews: Iterable[tuple[str, Preview]]) -> None:
        """In one transaction."""
        rows = [(digest, p.thumbnail, p.peaks) for digest, p in previews]
        self._change(
            lambda db: db.executemany("INSERT OR REPLACE INTO media VALUES (?, ?, ?)", rows)
        )

    def keep(self, digests: Collection[str]) -> None:
        """Forget every other digest."""

        def forget(db: sqlite3.Connection) -> None:
            held = [digest for (digest,) in db.execute("SELECT digest FROM media")]
            gone = [(digest,) for digest in held if digest not in digests]
            db.executemany("DELETE FROM media WHERE digest = ?", gone)

        self._change(forget)

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """In one transaction. A damaged file is begun anew: an index is of use without it."""
        try:
            self._changed(change)
        except sqlite3.OperationalError:  # such as a full disk
            raise
        except sqlite3.DatabaseError as error:
            warnings.warn(
                f"{self._path} is damaged ({error}) and begun anew: files that do not change have "
                "no preview; for these, index into a new folder",
                UserWarning,
                stacklevel=3,
            )
            self._path.unlink()
            self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
            self._changed(change)

    def _changed(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with closing(self._open()) as db, db:
            db.execute(TABLE.format("IF NOT EXISTS "))
            change(db)

    def get(self, digest: str) -> Preview:
        """The preview of a file; empty if there is none."""
        if not digest or not self._path.is_file():
            return Preview()
        try:
            with closing(self._open()) as db:
                query = "SELECT thumbnail, peaks FROM media WHERE digest = ?"
                row = db.execute(query, [digest]).fetchone()
        except sqlite3.Error as error:
            raise UserError(
                f"{self._path} cannot be read ({error})", "build the index again"
            ) from error
        return Preview(*row) if row else Preview()


def is_media(path: Path) -> bool:
    """Whether a file is one of ours: empty, or with our table in its first page. It is not opened
    as a database, for a run that was killed may have left it in the middle of a change."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        page = file.read(1 << 16)
    return not page or TABLE.format("").encode() in page
