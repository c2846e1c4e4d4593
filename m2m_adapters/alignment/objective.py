"""What one step of a training minimises, on any device, alone or with others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from m2m_adapters._internal.processes import team
from m2m_adapters.alignment.losses import Loss
from m2m_adapters.projectors.protocol import Projector

Step = Callable[[Tensor, Tensor], Tensor]
log = logging.getLogger(__name__)


class Objective(nn.Module):
    """A batch -> its loss.

    Only the projector computes in bf16, where that is wanted; losses are small differences.
    x: this process's share of the batch. y: the whole of it, since a loss may compare rows, so
    every process takes the loss of all rows; summed over processes, the gradients are exact.
    """

    def __init__(self, projector: Projector, loss: Loss, precision: str = "fp32") -> None:
        super().__init__()
        self.projector, self.loss, self.in_bf16 = projector, loss, precision == "bf16"

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        # A cache of cast weights would not survive being replayed as a graph.
        with torch.autocast(x.device.type, torch.bfloat16, self.in_bf16, cache_enabled=False):
            p = self.projector(x)
        return self.loss(team().joined(p.float(), len(y)), y)


def fastest(objective: Objective, batch: int, device: torch.device) -> Step:
    """The objective as CUDA graphs, for batches of one size; as it is where that cannot be."""
    if device.type != "cuda" or team().size > 1:  # collectives stay out of graphs
        return objective
    shape = objective.projector.shape
    like = tuple(torch.zeros(batch, width, device=device) for width in (shape.d_in, shape.d_out))
    graphs: Any = torch.cuda.make_graphed_callables
    try:
        graphed: Step = graphs(objective, like)
    except Exception as error:  # a loss of somebody's that waits for the device, an old driver
        log.info("no CUDA graphs: %s", error)
        return objective
    return graphed
