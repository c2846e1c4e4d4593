"""Kandinsky 2.2: the prior's image embeddings are the space, the decoder paints from them."""

import diffusers as df
import numpy as np
import pytest
import torch
import transformers as tf
from m2m_diffusion.target import load
from pipeline_folders import tokenizer

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import TextEncoderSuite
from m2m_adapters.testing.toys import toy_sentences

ENGLISH = "two red squares above a small blue circle"
WIDTH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("kandinsky")
    text = tf.CLIPTextConfig(
        vocab_size=320, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=16, bos_token_id=0, eos_token_id=1,
        pad_token_id=1, projection_dim=WIDTH,
    )  # fmt: skip
    vision = tf.CLIPVisionConfig(
        hidden_size=WIDTH, image_size=32, projection_dim=WIDTH, intermediate_size=16,
        num_attention_heads=2, num_hidden_layers=1, patch_size=16,
    )  # fmt: skip
    prior = df.PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, embedding_dim=WIDTH, num_layers=1,
        num_embeddings=16, additional_embeddings=4,
    )  # fmt: skip
    torch.nn.init.ones_(prior.clip_std)
    df.KandinskyV22PriorPipeline(
        prior=prior, image_encoder=tf.CLIPVisionModelWithProjection(vision),
        text_encoder=tf.CLIPTextModelWithProjection(text), tokenizer=tokenizer(),
        scheduler=df.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample=True,
            clip_sample_range=10.0,
        ),
        image_processor=tf.CLIPImageProcessor(crop_size=32, size={"shortest_edge": 32}),
    ).save_pretrained(place / "small-prior")  # fmt: skip
    unet = df.UNet2DConditionModel(
        in_channels=4, out_channels=8, addition_embed_type="image", cross_attention_dim=WIDTH,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", block_out_channels=(32, 64),
        layers_per_block=1, encoder_hid_dim=WIDTH, encoder_hid_dim_type="image_proj",
        attention_head_dim=4, resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    movq = df.VQModel(
        block_out_channels=[32, 64], down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"], in_channels=3,
        latent_channels=4, layers_per_block=1, norm_num_groups=8, norm_type="spatial",
        num_vq_embeddings=12, out_channels=3, vq_embed_dim=4,
    )  # fmt: skip
    scheduler = df.DDIMScheduler(
        beta_schedule="linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        prediction_type="epsilon",
    )  # fmt: skip
    df.KandinskyV22Pipeline(unet=unet, scheduler=scheduler, movq=movq).save_pretrained(
        place / "small-decoder"
    )
    return place / "small-decoder"


def native(folder, guidance, negative):
    prior = df.KandinskyV22PriorPipeline.from_pretrained(folder.parent / "small-prior")
    decoder = df.KandinskyV22Pipeline.from_pretrained(folder)
    for pipe in (prior, decoder):
        pipe.set_progress_bar_config(disable=True)
    with torch.inference_mode():
        read = prior(ENGLISH, generator=torch.Generator().manual_seed(0))
        against = read.negative_image_embeds
        if negative:
            against = prior(negative, generator=torch.Generator().manual_seed(0)).image_embeds
        return np.asarray(
            decoder(
                read.image_embeds, against, num_inference_steps=2, height=64, width=64,
                guidance_scale=guidance, generator=torch.Generator().manual_seed(3),
            ).images[0]
        )  # fmt: skip


@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (4.0, None), (4.0, "a dog")])
def test_english_through_our_path_is_the_native_picture(folder, guidance, negative):
    target = load(str(folder), device="cpu")
    vectors = target.text.encode([ENGLISH])
    assert vectors.shape == (1, WIDTH)
    ours = target.generate(
        vectors, steps=2, size=64, seed=3, guidance=guidance, negative=negative
    )[0]  # fmt: skip
    assert np.array_equal(np.asarray(ours), native(folder, guidance, negative))


def test_an_adapter_paints_without_prior_and_text_encoder(folder, tmp_path):
    made = m2m.align("toy-source", f"diffusion:{folder}", list(toy_sentences(100)), store=False,
                     recipe="closed-form", model_options={"device": "cpu"})  # fmt: skip
    adapter = m2m.load_adapter(made.save(tmp_path / "a"), device="cpu")
    adapter.target.text.negative("")  # filed in the cache
    adapter = m2m.load_adapter(tmp_path / "a", device="cpu")
    one, other = adapter.generate(["ein Hund", "日本語" * 9], steps=2, size=64, guidance=4.0)
    assert "prior" not in vars(adapter.target.text)
    assert one.size == (64, 64) and not np.array_equal(np.asarray(one), np.asarray(other))


def test_a_decoder_without_its_prior(folder, tmp_path):
    import shutil

    place = shutil.copytree(folder, tmp_path / "alone")
    with pytest.raises(UserError, match=r"the prior of .* cannot be found by its name"):
        _ = load(str(place), device="cpu").text
    place = shutil.copytree(folder, tmp_path / "a-decoder")
    with pytest.raises(UserError, match=r"no pipeline folder .*a-prior"):
        _ = load(str(place), device="cpu").text


class TestPriorText(TextEncoderSuite):
    @pytest.fixture(autouse=True)
    def _place(self, folder):
        type(self).place = folder

    def make(self):
        return load(str(self.place), device="cpu").text
