"""Trains tiny-open-clip: open_clip's CLIP from a config of its own, on scenes and captions.

python -m m2m_tiny.zoo.open_clip --out FOLDER [--steps N]
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import scenes
from m2m_tiny.zoo import dual, training
from m2m_tiny.zoo.english_tokenizer import make_tokenizer

STEPS = 1500
CONTEXT = 40
CONFIG: dict[str, Any] = {
    "embed_dim": 96,
    "vision_cfg": {
        "image_size": scenes.RESOLUTION, "patch_size": 8, "width": 128, "head_width": 32,
        "layers": 3, "mlp_ratio": 2.0,
    },
    "text_cfg": {
        # The end token has the highest id, where open_clip's default pooling looks for it.
        "context_length": CONTEXT, "width": 128, "heads": 4, "layers": 2, "mlp_ratio": 2.0,
        "hf_tokenizer_name": "tiny-open-clip",
    },
}  # fmt: skip
PREPROCESS = {
    "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic",
    "resize_mode": "squash",
}  # fmt: skip


def main(out: Path, steps: int = STEPS, seed: int = 1) -> str:
    """Train, save, and return the score."""
    from open_clip.model import CLIP

    tokenizer = make_tokenizer(scenes.random_scene, CONTEXT)
    config = json.loads(json.dumps(CONFIG))
    config["text_cfg"]["vocab_size"] = len(tokenizer)
    torch.manual_seed(seed)
    model = CLIP(**config)

    def texts(lines: list[str]) -> Tensor:
        read = tokenizer(lines, padding="max_length", truncation=True, return_tensors="pt")
        return F.normalize(model.encode_text(read["input_ids"]), dim=-1)

    def pictures(pixels: Any) -> Tensor:
        return F.normalize(model.encode_image(dual.pixel_values(pixels)), dim=-1)

    figures = dual.train(
        model, texts, pictures, model.logit_scale, scenes, scenes.render_batch,
        families=12_000, plan=training.Plan(steps=steps, lr=2e-3, seed=seed),
        work=training.work_folder(out), jitter=dual.shifted,
    )  # fmt: skip
    save(model, tokenizer, config, out)
    return figures


def save(model: Any, tokenizer: Any, config: dict[str, Any], out: Path) -> None:
    """A folder as ``local-dir:`` wants it, with half-precision weights."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    settings = {"model_cfg": config, "preprocess_cfg": PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(state, str(out / "open_clip_model.safetensors"))


if __name__ == "__main__":
    training.run(main, __doc__, STEPS)
