"""Trains tiny-clip: transformers' CLIPModel on 40-pixel scenes and English captions.

    python -m m2m_tiny.zoo.clip --out FOLDER [--steps N]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import scenes
from m2m_tiny.zoo import training
from m2m_tiny.zoo.english_tokenizer import train_tokenizer
from m2m_tiny.zoo.scene_batches import ScenePool, held_out

MAX_TOKENS = 48
BATCH = 240
MEAN = STD = [0.5, 0.5, 0.5]


def build() -> tuple[Any, Any]:
    """The untrained model and its processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = train_tokenizer(scenes.random_scene, MAX_TOKENS)
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


def pixel_values(pixels: Any) -> Tensor:
    """What the image processor makes of pictures of the right size, for a whole batch."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def main(out: Path, steps: int, seed: int = 0) -> str:
    """Train, save, and return the score of the saved model."""
    model, processor = build()
    tokenizer = processor.tokenizer
    pool = ScenePool()
    gallery, captions = held_out()

    def texts(lines: list[str]) -> Tensor:
        read = tokenizer(lines, padding=True, truncation=True, return_tensors="pt")
        pooled = model.text_model(input_ids=read["input_ids"],
                                  attention_mask=read["attention_mask"]).pooler_output  # fmt: skip
        return F.normalize(model.text_projection(pooled), dim=-1)

    def pictures(pixels: Any) -> Tensor:
        pooled = model.vision_model(pixel_values=pixel_values(pixels)).pooler_output
        return F.normalize(model.visual_projection(pooled), dim=-1)

    def loss_of(step: int) -> Tensor:
        pixels, lines = pool.batch(BATCH, training.step_rng(seed, step))
        scale = model.logit_scale.exp().clamp(max=100)
        return training.contrastive(pictures(pixels), texts(lines), scale)

    @torch.inference_mode()
    def score() -> str:
        return training.both_ways(texts(captions), pictures(gallery))

    plan = training.Plan(steps=steps, lr=2e-3, seed=seed)
    training.train(model, loss_of, plan, out.with_name(out.name + ".work"), score=score)
    training_score = score()
    save(model, processor, out)
    return training_score


def save(model: Any, processor: Any, out: Path) -> None:
    """Half-precision weights on disk; the config asks for float32, so loading widens them."""
    model.half().save_pretrained(out)
    processor.save_pretrained(out)
    import json

    config = json.loads((out / "config.json").read_text())
    config["dtype"] = "float32"
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    arguments = parser.parse_args()
    print(main(arguments.out, arguments.steps))
