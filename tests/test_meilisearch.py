"""The recipe of docs/drop-ins.md, sent to our server as the ``rest`` embedder of Meilisearch does.

From its crates/milli/src/vector/embedder/rest.rs: up to ten texts go into one POST, in place of
``{{text}}``, repeated where ``{{..}}`` stands; the answer must hold as many vectors, of the
dimensions that the settings name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import client_of, colors_index, data_address, held
from starlette.testclient import TestClient

DOCS = Path(__file__).resolve().parent.parent / "docs" / "drop-ins.md"
KEY = "secret"
TOGETHER = 10


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    place = tmp_path_factory.mktemp("served")
    holdings = held(colors_index(place))
    holdings.spaces[0].name = "colors"
    with client_of(holdings, key=KEY) as client:
        client.pictures = sorted((place / "pictures").rglob("*.png"))  # type: ignore[attr-defined]
        yield client


@pytest.fixture(scope="module")
def recipe() -> list[Any]:
    """Settings, documents and search as the page shows them."""
    section = DOCS.read_text(encoding="utf-8").partition("## Meilisearch")[2].partition("\n## ")[0]
    return [json.loads(block) for block in re.findall("```json\n(.*?)```", section, re.S)]


def rendered(template: Any, texts: list[str]) -> Any:
    """The request with the texts injected."""
    if isinstance(template, dict):
        return {key: rendered(value, texts) for key, value in template.items()}
    if isinstance(template, list) and template[-1] == "{{..}}":
        assert len(template) == 2
        return [rendered(template[0], [text]) for text in texts]
    return texts[0] if template == "{{text}}" else template


def extracted(template: Any, answer: Any) -> list[list[float]]:
    """The vectors of an answer, by the path that the template shows."""
    if isinstance(template, dict):
        ((key, value),) = template.items()
        return extracted(value, answer[key])
    if isinstance(template, list):
        assert template[-1] == "{{..}}"
        return [vector for one in answer for vector in extracted(template[0], one)]
    assert template == "{{embedding}}"
    return [answer]


def embedded(client: TestClient, embedder: dict[str, Any], texts: list[str]) -> np.ndarray:
    vectors: list[list[float]] = []
    for start in range(0, len(texts), TOGETHER):
        part = texts[start : start + TOGETHER]
        answer = client.post(
            embedder["url"].removeprefix("http://127.0.0.1:7860"),
            content=json.dumps(rendered(embedder["request"], part)),
            headers={"Authorization": f"Bearer {embedder['apiKey']}",
                     "Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        found = extracted(embedder["response"], answer.json())
        assert len(found) == len(part) and {len(v) for v in found} == {embedder["dimensions"]}
        vectors += found
    return np.array(vectors, np.float32)


def test_the_recipe_finds_pictures(client: TestClient, recipe: list[Any]) -> None:
    settings, documents, search = recipe
    ((name, embedder),) = settings["embedders"].items()
    embedder |= {"apiKey": KEY, "dimensions": 3}
    embedder["request"] |= {"model": "colors"}
    assert search["hybrid"]["embedder"] == name == next(iter(documents[0]["_vectors"]))
    colors = ["red", "green", "blue"] * 5
    queries = embedded(client, embedder, colors)
    pictures = client.pictures  # type: ignore[attr-defined]
    answer = client.post("/v1/embeddings", headers={"Authorization": f"Bearer {KEY}"}, json={
        "model": "colors", "modality": "image", "input": [data_address(one) for one in pictures],
    })  # fmt: skip
    items = np.array([one["embedding"] for one in answer.json()["data"]])
    best = (queries @ items.T).argmax(1)
    assert [re.sub("[0-9]", "", pictures[at].stem) for at in best] == colors


def test_a_wrong_key_or_model_is_refused(client: TestClient, recipe: list[Any]) -> None:
    (embedder,) = recipe[0]["embedders"].values()
    answer = client.post("/v1/embeddings", json=rendered(embedder["request"], ["a"]))
    assert answer.status_code == 401
    wrong = {"model": "nobody", "input": ["a"]}
    headers = {"Authorization": f"Bearer {KEY}"}
    assert client.post("/v1/embeddings", json=wrong, headers=headers).status_code in (400, 404)
