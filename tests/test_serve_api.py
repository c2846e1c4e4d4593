"""The API against what it says of itself: schemathesis, thousands of odd bodies, metrics."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from serving import client_of, colors_index, held
from starlette.testclient import TestClient

from m2m_adapters.serve.app import create_app

FUZZED = 10_000


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


def mutated(rng: random.Random) -> bytes:
    """A body that is nearly right."""
    odd: list[Any] = [None, True, -1, 0, 10**30, 1e308, -1e-320, "", " ", "\0", "red", "‮", "𝕏" * 50,
                      [], {}, [[]], [None], {"text": "red"}, "data:image/png;base64,AAAA",
                      "data:,", [0, 0, 0], [1, 0, 0], "photos", "native", '"', "a - ", "- a", "9:",
                      "((((", "date >= 1", "not not a", "x" * 9000]  # fmt: skip
    terms = ["text", "item", "index", "image", "sound", "speech", "vector", "weight",
             "zzz"]  # fmt: skip
    term = {rng.choice(terms): rng.choice(odd) for _ in range(rng.randint(0, 3))}
    body: dict[str, Any] = {"query": rng.choice(["red", [term], [term, {"text": "red"}]])}
    names = ["query", "index", "adapter", "k", "where", "language", "model", "input", "dimensions",
             "encoding_format", "modality", "zzz"]  # fmt: skip
    if rng.random() < 0.4:
        body = {"model": "colors", "input": rng.choice([*odd, [rng.choice(odd)], [term]])}
    for _ in range(rng.randint(0, 3)):
        body[rng.choice(names)] = rng.choice(odd)
    data = bytearray(json.dumps(body, ensure_ascii=rng.random() < 0.5).encode())
    if rng.random() < 0.3:
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


def test_odd_bodies_are_answered_or_refused(client: TestClient) -> None:
    """Whatever is sent: an answer or one line, no traceback, no hang."""
    rng = random.Random(7)
    headers = {"Content-Type": "application/json"}
    codes: dict[int, int] = {}
    for _ in range(FUZZED):
        body = mutated(rng)
        path = rng.choice(["/search", "/v1/embeddings"])
        answer = client.post(path, content=body, headers=headers)
        codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 400, 404), (path, body, answer.text)
        if answer.status_code != 200:
            message = answer.json()["error"]["message"]
            assert message and "\n" not in message and "Traceback" not in message
    assert codes[200] > 300 and codes[400] > 1000


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
