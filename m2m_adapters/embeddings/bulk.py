"""A whole corpus, or a folder of items, into a dataset of vectors; what is there stays."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters._internal.media import item_files
from m2m_adapters._internal.progress import Progress, progress_for
from m2m_adapters._internal.user_folders import expanded
from m2m_adapters.artifact.resolve import resolve_encoder
from m2m_adapters.corpus.sentences import every_sentence
from m2m_adapters.embeddings.dataset import (
    About,
    Block,
    Dataset,
    blocks,
    open_dataset,
    pyarrow_modules,
)
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

ENGINES = ("local", "ray")
PARTS_AT_ONCE = 16


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
    def kind(self) -> str:
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


@dataclass(frozen=True)
class Embedded:
    """rows: of the dataset. encoded: of them now; the others were there already.

    tokens: of texts that were encoded on this machine, where the encoder tells them.
    """

    out: str
    rows: int
    encoded: int
    dim: int
    seconds: float
    tokens: int = 0


def embed_dataset(
    name: str,
    corpus: str | Path,
    out: str | Path,
    *,
    items: bool = False,
    column: str | None = None,
    max_rows: int | None = None,
    engine: str = "local",
    ray_address: str | None = None,
    workers: int | None = None,
    store: Store | bool = True,
    progress: Progress | bool | None = None,
    model_options: dict[str, Any] | None = None,
    skip_bad: bool = False,
) -> Embedded:
    """Write the vector of every row of ``corpus`` to the parquet dataset ``out``, exactly once.

    name: a source, a target (its text tower, or with ``items`` its other one), an adapter's
    folder or name, or ``ORG/NAME`` on the hub.
    engine: ``local``, through the store; ``ray`` spreads the blocks over a cluster's machines.
    skip_bad: items that cannot be read have no vector (null), instead of stopping the work.
    Run again after a crash, it continues where it stopped.
    """
    if engine not in ENGINES:
        raise UserError(f"there is no engine '{engine}'", f"use {' or '.join(ENGINES)}")
    if engine == "local" and (ray_address is not None or workers is not None):
        raise UserError("--ray-address and --workers belong to --engine ray", "add --engine ray")
    if skip_bad and not items:
        raise UserError("--skip-bad is about items", "add --items, or leave it out")
    # Other processes may run in other folders.
    name, where = _absolute(name), _absolute(corpus)
    into = str(out) if "://" in str(out) else str(Path(out).expanduser().resolve())
    work = Work(name, where, into, items, column, max_rows, model_options, skip_bad)
    bar = progress if isinstance(progress, Progress) else progress_for(progress)
    began, tokens = time.perf_counter(), 0
    if engine == "ray":
        from m2m_adapters.embeddings.ray import embed_with_ray

        rows, encoded = embed_with_ray(work, ray_address, workers, bar)
    else:
        kept = store if isinstance(store, Store) else Store() if store else None
        rows, encoded, tokens = _locally(work, kept, bar)
    if not rows:
        raise UserError(f"{corpus} holds no row", "give texts, one a line, or items")
    dataset = Dataset(out)
    dataset.finish(rows)
    about = dataset.about
    assert about is not None
    return Embedded(str(out), rows, encoded, about.dim, time.perf_counter() - began, tokens)


def _absolute(given: str | Path) -> str:
    if "://" in str(given) or str(given) == "-":
        return str(given)
    path = Path(given).expanduser()
    try:
        return str(path.resolve()) if path.exists() else str(given)
    except OSError:
        return str(given)


def _locally(work: Work, store: Store | None, bar: Progress) -> tuple[int, int, int]:
    with bar.stage("load", None):
        embedder = Embedder(work, store)
    dataset = Dataset(work.out)
    parts: dict[int, str] | None = None
    rows = encoded = 0
    with bar.stage("encode", None, "rows") as done:
        for block in work.blocks():
            if parts is None:  # not before there is a row: nothing is left by a bad corpus
                dataset.begin(embedder.about)
                parts = dataset.parts()
            if not dataset.has(block, parts):
                dataset.write(block, embedder.encode(block.rows), work.kind)
                encoded += len(block.rows)
                if rate := embedder.speed.to_dict().get("tokens_per_second"):
                    bar.note(f"{rate:,.0f} tokens/s")
            rows += len(block.rows)
            done(rows)
    return rows, encoded, embedder.speed.tokens


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
        found = ds.dataset(path, filesystem=filesystem, format="parquet")
        texty = [
            f.name
            for f in found.schema
            if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)
        ]
        chosen = choose_column(texty, column, address)
        for batch in found.to_batches(columns=[chosen], batch_size=8192):
            yield from (clean(text or "") for text in batch.column(0).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"cannot read {address}: {str(error).splitlines()[0]}",
            "give a file or folder of parquet files",
        ) from error


def add_to_store(place: str | Path, store: Store) -> tuple[int, int]:
    """Put a dataset's texts and vectors into the store; (rows read, vectors that were new)."""
    dataset, about = open_dataset(place)
    if about.kind != "text":
        raise UserError(f"{place} holds items, the store holds texts", "give a dataset of texts")
    shelf = store.shelf_of(about.fingerprint, about.dim)
    if shelf is None:
        raise UserError(
            f"{place} was made by an encoder that cannot be told exactly from others",
            "give the encoder a fingerprint of its own",
        )
    before, rows = len(shelf), 0
    coming = dataset.read()
    while some := list(itertools.islice(coming, PARTS_AT_ONCE)):
        texts = [text for part, _ in some for text in part]
        shelf.add(texts, np.concatenate([vectors for _, vectors in some]))
        rows += len(texts)
    return rows, len(shelf) - before
