"""Trains the picture codec of tiny-diffusion: 40 x 40 pixels to 10 x 10 latents and back.

python -m m2m_tiny.zoo.diffusion_vae --out zoo-work/vae
"""

from __future__ import annotations

import argparse

import torch
from diffusers import AutoencoderKL

from m2m_tiny.zoo.diffusion_parts import arguments, pictures, to_model, train

PICTURES, BATCH, STEPS = 16_000, 16, 3000
OBJECTS = 5.0  # how much more an object's pixel counts than one of the background


def new_vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 48),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        sample_size=40,
        mid_block_add_attention=False,
        shift_factor=0.0,
    )


def weights(x: torch.Tensor) -> torch.Tensor:
    """``[n, 1, 40, 40]``: more where a picture differs from its most frequent color."""
    plain = x.flatten(2).median(2).values[:, :, None, None]
    return 1 + (OBJECTS - 1) * ((x - plain).abs().amax(1, keepdim=True) > 0.2).float()


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    _, pixels = pictures(PICTURES, options.seed, options.work)
    vae = new_vae().to(options.device)

    def step(generator: torch.Generator) -> torch.Tensor:
        rows = torch.randint(len(pixels), (BATCH,), generator=generator)
        x = to_model(pixels[rows]).to(options.device)
        latents = vae.encode(x).latent_dist
        noise = torch.randn(latents.mean.shape, generator=generator).to(options.device)
        back = vae.decode(latents.mean + latents.std * noise).sample
        # Mostly L1 for sharp edges; a breath of KL: any more, and shapes melt into discs.
        away = weights(x) * ((back - x).abs() + (back - x).square())
        loss: torch.Tensor = away.mean() + 1e-7 * latents.kl().mean()
        return loss

    train({"vae": vae}, step, steps=options.steps, lr=2e-3, seed=options.seed, ema=0.99,
          checkpoint=options.work / "vae.pt")  # fmt: skip
    with torch.no_grad():
        latents = torch.cat([vae.encode(to_model(p).to(options.device)).latent_dist.mean
                             for p in pixels[:2000].split(100)])  # fmt: skip
        back = vae.decode(latents[:200]).sample.clamp(-1, 1).cpu()
        error = (back - to_model(pixels[:200])).abs().mean() * 127.5
    shift, spread = float(latents.mean()), float(latents.std())
    vae.register_to_config(scaling_factor=1 / spread, shift_factor=shift)
    vae.save_pretrained(options.out)
    print(f"mean absolute error {error:.2f} of 255; latents {shift:.3f} +- {spread:.3f}")


if __name__ == "__main__":
    main(arguments("the VAE of tiny-diffusion", steps=STEPS))
