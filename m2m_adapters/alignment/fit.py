"""Pairs of vectors -> fitted projector: the closed form, gradient refinement, or both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.alignment.closed_form import AffineMap, Moments
    from m2m_adapters.alignment.losses import Loss
    from m2m_adapters.alignment.prior import Choice
    from m2m_adapters.alignment.tracking import Track
    from m2m_adapters.alignment.train import Resume
    from m2m_adapters.projectors.affine import AffineProjector
    from m2m_adapters.projectors.protocol import Projector


AS_GOOD = 0.01
"""Relative difference of held-out losses that says nothing."""

JUDGES = 512
"""Held-out pairs that ridges are compared on; all of them judge the one that is chosen."""


@dataclass
class Fitted:
    """A projector and how it came to be."""

    projector: AffineProjector
    ridge: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: int = 0
    best_epoch: int = 0
    moments: Moments | None = None
    choice: Choice | None = None


def top1(p: Vectors, y: Vectors) -> float:
    """Share of rows whose nearest row of y, by angle, is their own; a tie counts against."""
    import torch
    from torch.nn import functional as F

    a, b = (F.normalize(torch.from_numpy(np.ascontiguousarray(v)), dim=-1) for v in (p, y))
    scores = a @ b.T
    own = scores.diagonal().clone()
    scores.fill_diagonal_(-2)
    return float((own > scores.max(dim=1).values).float().mean())


def fit(
    pairs: Pairs,
    recipe: Recipe,
    normalized: bool,
    *,
    seed: int,
    progress: Progress,
    moments: Moments | None = None,
    device: str = "cpu",
    resume: Resume | None = None,
    track: Track | None = None,
) -> Fitted:
    """Fit ``recipe`` on ``pairs``; held-out pairs choose ridge strength and best epoch.

    moments: those of the pairs, where they are known already.
    device: gradient refinement runs there if it is a GPU; ``auto`` takes one that is there.
    resume: where gradient refinement keeps checkpoints. track: told the loss of every epoch.
    """
    import torch

    from m2m_adapters.alignment.losses import parse_loss
    from m2m_adapters.projectors.affine import AffineProjector, AffineShape

    loss = parse_loss(recipe.loss_for(normalized))
    shape = AffineShape(
        pairs.d_in,
        pairs.d_out,
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
    fitted = Fitted(AffineProjector(shape), moments=moments)
    xh, yh = torch.from_numpy(pairs.x_held), torch.from_numpy(pairs.y_held)
    if recipe.fit in ("closed-form", "both"):
        with progress.stage("solve", None):
            _solve(fitted, pairs, xh, yh, loss, recipe)
    if recipe.fit in ("gradient", "both"):
        with progress.stage("refine", recipe.epochs, "epochs") as done:
            _refine(
                fitted, pairs, xh, yh, loss, recipe, seed, done, progress, device, resume, track
            )
    fitted.projector.eval()
    _check_finite(held_out_loss(fitted.projector, xh, yh, loss))
    if recipe.fit == "gradient" and fitted.epochs and not fitted.best_epoch:
        raise UserError(
            f"{fitted.epochs} epochs at learning rate {recipe.lr:g} brought nothing: the training "
            "diverged",
            "lower --lr",
        )
    return fitted


def _check_finite(loss: float) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"the held-out loss, {loss}, is not finite",
            "use smaller weights in --loss, or a lower --lr",
        )


def judge_closed_form(
    moments: Moments, pairs: Pairs, recipe: Recipe, normalized: bool
) -> dict[str, float]:
    """Held-out loss and top-1 of the best affine map for what was seen so far."""
    import torch

    from m2m_adapters.alignment.losses import parse_loss
    from m2m_adapters.projectors.affine import AffineProjector, AffineShape

    head = "l2" if normalized else "none"
    loss = parse_loss(recipe.loss_for(normalized))
    fitted = Fitted(
        AffineProjector(AffineShape(pairs.d_in, pairs.d_out, 1, None, False, "none", head)),
        moments=moments,
    )
    xh, yh = torch.from_numpy(pairs.x_held), torch.from_numpy(pairs.y_held)
    _solve(fitted, pairs, xh, yh, loss, recipe)
    with torch.inference_mode():
        found = fitted.projector(xh).numpy()
    return {
        "held_out_loss": held_out_loss(fitted.projector, xh, yh, loss),
        "top1": top1(found, pairs.y_held),
    }


def held_out_loss(projector: Projector, x: Tensor, y: Tensor, loss: Loss) -> float:
    import torch

    with torch.inference_mode():
        return float(loss(projector(x), y))


def _solve(
    fitted: Fitted, pairs: Pairs, xh: Tensor, yh: Tensor, loss: Loss, recipe: Recipe
) -> None:
    import torch

    from m2m_adapters.alignment.closed_form import Moments, stretched

    if fitted.moments is None:
        fitted.moments = Moments.empty(pairs.d_in, pairs.d_out)
        for x, y in pairs.chunks():
            fitted.moments.add(torch.from_numpy(x), torch.from_numpy(y))
    moments = fitted.moments
    xh, yh = xh[:JUDGES], yh[:JUDGES]

    def take(candidate: AffineMap) -> None:
        fitted.projector.set_affine(candidate.weight, candidate.bias)
        if fitted.projector.norm is not None:
            _match_norm(fitted.projector, pairs)

    def judged(candidate: AffineMap) -> float:
        take(candidate)
        return held_out_loss(fitted.projector, xh, yh, loss)

    if recipe.prior == "rotation" and not recipe.procrustes:
        fitted.choice = _pulled(moments, xh, yh, loss, recipe, fitted.projector.shape.head)
        chosen = fitted.choice.map
        reached = judged(chosen)
    else:
        reached, chosen = _shrunk(moments, recipe, judged)
    _check_finite(reached)
    near = loss.weight("mse") / pairs.d_out + loss.weight("cosine") / 2
    if fitted.projector.shape.head == "l2" and not recipe.procrustes:
        if near and (structure := loss.weight("structure")):
            suited = stretched(chosen, moments, near, structure)
            if judged(suited) < reached:
                chosen = suited
    take(chosen)
    fitted.ridge = chosen.ridge


def _pulled(
    moments: Moments, xh: Tensor, yh: Tensor, loss: Loss, recipe: Recipe, head: str
) -> Choice:
    """The map pulled towards a rotation, at the recipe's strength or at the one the rule gives."""
    from torch.nn import functional as F

    from m2m_adapters.alignment.prior import Pulled, choose

    if recipe.ridge is not None:
        return Pulled(moments).chosen(recipe.ridge)
    if head == "l2":
        return choose(moments, xh, yh, lambda p, y: loss(F.normalize(p, dim=-1), y))
    return choose(moments, xh, yh, loss)


