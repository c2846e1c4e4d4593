"""The ASGI application: routes, workers, and what starts and ends with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from m2m_adapters._internal.version import __version__
from m2m_adapters.serve import language, replies, work
from m2m_adapters.serve.embeddings_route import EmbeddingsRoute, models_of
from m2m_adapters.serve.guard import Guard
from m2m_adapters.serve.holdings import Holdings
from m2m_adapters.serve.item_routes import ItemRoutes
from m2m_adapters.serve.limits import Limits
from m2m_adapters.serve.metrics import Metrics
from m2m_adapters.serve.openapi import description
from m2m_adapters.serve.page import Pages
from m2m_adapters.serve.refresh import Refresher
from m2m_adapters.serve.search_route import SearchRoute
from m2m_adapters.serve.work import ItemsJob
from m2m_adapters.serve.worker import Worker

ITEMS_WAITING = 16
"""Requests with pictures or sounds that may wait: each holds its bytes in memory."""


REFRESH_SECONDS = 2.0
"""Between looks for newer generations of the indexes."""


def create_app(
    holdings: Holdings,
    *,
    limits: Limits | None = None,
    key: str = "",
    hosts: Collection[str] = (),
) -> ASGIApp:
    """Serve indexes. key: what clients must send, if any. hosts: names of the server; any if
    empty."""
    limits = limits or Limits()
    texts: Worker[Any] = Worker(
        work.answer, limits.together, limits.waiting, "m2m-serve-texts", work.cost
    )
    items: Worker[ItemsJob] = Worker(work.encode_items, 1, ITEMS_WAITING, "m2m-serve-items")
    metrics = Metrics(texts=texts, items=items)
    embeddings = EmbeddingsRoute(models_of(holdings), texts, items, limits)
    pages, files = Pages(), ItemRoutes(holdings)

    async def indexes(request: Request) -> Response:
        return replies.json(await asyncio.to_thread(holdings.described))

    async def health(request: Request) -> Response:
        return replies.json({"status": "ok", "version": __version__, "waiting": len(texts)})

    described = description(limits)

    async def openapi(request: Request) -> Response:
        return replies.json(described)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(language.detect, "warm up")
        watching = asyncio.create_task(_watch(Refresher(holdings)))
        yield
        watching.cancel()
        await asyncio.to_thread(texts.stop)
        await asyncio.to_thread(items.stop)

    routes = [
        Route("/", pages.index),
        Route("/static/{name}", pages.static),
        Route("/indexes", indexes),
        Route("/search", SearchRoute(holdings, texts, items, limits).answer, methods=["POST"]),
        Route("/v1/embeddings", embeddings.answer, methods=["POST"]),
        Route("/v1/models", embeddings.list_models),
        Route("/v1/models/{name:path}", embeddings.model),
        Route("/items/{index}/{item}", files.file),
        Route("/items/{index}/{item}/thumbnail", files.thumbnail),
        Route("/items/{index}/{item}/peaks", files.peaks),
        Route("/health", health),
        Route("/metrics", metrics.answer),
        Route("/openapi.json", openapi),
        Route("/docs", pages.docs),
    ]
    app = Starlette(routes=routes, exception_handlers=replies.HANDLERS, lifespan=lifespan)
    return Guard(app, limits, hosts=hosts, key=key, count=metrics.count)


async def _watch(refresher: Refresher) -> None:
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(refresher.refresh)
