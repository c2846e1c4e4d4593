"""Sentences out of files: txt, csv, tsv, json lines, parquet, each also gzipped.

Every complaint is one line with the file and, where there are lines, the line number.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from m2m_adapters.errors import UserError

USUAL_COLUMNS = ("caption", "captions", "text", "sentence", "sentences", "en", "english", "title")
TABLES = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
FOLDER_SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def expand(name: str | Path) -> list[Path]:
    """The files that a path, a folder or a glob stands for, sorted."""
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and kind_of(p) in FOLDER_SUFFIXES)
        if not files:
            raise UserError(
                f"the folder {path} holds no text file",
                f"it should hold {', '.join(FOLDER_SUFFIXES)} (or .gz of these)",
            )
        return files
    if any(c in str(name) for c in "*?["):
        files = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())
        if files:
            return files
        raise UserError(f"no file matches {name}", "correct the pattern")
    if path.exists():
        return [path]  # a pipe or a device, read as text
    from m2m_adapters.registry.entries import close
    from m2m_adapters.registry.names import known_names

    raise UserError(
        f"there is no file or corpus called '{name}'{close(str(name), known_names('corpus'))}",
        "give a file, a folder, a glob, '-' or a name from `m2m list --corpora`",
    )


def kind_of(path: Path) -> str:
    """The suffix that says how to read a file, without ``.gz``."""
    name = path.name[:-3] if path.name.endswith(".gz") else path.name
    return Path(name).suffix.lower()


def read_file(path: Path, column: str | None = None) -> Iterator[str]:
    """Raw sentences of one file, in order."""
    try:
        with open(path, "rb") as raw:
            head = raw.read(2) if path.is_file() else b""
            if head:
                raw.seek(0)
            stream: Any = gzip.GzipFile(fileobj=raw) if head == b"\x1f\x8b" else raw
            yield from _read(stream, kind_of(path), column, str(path))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path}: the gzip data is damaged or cut short ({error})", "fetch the file again"
        ) from error
    except PermissionError as error:
        raise UserError(f"{path} may not be read", "change its permissions") from error
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}", "mend the file"
        ) from error


def read_stdin(column: str | None = None) -> Iterator[str]:
    """Raw sentences from standard input: lines, or json lines when a column is asked for."""
    yield from _read(sys.stdin.buffer, ".jsonl" if column else ".txt", column, "standard input")


def _read(stream: BinaryIO, kind: str, column: str | None, where: str) -> Iterator[str]:
    if kind == ".parquet":
        yield from _parquet(stream, column, where)
        return
    lines = _decoded(stream, where)
    if kind in TABLES:
        yield from _table(lines, TABLES[kind], column, where)
    elif kind in JSON_LINES:
        yield from _json_lines(lines, column, where)
    elif column is not None:
        raise UserError(
            f"{where} is plain text and has no column '{column}'",
            "leave out --column, or name the file .csv, .tsv or .jsonl",
        )
    else:
        for _, line in lines:
            yield line


def _decoded(stream: BinaryIO, where: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, start=1):
        if number == 1:
            if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise UserError(f"{where} is UTF-16", "convert it to UTF-8")
            line = line[3:] if line[:3] == b"\xef\xbb\xbf" else line
        if b"\0" in line:
            raise UserError(
                f"{where}, line {number}: this is a binary file, not text",
                "give txt, csv, tsv, jsonl or parquet",
            )
        try:
            yield number, line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{where}, line {number}: not valid UTF-8 (byte {error.start + 1})",
                "convert the file to UTF-8",
            ) from None


def _table(
    lines: Iterator[tuple[int, str]], delimiter: str, column: str | None, where: str
) -> Iterator[str]:
    rows = csv.reader((line + "\n" for _, line in lines), delimiter=delimiter)
    index: int | None = None
    try:
        for row in rows:
            if index is None:
                if column is None and len(row) == 1 and " " in row[0].strip():
                    yield row[0]  # one column and no header: the first line is a sentence too
                    index = 0
                    continue
                index = row.index(choose_column(row, column, f"{where}, line 1"))
            elif row and len(row) <= index:
                raise UserError(
                    f"{where}, line {rows.line_num}: {len(row)} columns, "
                    f"but the sentences are in column {index + 1}",
                    "mend the line",
                )
            elif row:
                yield row[index]
    except csv.Error as error:
        raise UserError(f"{where}, line {rows.line_num}: {error}", "mend the line") from error


def _json_lines(lines: Iterator[tuple[int, str]], column: str | None, where: str) -> Iterator[str]:
    key = column
    for number, line in lines:
        if not line.strip():
            continue
        at = f"{where}, line {number}"
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            told = error.msg if isinstance(error, json.JSONDecodeError) else "too deeply nested"
            raise UserError(f"{at}: not JSON ({told})", "write one JSON value a line") from None
        if isinstance(record, dict):
            if key is None:
                key = choose_column([k for k, v in record.items() if _texty(v)], None, at)
            if key not in record:
                raise UserError(
                    f"{at}: there is no key '{key}' (but {', '.join(record) or 'none'})",
                    "choose another with --column, or mend the line",
                )
            record = record[key]
        for value in record if isinstance(record, list) else [record]:
            if not isinstance(value, str):
                raise UserError(
                    f"{at}: {type(value).__name__} where a sentence should be",
                    "each line holds a string, or an object with one",
                )
            yield value


def _texty(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], str)
    )


def _parquet(stream: BinaryIO, column: str | None, where: str) -> Iterator[str]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    seekable = io.BytesIO(stream.read()) if isinstance(stream, gzip.GzipFile) else stream
    try:
        file = pq.ParquetFile(seekable)
        texty = [
            f.name
            for f in file.schema_arrow
            if any(t(f.type) for t in (pa.types.is_string, pa.types.is_large_string))
            or (pa.types.is_list(f.type) and pa.types.is_string(f.type.value_type))
        ]
        name = choose_column(file.schema_arrow.names if column else texty, column, where)
        for batch in file.iter_batches(batch_size=8192, columns=[name]):
            for value in batch.column(0).to_pylist():
                for sentence in value if isinstance(value, list) else [value]:
                    if sentence is not None and not isinstance(sentence, str):
                        raise UserError(f"{where}: column '{name}' holds no text", "choose another")
                    yield sentence or ""
    except pa.ArrowException as error:
        told = str(error).splitlines()[0]
        raise UserError(
            f"{where}: not a readable parquet file ({told})", "write it again"
        ) from error


def choose_column(names: Iterable[str], column: str | None, where: str) -> str:
    """The column asked for, or the one that most likely holds the sentences."""
    names = [str(name) for name in names]
    listed = ", ".join(names) or "none"
    if column is not None:
        if column in names:
            return column
        raise UserError(
            f"{where}: there is no column '{column}' (columns: {listed})",
            "choose one of them with --column",
        )
    lower = {name.strip().lower(): name for name in reversed(names)}
    for usual in USUAL_COLUMNS:
        if usual in lower:
            return lower[usual]
    if len(names) == 1:
        return names[0]
    raise UserError(
        f"{where}: cannot tell which column holds the sentences (columns: {listed})",
        "choose one with --column",
    )
