"""What engines have in common whose rows are held, and searched, by a database."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.engine import Rows, empty

LISTED = 10_000
"""A filter that keeps more rows is applied to the answers instead of being sent."""

RowHits = list[tuple[float, int]]
"""(score, row) of the answers to a query, best first."""


class DatabaseEngine(ABC):
    """An :class:`Engine` that sends queries, and the rows that a filter keeps, to a database."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    @abstractmethod
    def _ask(self, queries: Vectors, limit: int, kept: Rows | None) -> tuple[list[RowHits], bool]:
        """The best rows of each query, and whether there may be more of them."""

    @abstractmethod
    def vectors(self, rows: Rows) -> Vectors:
        """float32 ``[len(rows), columns]`` as they are stored."""

    def search(self, queries: Vectors, k: int, kept: Rows | None = None) -> tuple[Vectors, Rows]:
        scores, rows = empty(len(queries), k)
        there = self.rows if kept is None else len(kept)
        if min(k, there) and len(queries):
            for at, hits in enumerate(self._best(queries, min(k, there), kept)):
                for place, (score, row) in enumerate(hits[:k]):
                    scores[at, place], rows[at, place] = score, row
        return scores, rows

    def _best(self, queries: Vectors, wanted: int, kept: Rows | None) -> list[RowHits]:
        """At least ``wanted`` kept rows for each query."""
        if kept is None or len(kept) <= LISTED:
            listed, beyond, limit = kept, None, wanted
        else:  # too many to name: ask for more, and keep what the filter keeps
            limit = min(self.rows, math.ceil(2 * wanted * self.rows / len(kept)))
            listed, beyond = None, kept
        while True:
            hits_by_query, more = self._ask(queries, limit, listed)
            if beyond is not None:
                hits_by_query = [
                    [hit for hit in hits if _among(hit[1], beyond)] for hits in hits_by_query
                ]
            if not more or min(map(len, hits_by_query)) >= wanted:
                return hits_by_query
            limit *= 4  # a filter, or points that came later, took too many places


def _among(row: int, kept: Rows) -> bool:
    at = int(np.searchsorted(kept, row))
    return at < len(kept) and int(kept[at]) == row
