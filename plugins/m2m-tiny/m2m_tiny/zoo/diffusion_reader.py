"""Trains the reader that judges generated pictures, on renderings plain and through the codec.

python -m m2m_tiny.zoo.diffusion_reader --out zoo-work/tiny-reader --work zoo-work
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import drawable, scenes
from m2m_tiny.reader import CLASSES, accuracy, labels, new_reader, read
from m2m_tiny.zoo.diffusion_parts import arguments, pictures, to_model, train

PICTURES, BATCH, STEPS = 16_000, 64, 900


def through_codec(pixels: Tensor, work: Path) -> Tensor:
    """uint8 pictures as the codec gives them back: what the best of generators could make."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(work / "vae").eval()
    with torch.inference_mode():
        back = [vae.decode(vae.encode(to_model(p)).latent_dist.mean).sample
                for p in pixels.split(100)]  # fmt: skip
    return ((torch.cat(back).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def main(options: argparse.Namespace) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(options.seed)
    chosen, pixels = pictures(PICTURES, options.seed, options.work)
    truth = torch.from_numpy(labels(chosen))
    coded = through_codec(pixels[: PICTURES // 4], options.work)
    everything = torch.cat([pixels, coded])
    truth = torch.cat([truth, truth[: len(coded)]])
    model = new_reader()

    def step(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(everything), (BATCH,), generator=generator)
        x = to_model(everything[rows])
        x = x + 0.05 * torch.randn(x.shape, generator=generator)
        answers = model(x).split(CLASSES, 1)
        return torch.stack(
            [F.cross_entropy(a, truth[rows, i]) for i, a in enumerate(answers)]
        ).mean()

    train({"model": model}, step, steps=options.steps, lr=2e-3, seed=options.seed,
          checkpoint=options.work / "reader.pt")  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.half().contiguous() if value.is_floating_point() else value
         for name, value in model.eval().state_dict().items()},
        options.out / "model.safetensors",
    )  # fmt: skip
    rng = random.Random(3)
    unseen = drawable.draw(drawable.split()[1], 500, rng)
    shown = scenes.render_batch(unseen, rng)
    decoded = through_codec(torch.from_numpy(shown).permute(0, 3, 1, 2), options.work)
    codec = decoded.permute(0, 2, 3, 1).numpy()
    for what, rendered in (("held-out renderings", shown), ("the same through the codec", codec)):
        shares = accuracy(read(list(rendered), options.out), labels(unseen))
        print(what, {name: one.value for name, one in shares.items()})


if __name__ == "__main__":
    main(arguments("tiny-reader", steps=STEPS))
