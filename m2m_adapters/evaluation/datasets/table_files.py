"""Tables on disk -> records: json lines, csv, tsv and parquet, the first two also gzipped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from m2m_adapters.artifact.record import Json
from m2m_adapters.corpus.files import kind_of, text_lines
from m2m_adapters.errors import UserError

KINDS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


def records(path: Path) -> Iterator[Json]:
    """One dictionary for each row, keys as written."""
    kind = kind_of(path)
    if kind in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    elif kind in (".csv", ".tsv"):
        yield from _csv(path, "," if kind == ".csv" else "\t")
    elif kind == ".parquet":
        yield from _parquet(path)
    else:
        raise UserError(f"{path} is not a table", f"give {', '.join(KINDS)}")


def _json_lines(path: Path) -> Iterator[Json]:
    for number, line in enumerate(text_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise UserError(f"{path}, line {number}: not a JSON object", "write one a line")
        yield record


def _csv(path: Path, delimiter: str) -> Iterator[Json]:
    # Quoted fields may hold newlines, so the reader gets the text, not our lines.
    text = io.StringIO("\n".join(text_lines(path)), newline="")
    rows = csv.reader(text, delimiter=delimiter)
    try:
        header = [name.strip() for name in next(rows, [])]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}, line {rows.line_num}: {len(row)} columns, the header has "
                    f"{len(header)}",
                    "correct the line",
                )
            yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: {error}", "correct the line") from error


def _parquet(path: Path) -> Iterator[Json]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=64):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{path}: not a readable parquet file ({reason})", "write it again"
        ) from error
