"""Exported folders: sentence-transformers loads them without us and gives the same vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_dist import run_python

import m2m_adapters as m2m
from m2m_adapters.errors import M2MError, UserError
from m2m_adapters.exporters import export
from m2m_adapters.exporters.verify import PROBES, compare
from m2m_adapters.testing import AffineTarget, toy_sentences

pytest.importorskip("sentence_transformers")
small = pytest.importorskip("small_models")

SENTENCES = list(toy_sentences(120))
ALONE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("m2m"):
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Refuse())
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(FOLDER, device="cpu")
"""


def adapter(tmp_path: Path, target: Any = None, **options: Any) -> m2m.Adapter:
    source = options.pop("source", None) or small.sentence_source(
        tmp_path / "encoder", options.pop("kind", "bert"), options.pop("pooling", "mean"),
        options.pop("prompt", None),
    )  # fmt: skip
    options.setdefault("recipe", "closed-form")
    return m2m.align(source, target or AffineTarget(48), SENTENCES, progress=False, **options)


SHAPES: list[dict[str, Any]] = [
    {},
    {"kind": "xlm-roberta", "pooling": "max", "layers": 2, "residual": True},
    {"kind": "mpnet", "prompt": "query: ", "recipe": "paper", "layers": 2, "hidden": 40,
     "activation": "gelu", "epochs": 2},
    {"kind": "distilbert", "head": "layernorm", "recipe": "paper-generation", "epochs": 2},
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=["plain", "residual", "gelu-prompt", "layernorm"])
def test_the_folder_gives_the_same_vectors(tmp_path: Path, shape: dict[str, Any]) -> None:
    from sentence_transformers import SentenceTransformer

    made = adapter(tmp_path, **shape)
    told = export(made, "sentence-transformers", tmp_path / "out")
    assert told.deviation <= told.tolerance == 1e-5 and told.compared == len(PROBES)
    kinds = [entry["type"] for entry in json.loads((tmp_path / "out" / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)
    again = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    texts = [*SENTENCES[:20], "собака лает", "犬"]
    np.testing.assert_allclose(
        again.encode(texts),
        made.encode(texts),
        atol=1e-5 * max(1, np.abs(made.encode(texts)).max()),
    )


def test_it_loads_where_nothing_of_ours_is(tmp_path: Path) -> None:
    made = adapter(tmp_path)
    export(made, "sentence-transformers", tmp_path / "out")
    done = run_python(
        f"FOLDER = {str(tmp_path / 'out')!r}\n{ALONE}\n"
        "assert not [m for m in sys.modules if m.startswith('m2m')]\n"
        f"np.save({str(tmp_path / 'v.npy')!r}, model.encode({list(PROBES)!r}))"
    )
    assert done.returncode == 0, done.stderr[-800:]
    assert np.abs(np.load(tmp_path / "v.npy") - made.encode(list(PROBES))).max() < 1e-5


def test_one_object_for_texts_and_images(tmp_path: Path) -> None:
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    clip = small.SmallClip(small.clip_folder(tmp_path / "clip"))
    made = adapter(tmp_path, clip)
    told = export(made, "sentence-transformers-router", tmp_path / "out")
    assert told.deviation <= 1e-5 and told.compared == len(PROBES) + 2
    assert 'modality="text"' in told.notes[0]
    again = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    pixels = np.random.default_rng(5).integers(0, 255, (4, 50, 40, 3), dtype=np.uint8)
    images = [Image.fromarray(one) for one in pixels]
    np.testing.assert_allclose(again.encode(images), made.encode_items(images), atol=1e-5)
    texts = ["ein Hund bellt", "photo.png"]
    np.testing.assert_allclose(
        again.encode(texts, modality="text"), made.encode(texts), atol=1e-5
    )  # fmt: skip
    found = again.similarity(again.encode(texts, modality="text"), again.encode(images)).numpy()
    np.testing.assert_allclose(
        found, made.similarity(made.encode(texts), made.encode_items(images)), atol=1e-5
    )


def test_what_cannot_be_held_is_said(tmp_path: Path) -> None:
    toys = m2m.align("toy-source", "toy-target", SENTENCES, recipe="closed-form", progress=False)
    with pytest.raises(UserError, match=r"source is a ToySource.*--to onnx-projector"):
        export(toys, "sentence-transformers", tmp_path / "out")
    with pytest.raises(UserError, match="without the items"):
        export(adapter(tmp_path), "sentence-transformers-router", tmp_path / "out")
    with pytest.raises(UserError, match="did you mean 'numpy'"):
        export(toys, "nunpy", tmp_path / "out")
    with pytest.raises(UserError, match="has no option 'precision'"):
        export(toys, "numpy", tmp_path / "out", precision="fp16")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        export(toys, "numpy", tmp_path / "full")
    assert not (tmp_path / "out").exists()


def test_a_difference_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = adapter(tmp_path)
    encode = made.encode
    monkeypatch.setattr(made, "encode", lambda texts: encode(texts) + 1e-4)
    with pytest.raises(M2MError, match=r"differs from the adapter by 1\.0e-04"):
        export(made, "sentence-transformers", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    ours = np.ones((2, 3), np.float32)
    for theirs in (ours * np.nan, ours[:1], -ours):
        for angle in (False, True):
            with pytest.raises(M2MError, match="nothing was written"):
                compare("x", tmp_path, ours, theirs, 1e-2, angle=angle)
