"""What the training scripts of tiny-diffusion share: pictures, a resumable loop, saving."""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from m2m_tiny import drawable, scenes


def arguments(description: str, steps: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("zoo-work"), help="checkpoints, caches")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def pictures(n: int, seed: int, work: Path) -> tuple[list[drawable.Scene], torch.Tensor]:
    """``n`` training scenes and their renderings, uint8 ``[n, 3, 40, 40]``; cached in ``work``."""
    rng = random.Random(seed)
    chosen = drawable.draw(drawable.split()[0], n, rng)
    cache = work / f"pictures-{n}-{seed}.npy"
    if not cache.is_file():
        work.mkdir(parents=True, exist_ok=True)
        parts = [scenes.render_batch(chosen[i : i + 500], rng) for i in range(0, n, 500)]
        with open(cache, "wb") as file:
            np.save(file, np.concatenate(parts))
    pixels = np.load(cache, allow_pickle=False)
    return chosen, torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def to_model(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels -> float32 from -1 to 1, as diffusers' image processors have it."""
    return pixels.float() / 127.5 - 1


def train(
    modules: dict[str, torch.nn.Module],
    step: Callable[[torch.Generator], torch.Tensor],
    *,
    steps: int,
    lr: float,
    seed: int,
    checkpoint: Path,
    ema: float | None = None,
    weight_decay: float = 0.01,
) -> None:
    """AdamW with warm-up and cosine decay; ``step`` returns a loss. Goes on from a checkpoint.

    ema: averages the weights with this decay and leaves the average in the modules.
    """
    parameters = _learned(modules)
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, betas=(0.9, 0.99))
    averages = [p.detach().clone() for p in parameters] if ema else []
    done, began = 0, time.time()
    if checkpoint.is_file():
        averages, done = _restored(checkpoint, modules, optimizer)
    running = 0.0
    for number in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(number, steps, lr)
        # A generator for each step, so that an interrupted run draws what a whole one draws.
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        optimizer.zero_grad(set_to_none=True)
        loss = step(generator)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if ema:
            decay = min(ema, (1 + number) / (10 + number))
            torch._foreach_lerp_(averages, [p.detach() for p in parameters], 1 - decay)
        value = float(loss.detach())
        running = value if number == done else 0.98 * running + 0.02 * value
        if (number + 1) % 100 == 0:
            spent = time.time() - began
            print(f"step {number + 1}/{steps}  loss {running:.4f}  {spent:.0f} s", flush=True)
        if (number + 1) % 500 == 0 or number + 1 == steps:
            state: dict[str, Any] = {name: module.state_dict() for name, module in modules.items()}
            state |= {"optimizer": optimizer.state_dict(), "averages": averages}
            _save(checkpoint, {**state, "done": number + 1})
    with torch.no_grad():
        for parameter, average in zip(parameters if ema else [], averages, strict=True):
            parameter.copy_(average)


def _learned(modules: dict[str, torch.nn.Module]) -> list[torch.nn.Parameter]:
    return [p for m in modules.values() for p in m.parameters() if p.requires_grad]


def _rate(number: int, steps: int, lr: float) -> float:
    """Learning rate of a step: warm-up over 100 steps, then cosine decay."""
    warm = min(1.0, (number + 1) / 100)
    return lr * warm * (0.5 + 0.5 * math.cos(math.pi * number / steps)) + 1e-6


def _save(checkpoint: Path, state: dict[str, Any]) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, checkpoint.with_suffix(".part"))
    checkpoint.with_suffix(".part").replace(checkpoint)


def _restored(
    checkpoint: Path, modules: dict[str, torch.nn.Module], optimizer: torch.optim.Optimizer
) -> tuple[list[torch.Tensor], int]:
    """Averages and steps done of a checkpoint, whose weights are loaded."""
    saved = torch.load(checkpoint, weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(saved[name])
    optimizer.load_state_dict(saved["optimizer"])
    return saved["averages"], saved["done"]
