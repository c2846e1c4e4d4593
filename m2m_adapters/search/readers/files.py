"""Vectors in files: arrays, parquet, clip-retrieval, datasets of `m2m embed`, faiss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m2m_adapters.embeddings import dataset, vector_pairs
from m2m_adapters.errors import UserError
from m2m_adapters.search import faiss_files
from m2m_adapters.search.readers.entries import BLOCK, Columns, Entry, Piece, Source, as_rows
from m2m_adapters.search.readers.id_files import Named
from m2m_adapters.search.readers.parquet import numbered, read_parquet, rows_of

EMBEDDINGS = ("img_emb", "audio_emb", "emb")
"""Folders of vectors that clip-retrieval and its like write beside ``metadata``."""


def array_file(path: Path, ids: Path | None, columns: Columns) -> Source:
    """A .npy (mapped), .npz or .safetensors file."""
    tables = vector_pairs.arrays(path)
    table = tables[columns.vector_among(list(tables), path)]
    if len(table.shape) != 2:
        raise UserError(f"{path} holds an array of shape {list(table.shape)}, not rows of vectors",
                        "give a table with one vector in each row")  # fmt: skip

    def pieces() -> Iterator[Piece]:
        named = Named(ids, columns)
        for start in range(0, len(table), BLOCK):
            rows = as_rows(table[start : start + BLOCK], path)
            yield named.take(len(rows)), rows
        named.finish()

    return Source(str(path.absolute()), len(table), (ids or path).parent, pieces)


def parquet_files(files: Sequence[Path], ids: Path | None, columns: Columns) -> Source:
    """One parquet file or several, with a column of vectors."""
    place = files[0] if len(files) == 1 else files[0].parent

    def pieces() -> Iterator[Piece]:
        named = Named(ids, columns) if ids is not None else None
        row = 0
        for path in files:
            for entries, rows in read_parquet(path, columns, row):
                row += len(rows)
                yield entries if named is None else named.take(len(rows)), rows
        if named is not None:
            named.finish()

    total = sum(rows_of(path) for path in files)
    return Source(str(place.absolute()), total, (ids or files[0]).parent, pieces)


def clip_retrieval(folder: Path, columns: Columns) -> Source | None:
    """``img_emb/*.npy`` with ``metadata/*.parquet``, paired by their order; None for others."""
    inside = next((folder / name for name in EMBEDDINGS if (folder / name).is_dir()), None)
    if inside is None:
        return None
    arrays = numbered(inside, ".npy")
    tables: list[Path] = []
    if (folder / "metadata").is_dir():
        tables = numbered(folder / "metadata", ".parquet")
    if not arrays or (tables and len(tables) != len(arrays)):
        raise UserError(
            f"{folder} holds {len(arrays)} files of vectors and {len(tables)} of metadata",
            "each img_emb/img_emb_N.npy needs its metadata/metadata_N.parquet",
        )
    named: list[Path | None] = [*tables] or [None] * len(arrays)
    sources = [array_file(array, ids, columns) for array, ids in zip(arrays, named)]

    def pieces() -> Iterator[Piece]:
        row = 0
        for source in sources:
            for entries, rows in source.pieces():
                yield entries if tables else [Entry(str(row + i)) for i in range(len(rows))], rows
                row += len(rows)

    total = sum(source.rows or 0 for source in sources)
    return Source(str(folder.absolute()), total, folder, pieces)


def is_embedded(folder: Path) -> bool:
    """Whether ``m2m embed`` wrote this folder."""
    return (folder / dataset.ABOUT).is_file()


def embedded(place: str) -> Source:
    """A dataset of `m2m embed --items`: a folder, or one of an object store (``s3://...``)."""
    opened, about = dataset.open_dataset(place)
    if about.kind != "item":
        raise UserError(
            f"{place} contains vectors of texts, not of items",
            "give a dataset of `m2m embed --items`",
        )

    def pieces() -> Iterator[Piece]:
        for names, rows in opened.read():
            yield [Entry(name) for name in names], as_rows(rows, place)

    base = None if "://" in place else Path(place)
    where = place if base is None else str(base.absolute())
    return Source(where, about.rows, base, pieces, about.fingerprint)


def faiss_file(path: Path, ids: Path | None, columns: Columns) -> Source:
    """A faiss index of any kind that gives its vectors back."""
    faiss = faiss_files.load_faiss()
    index = faiss_files.read(path, faiss.IO_FLAG_MMAP_IFC, remedy="give a faiss index")
    numbers: Any = None
    if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
        numbers = faiss.vector_to_array(index.id_map)
        outer, index = index, faiss.downcast_index(index.index)
        index.m2m_owner = outer  # the inner index lives as long as the outer one
    try:
        faiss.extract_index_ivf(index).make_direct_map()
    except RuntimeError:  # not an index of lists
        pass

    def pieces() -> Iterator[Piece]:
        named = Named(ids, columns)
        for start in range(0, index.ntotal, BLOCK):
            count = min(BLOCK, index.ntotal - start)
            try:
                rows = index.reconstruct_n(start, count)
            except RuntimeError as error:
                raise UserError(
                    f"the faiss index {path} ({type(index).__name__}) does not store the original "
                    "vectors", "give the vectors it was built from"
                ) from error  # fmt: skip
            known = None if numbers is None else numbers[start : start + count]
            yield named.take(count, known), as_rows(rows, path)
        named.finish()

    return Source(str(path.absolute()), int(index.ntotal), (ids or path).parent, pieces)
