"""What alignment minimizes. Each loss: projected and target vectors ``[B, d]`` -> scalar.

Expressions combine them: ``"48*mse + 1*structure"`` is the published one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_adapters.errors import UnknownName, UserError

LossFunction = Callable[[Tensor, Tensor], Tensor]
TEMPERATURE = 0.07
BLOCK = 1 << 24
"""Entries of a B x B matrix computed at once."""


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
    """Sum over pairs i<j of (p_i.p_j - y_i.y_j)^2, divided by B(B-1)/2."""
    if len(p) < 2:
        return p.sum() * 0
    value: Tensor = _Structure.apply(p, y)  # type: ignore[no-untyped-call]
    return value


class _Structure(torch.autograd.Function):
    """Value and gradient in one pass over blocks of rows: autograd would keep a B x B matrix."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, y: Tensor) -> Tensor:
        size = len(p)
        sides = (p, y)
        gradients = [
            torch.zeros_like(v) if n else None for v, n in zip(sides, ctx.needs_input_grad)
        ]
        total = p.new_zeros(())
        step = max(1, BLOCK // size)
        for start in range(0, size, step):
            rows = slice(start, start + step)
            away = p[rows] @ p.T - y[rows] @ y.T
            away.diagonal(start).zero_()  # a row with itself is no pair
            total += away.square().sum()
            for gradient, side in zip(gradients, sides):
                if gradient is not None:
                    gradient[rows] = away @ side
        pairs = size * (size - 1)  # each of them is met twice
        signed = zip(gradients, (4 / pairs, -4 / pairs))
        ctx.save_for_backward(*(s if s is None else s * factor for s, factor in signed))
        return total / pairs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(s if s is None else grads[0] * s for s in ctx.saved_tensors)


def contrastive(p: Tensor, y: Tensor) -> Tensor:
    """Symmetric InfoNCE of the normalized vectors at temperature 0.07."""
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

    def weight(self, name: str) -> float:
        return sum(weight for weight, term in self.terms if term == name)

    def __str__(self) -> str:
        return " + ".join(f"{_written(weight)}*{name}" for weight, name in self.terms)


def _written(weight: float) -> str:
    """The shortest number that is read as ``weight`` again."""
    short = f"{weight:g}"
    return short if float(short) == weight else repr(weight)


@dataclass(frozen=True)
class Scaled:
    """A loss of vectors that are multiplied by ``weights(y)`` first, both in the same way."""

    loss: LossFunction
    weights: Callable[[Tensor], Tensor]

    def __call__(self, p: Tensor, y: Tensor) -> Tensor:
        weights = self.weights(y)
        return self.loss(p * weights, y * weights)

    def __repr__(self) -> str:
        return f"Scaled({self.loss})"


def loss_function(name: str) -> LossFunction:
    """A built-in loss, or one that a plugin offers."""
    if name in LOSSES:
        return LOSSES[name]
    from m2m_adapters._internal.spelling import did_you_mean
    from m2m_adapters.registry.plugins import catalogue

    offer = catalogue().find("loss", name)
    if offer is None:
        known = sorted({*LOSSES, *catalogue().names("loss")})
        raise UnknownName(
            f"unknown loss '{name}'{did_you_mean(name, known)}", f"one of {', '.join(known)}"
        )
    function: LossFunction = offer.load()
    return function


def parse_loss(expression: str) -> Loss:
    """``"48*mse + structure"`` -> Loss. Weights are positive numbers."""
    terms = []
    # The plus of an exponent (1e+06) is not one between terms.
    for term in re.split(r"(?<![0-9.][eE])\+|\+(?!\d)", expression):
        match = re.fullmatch(r"\s*(?:([0-9.eE+-]+)\s*\*\s*)?([A-Za-z][\w-]*)\s*", term)
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
