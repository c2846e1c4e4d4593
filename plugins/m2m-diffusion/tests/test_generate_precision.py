"""An adapter aligned in fp32 conditions, and paints, in bf16."""

import json

import numpy as np
import pytest
from pipeline_folders import folder

import m2m_adapters as m2m
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
