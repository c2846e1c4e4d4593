"""Columns of parquet files, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.readers.entries import BLOCK, Columns, Entry, as_rows, entry_of

DIGITS = re.compile(r"(\d+)")


def numbered(folder: Path, suffix: str) -> list[Path]:
    """Files of a folder in the order of the numbers in their names: 2 before 10."""
    files = [path for path in folder.iterdir()
             if path.suffix == suffix and not path.name.startswith((".", "_"))]  # fmt: skip
    return sorted(files, key=lambda path: [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in DIGITS.split(path.name) if part
    ])  # fmt: skip


def modules() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    return pa, pq


def rows_of(path: Path) -> int:
    _, pq = modules()
    return int(_opened(pq, path).metadata.num_rows)


def _opened(pq: Any, path: Path) -> Any:
    try:
        return pq.ParquetFile(path, memory_map=True)
    except Exception as error:  # pyarrow raises many kinds on damaged files
        words = str(error).partition("\n")[0][:160]
        raise UserError(f"{path} cannot be read as parquet ({words})", "write it again") from error


def read_parquet(
    path: Path, columns: Columns, row: int = 0, *, vectors: bool = True
) -> Iterator[tuple[list[Entry], Vectors]]:
    """(entries, float32 ``[n, d]``) of batch after batch. row: number of the first."""
    _, pq = modules()
    file = _opened(pq, path)
    schema = file.schema_arrow
    lists, plain = split_columns(schema)
    chosen = columns.within(plain, path)
    wanted = [name for name in (chosen.path, chosen.text, *sizes(plain)) if name]
    column = columns.vector_among(lists, path) if vectors else ""
    read = [*dict.fromkeys(wanted), *([column] if column else [])]
    if not read:
        raise UserError(f"{path} has no column of paths or ids", "name it: --column path=NAME")
    for batch in file.iter_batches(BLOCK, columns=read):
        entries = batch_entries(batch, wanted, chosen, row)
        vectors_read = (
            batch_vectors(batch, column, path) if column else np.zeros((0, 0), np.float32)
        )
        row += batch.num_rows
        yield entries, vectors_read


def split_columns(schema: Any) -> tuple[list[str], list[str]]:
    """Names of the columns of lists of numbers, and of the plain ones."""
    pa, _ = modules()
    lists, plain = [], []
    for field in schema:
        kind = field.type
        is_list = any(
            test(kind)
            for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        )
        if is_list and (
            pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
        ):
            lists.append(field.name)
        elif not pa.types.is_nested(kind):
            plain.append(field.name)
    return lists, plain


def sizes(names: list[str]) -> list[str]:
    """Columns that hold the size of a picture."""
    wanted = ("original_width", "original_height", "width", "height")
    return [name for name in wanted if name in names]


def batch_entries(batch: Any, wanted: list[str], columns: Columns, row: int) -> list[Entry]:
    """Entries of a batch of arrow."""
    if not wanted:
        return [Entry(str(row + at)) for at in range(batch.num_rows)]
    records = batch.select(list(dict.fromkeys(wanted))).to_pylist()
    return [entry_of(record, columns, str(row + at)) for at, record in enumerate(records)]


def batch_vectors(batch: Any, column: str, place: object) -> Vectors:
    """float32 ``[n, d]`` of a batch of arrow."""
    values = batch.column(column)
    if values.null_count:
        raise UserError(f"{place} has rows without a vector in '{column}'", "leave them out")
    flat = values.flatten().to_numpy(zero_copy_only=False)
    if len(values) == 0 or len(flat) % len(values):
        raise UserError(f"{place} has vectors of different length in '{column}'", "correct it")
    if not hasattr(values.type, "list_size") and len(set(values.value_lengths().to_pylist())) > 1:
        raise UserError(f"{place} has vectors of different length in '{column}'", "correct it")
    return as_rows(flat.reshape(len(values), -1), place)
