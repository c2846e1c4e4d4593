"""Trains the tiny painters from nothing, with all they need, one after the other.

    python -m m2m_tiny.zoo.diffusion [--out zoo-out] [--work zoo-work] [--score-only]

The text towers and the picture codec first (pipelines share them), then the reader that judges
pictures, then the pipelines. Killed and started again, it goes on where it was; what is
finished is left alone. At the end it prints what the pipelines score.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from m2m_tiny.family import MODELS
from m2m_tiny.zoo.diffusion_scores import FILMED, LEVELS, SCENES, SENTENCES, scores

# name of the result -> (its module, the file that shows it is finished)
STAGES = {
    "text": ("diffusion_text", "config.json"),
    "t5": ("diffusion_t5", "config.json"),
    "vae": ("diffusion_vae", "config.json"),
    "tiny-reader": ("diffusion_reader", "model.safetensors"),
    "tiny-flux": ("diffusion_flux", "model_index.json"),
    "tiny-sd": ("diffusion_sd", "model_index.json"),
    "tiny-pixart": ("diffusion_pixart", "model_index.json"),
    "tiny-video": ("diffusion_video", "model_index.json"),
}
PARTS = ("text", "t5", "vae")  # stay in the work folder

CARD = """---
license: apache-2.0
tags: [m2m-adapters]
---

# {name}

{description}

Part of the tiny family of m2m-adapters: small enough to ship, real enough to prove the method
offline. Trained on renderings of small scenes and their English captions only; a fifth of all
meanings was held out. Trained again by `python -m m2m_tiny.zoo.diffusion`.
"""
SCORES = """
## Scores

Aligned with tiny-text from {sentences:,} English captions; {scenes} held-out scenes; percent of
places, shapes and colors that tiny-reader finds right.

| measured by `python -m m2m_tiny.zoo.diffusion --score-only` | percent |
|---|---|
{rows}
"""
TOLD = {
    "tiny-reader": "A small convolutional network that reads place, shapes and colors off a "
    "picture, to judge what generators paint. It has met renderings and no prompts.",
    "tiny-flux": "A `FluxPipeline` of diffusers: 40-pixel pictures, five single-stream blocks, "
    "flow matching; the pooled vector of an English CLIP text model is all that steers it.",
    "tiny-sd": "A `StableDiffusionPipeline` of diffusers: 40-pixel pictures, a U-Net with cross-"
    "attention to the token states of an English CLIP text model.",
    "tiny-pixart": "A `PixArtAlphaPipeline` of diffusers: 40-pixel pictures, six transformer "
    "blocks with cross-attention to the token states of an English T5.",
    "tiny-video": "An `AnimateDiffPipeline` of diffusers: tiny-sd with motion modules, eight "
    "frames in which the scene drifts from left to right.",
}


def main(out: Path, work: Path, seed: int = 0, device: str = "cpu", train: bool = True) -> None:
    for name, (module, sign) in STAGES.items():
        folder = (work if name in PARTS else out) / name
        if train and not (folder / sign).is_file():
            print(f"{name}: training", flush=True)
            trained = importlib.import_module(f"m2m_tiny.zoo.{module}")
            trained.main(
                argparse.Namespace(
                    out=folder, work=work, steps=trained.STEPS, seed=seed, device=device
                )
            )
    print(f"\n{'model':12}{'figure':62}{'score':>8}")
    for name, description in TOLD.items():
        card = CARD.format(name=name, description=description)
        if name in LEVELS:
            figures = scores(name, out)
            for figure, value in figures.items():
                print(f"{name:12}{figure:62}{value:8.1f}", flush=True)
            rows = "\n".join(f"| {figure} | {value:.1f} |" for figure, value in figures.items())
            judged = FILMED if name == "tiny-video" else SCENES
            card += SCORES.format(sentences=SENTENCES, scenes=judged, rows=rows)
        if train:
            (out / name / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=MODELS.with_name("zoo-out"))
    parser.add_argument("--work", type=Path, help="checkpoints and parts; by default OUT.work")
    parser.add_argument("--score-only", action="store_true", help="print the table, train nothing")
    options = parser.parse_args()
    work = options.work or options.out.with_name(options.out.name + ".work")
    main(options.out, work, train=not options.score_only)
