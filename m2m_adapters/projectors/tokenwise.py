"""The affine map at the level of tokens: each token's state by itself, in the source's own order.

For targets that are told which tokens are there, as a T5's readers are: a sequence may be as long
as the source's, and where a word stands in it hardly matters to them.
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
    ``[pooled | tokens x width | mask]``, flattened; pooled may be 0. tail: tokens that end every
    sequence of the target whatever the text is.
    """

    d_in: int
    pooled: int
    tokens: int
    width: int
    tail: int = 0
    head: str = "none"

    def __post_init__(self) -> None:
        for name in ("d_in", "tokens", "width"):
            check_size(name, getattr(self, name))
        for name in ("pooled", "tail"):
            check_size(name, getattr(self, name), 0)
        check_head(self.head)
        if not self.tail < self.tokens <= MOST_TOKENS:
            raise UserError(
                f"{self.tokens} tokens, the last {self.tail} of them fixed, are not a possible "
                "token projector"
            )

    @property
    def d_out(self) -> int:
        return self.pooled + self.tokens * (self.width + 1)

    @property
    def of_the_whole(self) -> int:
        """Columns that follow from the text as a whole: the pooled vector and the tail."""
        return self.pooled + self.tail * self.width

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without allocating any."""
        shapes = {"each.weight": (self.width, 2 * self.d_in), "each.bias": (self.width,)}
        if self.of_the_whole:
            shapes |= {
                "whole.weight": (self.of_the_whole, self.d_in),
                "whole.bias": (self.of_the_whole,),
            }
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
        self.whole = nn.Linear(shape.d_in, shape.of_the_whole) if shape.of_the_whole else None

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        shape = self.shape
        each = self.each(self.seen(states, mask))
        # As many positions as the target has, whatever the number of the source's.
        room = each.new_zeros(len(each), shape.tokens, shape.width)
        sequence = torch.cat([each, room], 1)[:, : shape.tokens]
        places = torch.arange(shape.tokens, device=states.device)
        own = mask.sum(1, keepdim=True).clamp_max(shape.tokens - shape.tail)
        sequence = sequence * (places < own).unsqueeze(-1).to(sequence.dtype)
        parts = []
        if self.whole is not None:
            whole = self.whole(mean_state(states, mask).squeeze(1))
            parts.append(whole[:, : shape.pooled])
            for place in range(shape.tail):
                start = shape.pooled + place * shape.width
                here = (places == own + place).unsqueeze(-1).to(sequence.dtype)
                sequence = sequence + here * whole[:, None, start : start + shape.width]
        there = (places < own + shape.tail).to(sequence.dtype)
        return torch.cat([*parts, sequence.flatten(1), there], 1)

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
