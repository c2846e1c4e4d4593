"""Trains tiny-flux: a FluxPipeline steered by a pooled text vector and nothing else.

Where FLUX.1 has a T5, tiny-flux has four learned tokens that are the same for every prompt,
shipped as ``neutral.safetensors``: the meaning comes in through the pooled vector alone.

python -m m2m_tiny.zoo.diffusion_flux --out tiny-flux --work zoo-work
(after diffusion_text and diffusion_vae, with their --out in zoo-work/text and zoo-work/vae)
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor, nn

from m2m_tiny.zoo.diffusion_data import Lessons
from m2m_tiny.zoo.diffusion_parts import arguments, train
from m2m_tiny.zoo.training import widen

BATCH, STEPS = 64, 5000
TOKENS, TOKEN_WIDTH, SIDE = 4, 32, 5


class Neutral(nn.Module):
    """The sequence that stands where FLUX.1 has the states of its T5: float32 ``[1, 4, 32]``."""

    def __init__(self) -> None:
        super().__init__()
        self.sequence = nn.Parameter(torch.randn(1, TOKENS, TOKEN_WIDTH))


def new_transformer() -> Any:
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        patch_size=1, in_channels=32, num_layers=0, num_single_layers=5, attention_head_dim=32,
        num_attention_heads=4, joint_attention_dim=TOKEN_WIDTH, pooled_projection_dim=128,
        guidance_embeds=False, axes_dims_rope=(4, 14, 14),
    )  # fmt: skip


def packed(latents: Tensor) -> Tensor:
    """``[n, 8, 10, 10]`` -> ``[n, 25, 32]``, as FluxPipeline packs them."""
    n, channels, _, _ = latents.shape
    parts = latents.view(n, channels, SIDE, 2, SIDE, 2).permute(0, 2, 4, 1, 3, 5)
    return parts.reshape(n, SIDE * SIDE, channels * 4)


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    lessons = Lessons(options.work, options.seed)
    model, neutral = new_transformer(), Neutral()
    scale, shift = lessons.vae.config.scaling_factor, lessons.vae.config.shift_factor
    places = torch.zeros(SIDE, SIDE, 3)
    places[..., 1] = torch.arange(SIDE)[:, None]
    places[..., 2] = torch.arange(SIDE)[None, :]
    places = places.reshape(-1, 3)

    def step(generator: torch.Generator) -> Tensor:
        latents, lines = lessons.batch(BATCH, generator)
        said = lessons.read(lines)
        clean = packed((latents - shift) * scale)
        noise = torch.randn(clean.shape, generator=generator)
        when = torch.rand(BATCH, generator=generator)
        mixed = torch.lerp(clean, noise, when[:, None, None])
        guess = model(
            hidden_states=mixed, timestep=when, pooled_projections=said.pooler_output,
            encoder_hidden_states=neutral.sequence.expand(BATCH, -1, -1),
            txt_ids=torch.zeros(TOKENS, 3), img_ids=places, return_dict=False,
        )[0]  # fmt: skip
        error: torch.Tensor = guess - (noise - clean)
        return error.square().mean()

    train({"model": model, "neutral": neutral}, step, steps=options.steps, lr=1.5e-3,
          seed=options.seed, ema=0.998, checkpoint=options.work / "flux.pt")  # fmt: skip
    save(model, neutral, lessons, options.out)


def save(model: Any, neutral: Neutral, lessons: Lessons, out: Any) -> None:
    """A folder that ``FluxPipeline.from_pretrained`` loads, weights in half precision."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
    from safetensors.torch import save_file

    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0), vae=lessons.vae,
        text_encoder=lessons.text, tokenizer=lessons.tokenizer, text_encoder_2=None,
        tokenizer_2=None, transformer=model,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(out)
    widen(out / "text_encoder")
    sequence = neutral.sequence.detach().half().contiguous()
    save_file({"prompt_embeds": sequence}, out / "neutral.safetensors")


if __name__ == "__main__":
    main(arguments("tiny-flux", steps=STEPS))
