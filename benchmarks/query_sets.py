"""Queries in many languages and the items they belong to, as vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m2m_adapters.interfaces import Vectors, normalize


@dataclass
class QuerySet:
    """One test set: queries by language in the source's space, items in the target's."""

    queries: dict[str, Vectors]
    items: Vectors

    def ranks(self, projected: Vectors, bias: Vectors | None = None) -> np.ndarray:
        """Rank of each query's own item, from 0; a tie counts against."""
        scores = normalize(projected) @ normalize(self.items).T
        if bias is not None:
            scores = scores + bias
        own = np.diagonal(scores)[:, None]
        return (scores >= own).sum(1) - 1
