"""Gradient refinement of the objective; the best state by held-out loss is kept, not the last.

Processes of one team draw the same batches and share the work of each.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from m2m_adapters._internal.processes import team
from m2m_adapters.alignment.batches import Batches
from m2m_adapters.alignment.checkpoint import Checkpoint
from m2m_adapters.alignment.losses import LossFunction
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.projectors.protocol import Projector

log = logging.getLogger(__name__)

Step = Callable[..., Tensor]
"""(inputs..., y) -> loss."""


@dataclass(frozen=True)
class Resume:
    """Where to keep checkpoints, and what the pairs are: encoders, corpus, rows."""

    folder: Path
    data: str
    every: float | None = None


@dataclass
class Refinement:
    """Held-out loss after each epoch (before the first at index 0) and the best of them.

    starts: the least loss of each start when one of several was chosen.
    """

    losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    starts: list[float] = field(default_factory=list)


class Objective(nn.Module):
    """A batch -> its loss.

    Only the projector computes in bf16, where that is wanted; losses are small differences.
    The inputs are this process's share of the batch. y: the whole of it, since a loss may compare
    rows, so every process takes the loss of all rows; summed over processes, gradients are exact.
    """

    def __init__(self, projector: Projector, loss: LossFunction, precision: str = "fp32") -> None:
        super().__init__()
        self.projector, self.loss, self.in_bf16 = projector, loss, precision == "bf16"

    def forward(self, *batch: Tensor) -> Tensor:
        *inputs, y = batch
        # A cache of cast weights would not survive being replayed as a graph.
        with torch.autocast(y.device.type, torch.bfloat16, self.in_bf16, cache_enabled=False):
            p = self.projector(*inputs)
        return self.loss(team().joined(p.float(), len(y)), y)


def fastest(objective: Objective, batch: int, device: torch.device) -> Step:
    """The objective as CUDA graphs, for batches of one size; unchanged where that fails."""
    if device.type != "cuda" or team().size > 1:  # collectives stay out of graphs
        return objective
    if objective.projector.level != "sentence":  # the longest text of a batch decides its shape
        return objective
    shape = objective.projector.shape
    like = tuple(torch.zeros(batch, width, device=device) for width in (shape.d_in, shape.d_out))
    graphs: Any = torch.cuda.make_graphed_callables
    try:
        graphed: Step = graphs(objective, like)
    except Exception as error:  # a plugin's loss that waits for the device, an old driver
        log.info("no CUDA graphs: %s", error)
        return objective
    return graphed


def refine(
    projector: Projector,
    pairs: Pairs,
    score: Callable[[Projector], float],
    loss: LossFunction,
    recipe: Recipe,
    *,
    seed: int = 0,
    progress: Callable[[int, int, float], None] | None = None,
    device: torch.device | None = None,
    resume: Resume | None = None,
    others: Sequence[Projector] = (),
) -> Refinement:
    """Train ``projector`` in place on ``pairs`` by AdamW, warm-up and linear decay to zero.

    ``score`` gives the held-out loss; ``progress`` is called with (epoch, epochs, loss).
    device: where the projector is; batches are taken and shuffled there.
    resume: a run that was killed continues after its last checkpoint, to the same result.
    others: further starts; each is trained for its share of the epochs, the best goes on.
    """
    starts = (projector, *others)
    chosen: _Training | None = None
    reached: list[float] = []
    checkpoints: list[Checkpoint] = []
    for start in starts:
        training = _Training(start, pairs, score, loss, recipe, seed, device)
        if resume is not None:
            training.checkpoint = training.resumed(resume)
            checkpoints.append(training.checkpoint)
        if others:
            training.run(recipe.epochs // len(starts), progress if start is projector else None)
        reached.append(min(training.result.losses[: recipe.epochs // len(starts) + 1]))
        if chosen is None or reached[-1] < min(reached[:-1]):
            chosen = training
    assert chosen is not None
    chosen.run(recipe.epochs, progress)
    projector.load_state_dict(chosen.best)
    if team().rank == 0:
        for checkpoint in checkpoints:
            checkpoint.drop()
    chosen.result.starts = reached if others else []
    return chosen.result


class _Training:
    """The state of one refinement between two epochs."""

    def __init__(
        self,
        projector: Projector,
        pairs: Pairs,
        score: Callable[[Projector], float],
        loss: LossFunction,
        recipe: Recipe,
        seed: int,
        device: torch.device | None,
    ) -> None:
        device = device or torch.device("cpu")
        self.projector, self.score, self.recipe = projector, score, recipe
        self.generator = torch.Generator(device).manual_seed(seed)
        size = min(recipe.batch_size, pairs.n)
        self.batches = Batches(pairs, size, self.generator, recipe.left_out)
        self.learned = [p for p in projector.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learned, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
        )
        total = self.batches.steps * recipe.epochs
        self.decay = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: rate(step, recipe.warmup_steps, total)
        )
        parts = (recipe, loss, seed, pairs.n, self.batches.steps, device, team().size)
        self.identity = f"{parts} {torch.__version__} {_digest(projector)}"
        self.step = fastest(Objective(projector, loss, recipe.precision), size, device)
        self.epoch = 0
        self.checkpoint: Checkpoint | None = None
        self.result = Refinement([team().agreed(score(projector))])
        self.best = copy.deepcopy(projector.state_dict())

    def run(self, until: int, progress: Callable[[int, int, float], None] | None) -> None:
        """Train to the end of an epoch, or until more of it brings nothing."""
        while self.epoch < until and not enough(self.result.losses, self.recipe):
            self.one_epoch()
            if progress is not None:
                progress(self.epoch, self.recipe.epochs, self.result.losses[-1])
            if self.checkpoint is not None and team().rank == 0:
                self.checkpoint.save(self.state, now=self.epoch == until < self.recipe.epochs)

    def one_epoch(self) -> None:
        others = team()
        self.projector.train()
        for inputs, y in self.batches.epoch():
            self.optimizer.zero_grad(set_to_none=True)
            share = others.share(len(y))
            self.step(*(value[share] for value in inputs), y).backward()  # type: ignore[no-untyped-call]
            others.add_up(value.grad for value in self.learned)
            if self.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.learned, self.recipe.clip)
            self.optimizer.step()
            self.decay.step()
        self.projector.eval()
        self.epoch += 1
        held_out = others.agreed(self.score(self.projector))
        self.result.losses.append(held_out)
        if held_out < self.result.losses[self.result.best_epoch]:
            self.result.best_epoch = self.epoch
            self.best = copy.deepcopy(self.projector.state_dict())

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "projector": self.projector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "decay": self.decay.state_dict(),
            "generator": self.generator.get_state(),
            "best": self.best,
            "epoch": self.epoch,
            "losses": self.result.losses,
            "best_epoch": self.result.best_epoch,
        }

    def resumed(self, resume: Resume) -> Checkpoint:
        """Continue from the last checkpoint of the same training, if there is one."""
        checkpoint = Checkpoint(resume.folder, f"{resume.data} {self.identity}")
        if resume.every is not None:
            checkpoint.every = resume.every
        saved = team().agreed(checkpoint.load())
        if saved is not None:
            self.projector.load_state_dict(saved["projector"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.decay.load_state_dict(saved["decay"])
            self.generator.set_state(saved["generator"])
            self.best, self.epoch = saved["best"], saved["epoch"]
            self.result = Refinement(saved["losses"], saved["best_epoch"])
        return checkpoint


def rate(step: int, warmup: int, total: int) -> float:
    """Share of the learning rate at a step: linear warm-up, then linear decay to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (total - step) / max(1, total - warmup))


def enough(losses: list[float], recipe: Recipe) -> bool:
    """Whether the last ``patience`` epochs brought no more than ``least_gain``."""
    if recipe.patience is None:
        return False
    last, reached = 0, losses[0]  # the last epoch that improved, and its loss
    for epoch, loss in enumerate(losses):
        if loss < reached - recipe.least_gain * abs(reached):
            last, reached = epoch, loss
    return len(losses) - 1 - last >= recipe.patience


def _digest(projector: Projector) -> str:
    """Of the shape and the weights the training begins with."""
    digest = hashlib.sha256(repr(projector.shape).encode())
    for name, value in projector.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
