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
UTTERANCES = 1800  # captions said in each heard language
ASIDE = 150
MADE_UP = 800  # utterances of made-up words in each


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


ONSETS = "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sh sk sl sm sn sp st "\
    "str sw t th tr v w wh y z".split()  # fmt: skip
NUCLEI = "a ai ar au aw e ea ee er i ie igh o oa oi oo or ou ow oy u ur".split()
CODAS = ["", *"b ck d f ft g k l lt m mp n nd ng nk nt p r rd sh sk ss st t th x zz".split()]
CHINESE = (
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对"
    "可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面"
    "公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向"
    "情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气"
    "信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命"
)


def made_up(rng: random.Random, lang: str) -> str:
    """Words that do not exist, spelled as the language spells: an ear that hears captions alone
    would learn their few words by heart, instead of phones."""
    if lang == "zh":
        return "".join(rng.choice(CHINESE) for _ in range(rng.randint(6, 11)))
    words = []
    for _ in range(rng.randint(3, 5)):
        syllables = [_syllable(rng, lang) for _ in range(rng.choice((1, 2, 2, 3)))]
        words.append("".join(syllables))
    return " ".join(words)


def _syllable(rng: random.Random, lang: str) -> str:
    if lang == "tr":
        coda = rng.choice("lmnrsştkzyphf") if rng.random() < 0.4 else ""
        return rng.choice("bcçdfghjklmnprsştvyz") + rng.choice("aeıioöuü") + coda
    return rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS)


def held_out_keys() -> set[str]:
    """Meanings of the benchmarks."""
    return {world.key(s) for world in (scenes, sounds) for s in world.gallery()[0]}  # type: ignore[attr-defined]


@dataclass
class Speech:
    """Utterances of the heard languages: features one after another, and their phones.

    captioned: so many of them say captions, the first ones; the others are of made-up words.
    """

    features: Any  # float16 [all frames, 160]
    frames: list[int]
    phones: list[list[int]]
    lines: list[str]
    captioned: int

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def captions(self) -> list[int]:
        """Rows of captions to be trained on."""
        return list(range(self.captioned - ASIDE))

    @property
    def known(self) -> list[int]:
        """All rows to be trained on."""
        return [*self.captions, *range(self.captioned, len(self))]

    @property
    def aside(self) -> list[int]:
        """Rows of captions that are never trained on."""
        return list(range(self.captioned - ASIDE, self.captioned))

    def batch(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Padded features ``[b, frames, 160]`` and their mask ``[b, frames]``."""
        starts = np.concatenate([[0], np.cumsum(self.frames)])
        width = max(self.frames[row] for row in rows)
        padded = torch.zeros(len(rows), width, 160)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for place, row in enumerate(rows):
            rows_of = self.features[starts[row] : starts[row + 1]]
            padded[place, : len(rows_of)] = torch.from_numpy(rows_of.astype(np.float32))
            mask[place, : len(rows_of)] = 1
        return padded, mask


def spoken(work: Path, n: int = UTTERANCES, more: int = MADE_UP, seed: int = 0) -> Speech:
    """``n`` captions and ``more`` made-up utterances of each heard language.

    Said once and kept in the folder ``work``; the captions come first.
    """
    kept = work / "speech.pt"
    if kept.exists():
        return Speech(**torch.load(kept, weights_only=False))
    says, reads, held_out = synthesizer(), extractor(), held_out_keys()
    rng = random.Random(7_000_003 + seed)
    parts, phones, lines = [], [], []
    for number in range((n + more) * len(HEARD)):
        lang = HEARD[number % len(HEARD)]
        caption_wanted = number < n * len(HEARD)
        line = random_caption(rng, lang, held_out) if caption_wanted else made_up(rng, lang)
        heard = says.say(line, lang, speaker=rng.choice(SPEAKERS),
                         speed=rng.randint(140, 210), pitch=rng.randint(30, 70))  # fmt: skip
        parts.append(features(heard, reads, rng).astype(np.float16))
        phones.append(coarse(says.pronounce(line, lang)))
        lines.append(line)
    arrays: dict[str, Any] = {
        "features": np.concatenate(parts), "frames": [len(p) for p in parts], "phones": phones,
        "lines": lines, "captioned": n * len(HEARD),
    }  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    torch.save(arrays, kept)
    return Speech(**arrays)
