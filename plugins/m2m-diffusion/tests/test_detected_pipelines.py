"""Pipelines that no kind lists: their conditioner is seen, and goes whole through our path."""

import diffusers as df
import numpy as np
import pytest
import torch
from detected_folders import MAKERS, folder
from m2m_diffusion.detected import interface_of
from m2m_diffusion.kinds import KINDS
from m2m_diffusion.prompts import TOKENS
from m2m_diffusion.target import load
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m
from m2m_adapters.errors import UserError

ENGLISH = "two red squares above a small blue circle"
NAMES = tuple(MAKERS)
SETTINGS = {"steps": 2, "size": 16}


def values(items):
    return np.stack([np.asarray(one) for one in items])


def native(name, guidance, negative):
    pipe = df.DiffusionPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 2, "guidance_scale": guidance, "width": 16, "height": 16,
            "max_sequence_length": TOKENS}  # fmt: skip
    if name == "flux2-klein":  # which has no argument for a negative prompt's text
        if guidance > 1:
            states, _ = pipe.encode_prompt(negative or "", max_sequence_length=TOKENS)
            call["negative_prompt_embeds"] = states
    else:
        call["negative_prompt"] = negative or ("" if guidance > 1 else None)
    with torch.inference_mode():
        made = pipe(prompt=ENGLISH, generator=torch.Generator().manual_seed(3), **call)
    return values(made.images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (3.0, None), (3.0, "a dog")])
def test_english_through_our_path_is_the_native_output(name, guidance, negative):
    target = load(str(folder(name)), device="cpu")
    assert target.place.pipeline_class not in KINDS
    ours = target.generate(
        target.text.encode([ENGLISH]), seed=3, guidance=guidance, negative=negative,
        **SETTINGS,
    )  # fmt: skip
    assert np.array_equal(values(ours), native(name, guidance, negative))


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_steers_it_in_any_language(name):
    target = load(str(folder(name)), device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], epochs=2, **OPTIONS)
    assert adapter.level == "token" and adapter.dim == target.text.dim
    prompts = ["a dog above a cat", "ein Hund über einer Katze"]
    made = values(adapter.generate(prompts, guidance=2.0, **SETTINGS))
    assert len(made) == 2 and np.isfinite(made).all()
    # Random weights barely listen; a loud sequence must be heard.
    vectors = adapter.encode(prompts[:1])
    loud = vectors.copy()
    end = target.text.pooled_dim + target.text.shape[0] * target.text.shape[1]
    loud[:, :end] *= -100
    quiet, heard = (values(target.generate(v, **SETTINGS)) for v in (vectors, loud))
    assert not np.array_equal(quiet, heard)


def test_sizes_are_measured_once(monkeypatch):
    first = load(str(folder("auraflow")), device="cpu").text
    monkeypatch.setattr("m2m_diffusion.detected.read_named", None)  # nothing is read again
    again = load(str(folder("auraflow")), device="cpu").text
    assert again.dim == first.dim and "pipeline" not in vars(again)


def test_what_of_a_class_can_be_seen():
    seen = interface_of(df.AudioLDM2Pipeline)
    assert seen.taken == ("prompt_embeds", "attention_mask", "generated_prompt_embeds")
    assert seen.modality == "audio" and interface_of(df.WanPipeline).modality == "video"
    assert interface_of(df.ChromaPipeline).modality == "image"
    assert interface_of(df.DDPMPipeline) is None
    assert interface_of(df.KandinskyV22PriorPipeline) is None


def test_a_pipeline_without_prompts_is_refused(tmp_path):
    df.DDPMPipeline(
        df.UNet2DModel(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4,
                       down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2),
        df.DDPMScheduler(),
    ).save_pretrained(tmp_path)  # fmt: skip
    with pytest.raises(UserError, match=r"is of class 'DDPMPipeline', .*register_kind"):
        load(str(tmp_path))
