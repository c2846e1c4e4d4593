"""Precision is chosen by what the processor is fast in, and never parts an adapter from its models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import at_precision, precision_of, same_model, without_precision
from m2m_adapters.models import choose_dtype, choose_precision

SENTENCES = m2m.read_corpus("tiny-scene-captions", max_sentences=600).sentences


def test_auto_is_bf16_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert choose_precision("auto", cpu) == "bf16"
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert choose_precision("auto", cpu) == "fp32"
    assert choose_precision("fp16", cpu) == "fp16"
    with pytest.raises(UserError, match="'int4' is not a precision"):
        choose_precision("int4", cpu)
    with pytest.raises(UserError, match="use auto, fp32"):
        choose_dtype("int4")


def test_fingerprints_tell_model_and_precision_apart() -> None:
    assert at_precision("st:x", "fp32") == "st:x" and at_precision("st:x", "bf16") == "st:x@bf16"
    assert without_precision("st:x@bf16") == "st:x" == without_precision("st:x")
    assert same_model("st:x@bf16", "st:x@fp16") and not same_model("st:x", "st:y@bf16")
    assert not same_model(None, "st:x") and precision_of("clip:hub:a/b@1234") == "fp32"


@pytest.mark.parametrize(("kind", "name"), [("source", "tiny-text"), ("target", "tiny-clip"),
                                            ("target", "tiny-clap"), ("target", "tiny-open-clip"),
                                            ("source", "tiny-text+tiny-text")])  # fmt: skip
def test_models_keep_their_identity_and_their_vectors_in_bf16(kind: str, name: str) -> None:
    load = m2m.load_source if kind == "source" else m2m.load_target
    exact, half = (load(name, precision=p) for p in ("fp32", "bf16"))
    texts = [getattr(model, "text", model) for model in (exact, half)]
    assert texts[0].fingerprint != texts[1].fingerprint
    assert same_model(texts[0].fingerprint, texts[1].fingerprint)
    rows = [text.encode(["two red squares", "ein Hund bellt"]) for text in texts]
    assert (rows[0] * rows[1]).sum(1).min() > 0.995


def test_an_adapter_aligned_in_one_precision_works_in_another(tmp_path: Path) -> None:
    adapter = m2m.align("tiny-text", "tiny-clip", texts=SENTENCES,
                        model_options={"precision": "bf16"}, recipe="closed-form")  # fmt: skip
    adapter.save(tmp_path / "a")
    again = m2m.load_adapter(tmp_path / "a", precision="fp32")
    with pytest.warns(
        UserWarning, match="source computes in fp32, the adapter was aligned in bf16"
    ):
        rows = again.encode(["ein roter Kreis"])
    assert float(rows[0] @ adapter.encode(["ein roter Kreis"])[0]) > 0.995
    other = m2m.load_adapter(tmp_path / "a", source=m2m.load_source("tiny-text", max_tokens=5))
    with pytest.raises(UserError, match="not the one this adapter was aligned with"):
        other.encode(["a"])


def test_the_command_chooses_by_itself_and_records_it(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    done = run_m2m("align", "--source", "tiny-text", "--target", "tiny-clip", "--texts",
                   str(tmp_path / "c.txt"), "--out", str(tmp_path / "a"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "a" / "adapter.json").read_text())
    assert record["source"]["options"]["precision"] == "auto"
    chosen = choose_precision("auto", torch.device("cpu"))
    assert record["source"]["provenance"]["precision"] == chosen
    assert record["source"]["fingerprint"].endswith("@bf16") == (chosen == "bf16")
    # A folder for another library is compared in fp32, whatever the adapter was aligned in.
    out = run_m2m("export", str(tmp_path / "a"), "--to", "sentence-transformers", "--out",
                  str(tmp_path / "st"))  # fmt: skip
    assert out.returncode == 0, out.stderr


def test_an_index_is_searched_by_adapters_of_any_precision(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for place, color in enumerate(["red", "green", "blue"]):
        Image.new("RGB", (48, 48), color).save(folder / f"{place}.png")
    m2m.build_index("tiny-clip", [folder], tmp_path / "index", precision="bf16")
    adapter = m2m.align("tiny-text", "tiny-clip", texts=SENTENCES, recipe="closed-form")
    found = m2m.load_index(tmp_path / "index").search("ein roter Kreis", k=3, adapter=adapter)
    assert len(found) == 3 and np.isfinite([hit.score for hit in found]).all()


def test_an_index_holds_vectors_of_one_precision(tmp_path: Path) -> None:
    from PIL import Image

    from m2m_adapters.search.format import read_record

    folder, out = tmp_path / "photos", tmp_path / "index"
    folder.mkdir()
    Image.new("RGB", (48, 48), "red").save(folder / "red.png")
    command = ("index", "tiny-clip", str(folder), "--out")
    done = run_m2m(*command, str(tmp_path / "chosen"))
    assert done.returncode == 0, done.stderr
    # What was computed is recorded, not that it was chosen.
    chosen = choose_precision("auto", torch.device("cpu"))
    record = read_record(tmp_path / "chosen").target
    assert record.options["precision"] == chosen == precision_of(record.fingerprint)
    for number, precision in enumerate(("bf16", "auto", "bf16")):  # auto is what the index has
        Image.new("RGB", (48, 48), (9, 9, 100 + number)).save(folder / f"{number}.png")
        done = run_m2m(*command, str(out), "--precision", precision)
        assert done.returncode == 0, done.stderr
        assert precision_of(read_record(out).target.fingerprint) == "bf16"
    refused = run_m2m(*command, str(out), "--precision", "fp32")
    assert refused.returncode == 2 and "were computed in bf16, not in fp32" in refused.stderr
