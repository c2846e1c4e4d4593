"""The ONNX folder as a custom model of fastembed, as docs/drop-ins.md shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.exporters import export
from m2m_adapters.testing import AffineTarget, toy_sentences

fastembed = pytest.importorskip(
    "fastembed", reason="fastembed is not installed: it asks for huggingface_hub below 2"
)
TEXTS = ["ein Hund am Strand", "犬", "a dog barks", "wort " * 400]


@pytest.mark.parametrize(
    ("kind", "pooling", "prompt"), [("bert", "mean", None), ("mpnet", "max", "query: ")]
)
def test_fastembeds_own_loading_gives_the_adapters_vectors(
    tmp_path: Path, kind: str, pooling: str, prompt: str | None
) -> None:
    from fastembed.common.model_description import ModelSource, PoolingType

    pytest.importorskip("onnxscript")
    small = pytest.importorskip("small_models")
    source = small.sentence_source(tmp_path / "encoder", kind, pooling, prompt)
    sentences = list(toy_sentences(120))
    adapter = m2m.align(source, AffineTarget(48), sentences, recipe="closed-form", progress=False)
    folder = tmp_path / "onnx"
    export(adapter, "onnx", folder)
    described = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    name = f"m2m/{kind}-{pooling}"
    fastembed.TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType.DISABLED,
        normalization=False,
        sources=ModelSource(hf=name),
        dim=adapter.dim,
        model_file="model.onnx",
    )
    model = fastembed.TextEmbedding(name, specific_model_path=str(folder))
    rows = np.stack(list(model.embed([described["prompt"] + text for text in TEXTS])))
    np.testing.assert_allclose(rows, adapter.encode(TEXTS), atol=1e-4)
