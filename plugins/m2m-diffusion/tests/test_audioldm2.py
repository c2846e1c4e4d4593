"""AudioLDM 2: the states of T5 and those of its language model, to the native sound."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import diffusers as df
import numpy as np
import pytest
import torch
import transformers as tf
from diffusers.pipelines.audioldm2 import AudioLDM2ProjectionModel
from m2m_diffusion.target import load
from pipeline_folders import clap, sound_parts, t5
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m
from m2m_adapters.testing import small_models

ENGLISH = ["a dog barks at a small grey cat"]


def roberta() -> tf.RobertaTokenizer:
    """The class is asked for by the pipeline, which else reads a transcription."""
    letters = ["<s>", "<pad>", "</s>", "<unk>", "Ġ", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    return tf.RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=16)


def t5_tokenizer() -> tf.T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz"]
    scored = [(piece, -1.0) for piece in pieces]
    return tf.T5Tokenizer(vocab=scored, extra_ids=0, model_max_length=512)


def pipeline(language_model: type) -> df.AudioLDM2Pipeline:
    """Published folders hold a GPT2Model, with which its own call fails on transformers 5."""
    torch.manual_seed(0)
    config = tf.GPT2Config(
        n_embd=16, n_head=2, n_layer=2, n_ctx=128, n_positions=128, vocab_size=20
    )
    whole = small_models.spread(tf.GPT2LMHeadModel(config), 0.2)
    speaks = whole if language_model is tf.GPT2LMHeadModel else whole.transformer
    unet = df.AudioLDM2UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(8, 16),
        layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=((None, 16, None, 24),) * 2,
        attention_head_dim=2, norm_num_groups=4,
    )  # fmt: skip
    return df.AudioLDM2Pipeline(
        text_encoder=clap(), text_encoder_2=t5(), language_model=speaks,
        projection_model=AudioLDM2ProjectionModel(16, 24, 16),
        tokenizer_2=t5_tokenizer(), feature_extractor=tf.ClapFeatureExtractor(feature_size=16),
        **{**sound_parts(), "tokenizer": roberta(), "unet": small_models.spread(unet, 0.3)},
    )  # fmt: skip


@cache
def folder(language_model: type) -> Path:
    place = Path(mkdtemp(prefix="m2m-pipeline-")) / "audioldm2"
    pipeline(language_model).save_pretrained(place)
    return place


def native(guidance, negative):
    pipe = df.DiffusionPipeline.from_pretrained(folder(tf.GPT2LMHeadModel))
    pipe.set_progress_bar_config(disable=True)
    with torch.inference_mode():
        return pipe(
            prompt=ENGLISH, negative_prompt=negative and [negative], num_inference_steps=2,
            guidance_scale=guidance, generator=torch.Generator().manual_seed(3), max_new_tokens=8,
        ).audios[0]  # fmt: skip


@pytest.mark.parametrize("language_model", [tf.GPT2LMHeadModel, tf.GPT2Model])
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (3.0, None), (3.0, "rain")])
def test_english_through_our_path_is_the_native_sound(language_model, guidance, negative):
    target = load(str(folder(language_model)), device="cpu")
    ((samples, rate),) = target.generate(
        target.text.encode(ENGLISH), steps=2, seed=3, guidance=guidance, negative=negative
    )
    assert rate == 16000 and samples.std() > 0.01
    assert np.array_equal(samples, native(guidance, negative))


def test_an_adapter_steers_it_in_any_language():
    target = load(str(folder(tf.GPT2Model)), device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], epochs=2, **OPTIONS)
    assert adapter.level == "token" and adapter.dim == target.text.dim
    made = adapter.generate(["a dog above a cat", "ein Hund über einer Katze"], steps=2, seed=3)
    (dog, _), (hund, _) = made
    assert np.isfinite(dog).all() and np.isfinite(hund).all() and not np.array_equal(dog, hund)


def test_prompts_of_different_lengths_together_are_as_alone():
    target = load(str(folder(tf.GPT2Model)), device="cpu")
    vectors = target.text.encode(["rain", *ENGLISH])
    together = target.generate(vectors, steps=2, seed=3, batch_size=2, guidance=1.0)
    alone = target.generate(vectors[:1], steps=2, seed=3, guidance=1.0)
    assert np.abs(together[0][0] - alone[0][0]).max() <= 1e-3
