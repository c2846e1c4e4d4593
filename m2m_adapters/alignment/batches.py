"""Shuffled batches of pairs, from memory, from a GPU, or streamed in blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from m2m_adapters._internal.processes import team
from m2m_adapters.alignment import pairs as limits
from m2m_adapters.alignment.pairs import Pairs
from m2m_adapters.projectors.device_rows import (
    DeviceRows,
    DeviceVectors,
    on_device,
    without_tokens,
)
from m2m_adapters.projectors.rows import TokenStates

BLOCK = 1 << 16
"""Pairs of a streamed block, unless they are so wide that fewer fill the memory."""

Block = tuple[DeviceRows, Tensor]
Batch = tuple[tuple[Tensor, ...], Tensor]
"""The projector's inputs, and the vectors it should give."""


class Batches:
    """Shuffled batches, the same number in every epoch; a short last one is dropped.

    Pairs that fit in memory, or in half of a GPU's free memory, are shuffled whole; others are
    streamed in blocks, in random order and shuffled within. Batches lie where the generator is.
    left_out: share of the tokens of each text that a batch does not show.
    """

    def __init__(
        self, pairs: Pairs, size: int, generator: torch.Generator, left_out: float | None = None
    ) -> None:
        self._pairs, self._size, self._generator = pairs, min(size, pairs.n), generator
        self._device = generator.device
        self._left_out = left_out
        self._ragged = isinstance(pairs.x_held, TokenStates)
        whole = team().agreed(pairs.fits_in_memory or self._fits_on_gpu())
        most = min(BLOCK, limits.RESIDENT_BYTES // pairs.row_bytes) if self._ragged else BLOCK
        self._block = pairs.n if whole else min(pairs.n, max(most, self._size))
        self._starts = list(range(0, pairs.n, self._block))
        self._kept: Block | None = None
        if len(self._starts) == 1:
            self._kept = self._read(0) if pairs.fits_in_memory or self._ragged else self._gathered()
        rows = [min(self._block, pairs.n - start) for start in self._starts]
        self.steps = max(1, sum(n // self._size for n in rows))

    def _fits_on_gpu(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._pairs.n * self._pairs.row_bytes <= free // 2

    def _read(self, start: int) -> Block:
        x, y = self._pairs.read(start, min(start + self._block, self._pairs.n))
        return on_device(x, self._device), torch.from_numpy(y).to(self._device)

    def _gathered(self) -> Block:
        """All pairs on the device, by way of small pieces of the host's memory."""
        pairs = self._pairs
        x = torch.empty(pairs.n, pairs.d_in, device=self._device)
        y = torch.empty(pairs.n, pairs.d_out, device=self._device)
        start = 0
        for x_part, y_part in pairs.chunks():
            assert not isinstance(x_part, TokenStates)
            stop = start + len(x_part)
            x[start:stop] = torch.from_numpy(x_part)
            y[start:stop] = torch.from_numpy(y_part)
            start = stop
        return DeviceVectors(x), y

    def epoch(self) -> Iterator[Batch]:
        """Every block once, in random order."""
        blocks = [0]
        if self._kept is None:
            blocks = self._shuffled(len(self._starts)).tolist()
        for number in blocks:
            x, y = self._kept or self._read(self._starts[number])
            order = self._shuffled(len(x))
            for step in range(len(x) // self._size):
                rows = order[step * self._size : (step + 1) * self._size]
                inputs = x.take(rows)
                if self._left_out:
                    inputs = without_tokens(inputs, self._left_out, self._generator)
                yield inputs, y[rows]

    def _shuffled(self, n: int) -> Tensor:
        return torch.randperm(n, generator=self._generator, device=self._device)
