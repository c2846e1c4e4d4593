"""faiss files of an index: written once, opened by memory map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

Codes = npt.NDArray[np.uint8]
"""uint8 ``[n, 2 * columns]``: rows of fp16 as a flat index holds them."""


def load_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UserError("search needs faiss", 'pip install "m2m-adapters[search]"') from error
    return faiss


@contextmanager
def one_thread() -> Iterator[None]:
    """Search in the calling thread alone: a team of threads slows short searches down.

    On a machine with other work a team of threads waits for the last of them, which was measured
    to take 60 ms where one thread takes 0.04 ms.
    """
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def flat(columns: int) -> Any:
    """An empty index of fp16 rows, compared by inner product, exactly."""
    faiss = load_faiss()
    index = faiss.IndexScalarQuantizer(
        columns, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.is_trained = True  # fp16 has nothing to train
    return index


def ivf(columns: int, lists: int) -> Any:
    """An empty, untrained index of ``lists`` lists of 8-bit rows."""
    faiss = load_faiss()
    return faiss.index_factory(columns, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)


def write_flat(path: Path, columns: int, pieces: Iterable[Codes]) -> int:
    """A flat index of the rows of ``pieces``, never whole in memory; returns their number.

    The file is that of an empty index with its two counts replaced (rows at byte 8, bytes of rows
    at the end of what an empty index is) and the rows behind it.
    """
    faiss = load_faiss()
    empty = faiss.serialize_index(flat(columns)).tobytes()
    rows = 0
    with open(path, "wb") as file:
        file.write(empty)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).data)
            rows += len(piece)
        file.seek(8)
        file.write(rows.to_bytes(8, "little"))
        file.seek(len(empty) - 8)
        file.write((rows * 2 * columns).to_bytes(8, "little"))
    return rows


def write(index: Any, path: Path) -> None:
    load_faiss().write_index(index, str(path))


def open_mapped(path: Path, *, lists: bool = False) -> Any:
    """The index in ``path`` without reading its vectors. lists: it has inverted lists."""
    faiss = load_faiss()
    flags = faiss.IO_FLAG_MMAP if lists else faiss.IO_FLAG_MMAP_IFC
    return read(path, flags)


def read(path: Path, flags: int = 0, *, remedy: str = "build the index again") -> Any:
    faiss = load_faiss()
    try:
        return faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError, ValueError) as error:
        words = " ".join(str(error).split())[-160:]
        raise UserError(
            f"{path} is not a faiss index that can be read ({words})", remedy
        ) from error


def codes(index: Any) -> Codes:
    """The rows of a flat index, without a copy; valid while ``index`` lives."""
    faiss = load_faiss()
    if not index.ntotal:
        return np.zeros((0, index.code_size), np.uint8)
    held = faiss.rev_swig_ptr(index.codes.data(), index.ntotal * index.code_size)
    return np.asarray(held).reshape(index.ntotal, index.code_size)


def as_codes(vectors: Vectors) -> Codes:
    """float32 ``[n, columns]`` -> fp16 rows as :func:`codes` gives them."""
    return np.ascontiguousarray(vectors, dtype="<f2").view(np.uint8).reshape(len(vectors), -1)


def as_vectors(rows: Codes) -> Vectors:
    """The inverse of :func:`as_codes`."""
    return np.ascontiguousarray(rows).view("<f2").astype(np.float32)


def add_codes(index: Any, rows: Codes) -> None:
    if len(rows):
        index.add_sa_codes(np.ascontiguousarray(rows))
