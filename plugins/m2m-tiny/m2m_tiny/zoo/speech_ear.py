"""Trains the ear of tiny-speech: sounds of three languages -> phones that all languages share."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny.hearing import BLANK, heard_phones
from m2m_tiny.phones import NAMES
from m2m_tiny.zoo import training
from m2m_tiny.zoo.speech_data import Speech

BATCH = 20
STEPS = (500, 350)


def build() -> Any:
    """The untrained ear: a conformer of four layers."""
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC

    torch.manual_seed(0)
    return Wav2Vec2BertForCTC(Wav2Vec2BertConfig(
        vocab_size=len(NAMES), pad_token_id=BLANK, bos_token_id=None, eos_token_id=None,
        hidden_size=144, num_hidden_layers=4, num_attention_heads=4, intermediate_size=432,
        feature_projection_input_dim=160, conv_depthwise_kernel_size=15,
        position_embeddings_type=None,  # a phone is known by its neighborhood alone
        hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0,
        activation_dropout=0.0, conformer_conv_dropout=0.0, final_dropout=0.0, layerdrop=0.0,
        apply_spec_augment=False, add_adapter=False, output_hidden_size=144,
    ))  # fmt: skip


def masked(features: Tensor, rng: random.Random) -> Tensor:
    """One band of frequencies is taken away, for robustness."""
    features = features.clone()
    low, width = rng.randrange(80), rng.randrange(1, 12)
    for offset in (0, 80):
        features[..., offset + low : offset + min(80, low + width)] = 0
    return features


def train_ear(ear: Any, speech: Speech, work: Path, steps: tuple[int, int] = STEPS) -> str:
    """Connectionist temporal classification: first on captions, then on made-up words as well."""

    def score() -> str:
        return f"phones wrong: {100 * phone_errors(ear, speech, speech.aside):.1f} %"

    for part, (rows, count, rate) in enumerate((
        (speech.captions, steps[0], 2e-3), (speech.known, steps[1], 1.5e-3)
    )):  # fmt: skip
        plan = training.Plan(steps=count, lr=rate, warmup=100, weight_decay=0.01, seed=part)
        loss_of = _loss(ear, speech, rows, part)
        training.train(ear, loss_of, plan, work / str(part), score=score)
    return score()


def _loss(ear: Any, speech: Speech, rows: list[int], seed: int) -> Callable[[int], Tensor]:
    by_length = sorted(rows, key=lambda row: speech.frames[row])

    def loss_of(step: int) -> Tensor:
        rng = training.step_rng(seed, step)
        # Of about one length, so that little is padding.
        first = rng.randrange(len(by_length) - 8 * BATCH)
        rows = rng.sample(by_length[first : first + 8 * BATCH], BATCH)
        features, mask = speech.batch(rows)
        with torch.autocast("cpu", torch.bfloat16):
            logits = ear(input_features=masked(features, rng), attention_mask=mask).logits
        phones = [torch.tensor(speech.phones[row]) for row in rows]
        return F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1), torch.cat(phones), mask.sum(1),
            torch.tensor([len(p) for p in phones]), blank=BLANK, zero_infinity=True,
        )  # fmt: skip

    return loss_of


@torch.inference_mode()
def phone_errors(ear: Any, speech: Speech, rows: list[int]) -> float:
    """Phones substituted, left out or put in, as a share of those said."""
    wrong = said = 0
    for start in range(0, len(rows), 50):
        chosen = rows[start : start + 50]
        features, mask = speech.batch(chosen)
        logits = ear(input_features=features, attention_mask=mask).logits
        for row, heard in zip(chosen, heard_phones(logits, mask.sum(1).tolist()), strict=True):
            wrong += distance(speech.phones[row], (heard.argmax(1) + 1).tolist())
            said += len(speech.phones[row])
    return wrong / said


def distance(a: list[int], b: list[int]) -> int:
    """Fewest changes from one row of phones to the other."""
    costs = list(range(len(b) + 1))
    for row, x in enumerate(a, 1):
        before, costs[0] = costs[0], row
        for column, y in enumerate(b, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (x != y)),
            )
    return costs[-1]
