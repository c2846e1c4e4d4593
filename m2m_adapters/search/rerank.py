"""Rerank the first hits of a search by a model that reads text and item together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from m2m_adapters.errors import UserError
from m2m_adapters.search.hits import Hits
from m2m_adapters.search.query import Query

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

FIRST = 50
"""Hits that are put into a new order."""


class Reranker:
    """Reranks hits by an adapter to a joint model; without one it changes nothing."""

    def __init__(self, adapter: Adapter | None) -> None:
        if adapter is not None:
            check_reranker(adapter)
        self.adapter = adapter

    def deep(self, k: int) -> int:
        """How many hits must be there to choose ``k``."""
        return k if self.adapter is None else max(k, FIRST)

    def order(self, answers: Sequence[Hits], queries: Sequence[Query], k: int) -> list[Hits]:
        if self.adapter is None:
            return list(answers)
        return rerank(answers, queries, self.adapter, k)


def check_reranker(adapter: Adapter) -> None:
    if not adapter.target.can("score"):
        raise UserError(
            f"{adapter.record.target.name or 'the target'} does not score pairs of texts and items",
            "re-rank with an adapter to a joint model, such as joint:ORG/MODEL",
        )


def rerank(
    answers: Sequence[Hits], queries: Sequence[Query], adapter: Adapter, k: int, first: int = FIRST
) -> list[Hits]:
    """The ``k`` best of the ``first`` hits of each query, by the adapter's scores.

    Only queries of one text are re-ranked, and only whole items of the adapter's modality; the
    others keep their order after them. adapter: one whose target scores pairs.
    """
    check_reranker(adapter)
    return [
        _reordered(answer, query, adapter, k, first)
        for answer, query in zip(answers, queries, strict=True)
    ]


def _reordered(answer: Hits, query: Query, adapter: Adapter, k: int, first: int) -> Hits:
    text = query.terms[0].text if len(query.terms) == 1 else None
    hits = list(answer)
    known = [
        hit for hit in hits[:first] if hit.item.modality == adapter.modality and hit.start is None
    ]
    if text is not None and known:
        scores = adapter.score([text] * len(known), [hit.path for hit in known])
        order = sorted(range(len(known)), key=lambda at: -float(scores[at]))
        best = [replace(known[at], score=float(scores[at])) for at in order]
        hits = [*best, *(hit for hit in hits if hit not in known)]
    return Hits(answer.query, hits[:k], answer.indexes)
