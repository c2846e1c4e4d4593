"""Trains tiny-sd: a StableDiffusionPipeline, steered by a sequence of token states.

python -m m2m_tiny.zoo.diffusion_sd --out tiny-sd --work zoo-work
(after diffusion_text and diffusion_vae, with their --out in zoo-work/text and zoo-work/vae)
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor

from m2m_tiny.zoo.diffusion_data import Lessons
from m2m_tiny.zoo.diffusion_parts import arguments, train
from m2m_tiny.zoo.training import widen

BATCH, STEPS = 48, 4000


def new_unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=10, in_channels=8, out_channels=8, block_out_channels=(48, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), layers_per_block=1,
        cross_attention_dim=128, attention_head_dim=4, norm_num_groups=8,
    )  # fmt: skip


def new_scheduler() -> Any:
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", clip_sample=False,
        rescale_betas_zero_snr=True, timestep_spacing="trailing", set_alpha_to_one=True,
        steps_offset=1,
    )  # fmt: skip


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    lessons = Lessons(options.work, options.seed)
    unet, scheduler = new_unet(), new_scheduler()
    scale = lessons.vae.config.scaling_factor  # this pipeline knows of no shift

    def step(generator: torch.Generator) -> Tensor:
        latents, lines = lessons.batch(BATCH, generator)
        said = lessons.read(lines)
        clean = latents * scale
        noise = torch.randn(clean.shape, generator=generator)
        when = torch.randint(1000, (BATCH,), generator=generator)
        guess = unet(scheduler.add_noise(clean, noise, when), when,
                     encoder_hidden_states=said.last_hidden_state).sample  # fmt: skip
        error: torch.Tensor = guess - scheduler.get_velocity(clean, noise, when)
        return error.square().mean()

    train({"model": unet}, step, steps=options.steps, lr=1.5e-3, seed=options.seed, ema=0.998,
          checkpoint=options.work / "sd.pt")  # fmt: skip
    save(unet, lessons, options.out)


def save(unet: Any, lessons: Lessons, out: Any) -> None:
    """A folder that ``StableDiffusionPipeline.from_pretrained`` loads, in half precision."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=lessons.vae, text_encoder=lessons.text, tokenizer=lessons.tokenizer, unet=unet,
        scheduler=new_scheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(out)
    widen(out / "text_encoder")


if __name__ == "__main__":
    main(arguments("tiny-sd", steps=STEPS))
