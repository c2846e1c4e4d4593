"""What alignment minimises. Each loss: projected and wanted vectors ``[B, d]`` -> scalar.

Expressions combine them: ``"48*mse + 1*structure"`` is the published one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_adapters.errors import UnknownName, UserError

LossFunction = Callable[[Tensor, Tensor], Tensor]
TEMPERATURE = 0.07
BLOCK = 4096


def mse(p: Tensor, y: Tensor) -> Tensor:
    """Mean of (p - y)^2 over the batch and over the dimensions."""
    return F.mse_loss(p, y)


def l1(p: Tensor, y: Tensor) -> Tensor:
    """Mean of abs(p - y) over the batch and over the dimensions."""
    return F.l1_loss(p, y)


def cosine(p: Tensor, y: Tensor) -> Tensor:
    """Mean of 1 - cos(p, y)."""
    return (1 - F.cosine_similarity(p, y, dim=-1)).mean()


def structure(p: Tensor, y: Tensor) -> Tensor:
    """Sum over pairs i<j of (p_i.p_j - y_i.y_j)^2, divided by B(B-1)/2.

    Computed in blocks of rows, so a large batch never holds a B x B matrix at once.
    """
    size = p.shape[0]
    if size < 2:
        return p.sum() * 0
    total = p.new_zeros(())
    for start in range(0, size, BLOCK):
        rows = slice(start, start + BLOCK)
        total = total + (p[rows] @ p.T - y[rows] @ y.T).square().sum()
    diagonal = ((p * p).sum(-1) - (y * y).sum(-1)).square().sum()
    return (total - diagonal) / (size * (size - 1))


def contrastive(p: Tensor, y: Tensor) -> Tensor:
    """Symmetric InfoNCE of the normalised vectors at temperature 0.07."""
    logits = F.normalize(p, dim=-1) @ F.normalize(y, dim=-1).T / TEMPERATURE
    labels = torch.arange(len(p), device=p.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


LOSSES: dict[str, LossFunction] = {
    "mse": mse,
    "l1": l1,
    "cosine": cosine,
    "structure": structure,
    "contrastive": contrastive,
}


@dataclass(frozen=True)
class Loss:
    """A weighted sum of losses; call it like one."""

    terms: tuple[tuple[float, str], ...]

    def __call__(self, p: Tensor, y: Tensor) -> Tensor:
        total = p.new_zeros(())
        for weight, name in self.terms:
            total = total + weight * loss_function(name)(p, y)
        return total

    def __str__(self) -> str:
        return " + ".join(f"{weight:g}*{name}" for weight, name in self.terms)


def loss_function(name: str) -> LossFunction:
    """A loss of ours, or one that a plugin offers."""
    if name in LOSSES:
        return LOSSES[name]
    from m2m_adapters.plugins import catalogue
    from m2m_adapters.registry import close

    offer = catalogue().find("loss", name)
    if offer is None:
        known = sorted({*LOSSES, *catalogue().names("loss")})
        raise UnknownName(
            f"unknown loss '{name}'{close(name, known)}", f"one of {', '.join(known)}"
        )
    function: LossFunction = offer.load()
    return function


def parse_loss(expression: str) -> Loss:
    """``"48*mse + structure"`` -> Loss. Weights are positive numbers."""
    terms = []
    for term in expression.split("+"):
        match = re.fullmatch(r"\s*(?:([0-9.eE-]+)\s*\*\s*)?([A-Za-z][\w-]*)\s*", term)
        try:
            weight = float(match.group(1) or 1) if match else math.nan
        except ValueError:
            weight = math.nan
        if match is None or not math.isfinite(weight) or weight <= 0:
            raise UserError(
                f"cannot read the loss '{expression}' near '{term.strip()}'",
                "write e.g. '48*mse + 1*structure'",
            )
        loss_function(match.group(2))
        terms.append((weight, match.group(2)))
    return Loss(tuple(terms))
