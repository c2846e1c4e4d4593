"""Trains the text tower of tiny-pixart: a T5EncoderModel that understands English captions.

Taught as the CLIP tower is (diffusion_text), by the mean of its token states instead of a pooled
vector: T5 has none. The pipeline reads the states themselves.

python -m m2m_tiny.zoo.diffusion_t5 --out zoo-work/t5
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m2m_tiny import drawable
from m2m_tiny.captions import caption
from m2m_tiny.reader import CLASSES, labels
from m2m_tiny.zoo.diffusion_parts import arguments, train
from m2m_tiny.zoo.diffusion_text import BATCH, MAX_TOKENS, errors
from m2m_tiny.zoo.english_tokenizer import make_tokenizer
from m2m_tiny.zoo.meaning import Likeness, graded_loss

WIDTH, STEPS = 128, 1500


def build() -> tuple[Any, Any]:
    """The untrained encoder and its tokenizer."""
    from transformers import T5Config, T5EncoderModel

    known = drawable.draw(drawable.all_scenes(), 20_000, random.Random(1))
    tokenizer = make_tokenizer(lambda rng: rng.choice(known), MAX_TOKENS)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=32, d_ff=2 * WIDTH, num_layers=3,
        num_heads=4, feed_forward_proj="gated-gelu", relative_attention_num_buckets=16,
        relative_attention_max_distance=MAX_TOKENS, dropout_rate=0.0,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return T5EncoderModel(config), tokenizer


def tokens(tokenizer: Any, lines: list[str]) -> tuple[Tensor, Tensor]:
    """Token numbers and mask, padded to the longest line."""
    read = tokenizer(lines, padding=True, truncation=True, max_length=MAX_TOKENS,
                     return_tensors="pt")  # fmt: skip
    return read["input_ids"], read["attention_mask"]


def averages(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Mean of the states of real tokens: ``[n, 128]``."""
    states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    real = mask[:, :, None].to(states.dtype)
    mean: Tensor = (states * real).sum(1) / real.sum(1)
    return mean


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    model, tokenizer = build()
    heads = nn.Linear(WIDTH, sum(CLASSES))
    seen, unseen = drawable.split()
    likeness = Likeness()

    def said(scenes: list[drawable.Scene], rng: random.Random) -> tuple[Tensor, Tensor]:
        lines = [caption(scene, "en", rng) for scene in scenes]
        return tokens(tokenizer, lines)

    def step(generator: torch.Generator) -> Tensor:
        rng = random.Random(int(torch.randint(1 << 40, (1,), generator=generator)))
        chosen = drawable.draw(seen, BATCH, rng)
        pooled = averages(model, *said(chosen + chosen, rng))
        truth = torch.from_numpy(labels(chosen)).repeat(2, 1)
        a, b = F.normalize(pooled, dim=-1).split(BATCH)
        return graded_loss(a, b, likeness(chosen, chosen)) + errors(heads, pooled, truth)

    train({"model": model, "heads": heads}, step, steps=options.steps, lr=2e-3, seed=options.seed,
          checkpoint=options.work / "t5.pt")  # fmt: skip
    model.eval()
    with torch.no_grad():
        rng = random.Random(7)
        chosen = drawable.draw(unseen, 1000, rng)
        truth = torch.from_numpy(labels(chosen))
        answers = heads(averages(model, *said(chosen, rng))).split(CLASSES, dim=1)
        right = torch.stack([a.argmax(1) == truth[:, i] for i, a in enumerate(answers)])
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    each = [round(float(r), 3) for r in right.float().mean(1)]
    every = float(right.all(0).float().mean())
    print(f"read off captions of held-out scenes: {each}, all five {every:.3f}")


if __name__ == "__main__":
    main(arguments("the T5 of tiny-pixart", steps=STEPS))
