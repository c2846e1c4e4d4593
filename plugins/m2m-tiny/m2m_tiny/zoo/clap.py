"""Trains tiny-clap: transformers' ClapModel on four-second sounds and English captions.

python -m m2m_tiny.zoo.clap --out FOLDER [--steps N]
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import sounds
from m2m_tiny.zoo import dual, training
from m2m_tiny.zoo.english_tokenizer import make_tokenizer

STEPS = 1800
MAX_TOKENS = 48
FRAMES, MELS = 128, 32


def build() -> tuple[Any, Any]:
    """The untrained model and its processor."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    tokenizer = make_tokenizer(sounds.random_sound, MAX_TOKENS)
    config = ClapConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 256,
            "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0, "pad_token_id": tokenizer.pad_token_id,
            # RoBERTa numbers positions from its padding index + 1.
            "max_position_embeddings": MAX_TOKENS + tokenizer.pad_token_id + 1,
            "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
            "projection_dim": 128,
        },
        audio_config={
            "spec_size": 64, "num_mel_bins": MELS, "depths": [1, 2, 2], "projection_dim": 128,
            "num_attention_heads": [2, 4, 8], "patch_embeds_hidden_size": 32, "hidden_size": 128,
            "window_size": 4, "mlp_ratio": 2.0, "hidden_dropout_prob": 0.0,
        },
        projection_dim=128,
    )  # fmt: skip
    torch.manual_seed(0)
    extractor = ClapFeatureExtractor(
        feature_size=MELS, sampling_rate=sounds.RATE, hop_length=502, max_length_s=4,
        fft_window_size=1024, frequency_min=60, frequency_max=8000, truncation="rand_trunc",
        padding="pad",
    )  # fmt: skip
    return ClapModel(config), ClapProcessor(extractor, tokenizer)


def spectrograms(waves: Any, extractor: Any) -> Tensor:
    """float32 ``[n, 1, 128, 32]``: what the feature extractor makes, for a whole batch at once."""
    window = torch.from_numpy(np.hanning(1025)[:-1].copy()).float()
    bins = torch.stft(torch.from_numpy(waves), 1024, extractor.hop_length, window=window,
                      center=True, pad_mode="reflect", return_complex=True)  # fmt: skip
    filters = torch.from_numpy(extractor.mel_filters_slaney.astype(np.float32)).T
    mels = filters @ (bins.real**2 + bins.imag**2)
    return 10 * torch.log10(mels.clamp(min=1e-10)).transpose(1, 2)[:, None]


def main(out: Path, steps: int = STEPS, seed: int = 0) -> str:
    """Train, save, and return the score."""
    model, processor = build()
    tokenizer = processor.tokenizer

    def render(specs: list[Any], rng: random.Random) -> Any:
        rendered = []
        for start in range(0, len(specs), 500):
            waves = np.stack([sounds.render(spec, rng) for spec in specs[start : start + 500]])
            rendered.append(spectrograms(waves, processor.feature_extractor).half())
        return torch.cat(rendered)

    def texts(lines: list[str]) -> Tensor:
        read = tokenizer(lines, padding=True, truncation=True, return_tensors="pt")
        output = model.get_text_features(input_ids=read["input_ids"],
                                        attention_mask=read["attention_mask"])  # fmt: skip
        return F.normalize(output.pooler_output, dim=-1)

    def heard(features: Tensor) -> Tensor:
        longer = torch.zeros(len(features), 1, dtype=torch.bool)
        output = model.get_audio_features(input_features=features.float(), is_longer=longer)
        return F.normalize(output.pooler_output, dim=-1)

    figures = dual.train(
        model, texts, heard, model.logit_scale_a, sounds, render,
        families=8_000, plan=training.Plan(steps=steps, lr=1.5e-3, seed=seed),
        work=training.work_folder(out), within=True, jitter=shifted,
    )  # fmt: skip
    training.save_halved(model, processor, out)
    return figures


def shifted(features: Tensor, rng: random.Random) -> Tensor:
    """Sounds a frame earlier or later, and a little louder or softer."""
    return features.roll(rng.randint(-2, 2), dims=2) + rng.uniform(-0.5, 0.5)


if __name__ == "__main__":
    training.run(main, __doc__, STEPS)
