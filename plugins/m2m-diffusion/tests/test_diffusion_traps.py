"""What a user gets wrong, each answered with one line and the remedy."""

import json
import shutil

import numpy as np
import pytest
import torch
from m2m_diffusion import neutral
from m2m_diffusion.target import load
from pipeline_folders import folder
from safetensors.torch import save_file

from m2m_adapters.errors import UserError


@pytest.fixture
def flux():
    return load(str(folder("flux")), device="cpu")


@pytest.fixture
def copy(tmp_path):
    return lambda name: shutil.copytree(folder(name), tmp_path / name)


def test_an_argument_the_pipeline_does_not_know(flux):
    with pytest.raises(UserError, match="FluxPipeline has no option 'clip_skip'"):
        flux.generate(flux.text.encode(["a dog"]), steps=1, size=16, clip_skip=2)


def test_conditioning_cannot_be_smuggled_past_ours(flux):
    with pytest.raises(UserError, match="has no option 'prompt_embeds'"):
        flux.generate(flux.text.encode(["a dog"]), prompt_embeds=torch.zeros(1, 4, 24))


def test_wrong_dimensions(flux):
    with pytest.raises(UserError, match=r"shape \[1, 17\].*takes \[n, 16\]"):
        flux.generate(np.zeros((1, 17), np.float32))
    with pytest.raises(UserError, match="the vector of the negative prompt has 3 columns, not 16"):
        flux.conditioning(np.zeros((1, 16), np.float32), negative=np.zeros(3))
    with pytest.raises(UserError, match="NaN"):
        flux.generate(np.full((1, 16), np.nan, np.float32))


@pytest.mark.parametrize("options", [{"steps": 0}, {"size": 3}, {"size": "big"}, {"num_images": 0}])
def test_senseless_numbers(flux, options):
    with pytest.raises(UserError):
        flux.generate(flux.text.encode(["a dog"]), **options)


def test_no_prompts_no_images(flux):
    assert flux.generate(np.zeros((0, 16), np.float32), steps=1, size=16) == []


@pytest.mark.parametrize("how", ["folder", "index"])
def test_missing_vae(copy, how):
    place = copy("sd")
    if how == "folder":
        shutil.rmtree(place / "vae")
    else:
        index = json.loads((place / "model_index.json").read_text())
        del index["vae"]
        (place / "model_index.json").write_text(json.dumps(index))
    target = load(str(place), device="cpu")
    with pytest.raises(UserError, match="vae"):
        target.generate(target.text.encode(["a dog"]), steps=1, size=16)


def test_missing_text_encoder(copy):
    place = copy("sd")
    shutil.rmtree(place / "text_encoder")
    with pytest.raises(UserError, match="text_encoder"):
        load(str(place), device="cpu").text.encode(["a dog"])


def test_no_pipeline_at_all(tmp_path):
    with pytest.raises(UserError, match=r"no model_index\.json"):
        load(str(tmp_path))
    with pytest.raises(UserError, match="no pipeline folder"):
        load("nowhere")
    (tmp_path / "model_index.json").write_text('{"_class_name": "NobodysPipeline"}')
    with pytest.raises(
        UserError, match="'NobodysPipeline', a pipeline that m2m-diffusion does not support"
    ):
        load(str(tmp_path))
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        load(str(tmp_path))


def test_unknown_hub_model_offline():
    with pytest.raises(UserError, match="hf download"):
        load("nobody/no-such-pipeline")


def test_out_of_memory_is_told_with_the_remedy(flux):
    flux.pipeline.transformer.register_forward_pre_hook(raising)  # the allocator's own error
    with pytest.raises(UserError, match=r"out of memory.*precision fp16"):
        flux.generate(flux.text.encode(["a dog"]), steps=1, size=16)


def raising(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_t5_runs_once_and_its_states_are_filed(flux, monkeypatch):
    first = flux._neutral
    monkeypatch.setattr(neutral, "_t5_states", None)  # would fail if it were asked again
    again = load(str(folder("flux")), device="cpu")._neutral
    assert first.shape == (1, 512, 24) and torch.equal(first, again)


def test_a_folder_brings_its_own_neutral_sequence(copy):
    place = copy("flux-no-t5")
    told = torch.randn(1, 3, 24)
    save_file({"prompt_embeds": told}, place / "neutral.safetensors")
    assert torch.equal(load(str(place), device="cpu")._neutral, told)
    save_file({"prompt_embeds": torch.zeros(1, 3, 5)}, place / "neutral.safetensors")
    with pytest.raises(UserError, match=r"\[1, tokens, 24\] is needed"):
        assert load(str(place), device="cpu")._neutral is None


def test_fingerprint_follows_the_text_towers_only(copy):
    place = copy("flux-no-t5")
    before = load(str(place), device="cpu").text.fingerprint
    (place / "vae" / "extra.json").write_text("{}")
    assert load(str(place), device="cpu").text.fingerprint == before
    (place / "text_encoder" / "extra.json").write_text("{}")
    assert load(str(place), device="cpu").text.fingerprint != before


def test_defaults_of_a_target_give_way_to_arguments():
    target = load(str(folder("flux")), device="cpu", defaults={"size": 24, "steps": 1})
    vectors = target.text.encode(["a dog"])
    assert target.generate(vectors)[0].size == (24, 24)
    assert target.generate(vectors, size=(32, 16))[0].size == (32, 16)


@pytest.mark.parametrize(
    ("name", "option", "ours"),
    [
        ("flux", {"num_inference_steps": 2}, "steps"),
        ("flux", {"width": 64, "height": 64}, "size"),
        ("flux", {"true_cfg_scale": 9}, "guidance"),
        ("flux", {"true_cfg_scale": "abc"}, "guidance"),
        ("flux", {"guidance_scale": 9}, "guidance"),
        ("flux-guided", {"guidance_scale": 9}, "guidance"),
        ("sd", {"guidance_scale": 9}, "guidance"),
    ],
)
def test_a_keyword_with_a_setting_of_ours_is_refused(name, option, ours):
    """The model's default of the setting would be written over it."""
    target = load(str(folder(name)), device="cpu", defaults={"size": 16, "steps": 1})
    with pytest.raises(UserError, match=f"use {ours} .--{ours}. instead"):
        target.generate(target.text.encode(["a dog"]), **option)


def test_a_keyword_without_a_setting_of_ours_is_passed_on():
    """FLUX with distilled guidance can be guided by a negative besides."""
    target = load(str(folder("flux-guided")), device="cpu", defaults={"size": 16, "steps": 1})
    vectors = target.text.encode(["a dog"])
    plain, guided = (
        np.asarray(target.generate(vectors, negative="a cat", true_cfg_scale=scale)[0])
        for scale in (1.0, 9.0)
    )
    assert not np.array_equal(plain, guided)
    with pytest.raises(UserError, match="guidance is no number"):
        target.generate(vectors, true_cfg_scale="abc")


def test_a_setting_goes_before_keywords_among_the_defaults():
    own = {"num_inference_steps": 1, "width": 24, "height": 16, "guidance_scale": 1.0}
    target = load(str(folder("sd")), device="cpu", defaults=own)
    vectors = target.text.encode(["a dog"])
    assert target.generate(vectors)[0].size == (24, 16)
    asked = target.generate(vectors, size=(16, 32), steps=2, guidance=3.0)[0]
    plain = load(str(folder("sd")), device="cpu")
    wanted = plain.generate(vectors, size=(16, 32), steps=2, guidance=3.0)[0]
    assert asked.size == (16, 32) and np.array_equal(np.asarray(asked), np.asarray(wanted))