def _shrunk(
    moments: Moments, recipe: Recipe, judged: Callable[[AffineMap], float]
) -> tuple[float, AffineMap]:
    """(held-out loss, map) of the strongest ridge that is as good as the best one."""
    from m2m_adapters.alignment.closed_form import RIDGES, procrustes, ridge_path

    if recipe.procrustes:
        maps = [procrustes(moments)]
    else:
        maps = list(ridge_path(moments, RIDGES if recipe.ridge is None else [recipe.ridge]))
    tried = [(judged(candidate), candidate) for candidate in maps]
    least = min(value for value, _ in tried)
    _check_finite(least)
    return [one for one in tried if one[0] <= least + AS_GOOD * abs(least)][-1]


def _match_norm(projector: AffineProjector, pairs: Pairs) -> None:
    """Scale and shift of a LayerNorm head by least squares, one dimension at a time."""
    import torch
    from torch.nn import functional as F

    assert projector.norm is not None
    with torch.no_grad():
        x, y = (torch.from_numpy(rows) for rows in pairs.read(0, min(pairs.n, 20_000)))
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
    device: str,
    resume: Resume | None,
    track: Track | None,
) -> None:
    from m2m_adapters._internal.processes import team
    from m2m_adapters.alignment.train import Schedule, refine
    from m2m_adapters.models.devices import choose_device

    # Machines may differ in a last bit; all begin with the first one's weights.
    fitted.projector.load_state_dict(team().agreed(fitted.projector.state_dict()))
    where = choose_device(device)
    if where.type == "cuda":
        fitted.projector.to(where)
        xh, yh = xh.to(where), yh.to(where)

    schedule = Schedule(
        recipe.lr,
        recipe.weight_decay,
        min(recipe.batch_size, pairs.n),
        recipe.epochs,
        recipe.warmup_steps,
        recipe.patience,
        recipe.precision,
        recipe.least_gain,
    )

    def report(epoch: int, epochs: int, held_out: float) -> None:
        progress.note(f"held-out loss {held_out:.5f}")
        if callable(done):
            done(epoch)
        if track is not None:
            track({"held_out_loss": held_out}, epoch)

    result = refine(
        fitted.projector,
        pairs,
        lambda p: held_out_loss(p, xh, yh, loss),
        loss,
        schedule,
        seed=seed,
        progress=report,
        device=where if where.type == "cuda" else None,
        resume=resume,
    )
    fitted.projector.cpu()
    fitted.curve = [{"epoch": e, "held_out_loss": v} for e, v in enumerate(result.losses)]
    fitted.epochs, fitted.best_epoch = len(result.losses) - 1, result.best_epoch
