"""Original checkpoints: what we give is what laion-clap's own model gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("m2m_laion_clap", reason="m2m-laion-clap is not installed here")
pytest.importorskip("torchlibrosa", reason="laion-clap is not installed here (it needs numpy<2)")

import laion_files
from m2m_laion_clap import sound
from m2m_laion_clap.target import LaionClap, load

from m2m_adapters.testing import ModalityModelSuite, TextEncoderSuite

RATE = laion_files.RATE
TEXTS = ["a dog", "two red squares above a small circle", "x " * 100, "", "犬が吠える"]


def model_of(fused: bool = False) -> LaionClap:
    return load(str(laion_files.checkpoint(fused)), device="cpu")


def test_texts_as_the_package() -> None:
    tokens = laion_files.tokenizer()(
        TEXTS, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = laion_files.original().get_text_embedding(dict(tokens)).numpy()
    np.testing.assert_allclose(model_of().text.encode(TEXTS), theirs, atol=1e-6)


def package_features():
    """The package's own preprocessing; importing it offline builds useless tokenizers."""
    pytest.importorskip("wandb")
    import laion_clap  # noqa: F401
    from laion_clap.training.data import (
        float32_to_int16,
        get_audio_features,
        int16_to_float32,
    )

    def made(wave: np.ndarray) -> dict:
        wave = torch.from_numpy(int16_to_float32(float32_to_int16(wave)))
        return get_audio_features(
            {}, wave, 480000, data_truncating="rand_trunc", data_filling="repeatpad",
            audio_cfg=sound.settings("tiny"),
        )  # fmt: skip

    return made


def test_sounds_as_the_package() -> None:
    features = package_features()
    waves = [laion_files.sound(s, i) for i, s in enumerate((0.02, 3.3, 10))]
    with torch.no_grad():
        theirs = laion_files.original().get_audio_embedding([features(w) for w in waves]).numpy()
    mine = model_of().encode_items([(w, RATE) for w in waves])
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_fused_sounds_as_the_package() -> None:
    waves = [laion_files.sound(s, i) for i, s in enumerate((2.5, 10))]
    told = sound.settings("tiny")
    inputs = []
    for wave in waves:
        cut = sound.window(wave, 480000)
        mel = sound.log_mel(cut[None], told)[0]
        inputs.append({"waveform": cut, "longer": torch.tensor([False]),
                       "mel_fusion": torch.stack([mel] * 4)})  # fmt: skip
    with torch.no_grad():
        theirs = laion_files.original(True).get_audio_embedding(inputs).numpy()
    mine = model_of(True).encode_items([(w, RATE) for w in waves])
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_the_spectrogram_of_fused_towers() -> None:
    """Against transformers, which ported the same preprocessing."""
    from transformers import ClapFeatureExtractor

    wave = laion_files.sound(10, 3)
    theirs = ClapFeatureExtractor(frequency_min=50, frequency_max=14000)
    expected = theirs(wave, sampling_rate=RATE, return_tensors="pt")["input_features"][0, 0]
    mine = sound.log_mel(torch.from_numpy(wave)[None], sound.settings("tiny"))[0]
    assert mine.shape == expected.shape == (1001, 64)
    assert (mine - expected).abs().max() < 0.01


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_a_long_sound_is_always_the_same(fused: bool) -> None:
    mine, wave = model_of(fused), laion_files.sound(23, 3)
    np.random.seed(0)
    first = mine.encode_items([(wave, RATE)])
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(mine.encode_items([(wave, RATE)]), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    windows = [wave[s : s + 480000] for s in (0, 312000, 624000)]
    mean = mine.encode_items([(w, RATE) for w in windows]).mean(0)
    np.testing.assert_allclose(first[0], mean / np.linalg.norm(mean), atol=1e-5)


class TestText(TextEncoderSuite):
    def make(self):
        return model_of().text


class TestModel(ModalityModelSuite):
    def make(self):
        return model_of()

    def items(self):
        return [(laion_files.sound(s, i), RATE) for i, s in enumerate((0.1, 2.5, 10.5))]
