"""The closed form on pairs: every candidate map is judged on held-out pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from m2m_adapters.alignment.closed_form import (
    RIDGES,
    AffineMap,
    Moments,
    procrustes,
    ridge_path,
    stretched,
)
from m2m_adapters.alignment.held_out import Judge
from m2m_adapters.alignment.losses import Loss, parse_loss
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.alignment.prior import Choice, Pulled, choose
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.affine import AffineProjector, AffineShape
from m2m_adapters.projectors.rows import TokenStates

AS_GOOD = 0.01
"""Relative difference of held-out losses that says nothing."""

JUDGES = 512
"""Held-out pairs that candidates are compared on; all of them judge the one that is chosen."""

NORM_PAIRS = 20_000
"""Pairs that scale and shift of a LayerNorm head are fitted on."""


@dataclass(frozen=True)
class Solved:
    """The chosen map, how its pull was chosen, and a projector that has it, with its head."""

    map: AffineMap
    choice: Choice | None
    projector: AffineProjector
    held_out_loss: float


def moments_of(pairs: Pairs) -> Moments:
    """The second moments of all pairs, in one pass."""
    moments = Moments.empty(pairs.d_in, pairs.d_out)
    for x, y in pairs.chunks():
        assert not isinstance(x, TokenStates), "token states have no second moments"
        moments.add(torch.from_numpy(x), torch.from_numpy(y))
    return moments


def solve(pairs: Pairs, moments: Moments, recipe: Recipe, normalized: bool) -> Solved:
    """The affine map with the least held-out loss, of those the recipe allows."""
    loss, head = parse_loss(recipe.loss_for(normalized)), recipe.head_for(normalized)
    projector = AffineProjector(AffineShape(pairs.d_in, pairs.d_out, head=head))
    few = Judge(pairs, first=JUDGES)

    def judged(candidate: AffineMap) -> float:
        take(projector, candidate, pairs)
        return few.loss(projector, loss)

    choice = None
    if recipe.prior == "rotation" and not recipe.procrustes:
        choice = _pulled(moments, pairs, loss, recipe, head)
        chosen, reached = choice.map, judged(choice.map)
        check_finite(reached)
    else:
        chosen, reached = _shrunk(moments, recipe, judged)
    near = loss.weight("mse") / pairs.d_out + loss.weight("cosine") / 2
    structure = loss.weight("structure")
    if head == "l2" and not recipe.procrustes and near and structure:
        suited = stretched(chosen, moments, near, structure)
        if judged(suited) < reached:
            chosen = suited
    take(projector, chosen, pairs)
    return Solved(chosen, choice, projector, Judge(pairs).loss(projector, loss))


def _pulled(moments: Moments, pairs: Pairs, loss: Loss, recipe: Recipe, head: str) -> Choice:
    """The map pulled towards a rotation, at the recipe's strength or at the one the rule gives."""
    if recipe.ridge is not None:
        return Pulled(moments).chosen(recipe.ridge)
    assert not isinstance(pairs.x_held, TokenStates), "token states have no closed form"
    x, y = (torch.from_numpy(rows[:JUDGES]) for rows in (pairs.x_held, pairs.y_held))
    if head == "l2":
        return choose(moments, x, y, lambda p, y: loss(F.normalize(p, dim=-1), y))
    return choose(moments, x, y, loss)


def _shrunk(
    moments: Moments, recipe: Recipe, judged: Callable[[AffineMap], float]
) -> tuple[AffineMap, float]:
    """(map, held-out loss) of the strongest ridge that is as good as the best one.

    English cannot tell such maps apart, but other languages use directions that English hardly
    does.
    """
    if recipe.procrustes:
        maps = [procrustes(moments)]
    else:
        maps = list(ridge_path(moments, RIDGES if recipe.ridge is None else [recipe.ridge]))
    tried = [(candidate, judged(candidate)) for candidate in maps]
    least = min(value for _, value in tried)
    check_finite(least)
    return [one for one in tried if one[1] <= least + AS_GOOD * abs(least)][-1]


def take(projector: AffineProjector, candidate: AffineMap, pairs: Pairs) -> None:
    """Make the projector equal to the map, with a LayerNorm head that suits it."""
    projector.set_affine(candidate.weight, candidate.bias)
    if projector.norm is not None:
        _match_norm(projector, projector.norm, pairs)


def _match_norm(projector: AffineProjector, norm: torch.nn.LayerNorm, pairs: Pairs) -> None:
    """Scale and shift of a LayerNorm head by least squares, one dimension at a time."""
    with torch.no_grad():
        x_rows, y_rows = pairs.read(0, min(pairs.n, NORM_PAIRS))
        assert not isinstance(x_rows, TokenStates), "token states have no closed form"
        x, y = torch.from_numpy(x_rows), torch.from_numpy(y_rows)
        z = F.layer_norm(projector.affine(x), (projector.shape.d_out,))
        z_mean, y_mean = z.mean(0), y.mean(0)
        spread = (z - z_mean).square().mean(0).clamp_min(1e-12)
        scale = ((z - z_mean) * (y - y_mean)).mean(0) / spread
        norm.weight.copy_(scale)
        norm.bias.copy_(y_mean - scale * z_mean)


def check_finite(loss: float) -> None:
    """Refuse a loss that is infinite or not a number."""
    if not math.isfinite(loss):
        raise UserError(
            f"the held-out loss, {loss}, is not finite",
            "use smaller weights in --loss, or a lower --lr",
        )
