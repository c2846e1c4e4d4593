"""Gradient refinement of the objective; the best state by held-out loss is kept, not the last.

Pairs that fit in memory, or on the device, are shuffled whole; larger sets are streamed in
blocks, in random order and shuffled within. Processes of one team draw the same batches.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m2m_adapters._internal.processes import team
from m2m_adapters.alignment.checkpoint import Checkpoint
from m2m_adapters.alignment.losses import Loss
from m2m_adapters.alignment.objective import Objective, fastest
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.projectors.protocol import Projector

BLOCK = 1 << 16


@dataclass(frozen=True)
class Resume:
    """Where to keep checkpoints, and what the pairs are: encoders, corpus, rows."""

    folder: Path
    data: str
    every: float | None = None


@dataclass(frozen=True)
class Schedule:
    """AdamW with linear warm-up and linear decay to zero, as published by default.

    batch_size: of all processes together. precision: the projector's arithmetic.
    patience: epochs in a row that lower the held-out loss by no more than ``least_gain`` of it.
    """

    lr: float = 3e-4
    weight_decay: float = 0.01
    batch_size: int = 64
    epochs: int = 50
    warmup_steps: int = 50
    patience: int | None = None
    precision: str = "fp32"
    least_gain: float = 0.0


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
    device: torch.device | None = None,
    resume: Resume | None = None,
) -> Refinement:
    """Train ``projector`` in place on ``pairs``.

    ``score`` gives the held-out loss; ``progress`` is called with (epoch, epochs, loss).
    device: where the projector is; pairs are kept and shuffled there.
    resume: a run that was killed goes on after its last checkpoint, to the same result.
    """
    device = device or torch.device("cpu")
    generator = torch.Generator(device).manual_seed(seed)
    batches = Batches(pairs, schedule.batch_size, generator)
    steps_per_epoch = batches.steps
    total = steps_per_epoch * schedule.epochs

    def rate(step: int) -> float:
        if step < schedule.warmup_steps:
            return (step + 1) / schedule.warmup_steps
        return max(0.0, (total - step) / max(1, total - schedule.warmup_steps))

    others = team()
    parameters = list(projector.parameters())
    optimizer = torch.optim.AdamW(
        parameters,
        lr=schedule.lr,
        weight_decay=schedule.weight_decay,
        fused=True,
    )
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    checkpoint = None
    if resume is not None:
        parts = (resume.data, schedule, loss, seed, pairs.n, batches.steps, device, others.size)
        identity = f"{parts} {torch.__version__} {_digest(projector)}"
        checkpoint = Checkpoint(resume.folder, identity)
        if resume.every is not None:
            checkpoint.every = resume.every
    result = Refinement([others.agreed(score(projector))])
    best = copy.deepcopy(projector.state_dict())
    first = 1
    saved = others.agreed(checkpoint.load() if checkpoint is not None else None)
    if saved is not None:
        projector.load_state_dict(saved["projector"])
        optimizer.load_state_dict(saved["optimizer"])
        decay.load_state_dict(saved["decay"])
        generator.set_state(saved["generator"])
        best, first = saved["best"], saved["epoch"] + 1
        result = Refinement(saved["losses"], saved["best_epoch"])

    def state() -> dict[str, Any]:
        return {
            "projector": projector.state_dict(),
            "optimizer": optimizer.state_dict(),
            "decay": decay.state_dict(),
            "generator": generator.get_state(),
            "best": best,
            "epoch": epoch,
            "losses": result.losses,
            "best_epoch": result.best_epoch,
        }

    objective = Objective(projector, loss, schedule.precision)
    step = fastest(objective, schedule.batch_size, device)
    for epoch in range(first, schedule.epochs + 1):
        if _enough(result.losses, schedule):
            break
        projector.train()
        for x, y in batches.epoch():
            optimizer.zero_grad(set_to_none=True)
            step(x[others.share(len(x))], y).backward()  # type: ignore[no-untyped-call]
            others.add_up(value.grad for value in parameters)
            optimizer.step()
            decay.step()
        projector.eval()
        held_out = others.agreed(score(projector))
        result.losses.append(held_out)
        if held_out < result.losses[result.best_epoch]:
            result.best_epoch = epoch
            best = copy.deepcopy(projector.state_dict())
        if progress is not None:
            progress(epoch, schedule.epochs, held_out)
        if checkpoint is not None and others.rank == 0:
            checkpoint.save(state)
    projector.load_state_dict(best)
    if checkpoint is not None and others.rank == 0:
        checkpoint.drop()
    return result


def _enough(losses: list[float], schedule: Schedule) -> bool:
    if schedule.patience is None:
        return False
    last, reached = 0, losses[0]  # the epoch that last brought something, and its loss
    for epoch, loss in enumerate(losses):
        if loss < reached - schedule.least_gain * abs(reached):
            last, reached = epoch, loss
    return len(losses) - 1 - last >= schedule.patience


def _digest(projector: Projector) -> str:
    """Of the shape and the weights the training begins with."""
    digest = hashlib.sha256(repr(projector.shape).encode())
    for name, value in projector.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Batches:
    """Shuffled batches of pairs, the same number in every epoch; a short last one is dropped.

    They lie where the generator is. A GPU keeps all pairs that half of its free memory holds.
    """

    def __init__(self, pairs: Pairs, size: int, generator: torch.Generator) -> None:
        self._pairs, self._size, self._generator = pairs, size, generator
        self._device = generator.device
        whole = team().agreed(pairs.fits_in_memory or self._fits_on_gpu())
        block = pairs.n if whole else min(pairs.n, max(BLOCK, size))
        self._starts = list(range(0, pairs.n, block))
        self._block = block
        self._kept = None
        if len(self._starts) == 1:
            self._kept = self._read(0) if pairs.fits_in_memory else self._gathered()
        rows = [min(block, pairs.n - start) for start in self._starts]
        self.steps = max(1, sum(n // size for n in rows))

    def _fits_on_gpu(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._pairs.n * (self._pairs.d_in + self._pairs.d_out) * 4 <= free // 2

    def _read(self, start: int) -> tuple[Tensor, Tensor]:
        x, y = self._pairs.read(start, min(start + self._block, self._pairs.n))
        return torch.from_numpy(x).to(self._device), torch.from_numpy(y).to(self._device)

    def _gathered(self) -> tuple[Tensor, Tensor]:
        """All pairs on the device, by way of small pieces of the host's memory."""
        pairs = self._pairs
        x = torch.empty(pairs.n, pairs.d_in, device=self._device)
        y = torch.empty(pairs.n, pairs.d_out, device=self._device)
        start = 0
        for some_x, some_y in pairs.chunks():
            stop = start + len(some_x)
            x[start:stop] = torch.from_numpy(some_x)
            y[start:stop] = torch.from_numpy(some_y)
            start = stop
        return x, y

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every block once, in random order."""
        blocks = [0]
        if self._kept is None:
            blocks = self._shuffled(len(self._starts)).tolist()
        for number in blocks:
            x, y = self._kept or self._read(self._starts[number])
            order = self._shuffled(len(x))
            for step in range(len(x) // self._size):
                rows = order[step * self._size : (step + 1) * self._size]
                yield x[rows], y[rows]

    def _shuffled(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self._generator, device=self._device)
