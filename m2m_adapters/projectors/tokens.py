"""The learned map at the level of tokens: a source's token states into a target's sequence.

One learned query for each position of the target's sequence (and one for its pooled vector)
looks at all token states of the source, whatever their number and order: a word may stand
elsewhere in another language.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from m2m_adapters.errors import UserError
from m2m_adapters.projectors.decoder import DecoderLayer
from m2m_adapters.projectors.protocol import Scalar, Spread
from m2m_adapters.projectors.token_level import (
    MOST_TOKENS,
    TokenLevelProjector,
    check_head,
    check_size,
    mean_state,
)

TINY = 1e-12


@dataclass(frozen=True)
class TokenShape:
    """Everything needed to build a token projector again.

    d_in: columns of the source's token states. pooled, tokens, width: the target's vector is
    ``[pooled | tokens x width | mask]``, flattened; pooled may be 0. mask: whether the target is
    shown how many of the tokens are there, in ``tokens`` columns of ones, then zeros. hidden,
    heads, layers: of the decoder between them.
    """

    d_in: int
    pooled: int
    tokens: int
    width: int
    hidden: int = 128
    heads: int = 4
    layers: int = 2
    head: str = "none"
    mask: bool = False

    def __post_init__(self) -> None:
        if type(self.mask) is not bool:
            raise UserError(f"token projector mask must be true or false, not {self.mask!r}")
        for field in fields(self):
            if field.name not in ("head", "mask"):
                check_size(field.name, getattr(self, field.name), int(field.name != "pooled"))
        check_head(self.head)
        if self.hidden % self.heads or self.layers > 64 or self.tokens > MOST_TOKENS:
            raise UserError(
                f"{self.layers} layers of {self.hidden} columns and {self.heads} heads over "
                f"{self.tokens} tokens are not a possible token projector",
                "the columns must be a multiple of the heads, e.g. hidden=128",
            )

    @property
    def d_out(self) -> int:
        return self.pooled + self.tokens * (self.width + self.mask)

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without allocating any."""
        with torch.device("meta"):
            return {k: tuple(v.shape) for k, v in TokenProjector(self).state_dict().items()}

    def to_dict(self) -> dict[str, Scalar]:
        return asdict(self)


class TokenProjector(TokenLevelProjector):
    """Token states and their mask -> the whole sequence, by attention."""

    registry_name = "token-attention"
    shape: TokenShape

    def __init__(self, shape: TokenShape) -> None:
        super().__init__()
        self.shape = shape
        self.take = nn.Linear(shape.d_in, shape.hidden)
        self.whole = nn.Linear(shape.d_in, shape.hidden)
        self.queries = nn.Parameter(torch.randn(1 + shape.tokens, shape.hidden) * 0.5)
        self.layers = nn.ModuleList(
            DecoderLayer(shape.hidden, shape.heads) for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(shape.hidden)
        self.give = nn.Linear(shape.hidden, shape.width)
        self.give_pooled = nn.Linear(shape.hidden, shape.pooled) if shape.pooled else None
        self.give_mask = nn.Linear(shape.hidden, 1) if shape.mask else None
        # What all English sequences share; the rest is learned as a deviation from it.
        self.mean = nn.Parameter(torch.zeros(shape.d_out), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(1), requires_grad=False)
        self._spreads = [1.0 for _ in self._parts()]

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: float ``[B, T, d_in]``; mask: bool ``[B, T]``, True where a token is."""
        mean = mean_state(states, mask)
        # The sentence itself goes first: what languages share most is what their tokens sum to.
        memory = torch.cat([self.whole(mean), self.take(states)], 1)
        there = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)[:, None, None, :]
        z = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            z = layer(z, memory, there)
        z = self.norm(z)
        result = self.give(z[:, 1:]).flatten(1)
        if self.give_pooled is not None:
            result = torch.cat([self.give_pooled(z[:, 0]), result], 1)
        if self.give_mask is not None:
            result = torch.cat([result, self.give_mask(z[:, 1:]).squeeze(-1)], 1)
        whole: Tensor = self.mean + self.spread * result
        return whole

    def cut(self, rows: Tensor) -> Tensor:
        """Results ``[n, d_out]`` in the target's own form: zeros after a text's last token."""
        if not self.shape.mask:
            return rows
        pooled, sequence, mask = rows.split(self._sizes(), 1)
        length = mask.clamp(0, 1).sum(1, keepdim=True).round().clamp_min(1)
        there = (torch.arange(self.shape.tokens, device=rows.device) < length).to(rows.dtype)
        sequence = sequence.unflatten(1, (self.shape.tokens, -1)) * there.unsqueeze(-1)
        return torch.cat([pooled, sequence.flatten(1), there], 1)

    def start_from(self, spread: Callable[[], Spread]) -> None:
        """Learn the deviation from the mean, in units of the sequence's own spread."""
        mean, variance = spread()
        parts = self._parts()
        self._spreads = [max(float(np.sqrt(variance[part].mean())), TINY) for part in parts]
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean))
            self.spread.fill_(self._spreads[-2 if self.shape.mask else -1])

    def loss_weights(self) -> Callable[[Tensor], Tensor]:
        """Each part in units of its own spread: a pooled vector is few columns among many.

        The states of tokens that are not there do not count.
        """
        shape, scale = self.shape, torch.empty(self.shape.d_out, device=self.mean.device)
        parts = self._parts()
        for part, spread in zip(parts, self._spreads, strict=True):
            share = shape.d_out / (len(parts) * (part.stop - part.start))
            scale[part] = share**0.5 / spread
        if not shape.mask:
            return lambda y: scale

        def weights(y: Tensor) -> Tensor:
            there = y[:, -shape.tokens :].repeat_interleave(shape.width, 1)
            return scale * nn.functional.pad(there, (shape.pooled, shape.tokens), value=1.0)

        return weights

    def for_ranking(self, rows: Tensor) -> Tensor:
        return self.cut(rows) - self.mean.detach().to(rows)

    def _sizes(self) -> list[int]:
        """Columns of the pooled vector, the sequence and the mask."""
        shape = self.shape
        return [shape.pooled, shape.tokens * shape.width, shape.tokens * shape.mask]

    def _parts(self) -> list[slice]:
        """Columns of the parts that are there."""
        ends = np.cumsum(self._sizes()).tolist()
        return [
            slice(end - size, end) for size, end in zip(self._sizes(), ends, strict=True) if size
        ]
