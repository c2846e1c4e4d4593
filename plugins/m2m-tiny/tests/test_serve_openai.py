"""The official client of OpenAI's API, unchanged, against `m2m serve` on a real port."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m2m_adapters as m2m

openai = pytest.importorskip("openai")

TEXTS = ["ein rotes Quadrat", "赤い四角", "a red square", "مربع أحمر"]


@pytest.fixture(scope="module")
def client(page_server: str) -> Any:
    return openai.OpenAI(base_url=f"{page_server}v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def adapter(tiny_indexes: dict[str, tuple[Path, Path]]) -> Any:
    return m2m.load_adapter(tiny_indexes["images"][1])


def rows(answer: Any) -> Any:
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    return np.array([one.embedding for one in answer.data], np.float32)


def test_texts_as_in_process(client: Any, adapter: Any) -> None:
    wanted = adapter.encode(TEXTS)
    made = rows(client.embeddings.create(model="tiny-text-tiny-clip", input=TEXTS))
    assert np.allclose(made, wanted, atol=1e-5)
    as_floats = client.embeddings.create(
        model="tiny-text-tiny-clip", input=TEXTS, encoding_format="float"
    )
    assert np.allclose(rows(as_floats), wanted, atol=1e-5)
    single = client.embeddings.create(
        model="tiny-text-tiny-clip", input=TEXTS[0], dimensions=adapter.dim
    )
    assert np.allclose(rows(single), wanted[:1], atol=1e-5)
    many = [f"a red square and {n} stars" for n in range(150)]
    made = rows(client.embeddings.create(model="tiny-text-tiny-clip", input=many))
    assert np.allclose(made, adapter.encode(many), atol=1e-5)


def test_pictures_as_infinity_and_jina_send_them(client: Any, adapter: Any, pictures: Path) -> None:
    paths = sorted(pictures.rglob("*.png"))[:3]
    sent = [f"data:image/png;base64,{base64.b64encode(p.read_bytes()).decode()}" for p in paths]
    wanted = adapter.encode_items([str(path) for path in paths])
    made = client.embeddings.create(model="tiny-clip", input=sent, extra_body={"modality": "image"})
    assert np.allclose(rows(made), wanted, atol=1e-4)
    mixed: Any = [{"text": TEXTS[0]}, {"image": sent[0]}, {"text": TEXTS[1]}]
    made = client.embeddings.create(model="tiny-text-tiny-clip", input=mixed)
    both = adapter.encode(TEXTS[:2])
    assert np.allclose(rows(made), np.stack([both[0], wanted[0], both[1]]), atol=1e-4)


def test_models(client: Any, adapter: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["tiny-text-tiny-clip", "tiny-text-tiny-clap", "tiny-clip", "tiny-clap"]
    one = client.models.retrieve("tiny-text-tiny-clip")
    assert one.dimensions == adapter.dim and one.modalities == ["text", "image"]


def test_texts_by_the_target_are_its_own_towers(client: Any, adapter: Any) -> None:
    made = rows(client.embeddings.create(model="tiny-clip", input=TEXTS))
    assert np.allclose(made, adapter.target.text.encode(TEXTS), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dimensions": 7}, "dimensions"),
        ({"input": []}, "empty"),
        ({"input": [1, 2, 3]}, "token numbers"),
        ({"input": [[1, 2], [3]]}, "token numbers"),
        ({"input": "x" * 100_001}, "100,001 characters"),
        ({"input": ["x"] * 2049}, "2,049 entries"),
        ({"input": "x", "extra_body": {"modality": "image"}}, "not a data: address"),
        ({"input": "data:audio/wav;base64,AAAA", "extra_body": {"modality": "audio"}}, "not encode"),
        ({"input": "http://localhost/a.png", "extra_body": {"modality": "image"}}, "downloads nothing"),
        ({"input": [{}]}, "0 of text"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(client: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        client.embeddings.create(**{"model": "tiny-text-tiny-clip", "input": "x", **arguments})


def test_a_model_that_is_not_there(client: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="choose one of tiny-text-tiny-clip, "):
        client.embeddings.create(model="gpt", input="x")
