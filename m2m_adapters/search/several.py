"""Search in several indexes at once, of one target or of several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.load import LOAD_OPTIONS
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, without_precision
from m2m_adapters.search.bias import RowBias
from m2m_adapters.search.hits import Hit, Hits
from m2m_adapters.search.index import SEARCH_OPTIONS, Index
from m2m_adapters.search.query import Query
from m2m_adapters.search.towers import NATIVE

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter


def search_several(
    indexes: Sequence[Index],
    queries: Sequence[Query],
    k: int = 20,
    *,
    where: str | None = None,
    adapters: Sequence[Adapter | str] = (),
    bank: bool = True,
    language: str | None = None,
    **options: Any,
) -> list[Hits]:
    """The ``k`` best items over all indexes, for each query.

    adapters: each serves the indexes whose target it leads to; one that serves none is refused,
    and so are two for one index. ``native`` is for the indexes that no other one serves.
    bank: adapters' English banks, where they have one, correct the scores of texts.
    language: of texts, or ``"auto"``; for adapters with a table of languages.
    Scores of one target can be compared, so its indexes are merged by score; answers of
    different targets take turns.
    """
    refuse_typos(options, (*SEARCH_OPTIONS, *LOAD_OPTIONS), "search_several")
    refuse_repeated(indexes)
    chosen = _adapters_of(indexes, adapters, options)
    vectors = [
        index.encode(queries, adapter, language, **options)
        for index, adapter in zip(indexes, chosen)
    ]
    biases = [
        index.biases(queries, adapter, **options) if bank else None
        for index, adapter in zip(indexes, chosen)
    ]
    names = [query.name for query in queries]
    return nearest_in(indexes, vectors, k, names, where=where, biases=biases)


def nearest_in(
    indexes: Sequence[Index],
    vectors: Sequence[Vectors],
    k: int,
    names: Sequence[str],
    *,
    where: str | None = None,
    biases: Sequence[Sequence[RowBias | None] | None] | None = None,
) -> list[Hits]:
    """The ``k`` best items over all indexes for queries that are vectors already.

    vectors: for each index, float32 ``[len(names), dim]`` in the space of its target. biases: for
    each index, as :meth:`Index.biases` gives them.
    """
    groups: dict[str, list[list[Hits]]] = {}
    for index, rows, bias in zip(indexes, vectors, biases or [None] * len(indexes)):
        hits = index.nearest(rows, k, index.rows_where(where), names, bias)
        groups.setdefault(without_precision(index.record.target.fingerprint), []).append(hits)
    by_folder = {str(index.folder): index for index in indexes}
    answers = []
    for at, name in enumerate(names):
        ranked = [
            sorted((hit for answer in group for hit in answer[at]), key=lambda hit: -hit.score)[:k]
            for group in groups.values()
        ]
        answers.append(Hits(name, _in_turns(ranked)[:k], by_folder))
    return answers


def _in_turns(ranked: Sequence[Sequence[Hit]]) -> list[Hit]:
    return [hit for row in zip_longest(*ranked) for hit in row if hit is not None]


def _adapters_of(
    indexes: Sequence[Index], adapters: Sequence[Adapter | str], options: dict[str, Any]
) -> list[Adapter | str | None]:
    """The adapter of each index; None for the recorded one or the target's own tower."""
    chosen: list[Adapter | str | None] = [None] * len(indexes)
    for adapter in adapters:
        if adapter == NATIVE:
            continue
        for place in served_by(adapter, indexes, **options):
            if chosen[place] is not None:
                raise _two_for_one(indexes[place], chosen[place], adapter)
            chosen[place] = adapter
    if NATIVE in adapters:
        if None not in chosen:
            raise _two_for_one(indexes[0], chosen[0], NATIVE)
        chosen = [NATIVE if one is None else one for one in chosen]
    return chosen


def _two_for_one(index: Index, one: object, other: object) -> UserError:
    return UserError(
        f"{_called(one)} and {_called(other)} are both for the index {index.folder}",
        "choose one of them",
    )


def _called(adapter: object) -> str:
    return getattr(adapter, "name", None) or str(adapter)


def refuse_repeated(indexes: Sequence[Index]) -> None:
    """Refuse an index that is there twice, also by another name of its folder."""
    if len({index.folder.resolve() for index in indexes}) < len(indexes):
        raise UserError("an index is named twice", "name each folder once")


def served_by(adapter: Adapter | str, indexes: Sequence[Index], **options: Any) -> list[int]:
    """Positions of the indexes with the adapter's target; an adapter without any is refused."""
    places: list[int] = []
    refusals: list[UserError] = []
    for place, index in enumerate(indexes):
        try:
            index.queries(adapter, **options)
            places.append(place)
        except UserError as error:
            refusals.append(error)
    if refusals and not places:
        raise refusals[0]
    return places
