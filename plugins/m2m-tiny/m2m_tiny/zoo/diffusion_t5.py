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
from torch import Tensor

from m2m_tiny import drawable
from m2m_tiny.zoo.diffusion_parts import arguments
from m2m_tiny.zoo.diffusion_text import MAX_TOKENS, WIDTH, teach
from m2m_tiny.zoo.english_tokenizer import make_tokenizer

STEPS = 1500


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

    def pooled(lines: list[str]) -> Tensor:
        return averages(model, *tokens(tokenizer, lines))

    teach(model, tokenizer, pooled, options, "t5.pt")


if __name__ == "__main__":
    main(arguments("the T5 of tiny-pixart", steps=STEPS))
