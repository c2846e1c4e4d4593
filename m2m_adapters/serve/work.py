"""What the worker's thread does: encode the texts of all jobs at once, then search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from m2m_adapters.errors import M2MError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.bias import RowBias
from m2m_adapters.search.hits import Hits
from m2m_adapters.search.query import Query, combined
from m2m_adapters.search.several import nearest_in
from m2m_adapters.search.towers import NATIVE
from m2m_adapters.serve.holdings import Held, Space

Side = tuple[int, str, str | None]
"""Space (its id), adapter and chosen language: how a text is encoded."""


@dataclass(frozen=True)
class TextsJob:
    """Texts to encode. adapter: a name, or ``native``."""

    space: Space
    adapter: str
    texts: Sequence[str]
    language: str | None = None


@dataclass(frozen=True)
class ItemsJob:
    """Pictures or sounds to encode, as bytes. adapter: whose source hears them as spoken sentences;
    without it they are items of the target."""

    space: Space
    items: Sequence[bytes]
    adapter: str | None = None


@dataclass(frozen=True)
class SearchJob:
    """A query to some indexes.

    sides, queries: for each index what encodes texts, and the query with everything but its
    texts as vectors of the index's space. language: of the texts, if the client has chosen one.
    """

    indexes: Sequence[Held]
    sides: Sequence[str]
    queries: Sequence[Query]
    k: int
    where: str | None
    language: str | None = None


def cost(job: TextsJob | SearchJob) -> int:
    return len(job.texts) if isinstance(job, TextsJob) else 1


def encode_items(jobs: Sequence[ItemsJob]) -> list[Any]:
    """For each job its vectors, or why it failed."""

    def one(job: ItemsJob) -> Any:
        try:
            if job.adapter is not None:
                return job.space.encode_speech(job.adapter, job.items)
            return job.space.encode_items(job.items)
        except M2MError as error:
            return error

    return [one(job) for job in jobs]


def answer(jobs: Sequence[TextsJob | SearchJob]) -> list[Any]:
    """For each job its answer, or why it failed: vectors for texts, hits for a search."""
    encoded = _Encoded(jobs)
    answers: list[Any] = [None] * len(jobs)
    alike: dict[Any, list[int]] = defaultdict(list)  # searches that one call answers
    for at, job in enumerate(jobs):
        if isinstance(job, TextsJob):
            answers[at] = _attempt(
                lambda job=job: encoded.vectors(job.space, job.adapter, job.language, job.texts)
            )
        else:
            # By identity: of one name there are two while a newer generation takes over.
            indexes = tuple(id(held.index) for held in job.indexes)
            alike[indexes, job.k, job.where].append(at)
    for places in alike.values():
        for at, hits in zip(places, _searched([jobs[at] for at in places], encoded)):
            answers[at] = hits
    return answers


class _Encoded:
    """The texts of all jobs, each encoded once for each side."""

    def __init__(self, jobs: Sequence[TextsJob | SearchJob]) -> None:
        self._spaces: dict[Side, Space] = {}
        texts: dict[Side, dict[str, int]] = defaultdict(dict)
        for job in jobs:
            for space, adapter, wanted in _wanted(job):
                side = (id(space), adapter, job.language)
                self._spaces[side] = space
                for text in wanted:
                    texts[side].setdefault(text, len(texts[side]))
        self._places = texts
        self._rows = {side: self._encode(side, list(rows)) for side, rows in texts.items()}

    def _encode(self, side: Side, texts: list[str]) -> Vectors | M2MError:
        try:
            return self._spaces[side].encode_texts(side[1], texts, side[2])
        except M2MError as error:
            return error

    def vectors(
        self, space: Space, adapter: str, language: str | None, texts: Sequence[str]
    ) -> Vectors:
        side = (id(space), adapter, language)
        rows, places = self._rows[side], self._places[side]
        if isinstance(rows, M2MError):
            raise rows
        chosen: Vectors = rows[[places[text] for text in texts]]
        return chosen


def _wanted(job: TextsJob | SearchJob) -> list[tuple[Space, str, Sequence[str]]]:
    if isinstance(job, TextsJob):
        return [(job.space, job.adapter, job.texts)]
    texts = [term.text for term in job.queries[0].terms if term.text is not None]
    if not texts:
        return []
    return [(held.space, side, texts) for held, side in zip(job.indexes, job.sides)]


def _searched(jobs: Sequence[Any], encoded: _Encoded) -> list[Hits | M2MError]:
    """Searches in the same indexes with the same k and filter."""
    answers: list[Any] = [_attempt(_query_vectors, job, encoded) for job in jobs]
    good = [at for at, asked in enumerate(answers) if not isinstance(asked, M2MError)]
    if not good:
        return answers
    first = jobs[0]
    places = range(len(first.indexes))
    stacked = [np.stack([answers[at][0][place] for at in good]) for place in places]
    biases = [[answers[at][1][place] for at in good] for place in places]
    names = [jobs[at].queries[0].name for at in good]
    indexes = [held.index for held in first.indexes]
    hits = _attempt(nearest_in, indexes, stacked, first.k, names, where=first.where, biases=biases)
    for place, at in enumerate(good):
        answers[at] = hits if isinstance(hits, M2MError) else hits[place]
    return answers


def _query_vectors(job: SearchJob, encoded: _Encoded) -> tuple[list[Vectors], list[RowBias | None]]:
    """For each index of a query its vector, and the bias of the rows."""
    known: dict[Side, Vectors] = {}
    vectors: list[Vectors] = []
    biases: list[RowBias | None] = []
    for held, adapter, query in zip(job.indexes, job.sides, job.queries):
        side = (id(held.space), adapter, job.language)
        if side not in known:
            texts = partial(encoded.vectors, held.space, adapter, job.language)
            known[side] = combined([query], texts, _no_items, held.space.dim)[0]
        vectors.append(known[side])
        biases += held.index.biases([query], held.space.adapters.get(adapter, NATIVE))
    return vectors, biases


def _no_items(items: list[Any]) -> Vectors:
    raise AssertionError("items are encoded before a search waits")


def _attempt(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    try:
        return call(*arguments, **named)
    except M2MError as error:
        return error
