"""Vectors in a Qdrant collection (a server or a local folder) or a LanceDB table."""

from __future__ import annotations

import io
import json
import os
import pickle
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.search.format import EngineRecord
from m2m_adapters.search.readers import parquet
from m2m_adapters.search.readers.entries import (
    PATH,
    TEXT,
    Columns,
    Piece,
    Source,
    as_rows,
    entry_of,
    first,
)

PAGE = 1000
KEY = "QDRANT_API_KEY"


def qdrant_server(url: str, collection: str | None, columns: Columns) -> Source:
    """A collection of a server. The key is read from the environment, never from a command."""
    server = QdrantServer(url)
    with server.asked() as client:
        names = [one.name for one in client.get_collections().collections]
        name = _chosen(names, collection, url)
        count = int(client.count(name, exact=True).count)

    def pieces() -> Iterator[Piece]:
        offset: Any = None
        while True:
            with server.asked() as client:
                points, offset = client.scroll(
                    name, limit=PAGE, offset=offset, with_payload=True, with_vectors=True
                )
            yield _piece([(p.id, p.vector, p.payload) for p in points], columns, name)
            if offset is None:
                return

    return Source(
        f"{url}#{name}", count, None, pieces, stays=partial(_stays, server, name, columns)
    )


def _stays(server: QdrantServer, name: str, columns: Columns) -> EngineRecord:
    """How a collection is searched in place; it must compare by cosine."""
    with server.asked() as client:
        vectors = client.get_collection(name).config.params.vectors
    vector = ""
    if isinstance(vectors, dict):
        vector = columns.vector_among(list(vectors), f"the collection '{name}'")
        vectors = vectors[vector]
    if str(getattr(vectors.distance, "value", vectors.distance)) != "Cosine":
        raise UserError(
            f"'{name}' compares by {vectors.distance}, not by cosine", "leave --in-place out"
        )
    return EngineRecord(kind="qdrant", place=server.url, collection=name, vector=vector)


