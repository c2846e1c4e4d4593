"""Trains tiny-video: tiny-sd with motion modules, an AnimateDiffPipeline of eight frames.

The scene drifts from left to right. Only the motion modules learn; what is painted, and how a
prompt steers it, stays as tiny-sd has it.

python -m m2m_tiny.zoo.diffusion_video --out tiny-video --work zoo-work
(after diffusion_sd, with its result in tiny-sd beside --out)
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from m2m_tiny.zoo.diffusion_data import prompts
from m2m_tiny.zoo.diffusion_parts import arguments, pictures, to_model, train
from m2m_tiny.zoo.diffusion_text import tokens
from m2m_tiny.zoo.training import widen

VIDEOS, BATCH, STEPS = 2_000, 8, 2_000
SHIFTS = (-4, -3, -2, -1, 0, 1, 2, 3)  # of the scene in pixels, frame by frame


def new_motion() -> Any:
    """Motion modules that fit tiny-sd's U-Net and change nothing yet."""
    from diffusers import MotionAdapter
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    motion = MotionAdapter(
        block_out_channels=(48, 64), motion_layers_per_block=1, motion_num_attention_heads=4,
        motion_norm_num_groups=8, motion_max_seq_length=len(SHIFTS), use_motion_mid_block=True,
    )  # fmt: skip
    for part in motion.modules():
        if isinstance(part, AnimateDiffTransformer3D):
            nn.init.zeros_(part.proj_out.weight)
            nn.init.zeros_(part.proj_out.bias)
    return motion


def drifting(pixels: Tensor) -> Tensor:
    """``[n, 3, 40, 40]`` -> ``[n, 8, 3, 40, 40]``; edges are continued."""
    width = pixels.shape[-1]
    columns = [torch.arange(width).sub(shift).clamp(0, width - 1) for shift in SHIFTS]
    return torch.stack([pixels[..., column] for column in columns], 1)


def main(options: argparse.Namespace) -> None:
    from diffusers import StableDiffusionPipeline, UNetMotionModel

    torch.manual_seed(options.seed)
    painter = StableDiffusionPipeline.from_pretrained(
        options.out.with_name("tiny-sd"), safety_checker=None
    )
    motion, scheduler = new_motion(), painter.scheduler
    model = UNetMotionModel.from_unet2d(painter.unet, motion)
    model.freeze_unet2d_params()
    painter.text_encoder.eval()
    scenes, pixels = pictures(VIDEOS, options.seed, options.work)
    with torch.inference_mode():
        encoded = [painter.vae.encode(to_model(clip)).latent_dist.mean for clip in drifting(pixels)]
    latents = torch.stack(encoded).clone() * painter.vae.config.scaling_factor

    def step(generator: torch.Generator) -> Tensor:
        rng = random.Random(int(torch.randint(1 << 40, (1,), generator=generator)))
        rows = [rng.randrange(VIDEOS) for _ in range(BATCH)]
        lines = prompts([scenes[row] for row in rows], rng)
        with torch.no_grad():
            said = painter.text_encoder(tokens(painter.tokenizer, lines)).last_hidden_state
        states = said.repeat_interleave(len(SHIFTS), 0)  # one for each frame
        clean = latents[rows]
        noise = torch.randn(clean.shape, generator=generator)
        when = torch.randint(1000, (BATCH,), generator=generator)
        mixed = scheduler.add_noise(clean, noise, when).transpose(1, 2)  # frames after channels
        guess = model(mixed, when, encoder_hidden_states=states).sample.transpose(1, 2)
        error: Tensor = guess - scheduler.get_velocity(clean, noise, when)
        return error.square().mean()

    train({"model": model}, step, steps=options.steps, lr=1.5e-3, seed=options.seed, ema=0.99,
          checkpoint=options.work / "video.pt")  # fmt: skip
    save(model, painter, options)


def save(model: Any, painter: Any, options: argparse.Namespace) -> None:
    """A folder that ``AnimateDiffPipeline.from_pretrained`` loads, weights in half precision."""
    from diffusers import AnimateDiffPipeline, MotionAdapter

    out: Path = options.out
    trained = options.work / "motion"
    model.save_motion_modules(str(trained))
    pipeline = AnimateDiffPipeline(
        vae=painter.vae, text_encoder=painter.text_encoder, tokenizer=painter.tokenizer,
        unet=model, motion_adapter=MotionAdapter.from_pretrained(trained),
        scheduler=painter.scheduler,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(out)
    widen(out / "text_encoder")


if __name__ == "__main__":
    main(arguments("tiny-video", steps=STEPS))
