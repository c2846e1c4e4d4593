"""CLAP: what we give is what transformers gives, and always the same."""

from __future__ import annotations

import clap_folders
import numpy as np
import pytest
import torch
import transformers as tf
from m2m_clap.target import Clap, load

from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

RATE = clap_folders.RATE
TEXTS = ["a dog", "two red squares above a small circle", "x " * 100, "", "犬が吠える"]


def model_of(fused: bool = False) -> Clap:
    return load(str(clap_folders.folder(fused)), device="cpu")


def library(fused: bool) -> tuple[tf.ClapModel, object]:
    folder = clap_folders.folder(fused)
    extractor = tf.AutoFeatureExtractor.from_pretrained(folder)
    return tf.ClapModel.from_pretrained(folder).eval(), extractor


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_as_the_library(fused: bool) -> None:
    mine, (whole, extractor) = model_of(fused), library(fused)
    tokens = tf.AutoTokenizer.from_pretrained(clap_folders.folder(fused))(
        TEXTS, padding=True, truncation=True, max_length=mine.text.max_tokens, return_tensors="pt"
    )
    # Up to the second that the model hears; very short ones are repeated and padded.
    sounds = [clap_folders.sound(s, i) for i, s in enumerate((0.01, 0.4, 0.7, 1.0))]
    features = extractor(sounds, sampling_rate=RATE, return_tensors="pt")
    features["is_longer"] = torch.zeros(len(sounds), 1, dtype=torch.bool)
    with torch.no_grad():
        texts = whole.get_text_features(**tokens).pooler_output.numpy()
        items = whole.get_audio_features(**features).pooler_output.numpy()
    assert mine.space.dim == texts.shape[1] and mine.space.normalized
    np.testing.assert_allclose(mine.text.encode(TEXTS), texts, atol=1e-6)
    np.testing.assert_allclose(mine.encode_items([(s, RATE) for s in sounds]), items, atol=1e-6)


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_a_long_sound_is_always_the_same(fused: bool) -> None:
    sound = clap_folders.sound(3.7, 3)
    whole, extractor = library(fused)

    def theirs() -> np.ndarray:
        with torch.no_grad():
            made = extractor([sound, sound[:9]], sampling_rate=RATE, return_tensors="pt")
            return whole.get_audio_features(**made).pooler_output.numpy()[0]

    np.random.seed(0)  # the trap itself: the library crops at random
    assert max(np.abs(theirs() - theirs()).max() for _ in range(3)) > 1e-3
    mine = model_of(fused)
    first = mine.encode_items([(sound, RATE)])
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(mine.encode_items([(sound, RATE)]), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    others = [(clap_folders.sound(s, 9), RATE) for s in (0.2, 2.5)]
    beside = mine.encode_items([others[0], (sound, RATE), others[1]])
    np.testing.assert_allclose(beside[1:2], first, atol=1e-5)


def test_windows() -> None:
    mine = model_of()
    sound = clap_folders.sound(2.5, 3)
    found = mine.encode_windows((sound, RATE))
    assert found.seconds == [(0.0, 1.0), (0.75, 1.75), (1.5, 2.5)]
    pieces = [(sound[round(a * RATE) : round(b * RATE)], RATE) for a, b in found.seconds]
    np.testing.assert_allclose(found.vectors, mine.encode_items(pieces), atol=1e-6)
    mean = found.vectors.mean(0)
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(mine.encode_items([(sound, RATE)])[0], expected, atol=1e-6)
    short = mine.encode_windows((clap_folders.sound(0.25), RATE))
    assert short.seconds == [(0.0, 0.25)] and short.vectors.shape == (1, 12)
    exact = mine.encode_windows((clap_folders.sound(1), RATE))
    assert exact.seconds == [(0.0, 1.0)]


def test_the_same_sound_in_any_form(tmp_path) -> None:
    import io

    import soundfile

    mine, sound = model_of(), clap_folders.sound(0.8, 2)
    stereo = np.stack([1.2 * sound, 0.8 * sound], axis=1)
    for name, samples in (("mono.wav", sound), ("stereo.wav", stereo)):
        soundfile.write(tmp_path / name, samples, RATE, subtype="FLOAT")
    data = io.BytesIO()
    soundfile.write(data, sound, RATE, format="FLAC", subtype="PCM_24")
    forms = [
        (sound, RATE),
        (sound.tolist(), RATE),
        (torch.from_numpy(sound), RATE),
        {"array": sound, "sampling_rate": RATE},
        {"array": stereo.T, "sampling_rate": float(RATE)},
        (np.round(sound * 32768).astype(np.int16), RATE),
        tmp_path / "mono.wav",
        str(tmp_path / "stereo.wav"),
        data.getvalue(),
        bytearray(data.getvalue()),
    ]
    vectors = mine.encode_items(forms)
    assert (vectors @ vectors[0] > 0.9999).all()


def test_resampling_keeps_the_sound() -> None:
    """A sound given at another rate is nearly the same vector; taken for the wrong rate, not."""
    import soxr

    mine, sound = model_of(), clap_folders.sound(0.9, 4)
    first = mine.encode_items([(sound, RATE)])[0]
    for rate in (22050, 44100, 48000):
        again = mine.encode_items([(soxr.resample(sound, RATE, rate), rate)])[0]
        assert first @ again > 0.99
    assert first @ mine.encode_items([(sound, 44100)])[0] < 0.99


class TestPlainText(TextEncoderSuite):
    def make(self):
        return model_of().text


class TestPlain(ModalityModelSuite):
    def make(self):
        return model_of()

    def items(self):
        return [(clap_folders.sound(s, i), RATE) for i, s in enumerate((0.1, 0.9, 1.3, 3.2))]


class TestFusedText(TextEncoderSuite):
    def make(self):
        return model_of(True).text


class TestFused(TestPlain):
    def make(self):
        return model_of(True)
