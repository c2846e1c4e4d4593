"""A transformer decoder's layer in plain operations, which ONNX has for any batch and length."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head attention from queries ``[B, Q, hidden]`` to a memory ``[B, T, hidden]``."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)
        bound = (1.5 / hidden) ** 0.5  # Xavier's, of the three maps as one matrix
        with torch.no_grad():
            for part in (self.query, self.key, self.value):
                part.weight.uniform_(-bound, bound)
                part.bias.zero_()
            self.out.bias.zero_()

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """mask: bool, broadcast to ``[B, heads, Q, T]``; True where the memory is looked at."""
        q, k, v = (
            part(rows).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, rows in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        result: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return result


class DecoderLayer(nn.Module):
    """Self-attention, attention to a memory, and two affine maps; each added to what came in."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.attend_self, self.attend = Attention(hidden, heads), Attention(hidden, heads)
        self.norm_self, self.norm, self.norm_widen = (nn.LayerNorm(hidden) for _ in range(3))
        self.widen, self.narrow = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        own = self.norm_self(x)
        x = x + self.attend_self(own, own)
        x = x + self.attend(self.norm(x), memory, mask)
        result: Tensor = x + self.narrow(F.gelu(self.widen(self.norm_widen(x))))
        return result
