"""ONNX files against torch, and the folded map in numpy."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs

import m2m_adapters as m2m
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.record import Record
from m2m_adapters.errors import UserError
from m2m_adapters.exporters import export
from m2m_adapters.exporters.numpy import apply, item_bias
from m2m_adapters.testing import AffineTarget, toy_sentences

SENTENCES = list(toy_sentences(120))
SHAPES: dict[str, dict[str, Any]] = {
    "affine": {},
    "residual": {"layers": 4, "d_out": 64, "residual": True},
    "layernorm": {"layers": 2, "head": "layernorm"},
    "bare": {"layers": 2, "hidden": 30, "head": "none"},
    "relu": {"layers": 3, "activation": "relu"},
    "gelu": {"layers": 2, "activation": "gelu"},
    "tanh": {"layers": 2, "activation": "tanh", "residual": True, "d_out": 64},
}


@lru_cache(maxsize=1)
def toy_record() -> Record:
    made = m2m.align("toy-source", "toy-target", SENTENCES, recipe="closed-form", progress=False)
    return made.record


def random_adapter(normalize: bool = True, d_out: int = 48, **shape: Any) -> Adapter:
    """A projector of any shape with random weights, between the toys."""
    import torch

    from m2m_adapters.projectors.affine import AffineProjector, AffineShape

    torch.manual_seed(7)
    toy = toy_record()
    source = structs.replace(toy.source, normalize=normalize)
    record = structs.replace(toy, source=source)
    projector = AffineProjector(AffineShape(64, d_out, **shape))
    if projector.norm is not None:
        torch.nn.init.normal_(projector.norm.weight)
        torch.nn.init.normal_(projector.norm.bias)
    return Adapter(projector, record, source="toy-source", target="toy-target")


def run(path: Path, vectors: np.ndarray) -> np.ndarray:
    """Onnxruntime alone, as a stranger would."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"vectors": vectors})[0]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", SHAPES)
def test_projectors_in_onnxruntime(tmp_path: Path, name: str, normalize: bool) -> None:
    pytest.importorskip("onnxruntime")
    made = random_adapter(normalize, **SHAPES[name])
    told = export(made, "onnx-projector", tmp_path / "p.onnx")
    assert told.deviation <= told.tolerance == 1e-4
    for rows in (1, 7, 300):  # the number of rows is free
        x = np.random.default_rng(rows).standard_normal((rows, 64)).astype(np.float32) * 5
        np.testing.assert_allclose(run(told.path, x), made.project(x), atol=1e-5)
    assert run(told.path, np.zeros((0, 64), np.float32)).shape == (0, made.dim)


@pytest.mark.parametrize(("precision", "share"), [("fp16", 0.6), ("int8", 0.4)])
def test_smaller_projectors(tmp_path: Path, precision: str, share: float) -> None:
    pytest.importorskip("onnxruntime")
    made = random_adapter(d_out=256, layers=2)
    full = export(made, "onnx-projector", tmp_path / "full.onnx")
    less = export(made, "onnx-projector", tmp_path / "less.onnx", precision=precision)
    assert less.path.stat().st_size < share * full.path.stat().st_size
    assert 0 < less.deviation <= less.tolerance and less.notes
    assert less.measure == {"fp16": "largest difference", "int8": "1 - cosine"}[precision]
    x = np.random.default_rng(1).standard_normal((200, 64)).astype(np.float32)
    cosines = (run(less.path, x) * made.project(x)).sum(1)
    assert cosines.min() > {"fp16": 0.99999, "int8": 0.99}[precision]
    with pytest.raises(UserError, match="fp32, fp16, int8"):
        export(made, "onnx-projector", tmp_path / "x.onnx", precision="fp8")


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", ["affine", "residual", "layernorm", "bare"])
def test_the_folded_map(tmp_path: Path, name: str, normalize: bool) -> None:
    made = random_adapter(normalize, **SHAPES[name])
    told = export(made, "numpy", tmp_path / "map")
    assert told.path.name == "map.npz" and told.deviation <= told.tolerance == 1e-5
    x = np.random.default_rng(2).standard_normal((50, 64)).astype(np.float32)
    np.testing.assert_allclose(apply(told.path, x), made.project(x), atol=1e-5)
    with np.load(told.path, allow_pickle=False) as file:
        assert file["W"].shape == (made.dim, 64) and file["b"].shape == (made.dim,)
        assert str(file["source"]) == "toy-source"


