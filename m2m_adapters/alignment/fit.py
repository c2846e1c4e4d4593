"""Pairs -> fitted projector: the closed form, gradient refinement, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from m2m_adapters._internal.processes import team
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.held_out import Judge
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from m2m_adapters.alignment.closed_form import Moments
    from m2m_adapters.alignment.losses import LossFunction
    from m2m_adapters.alignment.prior import Choice
    from m2m_adapters.alignment.solve import Solved
    from m2m_adapters.alignment.tracking import Track
    from m2m_adapters.alignment.train import Resume
    from m2m_adapters.projectors.affine import AffineProjector
    from m2m_adapters.projectors.protocol import Projector

BETWEEN_STARTS = 1_000_003
"""Between the seeds of two starts, so that those of neighboring seeds are not the same."""


@dataclass
class Fitted:
    """A projector, how it was fitted, and what it reaches on held-out pairs."""

    projector: Projector
    ridge: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    epochs: int = 0
    best_epoch: int = 0
    starts: list[float] = field(default_factory=list)
    choice: Choice | None = None
    held_out_loss: float = float("nan")
    top1: float = float("nan")


def fit(
    pairs: Pairs,
    recipe: Recipe,
    normalized: bool,
    *,
    seed: int,
    progress: Progress,
    create: Callable[[Recipe, Pairs, bool], Projector] | None = None,
    solve: Callable[[Projector, Pairs, Recipe], Solved] | None = None,
    moments: Moments | None = None,
    solved: Solved | None = None,
    device: str = "cpu",
    resume: Resume | None = None,
    track: Track | None = None,
) -> Fitted:
    """Fit ``recipe`` on ``pairs``; held-out pairs choose ridge strength and best epoch.

    create: the projector to start from; an affine one by default. solve: its closed form, where
    that is not the one of an affine map of vectors.
    moments: those of the pairs, where they are known. solved: their closed form, likewise.
    device: gradient refinement runs there if it is a GPU; ``auto`` takes one if there is one.
    resume: where gradient refinement keeps checkpoints. track: called with the loss of every epoch.
    """
    import torch

    from m2m_adapters.alignment.losses import parse_loss
    from m2m_adapters.alignment.solve import check_finite

    torch.manual_seed(seed)
    new = create or affine_projector
    fitted = Fitted(new(recipe, pairs, normalized))
    others = []
    for start in range(1, recipe.starts):
        torch.manual_seed((seed + start * BETWEEN_STARTS) % (1 << 63))
        others.append(new(recipe, pairs, normalized))
    if recipe.fit in ("closed-form", "both"):
        with progress.stage("solve", None):
            if solve is not None:
                solved = solve(fitted.projector, pairs, recipe)
                fitted.ridge, fitted.choice = solved.map.ridge, solved.choice
            else:
                _solve(fitted, pairs, recipe, normalized, moments, solved)
    if recipe.fit in ("gradient", "both"):
        for projector in (fitted.projector, *others):
            projector.start_from(pairs.target_spread)
        with progress.stage("refine", recipe.epochs, "epochs") as done:
            report = _reporter(progress, done, track)
            _refine(fitted, others, pairs, recipe, normalized, seed, report, device, resume)
    fitted.projector.eval()
    judge = Judge(pairs)
    if solve is not None and solved is not None:  # words may stand elsewhere in a sequence
        fitted.held_out_loss = solved.held_out_loss
    else:
        loss = scaled(parse_loss(recipe.loss_for(normalized)), fitted.projector)
        fitted.held_out_loss = judge.loss(fitted.projector, loss)
    check_finite(fitted.held_out_loss)
    fitted.top1 = judge.top1(fitted.projector)
    if recipe.fit == "gradient" and fitted.epochs and not fitted.best_epoch:
        raise UserError(
            f"{fitted.epochs} epochs at learning rate {recipe.lr:g} did not lower the held-out "
            "loss: the training diverged",
            "lower --lr",
        )
    return fitted


def affine_projector(recipe: Recipe, pairs: Pairs, normalized: bool) -> AffineProjector:
    """A fresh stack of affine layers of the recipe's shape."""
    from m2m_adapters.projectors.affine import AffineProjector, AffineShape

    return AffineProjector(
        AffineShape(
            pairs.d_in,
            pairs.d_out,
            recipe.layers,
            recipe.hidden,
            recipe.residual,
            recipe.activation,
            recipe.head_for(normalized),
        )
    )


def scaled(loss: LossFunction, projector: Projector) -> LossFunction:
    """The loss in the units that the projector asks for."""
    from m2m_adapters.alignment.losses import Scaled

    weights = projector.loss_weights()
    return loss if weights is None else Scaled(loss, weights)


def _solve(
    fitted: Fitted,
    pairs: Pairs,
    recipe: Recipe,
    normalized: bool,
    moments: Moments | None,
    solved: Solved | None,
) -> None:
    from m2m_adapters.alignment.solve import moments_of, solve, take
    from m2m_adapters.projectors.affine import AffineProjector

    assert isinstance(fitted.projector, AffineProjector), "only affine maps have a closed form"
    if solved is None or solved.projector.shape.head != recipe.head_for(normalized):
        solved = solve(pairs, moments or moments_of(pairs), recipe, normalized)
    take(fitted.projector, solved.map, pairs)
    fitted.ridge, fitted.choice = solved.map.ridge, solved.choice


def _reporter(
    progress: Progress, done: Callable[[int], None], track: Track | None
) -> Callable[[int, int, float], None]:
    def report(epoch: int, epochs: int, held_out: float) -> None:
        progress.note(f"held-out loss {held_out:.5f}")
        done(epoch)
        if track is not None:
            track({"held_out_loss": held_out}, epoch)

    return report


def _refine(
    fitted: Fitted,
    others: list[Projector],
    pairs: Pairs,
    recipe: Recipe,
    normalized: bool,
    seed: int,
    report: Callable[[int, int, float], None],
    device: str,
    resume: Resume | None,
) -> None:
    from m2m_adapters.alignment.losses import parse_loss
    from m2m_adapters.alignment.train import refine
    from m2m_adapters.models.devices import choose_device

    projector = fitted.projector
    where = choose_device(device)
    on_gpu = where.type == "cuda"
    for start in (projector, *others):
        # Machines may differ in a last bit; all begin with the first one's weights.
        start.load_state_dict(team().agreed(start.state_dict()))
        if on_gpu:
            start.to(where)
    judge = Judge(pairs, where if on_gpu else "cpu")
    loss = scaled(parse_loss(recipe.loss_for(normalized)), projector)
    result = refine(
        projector,
        pairs,
        lambda p: judge.loss(p, loss),
        loss,
        recipe,
        seed=seed,
        progress=report,
        device=where if on_gpu else None,
        resume=resume,
        others=others,
    )
    projector.cpu()
    fitted.curve = [{"epoch": e, "held_out_loss": v} for e, v in enumerate(result.losses)]
    fitted.starts = result.starts
    fitted.epochs, fitted.best_epoch = len(result.losses) - 1, result.best_epoch