def qdrant_client(url: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """A client, and what it raises when the server does not answer as it should."""
    try:
        from qdrant_client import QdrantClient
        from qdrant_client.http.exceptions import ApiException
    except ImportError as error:
        raise UserError("Qdrant servers need qdrant-client", "pip install qdrant-client") from error
    key = os.environ.get(KEY) or None
    client = QdrantClient(url=url, api_key=key, timeout=60, check_compatibility=False)
    return client, (ApiException, OSError, ValueError)


class QdrantServer:
    """A server and its client; where it does not answer, one line says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client, self._failures = qdrant_client(url)

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """The client."""
        try:
            yield self._client
        except self._failures as error:
            words = " ".join(str(error).split())[:160]
            raise UserError(
                f"the Qdrant server {self.url} does not answer ({words})",
                f"check the address, and {KEY} where it needs a key",
            ) from error


def qdrant_folder(folder: Path, collection: str | None, columns: Columns) -> Source:
    """A local collection of qdrant-client, read without running anything it holds.

    Its points are pickled; only the one class of a point is accepted there.
    """
    try:
        held = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["collections"]
        names = list(held)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}/meta.json does not describe Qdrant collections",
            "give the folder that QdrantClient(path=...) was opened with",
        ) from error
    name = _chosen(names, collection, folder)
    file = folder / "collection" / name / "storage.sqlite"
    if not file.is_file():
        raise UserError(f"there is no file {file}", "check the folder of the collection")
    address = f"{file.resolve().as_uri()}?mode=ro"

    def ask(query: str) -> Iterator[Any]:
        try:
            with closing(sqlite3.connect(address, uri=True)) as db:
                yield from db.execute(query)
        except sqlite3.Error as error:
            raise UserError(f"{file} cannot be read ({error})", "check the collection") from error

    def pieces() -> Iterator[Piece]:
        points: list[tuple[Any, Any, Any]] = []
        for (data,) in ask("SELECT point FROM points ORDER BY rowid"):
            points.append(_unpickled(data, file))
            if len(points) == PAGE:
                yield _piece(points, columns, name)
                points = []
        if points:
            yield _piece(points, columns, name)

    ((count,),) = ask("SELECT count(*) FROM points")
    return Source(f"{folder.absolute()}#{name}", int(count), folder, pieces)


class _Point:
    """Takes the place of qdrant-client's class; its state is plain values."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.fields = state["__dict__"]


class _Points(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("qdrant_client.http.models.models", "PointStruct"):
            return _Point
        raise pickle.UnpicklingError(f"it holds an object of {module}.{name}")


def _unpickled(data: bytes, file: Path) -> tuple[Any, Any, Any]:
    try:
        fields = _Points(io.BytesIO(data)).load().fields
        return fields["id"], fields["vector"], fields["payload"]
    except Exception as error:  # damaged pickles raise nearly anything
        words = " ".join(str(error).split())[:160]
        raise UserError(
            f"{file} holds a point that is not read ({words})",
            "read it from a Qdrant server, or export its vectors",
        ) from error


def _chosen(names: list[str], wanted: str | None, place: object) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        assert wanted is not None
        return wanted
    what = f"no collection '{wanted}'" if wanted else f"{len(names)} collections"
    listed = ", ".join(sorted(names)[:12]) or "none"
    raise UserError(f"{place} has {what}", f"choose with --collection: {listed}")


def _piece(points: list[tuple[Any, Any, Any]], columns: Columns, name: str) -> Piece:
    entries, rows = [], []
    for number, vector, payload in points:
        fields = payload or {}
        for wanted in (columns.path, columns.text):
            if wanted and wanted not in fields:
                raise UserError(f"the point {number} of '{name}' has no '{wanted}' in its payload",
                                "choose another --column")  # fmt: skip
        chosen = Columns(path=columns.path or first(PATH, list(fields)),
                         text=columns.text or first(TEXT, list(fields)))  # fmt: skip
        entries.append(replace(entry_of(fields, chosen, str(number)), key=str(number)))
        if isinstance(vector, dict):
            vector = vector[columns.vector_among(list(vector), f"the collection '{name}'")]
        rows.append(vector)
    try:
        return entries, as_rows(np.array(rows, np.float32).reshape(len(rows), -1), name)
    except (TypeError, ValueError) as error:
        raise UserError(f"the collection '{name}' has points without one vector of fixed length",
                        "choose a named vector: --column vector=NAME") from error  # fmt: skip


def lance_table(place: str, collection: str | None, columns: Columns) -> Source:
    """A table: ``DATABASE/NAME.lance``, or a database and its name."""
    try:
        import lancedb
    except ImportError as error:
        raise UserError("LanceDB tables need lancedb", "pip install lancedb") from error
    database, name = place.rstrip("/"), collection
    if database.endswith(".lance"):
        database, _, file = database.rpartition("/")
        name = file.removesuffix(".lance")
    try:
        opened = lancedb.connect(database or ".")
        name = name or _chosen([*opened.table_names(limit=1000)], None, place)
        table = opened.open_table(name)
        lists, plain = parquet.split_columns(table.schema)
        count = int(table.count_rows())
    except UserError:
        raise
    except Exception as error:  # errors of its Rust side have many classes
        words = str(error).partition("\n")[0][:160]
        raise UserError(f"{place} cannot be read as a LanceDB table ({words})",
                        "check the place, and --collection") from error  # fmt: skip
    chosen = columns.within(plain, place)
    vector = columns.vector_among(lists, place)
    wanted = [one for one in (chosen.path, chosen.text, *parquet.sizes(plain)) if one]

    def pieces() -> Iterator[Piece]:
        row = 0
        select = [*dict.fromkeys([*wanted, vector])]
        for batch in table.search().select(select).to_batches(batch_size=PAGE):
            if batch.num_rows:
                rows = parquet.batch_vectors(batch, vector, place)
                yield parquet.batch_entries(batch, wanted, chosen, row), rows
                row += batch.num_rows

    base = None if "://" in database else Path(database or ".")
    where = place if "://" in place else str(Path(place).absolute())
    return Source(where if place.endswith(".lance") else f"{where}#{name}", count, base, pieces)
