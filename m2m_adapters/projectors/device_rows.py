"""Rows on a device, and the batches that projectors take from them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from m2m_adapters.projectors.rows import Rows, TokenStates


class DeviceRows(Protocol):
    """Rows on a device, from which batches are taken."""

    def __len__(self) -> int: ...

    def take(self, rows: Tensor | slice) -> tuple[Tensor, ...]:
        """The projector's inputs for some of the rows."""


class DeviceVectors:
    """Vectors ``[n, d]`` on a device; a batch is ``(x,)``."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Tensor | slice) -> tuple[Tensor, ...]:
        return (self.x[rows],)


class DeviceStates:
    """Token states on a device; a batch is ``(states, mask)``, padded to its longest text."""

    def __init__(self, states: TokenStates, device: torch.device | str = "cpu") -> None:
        self._values = torch.from_numpy(np.ascontiguousarray(states.values)).to(device)
        ends = torch.from_numpy(np.asarray(states.ends, np.int64)).to(device)
        self._starts = torch.cat([ends.new_zeros(1), ends])[: len(ends)]
        self._lengths = ends - self._starts

    def __len__(self) -> int:
        return len(self._starts)

    def take(self, rows: Tensor | slice) -> tuple[Tensor, ...]:
        """float32 ``[b, longest, width]`` and bool ``[b, longest]``, True where a token is."""
        starts, lengths = self._starts[rows, None], self._lengths[rows, None]
        places = torch.arange(max(1, int(lengths.max())), device=starts.device)
        mask = places < lengths
        states = self._values[torch.where(mask, starts + places, 0)].float()
        return states * mask.unsqueeze(-1), mask


def on_device(rows: Rows, device: torch.device | str = "cpu") -> DeviceRows:
    """The rows as tensors on ``device``."""
    if isinstance(rows, TokenStates):
        return DeviceStates(rows, device)
    return DeviceVectors(torch.from_numpy(rows).to(device))


def without_tokens(
    inputs: tuple[Tensor, ...], share: float, chance: torch.Generator
) -> tuple[Tensor, ...]:
    """A batch of token states with a random share of the tokens masked; each text keeps one."""
    states, mask = inputs
    kept = mask & (torch.rand(mask.shape, generator=chance, device=mask.device) >= share)
    return states, torch.where(kept.any(1, keepdim=True), kept, mask)
