"""An adapter aligned in fp32 conditions, and paints, in bf16."""

import json
import sys

import numpy as np
import pytest
from m2m_diffusion.target import load
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.generation.files import Wanted
from m2m_adapters.generation.writers import read_record

pytest.importorskip("m2m_tiny")

PROMPTS = ["ein roter Kreis über einem blauen Quadrat", "青い星", "дом", "a green heart"]


@pytest.fixture(scope="module", params=["sd", "flux"])
def adapter_folder(request, tmp_path_factory):
    texts = m2m.read_corpus("tiny-scene-captions", max_sentences=300).sentences
    made = m2m.align(
        "tiny-text", f"diffusion:{folder(request.param)}", texts, recipe="closed-form",
        level="sentence", store=False, model_options={"device": "cpu", "precision": "fp32"},
    )  # fmt: skip
    return made.save(tmp_path_factory.mktemp("adapters") / request.param)


def flat(conditioning):
    return {name: value.float().flatten(1).numpy() for name, value in conditioning.items()}


def test_the_conditioning_is_the_same(adapter_folder):
    full, half = (
        m2m.load_adapter(adapter_folder, device="cpu", precision=precision)
        for precision in ("fp32", "bf16")
    )
    expected, ours = (flat(one.conditioning(PROMPTS, negative="rot")) for one in (full, half))
    assert str(half.conditioning(PROMPTS)["prompt_embeds"].dtype) == "torch.bfloat16"
    for name in expected:
        a, b = expected[name], ours[name]
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines = (a * b).sum(1)[lengths > 0] / lengths[lengths > 0]
        assert cosines.size == 0 or cosines.min() >= 0.999, (name, cosines)


def test_the_command_paints_in_bf16(adapter_folder, tmp_path, capsys):
    from m2m_cli.main import run as m2m_run

    with pytest.raises(SystemExit) as left:
        m2m_run(["generate", str(adapter_folder), *PROMPTS, "--out", str(tmp_path), "--steps", "1",
                 "--size", "16", "--precision", "bf16", "--batch-size", "2", "--device", "cpu",
                 "--json"])  # fmt: skip
    assert left.value.code == 0
    rows = json.loads(capsys.readouterr().out)["pictures"]
    assert len(rows) == 4 and read_record(rows[0]["file"])["prompt"] == PROMPTS[0]


def weights(target):
    kept = vars(target.pipeline.transformer)["_modules"]
    return sum(
        weight.numel() * weight.element_size()
        for part in kept.values()
        for weight in part.parameters()
    )


def test_weights_of_eight_bits_take_less_and_paint():
    plain, fp8 = (
        load(str(folder("flux")), device="cpu", precision="bf16", quantize=quantize)
        for quantize in ("none", "fp8")
    )
    vectors = plain.text.encode(["a red circle"])
    assert weights(fp8) < 0.7 * weights(plain)  # norms and embeddings stay as they are
    assert fp8.generate(vectors, steps=1, size=16)[0].size == (16, 16)


def test_int8_weights_paint():
    pytest.importorskip("torchao", reason="int8 weights are torchao's")
    target = load(str(folder("flux")), device="cpu", precision="bf16", quantize="int8")
    kinds = {type(weight).__name__ for weight in target.pipeline.transformer.parameters()}
    assert kinds != {"Parameter"}
    assert target.generate(target.text.encode(["a dog"]), steps=1, size=16)[0].size == (16, 16)


def test_what_is_no_way_to_save_memory(monkeypatch):
    for options, message in (({"quantize": "int3"}, "'int3' is not a way to quantize"),
                             ({"offload": "disk"}, "'disk' is not a way to offload")):  # fmt: skip
        with pytest.raises(m2m.UserError, match=message):
            load(str(folder("flux")), **options)
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(m2m.UserError, match="int8 weights need torchao"):
        load(str(folder("flux")), quantize="int8")


def test_pictures_of_another_precision_are_others(adapter_folder, tmp_path):
    wanted = Wanted(steps=1, size=(16, 16))
    for options in ({"precision": "fp32"}, {"precision": "bf16"}):
        adapter = m2m.load_adapter(adapter_folder, device="cpu", **options)
        (one,) = m2m.generate_files(adapter, ["青い星"], tmp_path, wanted)
        assert one.new and read_record(one.path)["precision"] == options["precision"]
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_the_command_quantizes(adapter_folder, tmp_path, capsys):
    from m2m_cli.main import run as m2m_run

    with pytest.raises(SystemExit) as left:
        m2m_run(["generate", str(adapter_folder), "青い星", "--out", str(tmp_path), "--steps", "1",
                 "--size", "16", "--precision", "bf16", "--quantize", "fp8", "--device", "cpu",
                 "--verbose"])  # fmt: skip
    said = capsys.readouterr().err
    assert left.value.code == 0 and "peak memory: process" in said
