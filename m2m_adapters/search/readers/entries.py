"""What a reader yields: pieces of vectors, each with the path or id it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.format import EngineRecord

BLOCK = 8192
"""Rows of a piece."""

VECTOR = ("vector", "vectors", "embedding", "embeddings", "image_embedding", "audio_embedding")
PATH = ("image_path", "audio_path", "path", "file_path", "filepath", "file", "file_name",
        "filename", "item", "uri", "url", "id", "key", "name")  # fmt: skip
TEXT = ("caption", "text", "title", "description")
ROLES = ("vector", "path", "text")


@dataclass(frozen=True)
class Entry:
    """The item of a vector. name: a path, or whatever identifies it. key: of its point."""

    name: str
    text: str | None = None
    width: int | None = None
    height: int | None = None
    key: str | None = None


Piece = tuple[list[Entry], Vectors]


@dataclass(frozen=True)
class Source:
    """Vectors written by another program.

    rows: how many; None where nobody knows before the end. base: where relative paths start.
    fingerprint: of the encoder, where the place records it. pieces: float32 ``[n, d]`` with their
    entries, in the order of the place; called once. stays: how the place is searched without a
    copy; None where it cannot be.
    """

    place: str
    rows: int | None
    base: Path | None
    pieces: Callable[[], Iterator[Piece]]
    fingerprint: str | None = None
    stays: Callable[[], EngineRecord] | None = None


@dataclass(frozen=True)
class Columns:
    """Names of columns, payload keys or arrays; empty where the usual names are tried."""

    vector: str = ""
    path: str = ""
    text: str = ""

    @classmethod
    def of(cls, names: Mapping[str, str]) -> Columns:
        if unknown := sorted(set(names) - set(ROLES)):
            raise UserError(f"--column has no role '{unknown[0]}'",
                            f"use {', '.join(f'{role}=NAME' for role in ROLES)}")  # fmt: skip
        return cls(**names)

    def within(self, names: Sequence[str], place: object) -> Columns:
        """The columns to read among ``names``; a named one that is missing is refused."""
        for wanted in (self.path, self.text):
            if wanted and wanted not in names:
                raise UserError(
                    f"{place} has no column '{wanted}'", f"choose among: {_listed(names)}"
                )
        return replace(self, path=self.path or first(PATH, names),
                       text=self.text or first(TEXT, names))  # fmt: skip

    def vector_among(self, names: Sequence[str], place: object) -> str:
        """The array or column of vectors."""
        if self.vector:
            if self.vector not in names:
                raise UserError(
                    f"{place} has no vectors called '{self.vector}'",
                    f"choose among: {_listed(names)}",
                )
            return self.vector
        usual = first(VECTOR, names)
        if not usual and len(names) != 1:
            raise UserError(
                f"it is not clear which vectors of {place} to read: {_listed(names)}",
                "name them: --column vector=NAME",
            )
        return usual or names[0]


def first(usual: Sequence[str], names: Sequence[str]) -> str:
    """The first usual name that is there, or an empty string."""
    return next((name for name in usual if name in names), "")


def _listed(names: Sequence[str | None]) -> str:
    """None is the name of what stands beyond the last column of a .csv file."""
    return ", ".join(sorted(name for name in names if name is not None)[:12]) or "nothing"


def entry_of(fields: Mapping[str, Any], columns: Columns, fallback: str) -> Entry:
    """columns: as :meth:`Columns.within` gives them. fallback: the name without a path or id."""
    name, text = fields.get(columns.path), fields.get(columns.text)
    width, height = (
        fields.get(f"original_{side}", fields.get(side)) for side in ("width", "height")
    )
    return Entry(
        fallback if name in (None, "") else _words(name),
        None if text in (None, "") else _words(text),
        width if isinstance(width, int) else None,
        height if isinstance(height, int) else None,
    )


def _words(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def as_rows(block: Any, place: object) -> Vectors:
    """A slice of an array as float32 ``[n, d]``."""
    rows = np.asarray(block)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise UserError(
            f"{place} holds an array of shape {list(rows.shape)} and type {rows.dtype}, not rows "
            "of vectors", "give a table with one vector in each row"
        )  # fmt: skip
    return np.ascontiguousarray(rows, dtype=np.float32)
