"""Rows nearest to a query: exact or approximate; under a filter, whichever loses no answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from m2m_adapters.interfaces import Vectors
from m2m_adapters.search import faiss_files

Rows = npt.NDArray[np.int64]
"""int64 ``[n]``, sorted: rows of an index that a filter keeps."""

SCANNED_ROWS = 20_000
"""So few rows are scanned exactly whatever else could be done: it takes milliseconds."""
LOOKED_AT, COMPARED = 0.03, 0.3
"""Costs of a row in a probed list, in those of a row that is copied out and scanned: to see that a
filter leaves it out, and to compare it."""
GATHERED_PART = 0.1
"""Of a flat index, less than this part is copied out and scanned; more is scanned in place."""
ROWS_AT_ONCE = 65_536
RESCORED = 2
"""Times as many rows as were asked for are compared again."""
MANY = 32
"""From so many queries on, rows are decoded once for all of them."""


class Engine(Protocol):
    """The interface of what stores and searches an index's vectors.

    search: float32 ``[q, dim]`` queries -> scores float32 ``[q, k]`` and rows int64 ``[q, k]``,
    best first, -1 where there are fewer. kept: only these rows.
    """

    rows: int

    def search(self, queries: Vectors, k: int, kept: Rows | None = None) -> tuple[Vectors, Rows]:
        """The ``k`` best rows of each query."""

    def vectors(self, rows: Rows) -> Vectors:
        """float32 ``[len(rows), dim]`` as they are stored."""


class FaissEngine:
    """fp16 rows, and above a size lists of 8-bit rows beside them.

    rescored: the best of the 8-bit rows are compared again by their fp16 rows.
    """

    def __init__(self, flat: Any, ivf: Any = None, nprobe: int = 0, rescored: bool = False) -> None:
        self._flat, self._ivf, self.nprobe, self.rescored = flat, ivf, nprobe, rescored
        self._plain: Any = None
        self.rows = int(flat.ntotal)
        self.columns = int(flat.d)

    @classmethod
    def open(
        cls, flat: Path, ivf: Path | None = None, nprobe: int = 0, rescored: bool = False
    ) -> FaissEngine:
        """From files, by memory map."""
        lists = faiss_files.open_mapped(ivf, lists=True) if ivf is not None else None
        return cls(faiss_files.open_mapped(flat), lists, nprobe, rescored)

    def vectors(self, rows: Rows) -> Vectors:
        return faiss_files.as_vectors(faiss_files.codes(self._flat)[rows])

    def search(self, queries: Vectors, k: int, kept: Rows | None = None) -> tuple[Vectors, Rows]:
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if kept is not None and len(kept) == self.rows:
            kept = None
        wanted = min(k, self.rows if kept is None else len(kept))
        if wanted == 0 or not len(queries):
            return empty(len(queries), k)
        return padded(*self._search(queries, wanted, kept), k)

    def _search(self, queries: Vectors, k: int, kept: Rows | None) -> tuple[Vectors, Rows]:
        if kept is None:
            if self._ivf is not None:
                return self._probe(queries, k, self.nprobe, None)
            if len(queries) >= MANY:
                return self._scan(queries, k, None)
            return self._as_arrays(self._flat.search(queries, k))
        if self._ivf is None:
            if len(queries) >= MANY or len(kept) < GATHERED_PART * self.rows:
                return self._scan(queries, k, kept)
            faiss = faiss_files.load_faiss()
            parameters = faiss.SearchParameters(sel=self._selector(kept))
            return self._as_arrays(self._flat.search(queries, k, params=parameters))
        # The best k of the kept rows lie about as deep as the best k / part of all of them.
        part = len(kept) / self.rows
        nprobe = min(int(self._ivf.nlist), math.ceil(self.nprobe / part))
        probed = self.rows * nprobe / self._ivf.nlist
        cheap = len(kept) <= probed * (LOOKED_AT + COMPARED * part)
        if cheap or len(kept) <= max(SCANNED_ROWS, 4 * k):
            return self._scan(queries, k, kept)
        scores, rows = self._probe(queries, k, nprobe, self._selector(kept))
        if (rows < 0).any():  # the lists that were probed hold fewer than k of the kept rows
            return self._scan(queries, k, kept)
        return scores, rows

    def _probe(self, queries: Vectors, k: int, nprobe: int, selector: Any) -> tuple[Vectors, Rows]:
        parameters = self._parameters(nprobe, selector)
        if not self.rescored:
            scores, rows = self._ivf.search(queries, k, params=parameters)
            return scores, rows
        wanted = min(RESCORED * k, self.rows)
        rows = self._as_arrays(self._ivf.search(queries, wanted, params=parameters))[1]
        stored = self.vectors(np.maximum(rows, 0).ravel()).reshape(*rows.shape, self.columns)
        scores = np.einsum("qkd,qd->qk", stored, queries)
        return best([(scores, rows)], k)

    def _parameters(self, nprobe: int, selector: Any) -> Any:
        """Parameters of a search in lists; those without a filter are cached."""
        if selector is None and self._plain is not None and self._plain.nprobe == nprobe:
            return self._plain
        parameters = faiss_files.load_faiss().SearchParametersIVF(nprobe=nprobe)
        if selector is None:
            self._plain = parameters
        else:
            parameters.sel = selector
        return parameters

    def _scan(self, queries: Vectors, k: int, kept: Rows | None) -> tuple[Vectors, Rows]:
        """Exact search of the kept rows (all without a filter), piece by piece."""
        faiss = faiss_files.load_faiss()
        stored = faiss_files.codes(self._flat)
        total = self.rows if kept is None else len(kept)
        parts: list[tuple[Vectors, Rows]] = []
        for start in range(0, total, ROWS_AT_ONCE):
            end = min(total, start + ROWS_AT_ONCE)
            piece = np.arange(start, end) if kept is None else kept[start:end]
            rows = stored[start:end] if kept is None else stored[piece]
            best_of = min(k, len(piece))
            if len(queries) >= MANY:
                vectors = faiss_files.as_vectors(rows)
                answer = faiss.knn(queries, vectors, best_of, metric=faiss.METRIC_INNER_PRODUCT)
            else:
                index = faiss_files.flat(self.columns)
                faiss_files.add_codes(index, rows)
                with faiss_files.one_thread():
                    answer = index.search(queries, best_of)
            scores, places = self._as_arrays(answer)
            parts.append((scores, np.where(places < 0, -1, piece[places])))
            if len(parts) > 8:  # of large indexes only the best so far are kept
                parts = [best(parts, k)]
        return best(parts, k)

    def _selector(self, kept: Rows) -> Any:
        faiss = faiss_files.load_faiss()
        bits = np.zeros(self.rows, bool)
        bits[kept] = True
        return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))

    @staticmethod
    def _as_arrays(answer: tuple[Any, Any]) -> tuple[Vectors, Rows]:
        return np.asarray(answer[0], np.float32), np.asarray(answer[1], np.int64)


def best(parts: list[tuple[Vectors, Rows]], k: int) -> tuple[Vectors, Rows]:
    """The ``k`` best of several answers to the same queries; equal scores by row."""
    scores = np.hstack([part[0] for part in parts])
    rows = np.hstack([part[1] for part in parts])
    scores = np.where(rows < 0, -np.inf, scores)
    order = np.lexsort((rows, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def empty(queries: int, k: int) -> tuple[Vectors, Rows]:
    """Answers without any row: scores -inf, rows -1."""
    shape = (queries, k)
    return np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64)


def padded(scores: Vectors, rows: Rows, k: int) -> tuple[Vectors, Rows]:
    """Answers padded to ``k`` columns with those of :func:`empty`."""
    missing = k - scores.shape[1]
    if missing <= 0:
        return scores, rows
    more_scores, more_rows = empty(len(scores), missing)
    return np.hstack([scores, more_scores]), np.hstack([rows, more_rows])
