"""The learned map at the level of tokens: a source's token states into a target's sequence.

One learned query for each position of the target's sequence (and one for its pooled vector)
looks at all token states of the source, whatever their number and order: a word may stand
elsewhere in another language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors

LIMIT = 1 << 20
ENCODED_AT_ONCE = 256


@dataclass(frozen=True)
class TokenShape:
    """Everything needed to build a token projector again.

    d_in: columns of the source's token states. pooled, tokens, width: the target's vector is
    ``[pooled | tokens x width]``, flattened; pooled may be 0. hidden, heads, layers: of the
    decoder between them.
    """

    d_in: int
    pooled: int
    tokens: int
    width: int
    hidden: int = 128
    heads: int = 4
    layers: int = 2
    head: str = "none"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "pooled" else 1
            if field.name != "head" and not (type(value) is int and least <= value < LIMIT):
                raise UserError(f"token projector {field.name} must be positive, not {value!r}")
        if self.head != "none":
            raise UserError(f"a token projector has no head '{self.head}'", "use none")
        if self.hidden % self.heads or self.layers > 64 or self.tokens > 4096:
            raise UserError(
                f"{self.layers} layers of {self.hidden} columns and {self.heads} heads over "
                f"{self.tokens} tokens are absurd",
                "make the adapter again",
            )

    @property
    def d_out(self) -> int:
        return self.pooled + self.tokens * self.width

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without making any."""
        with torch.device("meta"):
            return {k: tuple(v.shape) for k, v in TokenProjector(self).state_dict().items()}

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class TokenProjector(nn.Module):
    """Token states ``[B, T, d_in]`` and their mask -> ``[B, pooled + tokens * width]``."""

    registry_name = "token-attention"

    def __init__(self, shape: TokenShape) -> None:
        super().__init__()
        self.shape = shape
        self.take = nn.Linear(shape.d_in, shape.hidden)
        self.whole = nn.Linear(shape.d_in, shape.hidden)
        self.queries = nn.Parameter(torch.randn(1 + shape.tokens, shape.hidden) * 0.5)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(
                shape.hidden, shape.heads, 2 * shape.hidden, dropout=0.0, activation="gelu",
                batch_first=True, norm_first=True,
            )
            for _ in range(shape.layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(shape.hidden)
        self.give = nn.Linear(shape.hidden, shape.width)
        self.give_pooled = nn.Linear(shape.hidden, shape.pooled) if shape.pooled else None
        # What all English sequences share; the rest is learned as a deviation from it.
        self.mean = nn.Parameter(torch.zeros(shape.d_out))
        self.spread = nn.Parameter(torch.ones(1))

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """states: float ``[B, T, d_in]``; mask: bool ``[B, T]``, True where a token is."""
        kept = mask.unsqueeze(-1).to(states.dtype)
        mean = (states * kept).sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp_min(1)
        # The sentence itself goes first: what languages share most is what their tokens sum to.
        memory = torch.cat([self.whole(mean), self.take(states)], 1)
        absent = torch.cat([mask.new_zeros(len(mask), 1), ~mask], 1)
        z = self.queries.expand(len(states), -1, -1)
        for layer in self.layers:
            z = layer(z, memory, memory_key_padding_mask=absent)
        z = self.norm(z)
        found = self.give(z[:, 1:]).flatten(1)
        if self.give_pooled is not None:
            found = torch.cat([self.give_pooled(z[:, 0]), found], 1)
        whole: Tensor = self.mean + self.spread * found
        return whole

    def fold(self) -> tuple[Tensor, Tensor]:
        """There is none: the map depends on how the tokens relate."""
        raise UserError(
            "an adapter of token level is no affine map and has no export",
            "share its folder, or align at the level of sentences",
        )

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())


def padded_states(found: list[Vectors]) -> tuple[Tensor, Tensor]:
    """float32 ``[n, longest, width]`` and bool ``[n, longest]``, True where a token is."""
    longest = max(1, *(len(one) for one in found))
    states = torch.zeros(len(found), longest, found[0].shape[1])
    mask = torch.zeros(len(found), longest, dtype=torch.bool)
    for row, one in enumerate(found):
        states[row, : len(one)] = torch.from_numpy(one)
        mask[row, : len(one)] = True
    return states, mask


def encode_texts(projector: TokenProjector, source: TextEncoder, texts: Sequence[str]) -> Vectors:
    """float32 ``[n, d_out]``, each text by itself: no other text's length touches its result."""
    out = np.zeros((len(texts), projector.shape.d_out), np.float32)
    with torch.inference_mode():
        for start in range(0, len(texts), ENCODED_AT_ONCE):
            some = list(texts[start : start + ENCODED_AT_ONCE])
            for row, states in enumerate(source.encode_tokens(some), start):
                out[row] = projector(*padded_states([states]))[0].numpy()
    return out
