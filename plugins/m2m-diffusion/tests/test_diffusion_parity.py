"""Our path and the pipeline's own give the very same pixels for the same English prompt."""

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion.neutral import PROMPT
from m2m_diffusion.target import load
from pipeline_folders import MAKERS, folder

import m2m_adapters as m2m
from m2m_adapters.testing import TextEncoderSuite

ENGLISH = ["two red squares above a small blue circle"]
STEPS, SIZE = 2, 16


def pixels(images):
    return np.stack([np.asarray(image) for image in images])


def native(name, target, guidance, negative, num_images=1):
    """The pipeline with all its text encoders, as its own documentation calls it."""
    never = {
        "flux-no-t5": ("text_encoder_2", "tokenizer_2"),
        "sd3": ("text_encoder_3", "tokenizer_3"),
    }
    absent = dict.fromkeys(never.get(name, ()))
    pipe = df.DiffusionPipeline.from_pretrained(folder(name), torch_dtype=target.dtype, **absent)
    pipe.set_progress_bar_config(disable=True)
    call = {
        "num_inference_steps": STEPS,
        "width": SIZE,
        "height": SIZE,
        "num_images_per_prompt": num_images,
        "generator": [torch.Generator("cpu").manual_seed(3 + k) for k in range(num_images)],
    }
    guided = guidance is not None and guidance > 1
    if name.startswith("flux"):
        if name == "flux-guided":
            call["guidance_scale"] = guidance or 3.5
        elif guided:
            call["true_cfg_scale"] = guidance
        if name == "flux-no-t5":
            pooled = pipe._get_clip_prompt_embeds(ENGLISH)
            call |= {"pooled_prompt_embeds": pooled, "prompt_embeds": torch.zeros(1, 256, 24)}
        else:
            call |= {"prompt": ENGLISH, "prompt_2": PROMPT, "max_sequence_length": 512}
            if guided and name == "flux":
                call |= {"negative_prompt": negative or "", "negative_prompt_2": PROMPT}
    elif name == "sd3":
        guided = guidance is None or guided
        _, _, pooled, against = pipe.encode_prompt(
            ENGLISH, ENGLISH, ENGLISH, negative_prompt=negative, do_classifier_free_guidance=guided
        )
        neutral = pipe.encode_prompt("", "", "", do_classifier_free_guidance=False)[0]
        call |= {"prompt_embeds": neutral, "pooled_prompt_embeds": pooled}
        if guided:
            call |= {"negative_prompt_embeds": neutral, "negative_pooled_prompt_embeds": against}
        if guidance is not None:
            call["guidance_scale"] = guidance
    else:
        call |= {"prompt": ENGLISH, "negative_prompt": negative and [negative]}
        if guidance is not None:
            call["guidance_scale"] = guidance
    with torch.inference_mode():
        return pixels(pipe(**call).images)


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize(
    ("guidance", "negative"), [(None, None), (1.0, None), (3.0, None), (3.0, "a dog")]
)
def test_native_conditioning_gives_the_native_image(name, guidance, negative):
    if name in ("flux-guided", "flux-no-t5") and guidance == 3.0:
        pytest.skip("the native call cannot be told to do the same")
    target = load(str(folder(name)), device="cpu")
    vectors = target.text.encode(ENGLISH)
    ours = pixels(
        target.generate(
            vectors, steps=STEPS, size=SIZE, seed=3, guidance=guidance, negative=negative
        )
    )
    assert ours.shape == (1, SIZE, SIZE, 3)
    assert np.array_equal(ours, native(name, target, guidance, negative))


@pytest.mark.parametrize("name", ["flux", "sd3", "sdxl", "sd"])
def test_several_images_a_prompt_as_the_pipeline_makes_them(name):
    target = load(str(folder(name)), device="cpu")
    ours = target.generate(
        target.text.encode(ENGLISH), steps=STEPS, size=SIZE, seed=3, guidance=1.0, num_images=2
    )
    assert np.array_equal(pixels(ours), native(name, target, 1.0, None, num_images=2))


@pytest.mark.parametrize("name", list(MAKERS))
def test_conditioning_changes_the_image_and_a_seed_repeats_it(name):
    target = load(str(folder(name)), device="cpu")
    vectors = target.text.encode([*ENGLISH, "a dog barks"])
    many = pixels(target.generate(vectors, steps=STEPS, size=SIZE, seed=3))
    again = pixels(target.generate(vectors, steps=STEPS, size=SIZE, seed=3))
    assert np.array_equal(many, again)
    # Random weights barely listen; a loud vector must be heard.
    loud = pixels(target.generate(vectors * np.float32(30) + 5, steps=STEPS, size=SIZE, seed=3))
    other_seed = pixels(target.generate(vectors, steps=STEPS, size=SIZE, seed=4))
    assert not np.array_equal(many, loud)
    assert not np.array_equal(many[0], other_seed[0])
    # Alone or beside others: the same picture.
    assert np.array_equal(
        pixels(target.generate(vectors[1:], steps=STEPS, size=SIZE, seed=3)), many[1:]
    )


@pytest.mark.parametrize("precision", ["bf16"])
@pytest.mark.parametrize("name", ["flux", "sd3", "sdxl", "sd"])
def test_half_precision(name, precision):
    target = load(str(folder(name)), device="cpu", precision=precision)
    images = target.generate(target.text.encode(ENGLISH), steps=1, size=SIZE, guidance=2.0)
    assert images[0].size == (SIZE, SIZE)


def test_spaces():
    spaces = {name: load(str(folder(name)), device="cpu").text for name in MAKERS}
    assert {name: text.dim for name, text in spaces.items()} == {
        "flux": 16, "flux-guided": 16, "flux-no-t5": 16, "sd3": 40, "sdxl": 24 + 16 * 40, "sdxl-no-zeros": 24 + 16 * 40,
        "sd": 16 * 16,
    }  # fmt: skip
    assert not any(text.normalized for text in spaces.values())
    assert len({text.fingerprint for text in spaces.values()}) >= 4


class TestFluxText(TextEncoderSuite):
    def make(self):
        return load(str(folder("flux")), device="cpu").text


class TestStableDiffusionText(TextEncoderSuite):
    def make(self):
        return load(str(folder("sd")), device="cpu").text


def test_text_towers_alone_are_loaded_for_aligning():
    target = m2m.load_target(f"diffusion:{folder('flux')}", device="cpu")
    assert target.text.encode(["a dog"]).shape == (1, 16)
    assert "pipeline" not in vars(target)
    assert target.can("generate") and not target.can("encode_items")
    assert target.pipeline.text_encoder is None and target.pipeline.text_encoder_2 is None
