"""Sentences out of files: txt, csv, tsv, json lines, parquet, each also gzipped.

Every complaint is one line with the file and, where there are lines, the line number.
"""

from __future__ import annotations

import glob
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from m2m_adapters.corpus.tables import (
    EnglishRows,
    Lines,
    read_csv,
    read_json_lines,
    read_parquet,
)
from m2m_adapters.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson", ".json")
FOLDER_SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

LONGEST_LINE = 16 << 20
"""Bytes. A file whose line is longer is not text, and would fill the memory."""
UNPACKED_FREELY = 64 << 20
MOST_UNPACKED = 200
"""Text shrinks by a factor of 3 to 20 under gzip, seldom by more than 100; a file that unpacks to
more than this many times its size is an attack or a mistake."""


def expand(name: str | Path) -> list[Path]:
    """The files that a path, a folder or a glob stands for, sorted."""
    path = Path(name).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        try:
            found = (p for p in path.rglob("*") if kind_of(p) in FOLDER_SUFFIXES)
            files = sorted(p for p in found if p.is_file())
        except OSError as error:
            raise UserError(
                f"cannot read {error.filename or path}: {error.strerror}", "name its files"
            ) from error
        if not files:
            raise UserError(
                f"the folder {path} holds no text file",
                f"it should hold {', '.join(FOLDER_SUFFIXES)} (or .gz of these)",
            )
        return files
    if is_glob(str(name)):
        files = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())
        if files:
            return files
        raise UserError(f"no file matches {name}", "correct the pattern")
    if path.exists():
        return [path]  # a pipe or a device, read as text
    from m2m_adapters._internal.spelling import did_you_mean
    from m2m_adapters.registry.names import known_names

    raise UserError(
        f"there is no file or corpus called '{name}'"
        f"{did_you_mean(str(name), known_names('corpus'))}",
        "give a file, a folder, a glob, '-' or a name from `m2m list --corpora`",
    )


def is_glob(name: str) -> bool:
    return any(c in name for c in "*?[")


def kind_of(path: Path) -> str:
    """The suffix that says how to read a file, without ``.gz``."""
    name = path.name[:-3] if path.name.endswith(".gz") else path.name
    return Path(name).suffix.lower()


def names_a_file(text: str) -> bool:
    """Whether a word has one of our suffixes, so that it means a file even if there is none."""
    return not any(c.isspace() for c in text) and kind_of(Path(text)) in (
        *FOLDER_SUFFIXES,
        *JSON_LINES,
    )


def read_file(
    path: Path, column: str | None = None, english: EnglishRows | None = None
) -> Iterator[str]:
    """Sentences of one file as they are written, in order.

    english: keeps the English rows of a table with a language column.
    """
    with _opened(path) as stream:
        yield from _read(stream, kind_of(path), column, str(path), english)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The bytes of a file, unpacked if it is gzipped; errors become one line."""
    try:
        with open(path, "rb") as raw:
            head = raw.read(2) if path.is_file() else b""
            if head:
                raw.seek(0)
            packed = head == b"\x1f\x8b"
            yield Unpacked(raw, path.stat().st_size, str(path)) if packed else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path}: the gzip data is damaged or cut short ({error})", "download the file again"
        ) from error
    except PermissionError as error:
        raise UserError(f"{path} may not be read", "change its permissions") from error
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}", "check the file"
        ) from error


class Unpacked(io.RawIOBase):
    """A gzip file as a stream; refuses one that unpacks to far more than its size."""

    def __init__(self, raw: IO[bytes], size: int, where: str) -> None:
        self._gzip = gzip.GzipFile(fileobj=raw)
        self._limit = max(UNPACKED_FREELY, MOST_UNPACKED * size)
        self._read = 0
        self._where = where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._gzip.read(len(buffer))
        self._read += len(data)
        if self._read > self._limit:
            raise UserError(
                f"{self._where} unpacks to more than {MOST_UNPACKED} times its size",
                "unpack it yourself if you trust it",
            )
        buffer[: len(data)] = data
        return len(data)


def text_lines(path: Path) -> list[str]:
    """Lines of a text file, also gzipped.

    Only newlines end a line: ``str.splitlines`` would also break at separators inside captions.
    """
    with _opened(path) as stream:
        return [line for _, line in _decoded(stream, str(path))]


def check_unicode(text: str, where: str) -> None:
    """Refuse text that no file can hold, as JSON escapes can write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{where} holds a lone surrogate, which is not valid Unicode",
            "decode the text correctly first",
        ) from None


def read_stdin(column: str | None = None) -> Iterator[str]:
    """Sentences from standard input: lines, or json lines when a column is asked for."""
    kind = ".jsonl" if column else ".txt"
    yield from _read(sys.stdin.buffer, kind, column, "standard input", None)


def _read(
    stream: BinaryIO, kind: str, column: str | None, where: str, english: EnglishRows | None
) -> Iterator[str]:
    if kind == ".parquet":
        yield from read_parquet(stream, column, where, english)
        return
    lines = _decoded(stream, where)
    if kind in DELIMITERS:
        yield from read_csv(lines, DELIMITERS[kind], column, where, english)
    elif kind in JSON_LINES:
        yield from read_json_lines(lines, column, where, english)
    elif column is not None:
        raise UserError(
            f"{where} is plain text and has no column '{column}'",
            "leave out --column, or name the file .csv, .tsv or .jsonl",
        )
    else:
        for _, line in lines:
            yield line


def _decoded(stream: BinaryIO, where: str) -> Lines:
    buffered = io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream
    number = 0
    while line := buffered.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            if line[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise UserError(f"{where} is UTF-16", "convert it to UTF-8")
            line = line[3:] if line[:3] == b"\xef\xbb\xbf" else line
        if b"\0" in line:
            raise UserError(
                f"{where}, line {number}: this is a binary file, not text",
                "give txt, csv, tsv, jsonl or parquet",
            )
        if len(line) > LONGEST_LINE:
            raise UserError(
                f"{where}, line {number}: longer than {LONGEST_LINE >> 20} MiB",
                "write one sentence a line",
            )
        try:
            yield number, line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{where}, line {number}: not valid UTF-8 (byte {error.start + 1})",
                "convert the file to UTF-8",
            ) from None
