"""Trains tiny-vilt: ViltForImageAndTextRetrieval of transformers, which reads caption and scene.

python -m m2m_tiny.zoo.vilt --out FOLDER [--steps N]

Its layers begin as those of tiny-clip's picture tower, as ViLT's began as a vision transformer. It
learns to put the pictures of a family in order for a caption, and to fill in words left out of a
caption from the picture.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m2m_tiny import scenes
from m2m_tiny.captions import caption
from m2m_tiny.family import MODELS
from m2m_tiny.zoo import dual, training
from m2m_tiny.zoo.english_tokenizer import make_tokenizer
from m2m_tiny.zoo.meaning import TEMPERATURE, Likeness

MAX_TOKENS = 32
STEPS = 2000
WIDTH, LAYERS = 128, 4
FAMILIES = 10
OTHERS = 2  # pictures of other families that a caption is compared with
FILLED = 48  # captions with words left out
LEFT_OUT = 0.4
START = {"cls_token": "class_embedding", "layernorm_before": "layer_norm1",
         "layernorm_after": "layer_norm2", "attention.attention.query": "self_attn.q_proj",
         "attention.attention.key": "self_attn.k_proj",
         "attention.attention.value": "self_attn.v_proj",
         "attention.output.dense": "self_attn.out_proj", "intermediate.dense": "mlp.fc1",
         "output.dense": "mlp.fc2"}  # fmt: skip


def build() -> tuple[Any, Any, Any]:
    """The model before training, its tokenizer and image processor."""
    from transformers import ViltConfig, ViltForImageAndTextRetrieval, ViltImageProcessor

    tokenizer = make_tokenizer(scenes.random_scene, MAX_TOKENS)
    config = ViltConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=4, intermediate_size=2 * WIDTH, hidden_act="quick_gelu",
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, image_size=scenes.RESOLUTION,
        patch_size=8, max_position_embeddings=MAX_TOKENS, max_image_length=-1, layer_norm_eps=1e-5,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = ViltForImageAndTextRetrieval(config)
    start_from_clip(model)
    images = ViltImageProcessor(
        size={"shortest_edge": scenes.RESOLUTION}, size_divisor=8, image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )  # fmt: skip
    return model, tokenizer, images


@torch.no_grad()
def start_from_clip(model: Any) -> None:
    """Copy tiny-clip's picture tower; its normalization of patches becomes part of the patches."""
    from transformers import CLIPModel

    tower = CLIPModel.from_pretrained(MODELS / "tiny-clip").vision_model
    pictures = scenes.render_batch([scenes.random_scene(random.Random(i)) for i in range(64)],
                                   random.Random(0))  # fmt: skip
    spread = tower.embeddings(dual.pixel_values(pictures)).std(-1).mean()
    gain, shift = tower.pre_layrnorm.weight / spread, tower.pre_layrnorm.bias
    ours, theirs = model.vilt.embeddings, tower.embeddings
    weight = theirs.patch_embedding.weight
    ours.patch_embeddings.projection.weight.copy_(
        (weight - weight.mean(0)) * gain[:, None, None, None]
    )
    ours.patch_embeddings.projection.bias.zero_()
    places = theirs.position_embedding.weight
    ours.position_embeddings.copy_((places - places.mean(-1, keepdim=True)) * gain + shift)
    ours.cls_token.copy_((theirs.class_embedding - theirs.class_embedding.mean()) * gain)
    for layer, first in zip(model.vilt.encoder.layer, tower.encoder.layers, strict=False):
        known = first.state_dict()
        names = layer.state_dict()
        for name in names:
            kin = name
            for there, here in START.items():
                if name.startswith(there):
                    kin = name.replace(there, here)
            names[name].copy_(known[kin])


class Joint(nn.Module):
    """The model and a head that names words left out, which is dropped after training."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.words = nn.Linear(WIDTH, model.config.vocab_size)

    def patches(self, pixels: Any) -> Tensor:
        """What ViLT's embeddings make of pictures of one size."""
        part = self.model.vilt.embeddings
        seen = part.patch_embeddings(dual.pixel_values(pixels)).flatten(2).transpose(1, 2)
        first = part.cls_token.expand(len(seen), -1, -1)
        states: Tensor = torch.cat([first, seen], 1) + part.position_embeddings
        return states

    def forward(self, patches: Tensor, ids: Tensor, mask: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return self.model.vilt(
                input_ids=ids, attention_mask=mask, image_embeds=patches,
                pixel_mask=torch.ones(patches.shape[:2], dtype=torch.long),
            )  # fmt: skip


def main(out: Path, steps: int = STEPS, seed: int = 0) -> str:
    """Train, save, and return the score."""
    model, tokenizer, images = build()
    joint, likeness = Joint(model), Likeness()
    pool = dual.Pool(scenes, scenes.render_batch, 12_000)

    def read(lines: list[str]) -> tuple[Tensor, Tensor]:
        inputs = tokenizer(lines, padding=True, truncation=True, return_tensors="pt")
        return inputs["input_ids"], inputs["attention_mask"]

    def logits(pixels: Any, lines: list[str], pictures: Tensor) -> Tensor:
        """``[captions, pictures of each]``: pictures says which."""
        patches = joint.patches(pixels)[pictures.flatten()]
        ids, mask = (x.repeat_interleave(pictures.shape[1], 0) for x in read(lines))
        pooled = joint(patches, ids, mask).pooler_output.float()
        ranked: Tensor = model.rank_output(pooled).view(pictures.shape)
        return ranked

    def loss_of(step: int) -> Tensor:
        rng = training.step_rng(seed, step)
        rows, lines, shown, said = pool.batch(rng, FAMILIES)
        pixels = dual.shifted(rows, rng)
        own = torch.arange(len(lines))
        family = own[:, None] // dual.FAMILY * dual.FAMILY + torch.arange(dual.FAMILY)
        others = torch.randint(len(lines), (len(lines), OTHERS))
        pictures = torch.cat([family, others], 1)
        wanted = likeness(said, shown).gather(1, pictures) / TEMPERATURE
        ranked = F.cross_entropy(logits(pixels, lines, pictures), wanted.softmax(1))
        return ranked + filled(pixels, [caption(s, "en", rng) for s in said])

    def filled(pixels: Any, lines: list[str]) -> Tensor:
        ids, mask = read(lines)
        hidden = (torch.rand(ids.shape) < LEFT_OUT) & (ids > tokenizer.unk_token_id) & (mask > 0)
        hidden[:, 0] = False
        given = ids.masked_fill(hidden, tokenizer.unk_token_id)
        states = joint(joint.patches(pixels), given, mask).last_hidden_state
        return F.cross_entropy(joint.words(states[:, : ids.shape[1]][hidden].float()), ids[hidden])

    gallery, captions = dual.held_out(scenes, scenes.render_batch)

    @torch.inference_mode()
    def score() -> str:
        """How often a caption prefers its own picture among its group of 25."""
        right = 0
        for first in range(0, 200, 25):
            lines = captions[first : first + 25]
            pictures = torch.arange(25).expand(25, 25)
            found = logits(gallery[first : first + 25], lines, pictures)
            right += int((found.argmax(1) == torch.arange(25)).sum())
        return f"own picture first of 25 near-duplicates {100 * right / 200:.1f} %"

    plan = training.Plan(steps=steps, lr=1e-3, seed=seed)
    training.train(joint, loss_of, plan, training.work_folder(out), score=score)
    figures = score()
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    images.save_pretrained(out)
    training.widen(out)
    return figures


if __name__ == "__main__":
    training.run(main, __doc__, STEPS)
