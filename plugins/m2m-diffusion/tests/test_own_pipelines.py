"""Pipelines that a user builds: LoRA, ControlNet, image to image, inpainting, IP-Adapter.

Each is called with our conditioning as with its own prompt: the same English gives the very same
pixels, a foreign prompt gives others, and what was added to the pipeline still acts.
"""

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion import conditioning
from m2m_diffusion.own_pipeline import arguments_for
from m2m_diffusion.target import load
from PIL import Image
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing.toys import toy_sentences

ENGLISH, FOREIGN = "two red squares above a small blue circle", "ein Hund bellt 犬 " * 3
NEGATIVE = "a dog"
SIZE = 16


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def target(name):
    return load(str(folder(name)), device="cpu")


@pytest.fixture(scope="module")
def adapter(name, tmp_path_factory):
    made = m2m.align(
        "toy-source", f"diffusion:{folder(name)}", list(toy_sentences(200)),
        recipe="closed-form", store=False, level="sentence", model_options={"device": "cpu"},
    )  # fmt: skip
    where = made.save(tmp_path_factory.mktemp("adapters") / name)
    return m2m.load_adapter(where, device="cpu")


def pipe_of(name):
    pipe = df.DiffusionPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(5)
    with torch.no_grad():  # random weights barely listen to the prompt
        for part, weight in pipe.unet.named_parameters():
            if "attn2.to_" in part:
                weight.normal_(std=1.5)
    return pipe


def picture(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def make(pipe, **call):
    noise = torch.Generator("cpu").manual_seed(3)
    with torch.inference_mode():
        return np.asarray(
            pipe(num_inference_steps=3, generator=noise, guidance_scale=3.0, **call).images[0]
        )


def check(pipe, target, adapter, **call):
    """English as the pipeline reads it, a foreign prompt otherwise; returns the pictures."""
    native = make(pipe, prompt=ENGLISH, negative_prompt=NEGATIVE, **call)
    english = target.conditioning(target.text.encode([ENGLISH]), negative=NEGATIVE)
    ours = make(pipe, **arguments_for(pipe, english), **call)
    assert np.array_equal(ours, native)
    foreign = make(pipe, **conditioning(pipe, adapter, FOREIGN, negative=NEGATIVE), **call)
    assert not np.array_equal(foreign, native)
    return native, foreign


def test_lora(name, target, adapter, tmp_path):
    peft = pytest.importorskip("peft", reason="LoRA weights are loaded through peft")
    plain = check(pipe_of(name), target, adapter, width=SIZE, height=SIZE)
    giver = pipe_of(name)
    giver.unet.add_adapter(
        peft.LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False)
    )
    type(giver).save_lora_weights(
        tmp_path, unet_lora_layers=peft.get_peft_model_state_dict(giver.unet)
    )
    pipe = pipe_of(name)
    pipe.load_lora_weights(tmp_path)
    with_lora = check(pipe, target, adapter, width=SIZE, height=SIZE)
    assert all(not np.array_equal(a, b) for a, b in zip(plain, with_lora, strict=True))
    pipe.unload_lora_weights()
    again = check(pipe, target, adapter, width=SIZE, height=SIZE)
    assert all(np.array_equal(a, b) for a, b in zip(plain, again, strict=True))


def test_lora_in_the_pipeline_that_the_adapter_drives(adapter):
    peft = pytest.importorskip("peft", reason="LoRA weights are loaded through peft")
    pipe = adapter.target.pipeline
    call = {"steps": 2, "size": SIZE, "guidance": 1.0}
    plain = np.asarray(adapter.generate(FOREIGN, **call)[0])
    pipe.unet.add_adapter(
        peft.LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v"], init_lora_weights=False)
    )
    with torch.no_grad():
        for part, weight in pipe.unet.named_parameters():
            if "lora_" in part:
                weight.normal_(std=2.0)
    changed = np.asarray(adapter.generate(FOREIGN, **call)[0])
    pipe.unload_lora_weights()
    assert not np.array_equal(plain, changed)
    assert np.array_equal(plain, np.asarray(adapter.generate(FOREIGN, **call)[0]))


