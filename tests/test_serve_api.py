"""The API against its own description: schemathesis, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from serving import client_of, colors_index, held
from starlette.testclient import TestClient

from m2m_adapters.serve.app import create_app


@pytest.fixture(scope="module")
def holdings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = held(colors_index(tmp_path_factory.mktemp("served")))
    made.spaces[0].name = "colors"
    return made


@pytest.fixture(scope="module")
def client(holdings: Any) -> Iterator[TestClient]:
    with client_of(holdings) as client:
        yield client


def test_no_answer_breaks_the_description(holdings: Any) -> None:
    """schemathesis makes requests from openapi.json, good and bad, and checks every answer."""
    schemathesis = pytest.importorskip("schemathesis")
    hypothesis = pytest.importorskip("hypothesis")
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [not_a_server_error, status_code_conformance, content_type_conformance,
              response_schema_conformance]  # fmt: skip
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(holdings))
    seen: dict[str, int] = {}
    modes = list(schemathesis.GenerationMode)
    for found in schema.get_all_operations():
        operation = found.ok()

        @hypothesis.given(
            case=operation.as_strategy(generation_mode=modes[0])
            | operation.as_strategy(generation_mode=modes[-1])
        )
        @hypothesis.settings(max_examples=60, deadline=None, derandomize=True,
                             suppress_health_check=list(hypothesis.HealthCheck))  # fmt: skip
        def ask(case: Any) -> None:
            case.call_and_validate(checks=checks)
            seen[case.operation.label] = seen.get(case.operation.label, 0) + 1

        ask()
    assert len(seen) == 10 and sum(seen.values()) > 200, seen


def test_metrics_count_requests_and_batches(client: TestClient) -> None:
    client.post("/search", json={"query": "red"})
    client.get("/items/photos/999")
    client.get("/one/that/is/not/there")
    text = client.get("/metrics").text
    assert 'm2m_requests_total{route="/search",status="200"}' in text
    assert 'm2m_requests_total{route="/items",status="404"}' in text
    assert 'm2m_requests_total{route="other",status="404"}' in text
    assert 'm2m_request_seconds_bucket{le="0.01",route="/search"}' in text
    assert 'm2m_jobs_total{worker="texts"}' in text and 'm2m_waiting{worker="items"} 0.0' in text


def test_the_page_about_the_api(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200 and "static/docs.js" in page.text and "http" not in page.text
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) >= {"/search", "/v1/embeddings", "/items/{index}/{item}"}
