"""Figures for Prometheus: requests, how long they took, queues and batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from m2m_adapters.serve.worker import Worker

ROUTES = ("/", "/indexes", "/search", "/v1/embeddings", "/v1/models", "/health", "/metrics",
          "/openapi.json", "/docs")  # fmt: skip
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def route_of(path: str) -> str:
    """A label of few values: clients must not be able to make new ones."""
    if path in ROUTES:
        return path
    first = "/" + path.split("/", 2)[1] if path.startswith("/") else ""
    return first if first in ("/items", "/static") else "other"


class Metrics:
    """The figures of one server."""

    def __init__(self, **workers: Worker[Any]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "m2m_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "m2m_request_seconds", "From a request's head to its answer's end.", ["route"],
            registry=self._registry, buckets=SECONDS,
        )  # fmt: skip
        self._registry.register(_Workers(workers))

    def count(self, path: str, status: int, seconds: float) -> None:
        route = route_of(path)
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def answer(self, request: Request) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class _Workers(Collector):
    """Read when they are asked for."""

    def __init__(self, workers: dict[str, Worker[Any]]) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        waiting = GaugeMetricFamily("m2m_waiting", "Jobs that wait.", labels=["worker"])
        jobs = CounterMetricFamily("m2m_jobs", "Jobs done.", labels=["worker"])
        rounds = CounterMetricFamily(
            "m2m_rounds", "Times that waiting jobs were done together.", labels=["worker"]
        )
        for name, worker in self._workers.items():
            waiting.add_metric([name], len(worker))
            jobs.add_metric([name], worker.counts.jobs)
            rounds.add_metric([name], worker.counts.rounds)
        return [waiting, jobs, rounds]