def test_controlnet(name, target, adapter):
    base = pipe_of(name)
    torch.manual_seed(2)
    net = df.ControlNetModel.from_unet(base.unet, conditioning_embedding_out_channels=(16, 32))
    for block in (*net.controlnet_down_blocks, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(block.weight, std=0.5)  # they start at zero
    made_of = {
        "sd": df.StableDiffusionControlNetPipeline,
        "sdxl": df.StableDiffusionXLControlNetPipeline,
    }[name]
    pipe = made_of.from_pipe(base, controlnet=net)
    pipe.set_progress_bar_config(disable=True)
    guide = {"image": picture(1), "width": SIZE, "height": SIZE}
    _, foreign = check(pipe, target, adapter, **guide)
    other = make(pipe, **conditioning(pipe, adapter, FOREIGN, negative=NEGATIVE),
                 **{**guide, "image": picture(2)})  # fmt: skip
    assert not np.array_equal(foreign, other)


def test_image_to_image(name, target, adapter):
    pipe = df.AutoPipelineForImage2Image.from_pipe(pipe_of(name))
    pipe.set_progress_bar_config(disable=True)
    check(pipe, target, adapter, image=picture(), strength=0.7)


def test_inpainting(name, target, adapter):
    pipe = df.AutoPipelineForInpainting.from_pipe(pipe_of(name))
    pipe.set_progress_bar_config(disable=True)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[4:12, 4:12] = 255
    check(pipe, target, adapter, image=picture(), mask_image=Image.fromarray(mask), strength=0.9,
          width=SIZE, height=SIZE)  # fmt: skip


def test_ip_adapter(name, target, adapter):
    pipe = pipe_of(name)
    width = pipe.unet.config.cross_attention_dim
    torch.manual_seed(4)
    tokens, seen = 4, 12  # diffusers takes four tokens a picture
    layers = {}
    places = [p for p in pipe.unet.attn_processors if "attn2" in p]
    for number, place in enumerate(places):
        hidden = pipe.unet.get_submodule(place.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            layers[f"{2 * number + 1}.{part}.weight"] = torch.randn(hidden, width)
    weights = {
        "image_proj": {
            "proj.weight": torch.randn(tokens * width, seen),
            "proj.bias": torch.randn(tokens * width),
            "norm.weight": torch.ones(width),
            "norm.bias": torch.zeros(width),
        },
        "ip_adapter": layers,
    }
    pipe.load_ip_adapter(weights, subfolder="", weight_name="", image_encoder_folder=None)
    pipe.set_ip_adapter_scale(0.8)

    def shown(seed):
        noise = torch.Generator("cpu").manual_seed(seed)
        return {"ip_adapter_image_embeds": [torch.randn(2, 1, seen, generator=noise)],
                "width": SIZE, "height": SIZE}  # fmt: skip

    _, foreign = check(pipe, target, adapter, **shown(1))
    english = conditioning(pipe, adapter, FOREIGN, negative=NEGATIVE)
    assert not np.array_equal(foreign, make(pipe, **english, **shown(2)))


def test_a_pipeline_without_text_encoders_in_half_precision(name, adapter):
    absent = dict.fromkeys(p for p in ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
                           if p in pipe_of(name).components)  # fmt: skip
    pipe = df.DiffusionPipeline.from_pretrained(folder(name), dtype=torch.bfloat16, **absent)
    pipe.set_progress_bar_config(disable=True)
    call = conditioning(pipe, adapter, FOREIGN)
    assert {value.dtype for value in call.values()} == {torch.bfloat16}
    assert make(pipe, **call, width=SIZE, height=SIZE).shape == (SIZE, SIZE, 3)
    assert not any(one.startswith("negative") for one in conditioning(
        pipe, adapter, FOREIGN, guided=False))  # fmt: skip


def test_conditioning_loads_no_pipeline_of_its_own(name):
    target = load(str(folder(name)), device="cpu")
    target.conditioning(target.text.encode([ENGLISH]))
    assert "pipeline" not in vars(target)


@pytest.mark.parametrize("other", ["flux", "sd3"])
def test_conditioning_of_transformers_loads_no_pipeline_of_its_own(other):
    target = load(str(folder(other)), device="cpu")
    absent = {} if other == "flux" else {"text_encoder_3": None, "tokenizer_3": None}
    pipe = df.AutoPipelineForImage2Image.from_pipe(
        df.DiffusionPipeline.from_pretrained(folder(other), **absent)
    )
    call = arguments_for(pipe, target.conditioning(target.text.encode([ENGLISH])))
    assert "pipeline" not in vars(target)
    pipe.set_progress_bar_config(disable=True)
    start = {"image": picture(), "strength": 0.7, "width": SIZE, "height": SIZE}
    made = make(pipe, **start, **call)
    assert made.shape == (SIZE, SIZE, 3)
    turned = {key: -3 * value for key, value in call.items()}
    assert not np.array_equal(made, make(pipe, **start, **turned))


def test_a_pipeline_of_another_family_is_refused(name, adapter):
    other, message = {
        "sd": ("sdxl", "reads token states of width 40, not 16"),
        "sdxl": ("sd", "does not take .*pooled_prompt_embeds"),
    }[name]
    with pytest.raises(UserError, match=message):
        conditioning(pipe_of(other), adapter, FOREIGN)
