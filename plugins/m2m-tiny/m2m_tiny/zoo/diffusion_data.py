"""What both pipelines of tiny-diffusion are taught with: latents of scenes and their captions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m2m_tiny.captions import caption
from m2m_tiny.zoo.diffusion_parts import pictures, to_model
from m2m_tiny.zoo.diffusion_text import tokens

PICTURES = 16_000
UNSAID = 0.1  # captions left empty, for guidance


class Lessons:
    """Frozen codec and text tower, and batches of what they say of scenes and captions."""

    def __init__(self, work: Path, seed: int) -> None:
        from diffusers import AutoencoderKL
        from transformers import AutoTokenizer, CLIPTextModel

        self.vae = AutoencoderKL.from_pretrained(work / "vae").eval().requires_grad_(False)
        self.text = CLIPTextModel.from_pretrained(work / "text").eval().requires_grad_(False)
        self.tokenizer = AutoTokenizer.from_pretrained(work / "text")
        self.scenes, pixels = pictures(PICTURES, seed, work)
        with torch.inference_mode():
            self.latents = torch.cat(
                [self.vae.encode(to_model(p)).latent_dist.mean for p in pixels.split(100)]
            ).clone()

    def batch(self, n: int, generator: torch.Generator) -> tuple[Tensor, Any]:
        """Raw latents ``[n, 8, 10, 10]`` and what the text tower makes of a caption for each."""
        rng = random.Random(int(torch.randint(1 << 40, (1,), generator=generator)))
        rows = [rng.randrange(len(self.scenes)) for _ in range(n)]
        lines = ["" if rng.random() < UNSAID else caption(self.scenes[row], "en", rng)
                 for row in rows]  # fmt: skip
        with torch.no_grad():
            return self.latents[rows], self.text(tokens(self.tokenizer, lines))
