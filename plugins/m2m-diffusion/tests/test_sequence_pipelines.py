"""Pictures, sounds and videos of pipelines that read a T5 or LLM: native output, and adapters."""

import functools

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion.prompts import TOKENS
from m2m_diffusion.readings import FLUX2
from m2m_diffusion.target import load
from sequence_folders import MAKERS, folder
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m

ENGLISH = ["two red squares above a small blue circle"]
NAMES = tuple(MAKERS)
SIZES = {"ltx": 32, "sana": 32}
BOTH = {
    "sana": {"use_resolution_binning": False},
    "ltx": {"num_frames": 9}, "wan": {"num_frames": 9}, "cogvideox": {"num_frames": 9},
    "stable-audio": {"audio_end_in_s": 0.01}, "kandinsky5-video": {"num_frames": 5},
}  # fmt: skip
LENGTHS = dict.fromkeys(("wan", "cogvideox", "stable-audio")) | {"flux2": FLUX2.tokens}
"""Tokens that native calls are held to, where it is not ours; None for their own."""
NO_NEGATIVE = ("flux2",)


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Kandinsky 5 has a list of sizes, the smallest of a million pixels."""
    own = df.Kandinsky5T2IPipeline.__init__

    @functools.wraps(own)
    def init(self, *args, **parts):
        own(self, *args, **parts)
        self.resolutions = [(16, 16)]

    monkeypatch.setattr(df.Kandinsky5T2IPipeline, "__init__", init)


def settings(name):
    size = {} if name == "stable-audio" else {"size": SIZES.get(name, 16)}
    return {"steps": 2, **size, **BOTH.get(name, {})}


def values(items):
    return np.stack([frames_of(item) for item in items])


def frames_of(item):
    """The numbers of a picture, a (sound, rate) or (frames, rate)."""
    item = item[0] if isinstance(item, tuple) else item
    return (
        np.stack([np.asarray(one) for one in item]) if isinstance(item, list) else np.asarray(item)
    )


def native(name, guidance, negative):
    pipe = df.DiffusionPipeline.from_pretrained(folder(name))
    pipe.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 2, **BOTH.get(name, {})}
    if name != "stable-audio":
        call |= dict.fromkeys(("width", "height"), SIZES.get(name, 16))
    call["true_cfg_scale" if name == "qwen" else "guidance_scale"] = guidance
    if name not in NO_NEGATIVE and (negative is not None or name not in ("stable-audio", "sana")):
        call["negative_prompt"] = negative or ("" if guidance > 1 else None)
    if length := LENGTHS.get(name, TOKENS):
        call["max_sequence_length"] = length
    with torch.inference_mode():
        made = pipe(prompt=ENGLISH[0], generator=torch.Generator().manual_seed(3), **call)
    if name == "stable-audio":
        return made.audios.numpy()
    return values(
        getattr(made, "images", None) or getattr(made, "image", None) or list(made.frames)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (3.0, None), (3.0, "a dog")])
def test_english_through_our_path_is_the_native_output(name, guidance, negative):
    target = load(str(folder(name)), device="cpu")
    ours = target.generate(
        target.text.encode(ENGLISH), seed=3, guidance=guidance, negative=negative, **settings(name)
    )
    assert np.array_equal(values(ours), native(name, guidance, negative))


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_steers_it_in_any_language(name):
    target = load(str(folder(name)), device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], epochs=2, **OPTIONS)
    assert adapter.level == "token" and adapter.dim == target.text.dim
    prompts = ["a dog above a cat", "ein Hund über einer Katze"]
    given = adapter.conditioning(prompts)
    states = given["prompt_embeds_qwen" if "kandinsky" in name else "prompt_embeds"]
    assert not torch.equal(states[0], states[1])
    made = adapter.generate(prompts, guidance=2.0, **settings(name))
    assert len(made) == 2 and np.isfinite(values(made)).all()
    # Random weights barely listen; a loud sequence must be heard.
    vectors = adapter.encode(prompts[:1])
    tokens, width = target.text.shape
    loud = vectors.copy()
    loud[:, : target.text.pooled_dim + tokens * width] *= -100
    quiet, heard = (values(target.generate(v, **settings(name))) for v in (vectors, loud))
    assert not np.array_equal(quiet, heard)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name):
    target = load(str(folder(name)), device="cpu", precision="bf16")
    made = target.generate(target.text.encode(ENGLISH), guidance=2.0, **settings(name))
    assert np.isfinite(values(made).astype(np.float32)).all()


def test_the_text_models_are_loaded_once_for_no_prompt(tmp_path, monkeypatch):
    monkeypatch.setenv("M2M_CACHE", str(tmp_path))
    first, second = (load(str(folder("sana")), device="cpu") for _ in range(2))
    vectors = first.text.encode(ENGLISH)
    made = [one.generate(vectors, guidance=3.0, **settings("sana")) for one in (first, second)]
    assert np.array_equal(*map(values, made))
    assert "pipeline" in vars(first.text) and "pipeline" not in vars(second.text)
    assert not np.array_equal(second.text.negative("a dog"), second.text.negative(""))


@pytest.mark.parametrize("name", NAMES)
def test_prompts_of_different_lengths_together_are_as_alone(name):
    target = load(str(folder(name)), device="cpu")
    prompts = ["a dog", "two red squares above a small blue circle"]
    vectors = target.text.encode(prompts)
    both = values(target.generate(vectors, seed=3, batch_size=2, **settings(name)))
    alone = values(target.generate(vectors[:1], seed=3, **settings(name)))
    assert np.abs(both[:1].astype(np.float32) - alone).max() <= (
        1e-4 if both.dtype != np.uint8 else 1
    )
