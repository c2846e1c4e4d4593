"""Texts -> vectors: length-sorted, token-budgeted batches, checked results.

:class:`TokenEncoder` is the base for encoders made of a tokenizer and a torch module; it
supplies ``encode`` so that every plugin gets the same engine.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors, normalize

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Called with (done, total) after every chunk."""

TOKENS_PER_BATCH = 4096


class TokenEncoder(TextEncoder):
    """A tokenizer and a torch module: implement three small steps, inherit ``encode``.

    device: where ``forward`` expects its batch; set it in the constructor.
    """

    device: torch.device

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, truncated, not padded. May run on another thread."""

    @abstractmethod
    def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
        """One padded batch of CPU tensors ``[b, longest]``."""

    @abstractmethod
    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The batch on ``device`` -> float ``[b, dim]`` (need not be normalised)."""

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts = list(texts)
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return out
        tokens = self.tokenize(texts)
        budget = int(options.get("tokens_per_batch", TOKENS_PER_BATCH))
        limit = options.get("batch_size")
        # Longest first: padding is least, and a batch too large fails at once, not at the end.
        order = sorted(range(len(texts)), key=lambda i: -len(tokens[i]))
        with torch.inference_mode():
            for rows in batches(order, tokens, budget, limit):
                batch = self.collate([tokens[i] for i in rows])
                batch = {key: value.to(self.device) for key, value in batch.items()}
                out[rows] = self.forward(batch).float().cpu().numpy()
        return normalize(out) if self.normalized else out


def batches(
    order: list[int], tokens: list[list[int]], budget: int, limit: int | None = None
) -> list[list[int]]:
    """Consecutive rows of ``order`` whose padded size stays within ``budget`` tokens."""
    result: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for row in order:
        grown = max(longest, len(tokens[row]), 1)
        if current and (grown * (len(current) + 1) > budget or len(current) == limit):
            result.append(current)
            current, grown = [], max(len(tokens[row]), 1)
        current.append(row)
        longest = grown
    if current:
        result.append(current)
    return result


def embed(
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    what: str = "encoder",
    chunk: int = 2048,
    progress: Progress | None = None,
    **options: Any,
) -> Vectors:
    """float32 ``[len(texts), dim]``, chunk by chunk, each checked before it is trusted."""
    parts = []
    for start in range(0, len(texts), chunk):
        some = list(texts[start : start + chunk])
        parts.append(checked(encoder.encode(some, **options), encoder, some, what))
        if progress is not None:
            progress(min(start + chunk, len(texts)), len(texts))
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dim), np.float32)


def checked(vectors: Any, encoder: TextEncoder, texts: Sequence[str], what: str) -> Vectors:
    """``vectors`` as float32, or a clear complaint about the encoder that made them."""
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().float().cpu().numpy()
    found = np.asarray(vectors)
    told = f"the {what} ({type(encoder).__name__})"
    if found.shape != (len(texts), encoder.dim):
        raise UserError(
            f"{told} gave shape {list(found.shape)} for {len(texts)} texts; "
            f"its dim says [{len(texts)}, {encoder.dim}]",
            "mend the plugin; m2m_adapters.testing checks it",
        )
    if not np.issubdtype(found.dtype, np.floating):
        raise UserError(f"{told} gave {found.dtype} instead of float32", "mend the plugin")
    found = np.ascontiguousarray(found, dtype=np.float32)
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
        raise UserError(
            f"{told} gave NaN or infinity for {texts[row][:60]!r}",
            "use precision fp32, or drop the sentence",
        )
    return found
