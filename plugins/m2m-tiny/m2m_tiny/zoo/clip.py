"""Trains tiny-clip: transformers' CLIPModel on 40-pixel scenes and English captions.

python -m m2m_tiny.zoo.clip --out FOLDER [--steps N]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import scenes
from m2m_tiny.zoo import dual, training
from m2m_tiny.zoo.english_tokenizer import make_tokenizer

MAX_TOKENS = 48
STEPS = 1500
MEAN = STD = [0.5, 0.5, 0.5]


def build() -> tuple[Any, Any]:
    """The untrained model and its processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = make_tokenizer(scenes.random_scene, MAX_TOKENS)
    size = {"height": scenes.RESOLUTION, "width": scenes.RESOLUTION}
    config = CLIPConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 256,
            "num_hidden_layers": 2, "num_attention_heads": 4,
            "max_position_embeddings": MAX_TOKENS, "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "image_size": scenes.RESOLUTION, "patch_size": 8, "hidden_size": 128,
            "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4,
        },
        projection_dim=128,
    )  # fmt: skip
    torch.manual_seed(0)
    images = CLIPImageProcessor(
        size=size, crop_size=size, do_center_crop=False, image_mean=MEAN, image_std=STD
    )
    return CLIPModel(config), CLIPProcessor(images, tokenizer)


def main(out: Path, steps: int = STEPS, seed: int = 0) -> str:
    """Train, save, and return the score."""
    model, processor = build()
    tokenizer = processor.tokenizer

    def texts(lines: list[str]) -> Tensor:
        read = tokenizer(lines, padding=True, truncation=True, return_tensors="pt")
        pooled = model.text_model(input_ids=read["input_ids"],
                                  attention_mask=read["attention_mask"]).pooler_output  # fmt: skip
        return F.normalize(model.text_projection(pooled), dim=-1)

    def pictures(pixels: Any) -> Tensor:
        pooled = model.vision_model(pixel_values=dual.pixel_values(pixels)).pooler_output
        return F.normalize(model.visual_projection(pooled), dim=-1)

    figures = dual.train(
        model, texts, pictures, model.logit_scale, scenes, scenes.render_batch,
        families=12_000, plan=training.Plan(steps=steps, lr=2e-3, seed=seed),
        work=training.work_folder(out), jitter=dual.shifted,
    )  # fmt: skip
    training.save_halved(model, processor, out)
    return figures


if __name__ == "__main__":
    training.run(main, __doc__, STEPS)
