"""Texts -> token states, or vectors: what a projector of either level reads, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models.text_encoder import embed

if TYPE_CHECKING:
    from m2m_adapters.projectors.rows import Rows, TokenStates

AT_ONCE = 512
"""Texts whose states are computed together."""


def read(
    encoder: TextEncoder, texts: Sequence[str], level: str, *, what: str, **options: Any
) -> Rows:
    """What a projector of ``level`` reads: vectors, or token states."""
    if level == "token":
        return embed_tokens(encoder, texts, what=what)
    return embed(encoder, texts, what=what, **options)


def embed_tokens(encoder: TextEncoder, texts: Sequence[str], *, what: str) -> TokenStates:
    """The states of every text's tokens, each checked."""
    from m2m_adapters.projectors.rows import TokenStates

    parts: list[Vectors] = []
    for start in range(0, len(texts), AT_ONCE):
        window = list(texts[start : start + AT_ONCE])
        width = parts[0].shape[1] if parts else None
        parts += _checked(encoder.encode_tokens(window), encoder, window, what, width)
    return TokenStates.join(parts)


def _checked(
    states: Sequence[Vectors],
    encoder: TextEncoder,
    texts: Sequence[str],
    what: str,
    width: int | None,
) -> list[Vectors]:
    name = f"the {what} ({type(encoder).__name__})"
    if len(states) != len(texts):
        raise UserError(
            f"{name} returned token states of {len(states)} texts for {len(texts)}",
            "correct encode_tokens of the plugin",
        )
    parts = []
    for text, state in zip(texts, states, strict=True):
        part = np.asarray(state, dtype=np.float32)
        width = width or (part.shape[1] if part.ndim == 2 else None)
        if part.ndim != 2 or not len(part) or part.shape[1] != width:
            raise UserError(
                f"{name} returned token states of shape {list(part.shape)} for {text[:60]!r}",
                "encode_tokens must return float32 [tokens, width], at least one token",
            )
        if not np.isfinite(part).all():
            raise UserError(
                f"{name} returned NaN or infinity for {text[:60]!r}",
                "use precision fp32, or drop the sentence",
            )
        parts.append(part)
    return parts
