"""Sentences out of tables: csv, tsv, json lines and parquet.

A table with a language column gives its English rows only, where the caller asks for that.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters.errors import UserError

SENTENCE_COLUMNS = (
    "caption", "captions", "text", "sentence", "sentences", "en", "english", "title",
)  # fmt: skip
LANGUAGE_COLUMNS = ("language", "lang", "locale")
SHOWN = 5

Lines = Iterator[tuple[int, str]]
"""(line number, text without its line end)"""


@dataclass
class EnglishRows:
    """Keeps the English rows of tables with a language column, and counts the others.

    Rows without a language count as English.
    """

    kept: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def keep(self, language: object) -> bool:
        code = language.strip() if isinstance(language, str) else ""
        if code and normalize_tag(code) != "en":
            self.others[code] = self.others.get(code, 0) + 1
            return False
        self.kept += 1
        return True

    @property
    def left_out(self) -> int:
        return sum(self.others.values())

    @property
    def languages(self) -> str:
        """The languages left out, most frequent first."""
        names = sorted(self.others, key=lambda code: (-self.others[code], code))
        return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def read_csv(
    lines: Lines, delimiter: str, column: str | None, where: str, english: EnglishRows | None
) -> Iterator[str]:
    """Sentences of a csv or tsv file with a header, or with one column and no header."""
    # Strict: a quote that is never closed is an error, not one long cell.
    rows = csv.reader((line + "\n" for _, line in lines), delimiter=delimiter, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            return
        if column is None and len(header) == 1 and " " in header[0].strip():
            yield header[0]  # one column and no header: the first line is a sentence too
            index, spoken = 0, None
        else:
            index = header.index(choose_column(header, column, f"{where}, line 1"))
            spoken = language_column(header) if english else None
        for row in rows:
            if not row:
                continue
            _check_width(row, len(header), index, f"{where}, line {rows.line_num}")
            if english and spoken is not None and not english.keep(row[header.index(spoken)]):
                continue
            yield row[index]
    except csv.Error as error:
        raise UserError(
            f"{where}, line {rows.line_num}: {error}",
            "correct the line; in csv files a quotation mark is written twice",
        ) from error


def _check_width(row: list[str], width: int, index: int, at: str) -> None:
    while len(row) > width and not row[-1].strip():
        row.pop()
    if len(row) > width:
        raise UserError(
            f"{at}: {len(row)} columns, the header has {width}",
            "quote sentences that hold the delimiter, or name the file .txt",
        )
    if len(row) < width:
        if len(row) <= index:
            raise UserError(
                f"{at}: {len(row)} columns, but the sentences are in column {index + 1}",
                "correct the line",
            )
        row.extend([""] * (width - len(row)))


def read_json_lines(
    lines: Lines, column: str | None, where: str, english: EnglishRows | None
) -> Iterator[str]:
    """Sentences of json lines: strings, lists of strings, or objects with a key that holds them."""
    key = column
    for number, line in lines:
        if not line.strip():
            continue
        at = f"{where}, line {number}"
        value = _json(line, at)
        if isinstance(value, dict):
            if key is None:
                key = choose_column([k for k, v in value.items() if _is_text(v)], None, at)
            if key not in value:
                raise UserError(
                    f"{at}: there is no key '{key}' (but {', '.join(value) or 'none'})",
                    "choose another with --column, or correct the line",
                )
            spoken = language_column(value)
            if english and spoken is not None and not english.keep(value[spoken]):
                continue
            value = value[key]
        for sentence in value if isinstance(value, list) else [value]:
            if not isinstance(sentence, str):
                raise UserError(
                    f"{at}: {type(sentence).__name__} where a sentence should be",
                    "each line holds a string, or an object with one",
                )
            yield sentence


def _json(line: str, at: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        reason = error.msg
    except RecursionError:
        reason = "too deeply nested"
    except ValueError:  # a number of thousands of digits
        reason = "a number is too long"
    raise UserError(f"{at}: not JSON ({reason})", "write one JSON value a line")


def _is_text(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], str)
    )


def read_parquet(
    stream: BinaryIO, column: str | None, where: str, english: EnglishRows | None
) -> Iterator[str]:
    """Sentences of a column of strings, or of lists of strings."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "reading parquet needs pyarrow", 'pip install "m2m-adapters[parquet]"'
        ) from error
    seekable = stream if stream.seekable() else io.BytesIO(stream.read())
    try:
        file = pq.ParquetFile(seekable)
        schema = file.schema_arrow
        text = [f.name for f in schema if _holds_text(pa, f.type)]
        name = choose_column(schema.names if column else text, column, where)
        spoken = language_column(schema.names) if english else None
        columns = [name] if spoken is None else [name, spoken]
        for batch in file.iter_batches(batch_size=8192, columns=columns):
            languages = batch.column(spoken).to_pylist() if spoken else [None] * len(batch)
            for value, language in zip(batch.column(name).to_pylist(), languages, strict=True):
                if english is None or spoken is None or english.keep(language):
                    yield from _cell(value, f"{where}: column '{name}'")
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{where}: not a readable parquet file ({reason})", "write it again"
        ) from error


def _cell(value: object, where: str) -> Iterator[str]:
    """The sentence or sentences of a cell; an empty one for a missing value."""
    for sentence in value if isinstance(value, list) else [value]:
        if sentence is not None and not isinstance(sentence, str):
            raise UserError(f"{where} holds no text", "choose another")
        yield sentence or ""


def _holds_text(pa: Any, kind: Any) -> bool:
    types = pa.types
    inside = kind.value_type if types.is_list(kind) else kind
    return bool(types.is_string(inside) or types.is_large_string(inside))


def language_column(names: Iterable[str]) -> str | None:
    """The column that says which language a row is in, if there is one."""
    lower = {str(name).strip().lower(): str(name) for name in names}
    return next((lower[usual] for usual in LANGUAGE_COLUMNS if usual in lower), None)


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
    for usual in SENTENCE_COLUMNS:
        if usual in lower:
            return lower[usual]
    if len(names) == 1:
        return names[0]
    raise UserError(
        f"{where}: cannot tell which column holds the sentences (columns: {listed})",
        "choose one with --column",
    )
