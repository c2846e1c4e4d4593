"""What tiny-speech learns from: captions said by eSpeak NG, and how captions are pronounced."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from m2m_adapters.models import resampled
from m2m_tiny import scenes, sounds
from m2m_tiny.captions import caption
from m2m_tiny.hearing import RATE
from m2m_tiny.phones import coarse
from m2m_tiny.speaking import synthesizer
from m2m_tiny.zoo.dual import DROPPED, draw

HEARD = ("en", "tr", "zh")
"""The languages of speech that the ear is trained on. English, and the two whose phones cover
most of what the ten others are pronounced with (by eSpeak's transcriptions)."""
SPEAKERS = ("", "m1", "m2", "m3", "m5", "m6", "m7", "f1", "f2", "f4", "f5")
STRANGERS = ("m4", "f3")
"""Speakers that are never trained on; the benchmark is spoken by them."""
UTTERANCES = 1800  # of each heard language


def extractor() -> Any:
    """Log-mel features, two frames of 10 ms stacked."""
    from transformers import SeamlessM4TFeatureExtractor

    return SeamlessM4TFeatureExtractor()


def features(said: tuple[Any, int], reads: Any, rng: random.Random | None = None) -> Any:
    """float32 ``[frames, 160]``; with ``rng`` half the sounds get some noise."""
    samples = resampled(said[0], said[1], RATE)
    if rng is not None and rng.random() < 0.5:
        noise = np.random.default_rng(rng.randrange(2**32)).standard_normal(len(samples))
        loudness = float(np.sqrt(np.mean(samples**2))) or 1e-4
        samples = samples + noise.astype(np.float32) * loudness * 10 ** -rng.uniform(0.5, 2.0)
    return reads(samples, sampling_rate=RATE, return_tensors="np")["input_features"][0]


def random_caption(rng: random.Random, lang: str, held_out: set[str]) -> str:
    """A caption of a scene or sound that is not in a benchmark."""
    while True:
        world: Any = rng.choice((scenes, sounds))
        spec = draw(world, rng)
        if world.key(spec) not in held_out:
            return caption(world.mention(spec, rng, DROPPED), lang, rng)


def held_out_keys() -> set[str]:
    """Meanings of the benchmarks."""
    return {world.key(s) for world in (scenes, sounds) for s in world.gallery()[0]}  # type: ignore[attr-defined]


@dataclass
class Speech:
    """Utterances of the heard languages: features one after another, and their phones."""

    features: Any  # float16 [all frames, 160]
    frames: list[int]
    phones: list[list[int]]
    captions: list[str]

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Padded features ``[b, frames, 160]`` and their mask ``[b, frames]``."""
        starts = np.concatenate([[0], np.cumsum(self.frames)])
        width = max(self.frames[row] for row in rows)
        padded = torch.zeros(len(rows), width, 160)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            some = self.features[starts[row] : starts[row + 1]]
            padded[place, : len(some)] = torch.from_numpy(some.astype(np.float32))
            mask[place, : len(some)] = 1
        return padded, mask


def spoken(work: Path, n: int = UTTERANCES, seed: int = 0) -> Speech:
    """``n`` utterances of each heard language, said once and kept in the folder ``work``."""
    kept = work / "speech.pt"
    if kept.exists():
        return Speech(**torch.load(kept, weights_only=False))
    says, reads, held_out = synthesizer(), extractor(), held_out_keys()
    rng = random.Random(7_000_003 + seed)
    parts, phones, captions = [], [], []
    for number in range(n * len(HEARD)):
        lang = HEARD[number % len(HEARD)]
        line = random_caption(rng, lang, held_out)
        heard = says.say(line, lang, speaker=rng.choice(SPEAKERS),
                         speed=rng.randint(140, 210), pitch=rng.randint(30, 70))  # fmt: skip
        parts.append(features(heard, reads, rng).astype(np.float16))
        phones.append(coarse(says.pronounce(line, lang)))
        captions.append(line)
    made: dict[str, Any] = {"features": np.concatenate(parts), "frames": [len(p) for p in parts],
            "phones": phones, "captions": captions}  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    torch.save(made, kept)
    return Speech(**made)
