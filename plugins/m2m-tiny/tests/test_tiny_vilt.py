"""The trainer of tiny-vilt: what it trains is what transformers computes from a picture."""

import random

import torch
from m2m_tiny import scenes
from m2m_tiny.zoo import dual
from m2m_tiny.zoo.vilt import Joint, build


def test_its_patches_give_the_score_of_the_model_itself():
    model, tokenizer, _ = build()
    model.eval()
    joint = Joint(model)
    rng = random.Random(0)
    pixels = scenes.render_batch([scenes.random_scene(rng) for _ in range(3)], rng)
    given = tokenizer(["a red circle"] * 3, return_tensors="pt")
    ids, mask = given["input_ids"], given["attention_mask"]
    with torch.inference_mode():
        own = model(input_ids=ids, attention_mask=mask, pixel_values=dual.pixel_values(pixels))
        patches = joint.patches(pixels)
        seen = model(
            input_ids=ids, attention_mask=mask, image_embeds=patches,
            pixel_mask=torch.ones(patches.shape[:2], dtype=torch.long),
        )  # fmt: skip
        trained = model.rank_output(joint(patches, ids, mask).pooler_output.float())
    assert torch.allclose(own.logits, seen.logits, atol=1e-5)
    assert torch.allclose(own.logits, trained, atol=0.1)  # bf16
