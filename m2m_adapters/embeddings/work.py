"""What to embed, as plain values, and the encoder that does it; on this machine or another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from m2m_adapters._internal.media import item_files
from m2m_adapters._internal.user_folders import expanded
from m2m_adapters.artifact.resolve import resolve_encoder
from m2m_adapters.corpus.sentences import every_sentence
from m2m_adapters.embeddings.dataset import About, Block, blocks, pyarrow_modules
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors


@dataclass(frozen=True)
class Work:
    """What to embed: plain values that another machine can act on.

    skip_bad: items that cannot be read get no vector, instead of stopping the work.
    """

    name: str
    corpus: str
    out: str
    items: bool = False
    column: str | None = None
    max_rows: int | None = None
    options: dict[str, Any] | None = None
    skip_bad: bool = False

    @property
    def kind(self) -> Literal["text", "item"]:
        return "item" if self.items else "text"

    def blocks(self) -> Iterator[Block]:
        """The corpus, block by block; rows answer to its lines, so nothing is dropped."""
        rows = self._items() if self.items else self._texts()
        return blocks(itertools.islice(rows, self.max_rows))

    def _items(self) -> Iterator[str]:
        return item_rows(self.corpus, self.column, resolve_encoder(self.name).modality)

    def _texts(self) -> Iterator[str]:
        if "://" in self.corpus:
            return _remote_rows(self.corpus, self.column)
        return every_sentence(self.corpus, column=self.column, wanted=self.max_rows)


class Embedder:
    """Encodes the rows of a :class:`Work`: texts through the store, items as they come."""

    def __init__(self, work: Work, store: Store | None = None) -> None:
        self._work = work
        self._named = resolve_encoder(work.name, **(work.options or {}))
        if work.items:
            self._named.need_items()
        self.encoder = self._named.text
        self._stored = StoredEncoder(self.encoder, store)
        self.speed = self._stored.speed
        self.about = About(
            work.name,
            self.encoder.fingerprint,
            self.encoder.dim,
            work.kind,
            self.encoder.normalized,
        )

    def encode(self, rows: list[str]) -> Vectors:
        """float32 ``[len(rows), dim]``; a row that appears twice is encoded once.

        The vector of an item that is left out is NaN.
        """
        unique = list(dict.fromkeys(rows))
        if self._work.items:
            encoded, vectors = self._named.encode_some_items(unique, skip_bad=self._work.skip_bad)
        else:
            encoded, vectors = unique, self._stored.embed(unique)
        place = {row: i for i, row in enumerate(encoded)}
        if len(encoded) < len(unique):
            vectors = np.vstack([vectors, np.full((1, self.encoder.dim), np.nan, np.float32)])
        return np.asarray(vectors[[place.get(row, -1) for row in rows]], dtype=np.float32)


def item_rows(corpus: str, column: str | None = None, modality: str | None = None) -> Iterator[str]:
    """Paths of items: the files of a folder, sorted, or those that a list names, one a line.

    modality: leaves out files of a folder that cannot be items of it.
    """
    path = expanded(corpus)
    if path.is_dir():
        yield from map(str, item_files(path, modality))
        return
    from m2m_adapters.corpus.files import expand, read_file

    for listing in expand(corpus):
        for line in read_file(listing, column):
            if line.strip():
                beside = listing.parent / line.strip()
                yield str(beside) if beside.exists() else line.strip()


def _remote_rows(address: str, column: str | None) -> Iterator[str]:
    """Texts of the parquet files at an address of an object store."""
    from m2m_adapters.corpus.sentences import clean
    from m2m_adapters.corpus.tables import choose_column

    pa, _, fs = pyarrow_modules()
    import pyarrow.dataset as ds

    try:
        filesystem, path = fs.FileSystem.from_uri(address)
        table = ds.dataset(path, filesystem=filesystem, format="parquet")
        text_columns = [
            f.name
            for f in table.schema
            if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
        ]
        chosen = choose_column(text_columns, column, address)
        for batch in table.to_batches(columns=[chosen], batch_size=8192):
            yield from (clean(text or "") for text in batch.column(0).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"cannot read {address}: {str(error).splitlines()[0]}",
            "give a file or folder of parquet files",
        ) from error
