"""Gradient refinement of the objective; the best state by held-out loss is kept, not the last.

Pairs that fit in memory are shuffled whole; larger sets are streamed in blocks, in random order
and shuffled within.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from m2m_adapters.losses import Loss
from m2m_adapters.pairs import Pairs
from m2m_adapters.projector import Projector

BLOCK = 1 << 16


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
    pairs: Pairs,
    score: Callable[[Projector], float],
    loss: Loss,
    schedule: Schedule,
    *,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Refinement:
    """Train ``projector`` in place on ``pairs``.

    ``score`` gives the held-out loss; ``progress`` is called with (epoch, epochs, loss).
    """
    generator = torch.Generator().manual_seed(seed)
    batches = Batches(pairs, schedule.batch_size, generator)
    steps_per_epoch = batches.steps
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
        projector.train()
        for x, y in batches.epoch():
            optimizer.zero_grad(set_to_none=True)
            loss(projector(x), y).backward()  # type: ignore[no-untyped-call]
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


class Batches:
    """Shuffled batches of pairs, the same number in every epoch; a short last one is dropped."""

    def __init__(self, pairs: Pairs, size: int, generator: torch.Generator) -> None:
        self._pairs, self._size, self._generator = pairs, size, generator
        block = pairs.n if pairs.fits_in_memory else min(pairs.n, max(BLOCK, size))
        self._starts = list(range(0, pairs.n, block))
        self._block = block
        self._kept = self._read(0) if len(self._starts) == 1 else None
        rows = [min(block, pairs.n - start) for start in self._starts]
        self.steps = max(1, sum(n // size for n in rows))

    def _read(self, start: int) -> tuple[Tensor, Tensor]:
        x, y = self._pairs.read(start, min(start + self._block, self._pairs.n))
        return torch.from_numpy(x), torch.from_numpy(y)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every block once, in random order."""
        blocks = [0]
        if self._kept is None:
            blocks = torch.randperm(len(self._starts), generator=self._generator).tolist()
        for number in blocks:
            x, y = self._kept or self._read(self._starts[number])
            order = torch.randperm(len(x), generator=self._generator)
            for step in range(len(x) // self._size):
                rows = order[step * self._size : (step + 1) * self._size]
                yield x[rows], y[rows]
