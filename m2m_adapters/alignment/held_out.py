"""How good a projector is on held-out pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.interfaces import Vectors
from m2m_adapters.projectors.rows import TokenStates

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from m2m_adapters.alignment.losses import LossFunction
    from m2m_adapters.projectors.protocol import Projector

AT_ONCE = 256
"""Sequences that are compared at once; they can be wide."""


class Judge:
    """The held-out pairs, on a device. first: how many of them judge; None for all."""

    def __init__(
        self, pairs: Pairs, device: torch.device | str = "cpu", first: int | None = None
    ) -> None:
        import torch

        from m2m_adapters.projectors.device_rows import on_device
        from m2m_adapters.projectors.rows import between

        n = len(pairs.y_held) if first is None else min(first, len(pairs.y_held))
        self._rows = on_device(between(pairs.x_held, 0, n), device)
        self.y = torch.from_numpy(pairs.y_held[:n]).to(device)
        self._step = AT_ONCE if isinstance(pairs.x_held, TokenStates) else n

    def _projected(self, projector: Projector) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        with torch.inference_mode():
            for start in range(0, len(self.y), self._step):
                part = slice(start, min(start + self._step, len(self.y)))
                yield projector(*self._rows.take(part)), self.y[part]

    def loss(self, projector: Projector, loss: LossFunction) -> float:
        """Mean of ``loss`` over the pairs."""
        parts = [(float(loss(p, y)), len(y)) for p, y in self._projected(projector)]
        if len(parts) == 1:
            return parts[0][0]
        return sum(value * n for value, n in parts) / len(self.y)

    def top1(self, projector: Projector) -> float:
        """Share of texts whose vector is nearest to their own, among the held-out ones."""
        parts = [projector.for_ranking(p).cpu().numpy() for p, _ in self._projected(projector)]
        return top1(np.concatenate(parts), projector.for_ranking(self.y).cpu().numpy())


def top1(p: Vectors, y: Vectors) -> float:
    """Share of rows whose nearest row of y, by angle, is their own; a tie counts against."""
    import torch
    from torch.nn import functional as F

    a, b = (F.normalize(torch.from_numpy(np.ascontiguousarray(v)), dim=-1) for v in (p, y))
    scores = a @ b.T
    own = scores.diagonal().clone()
    scores.fill_diagonal_(-2)
    return float((own > scores.max(dim=1).values).float().mean())
