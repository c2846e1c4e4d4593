"""``POST /search``: texts, items, pictures, sounds and vectors in, hits out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import SPEECH_SOURCES
from m2m_adapters.search.hits import Hit, Hits
from m2m_adapters.search.query import Query, Term, parse
from m2m_adapters.search.towers import NATIVE
from m2m_adapters.serve import language, replies
from m2m_adapters.serve.bodies import HitBody, SearchBody, TermBody, decoded
from m2m_adapters.serve.data import bytes_of
from m2m_adapters.serve.holdings import Held, Holdings, Space
from m2m_adapters.serve.limits import Limits
from m2m_adapters.serve.work import ItemsJob, SearchJob
from m2m_adapters.serve.worker import Worker

MODALITIES = {"image": "image", "sound": "audio"}


@dataclass
class SearchRoute:
    holdings: Holdings
    texts: Worker[Any]
    items: Worker[ItemsJob]
    limits: Limits

    async def answer(self, request: Request) -> Response:
        start = time.perf_counter()
        body = decoded(await request.body(), SearchBody)
        hits, read, indexes, asked = await replies.within(self.limits.seconds, self._answer(body))
        return replies.json(
            {
                "hits": _described(hits, indexes),
                "language": read,
                "adapter": body.adapter or (asked[0] if len(set(asked)) == 1 else None),
                "milliseconds": round(1000 * (time.perf_counter() - start), 3),
            }
        )

    async def _answer(
        self, body: SearchBody
    ) -> tuple[Hits, language.Detected | None, Sequence[Held], Sequence[str]]:
        query = parse(body.query) if isinstance(body.query, str) else None
        terms = [] if isinstance(body.query, str) else [_checked(term) for term in body.query]
        if any(term.speech is not None for term in terms):  # a source may have to be loaded
            indexes, sides = await asyncio.to_thread(self._asked, body, terms)
        else:
            indexes, sides = self._asked(body, terms)
        queries = [query] * len(indexes) if query else await self._queries(terms, indexes, sides)
        chosen = language.named(body.language) if body.language else None
        tag = chosen.tag if chosen is not None else None
        job = SearchJob(indexes, sides, queries, body.k, body.where or None, tag)
        (answer,) = self.texts.submit(job)
        read = chosen or _language(body)  # while the worker encodes
        return await answer, read, indexes, sides

    def _asked(self, body: SearchBody, terms: Sequence[TermBody]) -> tuple[list[Held], list[str]]:
        """The indexes that a query goes to, and what encodes its texts for each."""
        chosen = [held for held in self.holdings.chosen(body.index) if _fits(held, terms, self)]
        if not chosen:
            raise UserError(
                "no chosen index can be searched with these terms together",
                "use pictures on indexes of pictures, sounds on sounds, items on their own space",
            )
        served = self._served(chosen, body.adapter)
        if any(term.speech is not None for term in terms):
            served = _hearing(served)
        return [held for held, _ in served], [side for _, side in served]

    def _served(self, chosen: Sequence[Held], adapter: str | None) -> list[tuple[Held, str]]:
        """The indexes that an adapter serves, with what encodes texts for each."""
        sides = [(held, self.holdings.side(held, adapter)) for held in chosen]
        served = [(held, side) for held, side in sides if side is not None]
        if not served:
            names = ", ".join(dict.fromkeys(n for held in chosen for n in held.space.adapters))
            raise UserError(
                f"no chosen index has an adapter '{(adapter or '')[:80]}'",
                f"choose one of {names or 'none'}, or {NATIVE}",
            )
        return served

    async def _queries(
        self, terms: Sequence[TermBody], indexes: Sequence[Held], sides: Sequence[str]
    ) -> list[Query]:
        """For each index the query, with everything but texts as vectors of its space."""
        known: dict[int, Query] = {}
        name = " ".join(term.text or "an item" for term in terms)
        for held, side in zip(indexes, sides):  # indexes of one space are asked by one adapter
            if id(held.space) not in known:
                encoded = await self._terms(terms, held.space, side)
                known[id(held.space)] = Query(name, tuple(encoded))
        return [known[id(held.space)] for held in indexes]

    async def _terms(self, terms: Sequence[TermBody], space: Space, side: str) -> list[Term]:
        shown = _brought(terms, *MODALITIES)
        spoken = _brought(terms, "speech")
        encoded = [await self._term(term) for term in terms]
        for brought, adapter in ((shown, None), (spoken, side)):
            if brought:
                (vectors,) = await self.items.do(ItemsJob(space, list(brought.values()), adapter))
                for at, vector in zip(brought, vectors):
                    encoded[at] = replace(encoded[at], vector=vector)
        return encoded

    async def _term(self, term: TermBody) -> Term:
        if term.item is not None:  # read from disk
            held = self.holdings.index(term.index or "")
            number = held.number_of(term.item)
            vector = await asyncio.to_thread(held.item_vector, number)
            return Term(term.weight, vector=vector)
        # That it was spoken is kept: the bias of the rows is for texts, written or spoken.
        return Term(term.weight, text=term.text, vector=term.vector, speech=term.speech)


def _hearing(served: list[tuple[Held, str]]) -> list[tuple[Held, str]]:
    """The indexes whose adapter takes speech, with the adapter."""
    hearing = [(held, side) for held, side in served if held.space.takes_speech(side)]
    if not hearing:
        raise AbilityMissing("no chosen adapter takes speech", SPEECH_SOURCES)
    return hearing


def _brought(terms: Sequence[TermBody], *kinds: str) -> dict[int, bytes]:
    """The pictures and sounds of these kinds, by the place of their term."""
    return {
        at: bytes_of(address, f"the {kind} of a term")
        for at, term in enumerate(terms)
        for kind in kinds
        if (address := getattr(term, kind)) is not None
    }


def _described(hits: Hits, indexes: Sequence[Held]) -> list[HitBody]:
    by_folder = {str(held.index.folder): held for held in indexes}
    places = {folder: f"/items/{quote(held.name, safe='')}/" for folder, held in by_folder.items()}
    return [_hit(hit, by_folder[hit.index], places[hit.index]) for hit in hits]


def _hit(hit: Hit, held: Held, place: str) -> HitBody:
    item, name = hit.item, held.id_of(hit.number)
    url = place + name
    return HitBody(
        index=held.name, id=name, path=item.path, score=hit.score, modality=item.modality,
        thumbnail=f"{url}/thumbnail", url=url, second=hit.start, seconds=item.duration,
        width=item.width, height=item.height, bytes=item.size or None, date=item.date,
        text=item.text,
    )  # fmt: skip


def _checked(term: TermBody) -> TermBody:
    """A term with exactly one content."""
    held = [name for name in ("text", "item", "image", "sound", "speech", "vector")
            if getattr(term, name) is not None]  # fmt: skip
    if len(held) != 1:
        raise UserError(
            f"a term has {len(held)} of text, item, image, sound, speech and vector",
            "give one of them",
        )
    if (term.index is not None) != (term.item is not None):
        raise UserError("'item' and 'index' belong together", "give both or neither")
    if term.weight == 0:
        raise UserError("a term has weight 0", "leave the term out")
    if term.text is not None and not term.text.strip():
        raise UserError("the text of a term is empty", "leave the term out")
    if term.vector is not None and not 0 < math.hypot(*term.vector) < math.inf:
        raise UserError("a vector is zero or not finite", "give one with a direction")
    return term


def _fits(held: Held, terms: Sequence[TermBody], route: SearchRoute) -> bool:
    """Whether all of these can be terms of one query to an index."""
    for term in terms:
        if term.item is not None:
            if route.holdings.index(term.index or "").space is not held.space:
                return False
        elif term.vector is not None:
            if len(term.vector) != held.space.dim:
                return False
        else:
            for kind, modality in MODALITIES.items():
                if getattr(term, kind) is not None and held.space.modality != modality:
                    return False
    return True


def _language(body: SearchBody) -> language.Detected | None:
    if isinstance(body.query, str):
        return language.detect(body.query)
    return language.detect(" ".join(term.text for term in body.query if term.text))
