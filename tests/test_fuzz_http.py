"""Bodies of requests that are nearly right: an answer or one line, no traceback, no hang."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from serving import client_of, colors_index, held


def nearly_right(rng: random.Random) -> bytes:
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


def test_odd_bodies_are_answered_or_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    holdings = held(colors_index(tmp_path_factory.mktemp("served")))
    holdings.spaces[0].name = "colors"
    codes: Counter[int] = Counter()
    with client_of(holdings) as client:

        @FUZZ
        @given(st.integers(0, 2**63), st.sampled_from(["/search", "/v1/embeddings"]))
        def ask(seed: int, path: str) -> None:
            body = nearly_right(random.Random(seed))
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            codes[answer.status_code] += 1
            assert answer.status_code in (200, 400, 404), (path, body, answer.text)
            if answer.status_code != 200:
                message = answer.json()["error"]["message"]
                assert message and "\n" not in message and "Traceback" not in message

        ask()
    tried = codes.total()
    assert codes[200] > 0.03 * tried and codes[400] > 0.1 * tried
