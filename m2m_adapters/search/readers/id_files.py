"""Paths or ids, and captions, of vectors that lie in a file without them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.search.readers.entries import Columns, Entry, entry_of
from m2m_adapters.search.readers.parquet import numbered, read_parquet

FORMATS = (".txt", ".csv", ".jsonl", ".parquet", ".npy")


def entries(path: Path, columns: Columns) -> Iterator[Entry]:
    """One entry for each row, in order: of a file, or of a folder of parquet files."""
    if not path.exists():
        raise UserError(f"there is no file {path}", "check the path of the ids")
    files = numbered(path, ".parquet") if path.is_dir() else [path]
    if not files:
        raise UserError(f"{path} holds no parquet files", f"give a file of {', '.join(FORMATS)}")
    row = 0
    for file in files:
        for entry in _of_file(file, columns, row):
            yield entry
            row += 1


def _of_file(path: Path, columns: Columns, row: int) -> Iterator[Entry]:
    try:
        if path.suffix == ".parquet":
            for ids, _ in read_parquet(path, columns, row, vectors=False):
                yield from ids
        elif path.suffix == ".npy":
            names = np.load(path, mmap_mode="r", allow_pickle=False).ravel()
            yield from (Entry(str(name)) for name in names)
        elif path.suffix == ".txt":
            with open(path, encoding="utf-8-sig") as lines:
                yield from (Entry(line.rstrip("\r\n")) for line in lines)
        elif path.suffix in (".csv", ".jsonl"):
            yield from _of_records(path, columns, row)
        else:
            raise UserError(f"ids cannot be read from '{path.suffix or path.name}'",
                            f"use {', '.join(FORMATS)}")  # fmt: skip
    except (OSError, ValueError, csv.Error) as error:
        words = str(error).partition("\n")[0][:160]
        raise UserError(f"{path} cannot be read as ids ({words})", "write it again") from error


def _of_records(path: Path, columns: Columns, row: int) -> Iterator[Entry]:
    chosen: Columns | None = None
    with open(path, encoding="utf-8-sig", newline="") as lines:
        records = csv.DictReader(lines) if path.suffix == ".csv" else map(json.loads, lines)
        for number, record in enumerate(records, row):
            fields: dict[str, Any] = record if isinstance(record, dict) else {"path": record}
            chosen = chosen or columns.within(list(fields), path)
            yield entry_of(fields, chosen, str(number))


class Named:
    """Hands out the entries of consecutive rows; without a file they are numbered."""

    def __init__(self, path: Path | None, columns: Columns) -> None:
        self._path = path
        self._coming = entries(path, columns) if path is not None else None
        self._row = 0

    def take(self, count: int, ids: Sequence[Any] | None = None) -> list[Entry]:
        """ids: instead of numbers where there is no file."""
        first, self._row = self._row, self._row + count
        if self._coming is None:
            return [
                Entry(str(one)) for one in (ids if ids is not None else range(first, first + count))
            ]
        taken = list(islice(self._coming, count))
        if len(taken) < count:
            raise UserError(
                f"{self._path} names {first + len(taken):,} items, but there are more vectors",
                "give the ids of just these vectors, one for each row",
            )
        return taken

    def finish(self) -> None:
        """Refuse ids that are left over."""
        if self._coming is not None and (left := sum(1 for _ in self._coming)):
            raise UserError(
                f"{self._path} names {self._row + left:,} items for {self._row:,} vectors",
                "give the ids of just these vectors, one for each row",
            )
