"""What we give is what transformers gives, called directly; and always the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import speech_folders
import torch
import transformers as tf
from m2m_speech.load import load, load_frames
from speech_folders import RATE, sound, sounds

from m2m_adapters.interfaces import normalize
from m2m_adapters.testing import TextEncoderSuite

TEXTS = ["a dog", "two red squares above a small circle", "犬が吠える", "rain " * 200, ""]
SEAMLESS = [("seamless", tf.SeamlessM4TModel), ("seamless-v2", tf.SeamlessM4Tv2Model)]


def ours(name: str, **options: Any) -> Any:
    return load(str(speech_folders.folder(name)), device="cpu", **options)


def direct_features(name: str, item: Any) -> dict[str, torch.Tensor]:
    extractor = tf.AutoFeatureExtractor.from_pretrained(speech_folders.folder(name))
    return dict(extractor(item[0], sampling_rate=RATE, return_tensors="pt"))


def direct_texts(name: str, encoder: Any) -> np.ndarray:
    """The mean over each text's tokens, one text at a time."""
    tokenizer = tf.AutoTokenizer.from_pretrained(speech_folders.folder(name))
    rows = []
    for text in TEXTS:
        read = tokenizer(text, truncation=True, max_length=60, return_tensors="pt")
        out = encoder(input_ids=read["input_ids"], attention_mask=read["attention_mask"])
        rows.append(out.last_hidden_state[0].mean(0).numpy())
    return normalize(np.stack(rows))


