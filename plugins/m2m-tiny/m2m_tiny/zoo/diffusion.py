"""Trains tiny-flux and tiny-sd from nothing, with all they need, one after the other.

    python -m m2m_tiny.zoo.diffusion --out zoo-out [--work zoo-work]

The text tower and the picture codec first (both pipelines share them), then the reader that
judges pictures, then the pipelines. Killed and started again, it goes on where it was; what is
finished is left alone.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

# name of the result -> (its module, the file that shows it is finished)
STAGES = {
    "text": ("diffusion_text", "config.json"),
    "vae": ("diffusion_vae", "config.json"),
    "tiny-reader": ("diffusion_reader", "model.safetensors"),
    "tiny-flux": ("diffusion_flux", "model_index.json"),
    "tiny-sd": ("diffusion_sd", "model_index.json"),
}
PARTS = ("text", "vae")  # stay in the work folder

CARD = """---
license: apache-2.0
tags: [m2m-adapters]
---

# {name}

{told}

Part of the tiny family of m2m-adapters: small enough to ship, real enough to prove the method
offline. Trained on renderings of small scenes and their English captions only; a fifth of all
meanings was held out. Trained again by `python -m m2m_tiny.zoo.diffusion`; scored by
`python -m m2m_tiny.zoo.diffusion_scores`.
"""
TOLD = {
    "tiny-reader": "A small convolutional network that reads place, shapes and colours off a "
    "picture, to judge what generators paint. It has met renderings and no prompts.",
    "tiny-flux": "A `FluxPipeline` of diffusers: 40-pixel pictures, five single-stream blocks, "
    "flow matching; the pooled vector of an English CLIP text model is all that steers it.",
    "tiny-sd": "A `StableDiffusionPipeline` of diffusers: 40-pixel pictures, a U-Net with cross-"
    "attention to the token states of an English CLIP text model.",
}


def main(out: Path, work: Path, seed: int = 0, device: str = "cpu") -> None:
    for name, (module, sign) in STAGES.items():
        folder = (work if name in PARTS else out) / name
        if not (folder / sign).is_file():
            print(f"{name}: training", flush=True)
            made = importlib.import_module(f"m2m_tiny.zoo.{module}")
            made.main(
                argparse.Namespace(
                    out=folder, work=work, steps=made.STEPS, seed=seed, device=device
                )
            )
        if name in TOLD:
            card = CARD.format(name=name, told=TOLD[name])
            (folder / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="checkpoints and parts; OUT.work if not told")
    given = parser.parse_args()
    main(given.out, given.work or given.out.with_name(given.out.name + ".work"))
