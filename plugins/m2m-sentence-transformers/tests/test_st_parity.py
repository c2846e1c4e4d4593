"""Every shape of model: what we give is what sentence-transformers gives."""

from __future__ import annotations

import numpy as np
import pytest
import st_folders
from sentence_transformers import SentenceTransformer
from st_folders import load

import m2m_adapters as m2m
from m2m_adapters.testing import TextEncoderSuite

TEXTS = [
    "a dog",
    "two red squares above a small circle",
    "x " * 200,
    "",
    "ein Hund bellt",
    "see example.com/a.png",
    "犬が吠える",
]


def library(shape: str) -> SentenceTransformer:
    return SentenceTransformer(str(st_folders.folder(shape)), device="cpu")


@pytest.mark.parametrize("shape", st_folders.SHAPES)
def test_as_the_library(shape: str) -> None:
    mine = load(str(st_folders.folder(shape)), device="cpu")
    theirs = library(shape).encode(TEXTS, normalize_embeddings=True)
    assert mine.space.dim == theirs.shape[1] and mine.space.normalized
    np.testing.assert_allclose(mine.encode(TEXTS), theirs, atol=1e-6)


@pytest.mark.parametrize("shape", st_folders.SHAPES)
def test_lengths_of_the_model_itself(shape: str) -> None:
    mine = load(str(st_folders.folder(shape)), device="cpu", normalized=False)
    theirs = library(shape).encode(TEXTS)
    np.testing.assert_allclose(mine.encode(TEXTS), theirs, atol=2e-6)
    unit = np.allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-3)
    assert mine.normalized == unit


@pytest.mark.parametrize("shape", st_folders.SHAPES)
def test_batches(shape: str) -> None:
    mine = load(str(st_folders.folder(shape)), device="cpu")
    together = mine.encode(TEXTS)
    for batch_size in (1, 3):
        np.testing.assert_allclose(mine.encode(TEXTS, batch_size=batch_size), together, atol=1e-5)
    np.testing.assert_allclose(mine.encode(TEXTS, tokens_per_batch=20), together, atol=1e-5)


def test_truncated_columns_get_length_one_again() -> None:
    """The library cuts columns off and leaves the rest shorter than 1."""
    folder = str(st_folders.folder("e5"))
    mine = load(folder, device="cpu", truncate_dim=8)
    theirs = SentenceTransformer(folder, device="cpu", truncate_dim=8).encode(TEXTS)
    assert np.linalg.norm(theirs, axis=1).max() < 0.95  # the trap itself
    vectors = mine.encode(TEXTS)
    assert mine.dim == 8 and vectors.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    raw = load(folder, device="cpu", truncate_dim=8, normalized=False)
    assert not raw.normalized
    np.testing.assert_allclose(raw.encode(TEXTS), theirs, atol=1e-6)
    for wrong in (0, -1, 25):
        with pytest.raises(m2m.UserError, match="truncate_dim"):
            load(folder, device="cpu", truncate_dim=wrong)


def test_prompts() -> None:
    folder = str(st_folders.folder("e5"))
    model = library("e5")
    plain = load(folder, device="cpu")
    np.testing.assert_allclose(plain.encode(TEXTS), model.encode(TEXTS), atol=1e-6)
    query = model.encode(TEXTS, prompt="query: ")
    for made in (
        load(folder, device="cpu", prompt="query: "),
        load(folder, device="cpu", prompt_name="query"),
    ):
        np.testing.assert_allclose(made.encode(TEXTS), query, atol=1e-6)
        assert made.fingerprint != plain.fingerprint
        assert made.provenance["prompt"] == "query: "
    assert np.abs(query - plain.encode(TEXTS)).max() > 1e-3
    with pytest.raises(m2m.UserError, match=r"no prompt 'qury'.*passage, query"):
        load(folder, device="cpu", prompt_name="qury")


def test_the_models_default_prompt_is_used_and_can_be_refused() -> None:
    folder = str(st_folders.folder("prompted"))
    model = library("prompted")
    mine = load(folder, device="cpu")
    assert mine.provenance["prompt"] == "query: "
    np.testing.assert_allclose(mine.encode(TEXTS), model.encode(TEXTS), atol=1e-6)
    none = load(folder, device="cpu", prompt="")
    np.testing.assert_allclose(none.encode(TEXTS), model.encode(TEXTS, prompt=""), atol=1e-6)


def test_a_prompt_that_is_not_pooled() -> None:
    folder = str(st_folders.folder("promptless"))
    mine = load(folder, device="cpu", prompt_name="query", normalized=False)
    theirs = library("promptless").encode(TEXTS, prompt_name="query")
    np.testing.assert_allclose(mine.encode(TEXTS), theirs, atol=2e-6)


def test_longest_text() -> None:
    folder = str(st_folders.folder("mpnet"))
    model = library("mpnet")
    model.max_seq_length = 7
    mine = load(folder, device="cpu", max_tokens=7)
    assert mine.max_tokens == 7 and mine.provenance["max_tokens"] == 7
    theirs = model.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(mine.encode(TEXTS), theirs, atol=1e-6)
    assert mine.fingerprint != load(folder, device="cpu").fingerprint
    with pytest.raises(m2m.UserError, match="max_tokens"):
        load(folder, device="cpu", max_tokens=0)


def test_pooling_is_recorded() -> None:
    assert load(str(st_folders.folder("labse")), device="cpu").provenance["pooling"] == "cls"
    assert load(str(st_folders.folder("qwen")), device="cpu").provenance["pooling"] == "lasttoken"


def test_fusion() -> None:
    first, second = (f"st:{st_folders.folder(shape)}" for shape in ("mpnet", "labse"))
    one, two = (m2m.load_source(name, device="cpu", precision="fp32") for name in (first, second))
    both = m2m.load_source(f"{first}+{second}", device="cpu", precision="fp32")
    assert both.dim == one.dim + two.dim
    expected = np.hstack([one.encode(TEXTS), two.encode(TEXTS)]) / np.sqrt(2)
    np.testing.assert_allclose(both.encode(TEXTS), expected, atol=1e-6)
    heavier = m2m.load_source(f"3*{first}+4*{second}", device="cpu", precision="fp32")
    expected = np.hstack([0.6 * one.encode(TEXTS), 0.8 * two.encode(TEXTS)])
    np.testing.assert_allclose(heavier.encode(TEXTS), expected, atol=1e-6)
    prints = {both.fingerprint, heavier.fingerprint, one.fingerprint, two.fingerprint}
    prints.add(m2m.load_source(f"{second}+{first}", device="cpu").fingerprint)
    prints.add(m2m.load_source(f"{first}+{second}+{first}", device="cpu").fingerprint)
    assert len(prints) == 6
    assert [part["digest"] for part in both.provenance["parts"]] == [
        one.provenance["digest"],
        two.provenance["digest"],
    ]


class _Source(TextEncoderSuite):
    shape = ""

    def make(self):
        return load(str(st_folders.folder(self.shape)), device="cpu")


class TestFusion(TextEncoderSuite):
    def make(self):
        names = [f"st:{st_folders.folder(shape)}" for shape in ("mpnet", "e5", "labse")]
        return m2m.load_source("+".join(names), device="cpu", precision="fp32")


for _shape in st_folders.SHAPES:
    globals()[f"TestSource_{_shape}"] = type(f"TestSource_{_shape}", (_Source,), {"shape": _shape})
del _shape
