"""The states of a model's layers, pooled to one vector for each text or item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    import torch

    from m2m_adapters.interfaces import Vectors

POOLINGS = ("mean", "first", "last")


def check_pooling(pooling: str) -> None:
    """Refuse a pooling that does not exist."""
    if pooling not in POOLINGS:
        raise UserError(f"unknown pooling '{pooling}'", f"use {', '.join(POOLINGS)}")


def pooled(
    states: Sequence[torch.Tensor], mask: torch.Tensor | None, pooling: str
) -> list[torch.Tensor]:
    """``[b, tokens, width]`` of each layer -> float32 ``[b, width]`` of each.

    mask: ``[b, tokens]``, 1 where a token is; None where all are. States of images that keep
    their rows and columns (``[b, width, rows, columns]``) are taken as tokens.
    """
    return [_pooled(_as_tokens(layer).float(), mask, pooling) for layer in states]


def _as_tokens(layer: torch.Tensor) -> torch.Tensor:
    return layer.flatten(2).transpose(1, 2) if layer.ndim == 4 else layer


def _pooled(layer: torch.Tensor, mask: torch.Tensor | None, pooling: str) -> torch.Tensor:
    import torch

    if mask is None or mask.shape[1] != layer.shape[1]:
        mask = torch.ones(layer.shape[:2], device=layer.device)
    if pooling == "mean":
        weights = mask.to(layer.dtype)
        return torch.einsum("btd,bt->bd", layer, weights) / weights.sum(1, keepdim=True)
    places = torch.arange(mask.shape[1], device=layer.device).expand(mask.shape)
    if pooling == "first":
        at = torch.where(mask > 0, places, mask.shape[1]).amin(1)
    else:
        at = torch.where(mask > 0, places, -1).amax(1)
    return layer[torch.arange(len(layer), device=layer.device), at]


def as_layers(parts: Sequence[Sequence[torch.Tensor]], rows: Sequence[int]) -> list[Vectors]:
    """Batches of pooled layers -> one array for each layer, row ``rows[i]`` for the i-th text."""
    import torch

    layers = []
    for layer in zip(*parts, strict=True):
        whole = torch.cat(list(layer)).cpu().numpy()
        out = np.empty_like(whole, dtype=np.float32)
        out[list(rows)] = whole
        layers.append(out)
    return layers