def close(mine: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize(("name", "whole"), SEAMLESS)
@torch.no_grad()
def test_seamless_texts_and_speech(name: str, whole: Any) -> None:
    theirs = whole.from_pretrained(speech_folders.folder(name)).eval()
    mine = ours(name)
    close(mine.encode(TEXTS), direct_texts(name, theirs.text_encoder))
    heard = [
        theirs.speech_encoder(**direct_features(name, item)).last_hidden_state[0].mean(0).numpy()
        for item in sounds()[:2]
    ]
    close(mine.encode_items(sounds()[:2]), normalize(np.stack(heard)))


@pytest.mark.parametrize(("name", "whole"), SEAMLESS)
@torch.no_grad()
def test_seamless_without_its_length_adaptor(name: str, whole: Any) -> None:
    path = speech_folders.folder(name)
    theirs = whole.from_pretrained(path).eval().speech_encoder
    mine, shorter = load_frames(str(path), device="cpu"), ours(name)
    assert mine.fingerprint != shorter.fingerprint
    theirs.adapter = None
    features = direct_features(name, sounds()[0])
    out = theirs(**features).last_hidden_state
    assert out.shape[1] == features["input_features"].shape[1]
    close(mine.encode_items(sounds()[:1]), normalize(out.mean(1).numpy()))
    assert not np.allclose(mine.encode_items(sounds()[:1]), shorter.encode_items(sounds()[:1]))
    close(mine.encode(TEXTS), shorter.encode(TEXTS))


@pytest.mark.parametrize(("name", "whole"), SEAMLESS)
@torch.no_grad()
def test_layers_of_seamless(name: str, whole: Any) -> None:
    theirs = whole.from_pretrained(speech_folders.folder(name)).eval()
    features = direct_features(name, sounds()[0])
    out = theirs.speech_encoder(**features, output_hidden_states=True)
    layers = ours(name).encode_item_layers(sounds()[:2])
    assert len(layers) == 3 + 1 + 1  # before the first, after each of three, after the adaptor
    for mine, states in zip(layers[:3], out.hidden_states[:3], strict=True):
        close(mine[0], states[0].mean(0).numpy())
    close(layers[4][0], out.last_hidden_state[0].mean(0).numpy())
    frames = load_frames(str(speech_folders.folder(name)), device="cpu")
    assert len(frames.encode_item_layers(sounds()[:1])) == 4
    text = ours(name).encode_layers(TEXTS[:2])
    read = tf.AutoTokenizer.from_pretrained(speech_folders.folder(name))(
        TEXTS[0], return_tensors="pt"
    )
    told = theirs.text_encoder(
        input_ids=read["input_ids"], attention_mask=read["attention_mask"],
        output_hidden_states=True,
    )  # fmt: skip
    assert len(text) == len(told.hidden_states) == 3
    close(text[1][0], told.hidden_states[1][0].mean(0).numpy())


@pytest.mark.parametrize("name", ["sonar", "nllb"])
@torch.no_grad()
def test_sonar_and_the_encoder_of_a_translator(name: str) -> None:
    path = speech_folders.folder(name)
    made_of = {
        "sonar": tf.models.m2m_100.modeling_m2m_100.M2M100Encoder,
        "nllb": tf.M2M100ForConditionalGeneration,
    }[name]
    theirs = made_of.from_pretrained(path).eval()
    mine = ours(name)
    close(mine.encode(TEXTS), direct_texts(name, getattr(theirs, "model", theirs).encoder
                                           if name == "nllb" else theirs))  # fmt: skip
    assert len(mine.encode_layers(TEXTS[:1])) == 3
    assert not mine.can("encode_items") and mine.item_modality is None


@pytest.mark.parametrize("name", ["wav2vec2-bert", "wav2vec2-bert-adapted"])
@torch.no_grad()
def test_wav2vec2_bert(name: str) -> None:
    theirs = tf.Wav2Vec2BertModel.from_pretrained(speech_folders.folder(name)).eval()
    out = theirs(**direct_features(name, sounds()[1]), output_hidden_states=True)
    mine = ours(name)
    close(mine.encode_items(sounds()[1:2]), normalize(out.last_hidden_state.mean(1).numpy()))
    layers = mine.encode_item_layers(sounds()[1:2])
    assert len(layers) == 3
    for layer, states in zip(layers, out.hidden_states, strict=True):
        close(layer, states.mean(1).numpy())


@torch.no_grad()
def test_whisper_is_pooled_over_the_sound_alone() -> None:
    theirs = tf.WhisperModel.from_pretrained(speech_folders.folder("whisper")).eval().encoder
    features = direct_features("whisper", sounds()[0])["input_features"]
    states = theirs(features).last_hidden_state[:, :30]  # 0.6 s of 50 states a second
    mine = ours("whisper")
    close(mine.encode_items(sounds()[:1]), normalize(states.mean(1).numpy()))
    assert [layer.shape for layer in mine.encode_item_layers(sounds())] == [(4, 16)] * 3
    longer = mine.encode_items([(sound(3.0, 5), RATE), (sound(3.0, 5)[: 3 * RATE], RATE)])
    close(longer[0], longer[1])


@torch.no_grad()
def test_qwen2_audio_hears_what_it_hears_in_a_prompt_of_sound_alone() -> None:
    path = speech_folders.folder("qwen2-audio")
    theirs = tf.Qwen2AudioForConditionalGeneration.from_pretrained(path).eval().model
    extractor = tf.AutoFeatureExtractor.from_pretrained(path)
    heard = extractor(sounds()[0][0], sampling_rate=RATE, return_tensors="pt",
                      return_attention_mask=True, padding="max_length")  # fmt: skip
    mask = heard["attention_mask"]
    count = int(theirs.audio_tower._get_feat_extract_output_lengths(mask.sum(-1))[1])
    out = theirs(
        input_ids=torch.full((1, count), theirs.config.audio_token_id),
        input_features=heard["input_features"], feature_attention_mask=mask,
        attention_mask=torch.ones(1, count, dtype=torch.long),
    )  # fmt: skip
    mine = ours("qwen2-audio")
    close(mine.encode_items(sounds()[:1]), normalize(out.last_hidden_state.mean(1).numpy()))
    close(mine.encode(TEXTS), direct_texts("qwen2-audio", theirs.language_model))
    widths = [layer.shape[1] for layer in mine.encode_item_layers(sounds()[:2])]
    assert widths == [12, 12, 12, 16, 16, 16]  # the encoder's, the adaptor's, the language model's


@torch.no_grad()
def test_granite_speech_from_features() -> None:
    """Its feature extractor needs torchaudio; everything behind it is compared."""
    path = speech_folders.folder("granite")
    theirs = tf.GraniteSpeechForConditionalGeneration.from_pretrained(path).eval().model
    mine = ours("granite")
    features = torch.randn(1, 40, 160, generator=torch.Generator().manual_seed(0))
    heard = theirs.get_audio_features(features).pooler_output
    count = heard.shape[1]
    out = theirs(
        input_ids=torch.full((1, count), theirs.config.audio_token_id), input_features=features,
        attention_mask=torch.ones(1, count, dtype=torch.long),
    )  # fmt: skip
    close(mine.states({"input_features": features}).numpy(), out.last_hidden_state.numpy())
    assert len(mine.speech_layers({"input_features": features})) == 3 + 3
    close(mine.encode(TEXTS), direct_texts("granite", theirs.language_model))


class TestSeamless(TextEncoderSuite):
    def make(self) -> Any:
        return ours("seamless")

    def speech(self) -> list[Any]:
        return sounds()


class TestSeamlessV2(TestSeamless):
    def make(self) -> Any:
        return ours("seamless-v2")


class TestSeamlessFrames(TestSeamless):
    def make(self) -> Any:
        return load_frames(str(speech_folders.folder("seamless-v2")), device="cpu")


class TestSonar(TextEncoderSuite):
    def make(self) -> Any:
        return ours("sonar")


class TestQwen2Audio(TestSeamless):
    def make(self) -> Any:
        return ours("qwen2-audio")