def test_a_bent_map_cannot_be_folded(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be folded"):
        export(random_adapter(**SHAPES["gelu"]), "numpy", tmp_path / "map.npz")
    assert not list(tmp_path.iterdir())


WHOLE: list[tuple[str, str, str | None]] = [
    ("bert", "mean", None),
    ("mpnet", "max", "query: "),
]


@pytest.mark.parametrize(("kind", "pooling", "prompt"), WHOLE)
def test_tokens_to_vectors_in_one_graph(
    tmp_path: Path, kind: str, pooling: str, prompt: str | None
) -> None:
    pytest.importorskip("onnxscript")
    small = pytest.importorskip("small_models")
    source = small.sentence_source(tmp_path / "encoder", kind, pooling, prompt)
    made = m2m.align(source, AffineTarget(48), SENTENCES, recipe="closed-form", progress=False)
    told = export(made, "onnx", tmp_path / "out")
    assert told.deviation <= told.tolerance == 1e-4

    from m2m_adapters.exporters.onnx import run as run_texts

    for texts in (SENTENCES[:1], SENTENCES[:17], ["犬", "a " * 200]):  # rows and length are free
        np.testing.assert_allclose(run_texts(told.path, texts), made.encode(texts), atol=1e-4)
    guide = json.loads((told.path / "encoder.json").read_text())
    assert guide["adapter"] == made.digest and guide["prompt"] == (prompt or "")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_token_level_in_onnxruntime(tmp_path: Path, precision: str) -> None:
    import onnxruntime

    pytest.importorskip("onnxscript")
    small = pytest.importorskip("small_models")
    small.sentence_source(tmp_path / "encoder", "bert", "mean", "query: ")
    source = m2m.load_source(f"st:{tmp_path / 'encoder'}", precision="fp32")
    target = AffineTarget(48)
    target.text.shape = (4, 12)  # type: ignore[attr-defined]
    made = m2m.align(source, target, SENTENCES, level="token", epochs=2, progress=False)
    whole = export(made, "onnx", tmp_path / "whole", precision=precision)
    assert whole.deviation <= whole.tolerance
    alone = export(made, "onnx-projector", tmp_path / "alone", precision=precision)
    assert alone.deviation <= alone.tolerance
    if precision != "fp32":
        return
    from m2m_adapters.exporters.onnx import run as run_texts

    for texts in (SENTENCES[:1], SENTENCES[:17], ["犬", "a " * 200]):  # rows and length are free
        np.testing.assert_allclose(run_texts(whole.path, texts), made.encode(texts), atol=1e-4)
    states = source.encode_tokens(["a dog barks"])[0]
    session = onnxruntime.InferenceSession(str(alone.path), providers=["CPUExecutionProvider"])
    inputs = {"states": states[None], "mask": np.ones((1, len(states)), bool)}
    np.testing.assert_allclose(
        session.run(None, inputs)[0], made.encode(["a dog barks"]), atol=1e-4
    )


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_smaller_graphs(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("onnxscript")
    small = pytest.importorskip("small_models")
    source = small.sentence_source(tmp_path / "encoder")
    # A rotation: the vectors of a random encoder lie so close together that a free map would
    # magnify their smallest differences, and with them what fewer bits lose.
    made = m2m.align(source, AffineTarget(48), SENTENCES, recipe="closed-form", procrustes=True,
                     progress=False)  # fmt: skip
    told = export(made, "onnx", tmp_path / "out", precision=precision)
    assert 0 < told.deviation <= told.tolerance and told.notes


def test_sources_without_a_graph(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("sentence_transformers")
    with pytest.raises(UserError, match="--to onnx-projector"):
        export(random_adapter(), "onnx", tmp_path / "out")


def test_the_bank_goes_where_the_format_has_room(tmp_path: Path) -> None:
    made = m2m.align("toy-source", "toy-target", SENTENCES, progress=False, store=False)
    assert made.bank is not None
    told = export(made, "numpy", tmp_path / "map.npz")
    items = np.random.default_rng(3).standard_normal((40, made.dim)).astype(np.float32)
    np.testing.assert_allclose(item_bias(told.path, items), made.item_bias(items), atol=1e-6)
    assert not told.notes
    with pytest.raises(UserError, match=r"map\.npz is there already"):
        export(made, "numpy", tmp_path / "map")
    assert any("item_bias" in n for n in export(made, "onnx-projector", tmp_path / "p.onnx").notes)
    made.bank = None
    bare = export(made, "numpy", tmp_path / "bare.npz")
    assert not item_bias(bare.path, items).any()
    assert not export(made, "onnx-projector", tmp_path / "q.onnx").notes
