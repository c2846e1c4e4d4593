"""The folder for Immich, loaded the way Immich loads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.exporters import export
from m2m_adapters.testing import AffineTarget, toy_sentences

SENTENCES = list(toy_sentences(120))
NAMES = ["ViT-B-32__openai", "ViT-B-16-SigLIP2__webli", "XLM-Roberta-Large-Vit-B-32"]


@pytest.fixture(scope="module", params=[("bert", "mean", None), ("mpnet", "max", "query: ")])
def adapter(request, tmp_path_factory):
    pytest.importorskip("onnxscript")
    small = pytest.importorskip("small_models")
    folder = tmp_path_factory.mktemp("source")
    source = small.sentence_source(folder / "encoder", *request.param)
    return m2m.align(source, AffineTarget(48), SENTENCES, recipe="closed-form", progress=False)


@pytest.mark.parametrize("name", NAMES)
def test_immichs_own_steps_give_the_adapters_vectors(adapter, tmp_path: Path, name: str) -> None:
    import onnxruntime
    from tokenizers import Tokenizer

    told = export(adapter, "immich", tmp_path / "out", name=name)
    assert told.deviation <= told.tolerance and name in told.notes[0]
    folder = tmp_path / "out"
    config = json.loads((folder / "config.json").read_text())
    length = config["text_cfg"]["context_length"]
    assert length <= (64 if "SigLIP" in name else 77)
    pad = json.loads((folder / "textual" / "tokenizer_config.json").read_text())["pad_token"]
    assert isinstance(pad, str)  # Immich looks it up as it stands there
    tokenizer = Tokenizer.from_file(str(folder / "textual" / "tokenizer.json"))
    tokenizer.enable_padding(length=length, pad_token=pad, pad_id=tokenizer.token_to_id(pad))
    tokenizer.enable_truncation(max_length=length)
    session = onnxruntime.InferenceSession(str(folder / "textual" / "model.onnx"))
    for text in SENTENCES[:8]:
        encoded = tokenizer.encode(text)
        assert len(encoded.ids) == length
        inputs = {"text": np.array([encoded.ids], np.int32)}
        if name.startswith("XLM"):
            inputs = {
                "input_ids": np.array([encoded.ids], np.int32),
                "attention_mask": np.array([encoded.attention_mask], np.int32),
            }
        assert {one.name for one in session.get_inputs()} == set(inputs)
        (vector,) = session.run(None, inputs)[0]
        np.testing.assert_allclose(vector, adapter.encode([text])[0], atol=1e-4)


def test_odd_names_are_refused(adapter, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the name of an Immich model"):
        export(adapter, "immich", tmp_path / "out", name="a/b")
