"""Trains the text tower of tiny-diffusion: a CLIPTextModel that understands English captions.

Its pooled vector is taught to hold what the caption says: two captions are as near as their
meanings, and the place, and shape and color of each object, are read off by a linear map that is
thrown away afterwards. Faster than learning words from pictures, and both pipelines share the
result, frozen.

python -m m2m_tiny.zoo.diffusion_text --out zoo-work/text
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m2m_tiny import drawable
from m2m_tiny.captions import caption
from m2m_tiny.reader import CLASSES, labels
from m2m_tiny.zoo.diffusion_parts import arguments, train
from m2m_tiny.zoo.english_tokenizer import make_tokenizer
from m2m_tiny.zoo.meaning import Likeness, graded_loss

WIDTH, MAX_TOKENS, BATCH, STEPS = 128, 24, 128, 900


def build() -> tuple[Any, Any]:
    """The untrained text model and its tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    known = drawable.draw(drawable.all_scenes(), 20_000, random.Random(1))
    tokenizer = make_tokenizer(lambda rng: rng.choice(known), MAX_TOKENS)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, projection_dim=WIDTH,
    )  # fmt: skip
    return CLIPTextModel(config), tokenizer


def tokens(tokenizer: Any, lines: list[str]) -> Tensor:
    """int64 ``[n, 24]``, padded to full length as the pipelines do it."""
    read = tokenizer(lines, padding="max_length", truncation=True, max_length=MAX_TOKENS,
                     return_tensors="pt")  # fmt: skip
    ids: Tensor = read["input_ids"]
    return ids


def errors(heads: nn.Module, pooled: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy over all five answers."""
    answers = heads(pooled).split(CLASSES, dim=1)
    return torch.stack([F.cross_entropy(a, truth[:, i]) for i, a in enumerate(answers)]).mean()


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    model, tokenizer = build()

    def pooled(lines: list[str]) -> Tensor:
        vectors: Tensor = model(tokens(tokenizer, lines)).pooler_output
        return vectors

    teach(model, tokenizer, pooled, options, "text.pt")


def teach(
    model: Any,
    tokenizer: Any,
    pooled: Callable[[list[str]], Tensor],
    options: argparse.Namespace,
    checkpoint: str,
) -> None:
    """Train, save and judge a text model by one vector for each caption, ``[n, 128]``."""
    heads = nn.Linear(WIDTH, sum(CLASSES))
    seen, unseen = drawable.split()
    likeness = Likeness()

    def said(scenes: list[drawable.Scene], rng: random.Random) -> Tensor:
        return pooled([caption(scene, "en", rng) for scene in scenes])

    def step(generator: torch.Generator) -> Tensor:
        rng = random.Random(int(torch.randint(1 << 40, (1,), generator=generator)))
        chosen = drawable.draw(seen, BATCH, rng)
        vectors = said(chosen + chosen, rng)
        truth = torch.from_numpy(labels(chosen)).repeat(2, 1)
        a, b = F.normalize(vectors, dim=-1).split(BATCH)
        return graded_loss(a, b, likeness(chosen, chosen)) + errors(heads, vectors, truth)

    train({"model": model, "heads": heads}, step, steps=options.steps, lr=2e-3, seed=options.seed,
          checkpoint=options.work / checkpoint)  # fmt: skip
    model.eval()
    with torch.no_grad():
        rng = random.Random(7)
        chosen = drawable.draw(unseen, 1000, rng)
        truth = torch.from_numpy(labels(chosen))
        answers = heads(said(chosen, rng)).split(CLASSES, dim=1)
        right = torch.stack([a.argmax(1) == truth[:, i] for i, a in enumerate(answers)])
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    each = [round(float(r), 3) for r in right.float().mean(1)]
    every = float(right.all(0).float().mean())
    print(f"read off captions of held-out scenes: {each}, all five {every:.3f}")


if __name__ == "__main__":
    main(arguments("the text tower of tiny-diffusion", steps=STEPS))
