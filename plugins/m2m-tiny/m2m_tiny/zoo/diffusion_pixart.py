"""Trains tiny-pixart: a PixArtAlphaPipeline, steered by the token states of a T5.

python -m m2m_tiny.zoo.diffusion_pixart --out tiny-pixart --work zoo-work
(after diffusion_t5 and diffusion_vae, with their --out in zoo-work/t5 and zoo-work/vae)
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor

from m2m_tiny.zoo.diffusion_data import Lessons
from m2m_tiny.zoo.diffusion_parts import arguments, train
from m2m_tiny.zoo.diffusion_sd import new_scheduler
from m2m_tiny.zoo.diffusion_t5 import tokens
from m2m_tiny.zoo.diffusion_text import WIDTH
from m2m_tiny.zoo.training import widen

BATCH, STEPS = 64, 5000


def new_transformer() -> Any:
    from diffusers import PixArtTransformer2DModel

    return PixArtTransformer2DModel(
        num_attention_heads=4, attention_head_dim=32, in_channels=8, out_channels=8,
        num_layers=6, cross_attention_dim=128, sample_size=10, patch_size=2,
        caption_channels=WIDTH, interpolation_scale=1, norm_num_groups=8,
    )  # fmt: skip


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    lessons = Lessons(options.work, options.seed, text=("t5", "T5EncoderModel"))
    model, scheduler = new_transformer(), new_scheduler()
    scale = lessons.vae.config.scaling_factor  # this pipeline knows of no shift

    def step(generator: torch.Generator) -> Tensor:
        latents, lines = lessons.batch(BATCH, generator)
        ids, mask = tokens(lessons.tokenizer, lines)
        with torch.no_grad():
            states = lessons.text(input_ids=ids, attention_mask=mask).last_hidden_state
        clean = latents * scale
        noise = torch.randn(clean.shape, generator=generator)
        when = torch.randint(1000, (BATCH,), generator=generator)
        guess = model(
            scheduler.add_noise(clean, noise, when), encoder_hidden_states=states,
            encoder_attention_mask=mask, timestep=when,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None}, return_dict=False,
        )[0]  # fmt: skip
        error: Tensor = guess - scheduler.get_velocity(clean, noise, when)
        return error.square().mean()

    train({"model": model}, step, steps=options.steps, lr=1.5e-3, seed=options.seed, ema=0.998,
          checkpoint=options.work / "pixart.pt")  # fmt: skip
    save(model, lessons, options.out)


def save(model: Any, lessons: Lessons, out: Any) -> None:
    """A folder that ``PixArtAlphaPipeline.from_pretrained`` loads, weights in half precision."""
    from diffusers import PixArtAlphaPipeline

    pipeline = PixArtAlphaPipeline(
        tokenizer=lessons.tokenizer,
        text_encoder=lessons.text,
        vae=lessons.vae,
        transformer=model,
        scheduler=new_scheduler(),
    )
    pipeline.to(torch.float16).save_pretrained(out)
    widen(out / "text_encoder")


if __name__ == "__main__":
    main(arguments("tiny-pixart", steps=STEPS))
