"""Embedding through the store: what is there is read, the rest is encoded and kept at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from m2m_adapters.embedding import Progress, checked
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.store import Shelf, Store

WINDOW = 2048
"""Sentences that are encoded and stored together. Windows begin at fixed places of a corpus, so
that a run that was killed makes the same batches, hence the same bytes, as one that was not."""


class StoredEncoder:
    """An encoder with its shelf, or without one where it cannot be filed or none is wanted."""

    def __init__(self, encoder: TextEncoder, store: Store | None, what: str = "encoder") -> None:
        self.encoder, self.what = encoder, what
        self.shelf: Shelf | None = store.shelf(encoder) if store is not None else None

    def missing(self, texts: Sequence[str]) -> int:
        """How many of the texts would have to be encoded."""
        if self.shelf is None:
            return len(texts)
        return int((self.shelf.find(texts)[:, 0] < 0).sum())

    def embed(
        self, texts: Sequence[str], *, progress: Progress | None = None, **options: Any
    ) -> Vectors:
        """float32 ``[len(texts), dim]``, window by window, each checked before it is trusted."""
        out = np.empty((len(texts), self.encoder.dim), np.float32)
        for start in range(0, len(texts), WINDOW):
            some = list(texts[start : start + WINDOW])
            out[start : start + len(some)] = self._window(some, options)
            if progress is not None:
                progress(start + len(some), len(texts))
        if self.shelf is not None:
            self.shelf.touch()
        return out

    def _window(self, texts: list[str], options: dict[str, Any]) -> Vectors:
        if self.shelf is None:
            return self._encoded(texts, options)
        absent = np.flatnonzero(self.shelf.find(texts)[:, 0] < 0)
        if len(absent):
            new = list(dict.fromkeys(texts[i] for i in absent))
            self.shelf.add(new, self._encoded(new, options))
        # Read back even what was just made: a store of fp16 gives the same rows at every run.
        return self.shelf.read(self.shelf.find(texts))

    def _encoded(self, texts: list[str], options: dict[str, Any]) -> Vectors:
        return checked(self.encoder.encode(texts, **options), self.encoder, texts, self.what)
