"""What the pipelines of tiny-diffusion are taught with: latents of scenes and their captions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m2m_tiny.captions import caption
from m2m_tiny.drawable import Scene
from m2m_tiny.zoo.diffusion_parts import pictures, to_model
from m2m_tiny.zoo.diffusion_text import tokens

PICTURES = 16_000
UNSAID = 0.1  # captions left empty, for guidance


def prompts(scenes: list[Scene], rng: random.Random) -> list[str]:
    """An English caption of each scene, some left empty."""
    return ["" if rng.random() < UNSAID else caption(scene, "en", rng) for scene in scenes]


class Lessons:
    """Frozen codec and text tower, and batches of what they say of scenes and captions.

    text: the tower's folder in ``work`` and its class in transformers.
    """

    def __init__(
        self, work: Path, seed: int, text: tuple[str, str] = ("text", "CLIPTextModel")
    ) -> None:
        import transformers
        from diffusers import AutoencoderKL

        folder, tower = work / text[0], getattr(transformers, text[1])
        self.vae = AutoencoderKL.from_pretrained(work / "vae").eval().requires_grad_(False)
        self.text = tower.from_pretrained(folder).eval().requires_grad_(False)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.scenes, pixels = pictures(PICTURES, seed, work)
        with torch.inference_mode():
            self.latents = torch.cat(
                [self.vae.encode(to_model(p)).latent_dist.mean for p in pixels.split(100)]
            ).clone()

    def batch(self, n: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Raw latents ``[n, 8, 10, 10]`` and a caption for each, some left empty."""
        rng = random.Random(int(torch.randint(1 << 40, (1,), generator=generator)))
        rows = [rng.randrange(len(self.scenes)) for _ in range(n)]
        return self.latents[rows], prompts([self.scenes[row] for row in rows], rng)

    @torch.no_grad()
    def read(self, lines: list[str]) -> Any:
        """What the CLIP tower makes of captions."""
        return self.text(tokens(self.tokenizer, lines))
