"""Pairs of vectors -> fitted projector: the closed form, gradient refinement, or both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.progress import Progress
from m2m_adapters.recipes import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.losses import Loss
    from m2m_adapters.projector import Projector

MIN_SENTENCES = 32
MAX_HELD_OUT = 2000


@dataclass(frozen=True)
class Pairs:
    """x float32 ``[n, d_s]`` and y float32 ``[n, d_t]`` to fit on; x_held, y_held to judge by."""

    x: Vectors
    y: Vectors
    x_held: Vectors
    y_held: Vectors


@dataclass
class Fitted:
    """A projector and how it came to be."""

    projector: Projector
    ridge: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: int = 0
    best_epoch: int = 0


def held_out_size(n: int) -> int:
    """A tenth, at least 8 and at most 2,000."""
    if n < MIN_SENTENCES:
        raise UserError(
            f"{n} sentences are too few to align with",
            f"give at least {MIN_SENTENCES}; a thousand already do well",
        )
    return min(MAX_HELD_OUT, max(8, n // 10))


def split(x: Vectors, y: Vectors, seed: int) -> Pairs:
    """A seeded random part is held out and never fitted on."""
    order = np.random.default_rng(seed).permutation(len(x))
    held = held_out_size(len(x))
    inside, outside = np.sort(order[held:]), np.sort(order[:held])
    return Pairs(x[inside], y[inside], x[outside], y[outside])


def top1(p: Vectors, y: Vectors) -> float:
    """Share of rows whose nearest row of y, by angle, is their own; a tie counts against."""
    import torch
    from torch.nn import functional as F

    a, b = (F.normalize(torch.from_numpy(np.ascontiguousarray(v)), dim=-1) for v in (p, y))
    scores = a @ b.T
    own = scores.diagonal().clone()
    scores.fill_diagonal_(-2)
    return float((own > scores.max(dim=1).values).float().mean())


def fit(pairs: Pairs, recipe: Recipe, normalized: bool, *, seed: int, progress: Progress) -> Fitted:
    """Fit ``recipe`` on ``pairs``; held-out pairs choose ridge strength and best epoch."""
    import torch

    from m2m_adapters.losses import parse_loss
    from m2m_adapters.projector import Projector, Shape

    loss = parse_loss(recipe.loss_for(normalized))
    shape = Shape(
        pairs.x.shape[1],
        pairs.y.shape[1],
        recipe.layers,
        recipe.hidden,
        recipe.residual,
        recipe.activation,
        recipe.head_for(normalized),
    )
    if recipe.activation != "none" and recipe.layers > 1 and recipe.fit != "gradient":
        raise UserError(
            f"activation '{recipe.activation}' has no closed form",
            "use --recipe paper, or activation none",
        )
    torch.manual_seed(seed)
    fitted = Fitted(Projector(shape))
    xh, yh = torch.from_numpy(pairs.x_held), torch.from_numpy(pairs.y_held)
    if recipe.fit in ("closed-form", "both"):
        with progress.stage("solve", None):
            _solve(fitted, pairs, xh, yh, loss, recipe)
    if recipe.fit in ("gradient", "both"):
        with progress.stage("refine", recipe.epochs, "epochs") as done:
            _refine(fitted, pairs, xh, yh, loss, recipe, seed, done, progress)
    fitted.projector.eval()
    return fitted


def held_out_loss(projector: Projector, x: Tensor, y: Tensor, loss: Loss) -> float:
    import torch

    with torch.inference_mode():
        return float(loss(projector(x), y))


def _solve(
    fitted: Fitted, pairs: Pairs, xh: Tensor, yh: Tensor, loss: Loss, recipe: Recipe
) -> None:
    import torch

    from m2m_adapters.solve import RIDGES, Moments, procrustes, ridge_path

    moments = Moments.empty(pairs.x.shape[1], pairs.y.shape[1])
    moments.add(torch.from_numpy(pairs.x), torch.from_numpy(pairs.y))
    if recipe.procrustes:
        maps = [procrustes(moments)]
    else:
        maps = list(ridge_path(moments, RIDGES if recipe.ridge is None else [recipe.ridge]))
    best = None
    for candidate in maps:
        fitted.projector.set_affine(candidate.weight, candidate.bias)
        if fitted.projector.norm is not None:
            _match_norm(fitted.projector, pairs)
        found = held_out_loss(fitted.projector, xh, yh, loss)
        if best is None or found < best[0]:
            best = (found, candidate)
    assert best is not None
    fitted.projector.set_affine(best[1].weight, best[1].bias)
    if fitted.projector.norm is not None:
        _match_norm(fitted.projector, pairs)
    fitted.ridge = best[1].ridge


def _match_norm(projector: Projector, pairs: Pairs) -> None:
    """Scale and shift of a LayerNorm head by least squares, one dimension at a time."""
    import torch
    from torch.nn import functional as F

    assert projector.norm is not None
    with torch.no_grad():
        x, y = torch.from_numpy(pairs.x[:20000]), torch.from_numpy(pairs.y[:20000])
        z = F.layer_norm(projector.affine(x), (x.new_zeros(projector.shape.d_out).numel(),))
        z_mean, y_mean = z.mean(0), y.mean(0)
        spread = (z - z_mean).square().mean(0).clamp_min(1e-12)
        scale = ((z - z_mean) * (y - y_mean)).mean(0) / spread
        projector.norm.weight.copy_(scale)
        projector.norm.bias.copy_(y_mean - scale * z_mean)


def _refine(
    fitted: Fitted,
    pairs: Pairs,
    xh: Tensor,
    yh: Tensor,
    loss: Loss,
    recipe: Recipe,
    seed: int,
    done: object,
    progress: Progress,
) -> None:
    import torch

    from m2m_adapters.train import Schedule, refine

    schedule = Schedule(
        recipe.lr,
        recipe.weight_decay,
        min(recipe.batch_size, len(pairs.x)),
        recipe.epochs,
        recipe.warmup_steps,
        recipe.patience,
    )

    def report(epoch: int, epochs: int, held_out: float) -> None:
        progress.note(f"held-out loss {held_out:.5f}")
        if callable(done):
            done(epoch)

    result = refine(
        fitted.projector,
        torch.from_numpy(pairs.x),
        torch.from_numpy(pairs.y),
        lambda p: held_out_loss(p, xh, yh, loss),
        loss,
        schedule,
        seed=seed,
        progress=report,
    )
    fitted.curve = [{"epoch": e, "held_out_loss": v} for e, v in enumerate(result.losses)]
    fitted.epochs, fitted.best_epoch = len(result.losses) - 1, result.best_epoch
