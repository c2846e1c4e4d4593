"""Sources in 8 bits: near the model, each text by itself, made once, and another model."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import st_folders
import torch
from st_folders import load

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import TextEncoderSuite, toy_sentences

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXTS = [
    "a dog",
    "two red squares above a small circle",
    "x " * 200,
    "",
    "ein Hund bellt",
    "犬が吠える",
]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2M_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("m2m_adapters.models.onnx_int8.SMALLEST", 64)  # the models here are small
        yield


def int8(shape: str, **options: object):
    return load(str(st_folders.folder(shape)), backend="onnx-int8", **options)


@pytest.mark.parametrize("shape", ["mpnet", "labse", "e5", "prompted", "promptless"])
def test_near_the_model(shape: str) -> None:
    exact, ours = load(str(st_folders.folder(shape)), device="cpu"), int8(shape)
    assert ours.dim == exact.dim and ours.normalized == exact.normalized
    rows = ours.encode(TEXTS)
    assert (rows * exact.encode(TEXTS)).sum(1).min() > 0.99
    assert np.abs(rows - exact.encode(TEXTS)).max() > 1e-6, "it was computed in 8 bits"
    assert ours.provenance["backend"] == "onnx-int8" and ours.provenance["precision"] == "int8"
    assert ours.provenance["pooling"] == exact.provenance["pooling"]


def test_a_text_does_not_depend_on_the_others() -> None:
    """With one scale for the batch, the longest entry of any text would change all."""
    ours = int8("e5")
    together = ours.encode(TEXTS)
    for batch_size in (1, 3):
        np.testing.assert_allclose(ours.encode(TEXTS, batch_size=batch_size), together, atol=1e-5)


def test_columns_and_lengths_are_chosen_outside_of_the_graph() -> None:
    whole, cut = int8("e5", normalized=False), int8("e5", truncate_dim=8)
    assert cut.dim == 8 and cut.encode(TEXTS).shape == (len(TEXTS), 8)
    np.testing.assert_allclose(np.linalg.norm(cut.encode(TEXTS), axis=1), 1, atol=1e-6)
    rows = whole.encode(TEXTS)[:, :8]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(cut.encode(TEXTS), rows, atol=1e-5)


def test_the_file_is_made_once_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from m2m_sentence_transformers import int8 as module

    from m2m_adapters._internal.files import cache_folder

    rows = int8("mpnet").encode(TEXTS)
    files = sorted((cache_folder() / "int8").iterdir())
    assert all(path.suffix == ".onnx" for path in files)
    monkeypatch.setattr(module, "traced", lambda *_, **__: pytest.fail("traced again"))
    for path in files:
        os.utime(path, (1, 1))
    np.testing.assert_array_equal(int8("mpnet").encode(TEXTS), rows)
    assert sorted((cache_folder() / "int8").iterdir()) == files
    (used,) = (path for path in files if path.stat().st_mtime > 1)
    assert time.time() - used.stat().st_mtime < 600, "`m2m cache prune` sees that it was used"


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2M_CACHE", str(tmp_path))
    int8("mpnet")
    (path,) = (tmp_path / "int8").iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"cannot open .*delete the file"):
        int8("mpnet")


def test_it_is_another_model_and_says_what_it_cannot() -> None:
    exact, ours = load(str(st_folders.folder("e5")), device="cpu"), int8("e5")
    assert not m2m.interfaces.same_model(exact.fingerprint, ours.fingerprint)
    for ability in ("encode_tokens", "encode_layers"):
        with pytest.raises(UserError, match="does not show"):
            getattr(ours, ability)(TEXTS)
    with pytest.raises(UserError, match="leave the precision at fp32"):
        int8("e5", precision="bf16")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *rest: None if name == "onnxruntime" else find(name, *rest))  # fmt: skip
    with pytest.raises(UserError, match=r"'onnxruntime'.*\[onnx-int8\]"):
        int8("e5")


def test_a_model_that_loses_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from m2m_sentence_transformers import int8 as module

    monkeypatch.setattr(module, "LEAST_COSINE", 1.1)
    with pytest.raises(UserError, match="loses too much in 8 bits"):
        int8("labse")


def test_an_adapter_remembers_the_backend(tmp_path: Path) -> None:
    name = f"st:{st_folders.folder('e5')}"
    adapter = m2m.align(name, "toy-target", toy_sentences(300), recipe="closed-form",
                        progress=False, model_options={"backend": "onnx-int8"})  # fmt: skip
    adapter.save(tmp_path / "a")
    again = m2m.load_adapter(tmp_path / "a")
    assert again.record.source.options.backend == "onnx-int8"
    assert again.record.target.options.backend is None
    assert type(again.source).__name__ == "Int8Source"
    np.testing.assert_allclose(again.encode(TEXTS), adapter.encode(TEXTS), atol=1e-5)
    other = m2m.load_adapter(tmp_path / "a", backend="torch")
    with pytest.raises(UserError, match="not the one this adapter was aligned with"):
        other.encode(["a"])
    with pytest.raises(UserError, match="Int8Source, not one sentence-transformers model"):
        m2m.export(again, "sentence-transformers", tmp_path / "st")


def test_sources_without_backends_refuse_one() -> None:
    with pytest.raises(UserError, match="'toy-source' cannot compute with onnx-int8"):
        m2m.load_source("toy-source", backend="onnx-int8")


def test_from_the_shell(tmp_path: Path) -> None:
    import json
    import subprocess

    (tmp_path / "texts.txt").write_text("\n".join(toy_sentences(300)))
    command = [sys.executable, "-m", "m2m_cli.main", "align", "--target", "toy-target",
               "--texts", "texts.txt", "--out", "out", "--backend", "onnx-int8",
               "--source", f"st:{st_folders.folder('e5')}"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "adapter.json").read_text())
    assert record["source"]["options"]["backend"] == "onnx-int8"
    assert record["source"]["provenance"]["precision"] == "int8"


class TestInt8(TextEncoderSuite):
    def make(self):
        return int8("e5")


def test_rows_of_zeros_stay_zero() -> None:
    from m2m_adapters.models.onnx_int8 import eight_bits
    from m2m_adapters.models.onnx_tracing import traced

    torch.manual_seed(0)
    layer = torch.nn.Linear(32, 16, bias=False).eval()
    import onnxruntime

    session = onnxruntime.InferenceSession(
        eight_bits(
            traced(layer, {"input": torch.zeros(2, 3, 32)}, "y", remedy="")
        ).SerializeToString()
    )
    x = torch.randn(4, 5, 32)
    x[1, 2] = 0
    x[0] *= 1000  # beside small rows: they keep their resolution
    theirs, ours = layer(x).detach().numpy(), session.run(None, {"input": x.numpy()})[0]
    assert not ours[1, 2].any()
    error = np.abs(ours - theirs).max(-1) / np.maximum(np.abs(theirs).max(-1), 1e-9)
    assert error.max() < 0.03
