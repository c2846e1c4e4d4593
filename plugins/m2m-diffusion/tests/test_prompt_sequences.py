"""Pipelines steered token by token: the whole conditioning of a T5 or LLM goes through us."""

import diffusers as df
import numpy as np
import pytest
import torch
from m2m_diffusion.prompts import TOKENS
from m2m_diffusion.target import load
from pipeline_folders import folder
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.tokens import TokenProjector, TokenShape
from m2m_adapters.testing import TextEncoderSuite
from m2m_adapters.testing.toys import toy_sentences

ENGLISH = ["two red squares above a small blue circle"]
SIZE = 16
NAMES = ("flux", "sd3", "sd3-t5", "pixart")
OURS = {"pixart": {"use_resolution_binning": False}}
NATIVE = {"pixart": {"clean_caption": False}}
ABSENT = {"sd3": ("text_encoder_3", "tokenizer_3")}


def target_of(name):
    return load(str(folder(name)), device="cpu").at_level("token")


def pixels(images):
    return np.stack([np.asarray(image) for image in images])


def native(name, guidance, negative):
    absent = dict.fromkeys(ABSENT.get(name, ()))
    pipe = df.DiffusionPipeline.from_pretrained(folder(name), **absent)
    pipe.set_progress_bar_config(disable=True)
    call = {**OURS.get(name, {}), **NATIVE.get(name, {})}
    if name == "flux":
        call |= {"true_cfg_scale": guidance}
        if guidance > 1:
            call |= {"negative_prompt": negative or ""}
    else:
        call |= {"guidance_scale": guidance, "negative_prompt": negative or ""}
    if name != "sd3":  # which has zeros of its default length
        call["max_sequence_length"] = TOKENS
    with torch.inference_mode():
        return pixels(
            pipe(
                prompt=ENGLISH[0], num_inference_steps=2, width=SIZE, height=SIZE,
                generator=torch.Generator("cpu").manual_seed(3), **call,
            ).images
        )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (3.0, None), (3.0, "a dog")])
def test_english_through_our_path_is_the_native_output(name, guidance, negative):
    target = target_of(name)
    ours = target.generate(
        target.text.encode(ENGLISH), steps=2, size=SIZE, seed=3, guidance=guidance,
        negative=negative, **OURS.get(name, {}),
    )  # fmt: skip
    assert np.array_equal(pixels(ours), native(name, guidance, negative))


@pytest.mark.parametrize("name", NAMES)
def test_the_sequence_is_listened_to(name):
    target = target_of(name)
    vectors = target.text.encode(ENGLISH)
    pooled = target.text.pooled_dim
    other = vectors.copy()
    end = pooled + target.text.shape[0] * target.text.shape[1]
    other[:, pooled:end] *= -30
    made = [
        pixels(target.generate(v, steps=2, size=SIZE, seed=3, guidance=1.0, **OURS.get(name, {})))
        for v in (vectors, other)
    ]
    assert not np.array_equal(*made)


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_of_token_level_steers_the_whole(name, tmp_path):
    target = load(str(folder(name)), device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], epochs=2, **OPTIONS)
    assert adapter.level == "token" and adapter.dim == target_of(name).text.dim
    again = m2m.load_adapter(adapter.save(tmp_path / "a"), source=WordSource(), target=target)
    options = {"steps": 1, "size": SIZE, "guidance": 2.0, **OURS.get(name, {})}
    prompts = ["a dog above a cat", "ein Hund über einer Katze"]
    images = again.generate(prompts, **options)
    assert np.array_equal(pixels(images), pixels(adapter.generate(prompts, **options)))
    given = adapter.conditioning(prompts)
    assert not torch.equal(given["prompt_embeds"][0], given["prompt_embeds"][1])


def test_the_text_models_are_not_loaded_to_know_the_space_or_to_paint():
    target = target_of("flux")
    dim, vectors = target.text.dim, target_of("flux").text.encode(ENGLISH)
    assert vectors.shape == (1, dim) and dim == 16 + TOKENS * 24
    assert target.text.fingerprint == target_of("flux").text.fingerprint
    target.generate(vectors, steps=1, size=SIZE, guidance=1.0)
    assert "pipeline" not in vars(target.text) and target.pipeline.text_encoder_2 is None


def test_views_share_the_pipeline_and_have_spaces_of_their_own():
    target = load(str(folder("flux")), device="cpu")
    pipeline = target.pipeline
    tokens = target.at_level("token")
    assert tokens.pipeline is pipeline and tokens.at_level("token") is tokens
    assert tokens.at_level("sentence").text.dim == target.text.dim == 16
    assert tokens.text.fingerprint != target.text.fingerprint
    without = load(str(folder("flux-no-t5")), device="cpu")
    assert without.at_level("token") is without
    pixart = load(str(folder("pixart")), device="cpu")
    assert pixart.at_level("sentence") is pixart


def test_a_mask_is_ones_then_zeros_and_hidden_states_are_zero():
    text = target_of("pixart").text
    short, long = (text.encode([one]) for one in ("a dog", "a dog " * 100))
    tokens, width = text.shape
    for row, least in ((short, 2), (long, tokens)):
        mask = row[0, -tokens:]
        length = int(mask.sum())
        assert length >= least and mask[:length].all() and not mask[length:].any()
        sequence = row[0, : tokens * width].reshape(tokens, width)
        assert sequence[:length].any(1).all() and not sequence[length:].any()
    assert int(short[0, -tokens:].sum()) < tokens
    given = target_of("pixart").conditioning(short, guided=False)
    assert given["prompt_attention_mask"].sum() == short[0, -tokens:].sum()


def test_states_of_absent_tokens_do_not_count():
    shape = TokenShape(8, 3, 4, 2, hidden=16, mask=True)
    projector = TokenProjector(shape)
    projector.start_from(lambda: (np.zeros(shape.d_out), np.ones(shape.d_out)))
    y = torch.randn(2, shape.d_out)
    y[:, -4:] = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]])
    weights = projector.loss_weights()(y)
    assert weights.shape == y.shape and (weights[:, :3] > 0).all() and (weights[:, -4:] > 0).all()
    assert weights[0, 3:11].bool().tolist() == [True] * 4 + [False] * 4
    assert weights[1, 3:11].all()
    cut = projector.cut(y)
    assert torch.equal(cut[1], y[1]) and not cut[0, 7:11].any()
    assert torch.equal(projector.cut(cut), cut)
    with pytest.raises(UserError, match="mask must be true or false"):
        TokenShape(8, 3, 4, 2, hidden=16, mask=1)


def test_the_length_of_a_prompt_is_learned():
    target = target_of("pixart")
    sentences = list(toy_sentences(1200))  # of 600, what is learned depends on the seed
    adapter = m2m.align(WordSource(), target, sentences, level="token", epochs=12, **OPTIONS)
    tokens = target.text.shape[0]
    fresh = [text for text in toy_sentences(1300, seed=1) if text not in sentences][:50]
    ours, own = (
        encoder.encode(fresh)[:, -tokens:].sum(1) for encoder in (adapter, target.text)
    )  # fmt: skip
    assert abs(ours - own).mean() < 0.75 * abs(own - own.mean()).mean()


class TestPixArtText(TextEncoderSuite):
    def make(self):
        return target_of("pixart").text


class TestFluxTokens(TextEncoderSuite):
    def make(self):
        return target_of("flux").text
