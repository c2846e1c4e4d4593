"""The affine map at the level of tokens: each token's state by itself, in the source's own order.

For targets that are told which tokens are there, and whose states have each seen the whole text, as
those of a T5 have. A sequence is then as long as the source's, and where a word stands in it hardly
matters to those who read it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from m2m_adapters.errors import UserError
from m2m_adapters.projectors.protocol import Scalar
from m2m_adapters.projectors.token_level import (
    MOST_TOKENS,
    TokenLevelProjector,
    check_head,
    check_size,
    mean_state,
)


@dataclass(frozen=True)
class TokenwiseShape:
    """Everything needed to build a tokenwise projector again.

    d_in: columns of the source's token states. pooled, tokens, width: the target's vector is
    ``[pooled | tokens x width | mask]``, flattened; pooled may be 0.
    """

    d_in: int
    pooled: int
    tokens: int
    width: int
    head: str = "none"

    def __post_init__(self) -> None:
        for name in ("d_in", "tokens", "width"):
            check_size(name, getattr(self, name))
        check_size("pooled", self.pooled, 0)
        check_head(self.head)
        if self.tokens > MOST_TOKENS:
            raise UserError(f"{self.tokens:,} tokens are more than a token projector may have")

    @property
    def d_out(self) -> int:
        return self.pooled + self.tokens * (self.width + 1)

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without allocating any."""
        shapes = {"each.weight": (self.width, 2 * self.d_in), "each.bias": (self.width,)}
        if self.pooled:
            shapes |= {"whole.weight": (self.pooled, self.d_in), "whole.bias": (self.pooled,)}
        return shapes

    def to_dict(self) -> dict[str, Scalar]:
        return asdict(self)


class TokenwiseProjector(TokenLevelProjector):
    """Token states ``[B, T, d_in]`` and their mask -> ``[pooled | tokens x width | mask]``.

    The mask is True for the first tokens of a text, and for no others.
    """

    registry_name = "token-affine"
    shape: TokenwiseShape

    def __init__(self, shape: TokenwiseShape) -> None:
        super().__init__()
        self.shape = shape
        self.each = nn.Linear(2 * shape.d_in, shape.width)
        self.whole = nn.Linear(shape.d_in, shape.pooled) if shape.pooled else None

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        shape = self.shape
        each = self.each(self.seen(states, mask))
        # As many positions as the target has, whatever the number of the source's.
        room = each.new_zeros(len(each), shape.tokens, shape.width)
        sequence = torch.cat([each, room], 1)[:, : shape.tokens]
        places = torch.arange(shape.tokens, device=states.device)
        there = (places < mask.sum(1, keepdim=True)).to(sequence.dtype)
        parts = [(sequence * there.unsqueeze(-1)).flatten(1), there]
        if self.whole is not None:
            parts.insert(0, self.whole(mean_state(states, mask)[:, 0]))
        return torch.cat(parts, 1)

    def seen(self, states: Tensor, mask: Tensor) -> Tensor:
        """What the map of one token reads: its state and the mean of the text's, ``[B, T, 2d]``."""
        return torch.cat([states, mean_state(states, mask).expand_as(states)], -1)

    def for_ranking(self, rows: Tensor) -> Tensor:
        """Pooled part and mean of the sequence: in it, words may stand elsewhere."""
        shape = self.shape
        pooled, sequence, mask = rows.split(
            [shape.pooled, shape.tokens * shape.width, shape.tokens], 1
        )
        sequence = sequence.unflatten(1, (shape.tokens, shape.width))
        return torch.cat([pooled, sequence.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)], 1)
