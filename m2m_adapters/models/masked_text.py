"""Texts -> the states of their tokens and a mask of them, as one vector of fixed length."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.interfaces import TextEncoder, Vectors, at_precision
from m2m_adapters.models.weights import Located

if TYPE_CHECKING:
    import torch

BATCH = 16


class MaskedText(TextEncoder):
    """The base of text encoders whose vectors are ``[tokens x width | mask]``: implement ``read``.

    located: the model's files. kind: the name of its family, a part of the fingerprint. tokens,
    width: the shape of the states; longer texts are cut. bidirectional: whether each state has
    seen the whole text, as those of a T5 have.
    """

    normalized = False
    masked = True
    bidirectional = False
    pooled_dim = 0

    def __init__(
        self, located: Located, *, kind: str, tokens: int, width: int, precision: str = "fp32"
    ) -> None:
        self.located, self.kind, self.precision = located, kind, precision
        self.max_tokens = tokens
        self.shape = (tokens, width)
        self.dim = tokens * (width + 1)

    @abstractmethod
    def read(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """States ``[n, any, width]`` and their mask ``[n, any]``, for one batch."""

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts, size = list(texts), int(options.get("batch_size") or BATCH)
        tokens, _ = self.shape
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), size):
                states, mask = self.read(texts[start : start + size])
                states = states.float() * mask.unsqueeze(-1)
                rows = [fitted(states, tokens).flatten(1), fitted(mask, tokens)]
                out[start : start + size] = torch.cat(rows, 1).cpu().numpy()
        return out

    def split(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors ``[n, dim]`` -> states ``[n, tokens, width]`` and their mask of 0 and 1.

        The ones stand first: as many as the mask of a row adds up to, and one at least. States
        of tokens that are not there are zero.
        """
        import torch

        tokens, width = self.shape
        lengths = rows[:, -tokens:].clamp(0, 1).sum(1).round().clamp_min(1)
        mask = torch.arange(tokens, device=rows.device) < lengths[:, None]
        states = rows[:, :-tokens].reshape(-1, tokens, width) * mask.unsqueeze(-1)
        return states, mask.long()

    @cached_property
    def fingerprint(self) -> str:
        about = f"{self.kind}:{self.max_tokens}:{self.located.fingerprint}"
        return at_precision(about, self.precision)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.located.provenance


def fitted(rows: torch.Tensor, tokens: int) -> torch.Tensor:
    """``[n, any, ...]`` -> ``[n, tokens, ...]``: cut, or filled up with zeros."""
    import torch

    rows = rows[:, :tokens]
    beside = (0, 0) * (rows.ndim - 2)
    return torch.nn.functional.pad(rows, (*beside, 0, tokens - rows.shape[1]))
