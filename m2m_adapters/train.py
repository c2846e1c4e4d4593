"""Gradient refinement of the objective, with all vectors in memory.

The best state by held-out loss is kept, not the last.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from m2m_adapters.losses import Loss
from m2m_adapters.projector import Projector


@dataclass(frozen=True)
class Schedule:
    """AdamW with linear warm-up and linear decay to zero, as published by default."""

    lr: float = 3e-4
    weight_decay: float = 0.01
    batch_size: int = 64
    epochs: int = 50
    warmup_steps: int = 50
    patience: int | None = None


@dataclass
class Refinement:
    """Held-out loss after each epoch (before the first at index 0) and the best of them."""

    losses: list[float] = field(default_factory=list)
    best_epoch: int = 0


def refine(
    projector: Projector,
    x: Tensor,
    y: Tensor,
    score: Callable[[Projector], float],
    loss: Loss,
    schedule: Schedule,
    *,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Refinement:
    """Train ``projector`` in place on rows x ``[n, d_in]``, y ``[n, d_out]``.

    ``score`` gives the held-out loss; ``progress`` is called with (epoch, epochs, loss).
    """
    generator = torch.Generator().manual_seed(seed)
    steps_per_epoch = max(1, len(x) // schedule.batch_size)
    total = steps_per_epoch * schedule.epochs

    def rate(step: int) -> float:
        if step < schedule.warmup_steps:
            return (step + 1) / schedule.warmup_steps
        return max(0.0, (total - step) / max(1, total - schedule.warmup_steps))

    optimizer = torch.optim.AdamW(
        projector.parameters(),
        lr=schedule.lr,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    result = Refinement([score(projector)])
    best = copy.deepcopy(projector.state_dict())
    for epoch in range(1, schedule.epochs + 1):
        order = torch.randperm(len(x), generator=generator).to(x.device)
        projector.train()
        for step in range(steps_per_epoch):
            rows = order[step * schedule.batch_size : (step + 1) * schedule.batch_size]
            optimizer.zero_grad(set_to_none=True)
            loss(projector(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            decay.step()
        projector.eval()
        held_out = score(projector)
        result.losses.append(held_out)
        if held_out < result.losses[result.best_epoch]:
            result.best_epoch = epoch
            best = copy.deepcopy(projector.state_dict())
        if progress is not None:
            progress(epoch, schedule.epochs, held_out)
        if schedule.patience is not None and epoch - result.best_epoch >= schedule.patience:
            break
    projector.load_state_dict(best)
    return result
