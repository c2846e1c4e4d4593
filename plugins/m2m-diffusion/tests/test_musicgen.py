"""MusicGen: its own music for its own states, and an adapter that steers it."""

import numpy as np
import pytest
import torch
import transformers as tf
from m2m_diffusion.musicgen import load
from pipeline_folders import t5, tokenizer
from test_token_level import OPTIONS, SENTENCES, WordSource

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.testing import TextEncoderSuite

ENGLISH = "two drums and a slow violin"
QUICK = {"steps": 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    codec = tf.EncodecConfig(
        sampling_rate=400, hidden_size=8, num_filters=4, upsampling_ratios=[2, 2],
        codebook_size=32, codebook_dim=8, num_lstm_layers=1, target_bandwidths=[4.0],
    )  # fmt: skip
    decoder = tf.MusicgenDecoderConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16,
        num_codebooks=4, pad_token_id=32, bos_token_id=32, max_position_embeddings=64,
    )  # fmt: skip
    encoder = t5()
    config = tf.MusicgenConfig(
        text_encoder=encoder.config, audio_encoder=codec, decoder=decoder,
    )  # fmt: skip
    model = tf.MusicgenForConditionalGeneration(config)
    model.text_encoder.load_state_dict(encoder.state_dict())
    with torch.no_grad():  # random weights barely listen
        for name, weight in model.decoder.named_parameters():
            if "encoder_attn" in name or "lm_heads" in name:
                weight.mul_(30)
        for layer in model.audio_encoder.quantizer.layers:  # fresh ones are zero
            layer.codebook.embed.normal_()
    model.generation_config.update(
        decoder_start_token_id=32, pad_token_id=32, do_sample=True, guidance_scale=3.0,
        max_length=24, bos_token_id=32,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("musicgen") / "model"
    model.save_pretrained(place)
    tokenizer(512).save_pretrained(place)
    return place


def native(folder, guidance):
    model = tf.MusicgenForConditionalGeneration.from_pretrained(folder).eval()
    inputs = tf.AutoTokenizer.from_pretrained(folder)([ENGLISH], return_tensors="pt")
    given = {} if guidance is None else {"guidance_scale": guidance}
    torch.manual_seed(3)
    with torch.inference_mode():
        return model.generate(**inputs, max_new_tokens=QUICK["steps"], **given)[0].numpy().squeeze()


@pytest.mark.parametrize("guidance", [None, 1.0])
def test_english_through_our_path_is_the_native_music(folder, guidance):
    target = load(str(folder), device="cpu")
    ((samples, rate),) = target.generate(
        target.text.encode([ENGLISH]), seed=3, guidance=guidance, **QUICK
    )
    assert rate == 400 and samples.ndim == 1 and samples.std() > 0
    assert np.array_equal(samples, native(folder, guidance))


def test_an_adapter_steers_it_and_writes_files(folder, tmp_path):
    target = m2m.load_target(f"musicgen:{folder}", device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], epochs=2, **OPTIONS)
    assert adapter.level == "token" and adapter.modality == "audio"
    prompts = ["a dog above a cat", "ein Hund über einer Katze"]
    made = adapter.generate(prompts, seed=1, **QUICK)
    again = adapter.generate(prompts[1:], seed=1, **QUICK)
    assert np.array_equal(made[1][0], again[0][0])
    # Random weights barely listen; loud states must be heard.
    loud = target.text.encode([ENGLISH])
    quiet, loud[:, : -target.text.shape[0]] = loud.copy(), loud[:, : -target.text.shape[0]] * -300
    ((one, _),), ((other, _),) = (target.generate(v, seed=1, **QUICK) for v in (quiet, loud))
    assert not np.array_equal(one, other)
    from m2m_adapters.generation.files import Wanted

    files = m2m.generate_files(adapter, prompts, tmp_path, Wanted(**QUICK))
    assert [one.path.suffix for one in files] == [".wav", ".wav"]


def test_what_it_does_not_take(folder):
    target = load(str(folder), device="cpu")
    vectors = target.text.encode([ENGLISH])
    with pytest.raises(UserError, match="neither a size nor a negative"):
        target.generate(vectors, size=16)
    with pytest.raises(UserError, match="has no option 'eta'"):
        target.generate(vectors, eta=1)
    with pytest.raises(UserError, match="use steps"):
        target.generate(vectors, max_new_tokens=12)
    with pytest.raises(UserError, match="MusicGen takes"):
        target.generate(vectors[:, :5])


class TestMusicgenText(TextEncoderSuite):
    @pytest.fixture(autouse=True)
    def _place(self, folder):
        type(self).place = folder

    def make(self):
        return load(str(self.place), device="cpu").text
