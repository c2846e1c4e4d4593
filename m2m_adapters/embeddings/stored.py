"""Embedding through the store: what is there is read, the rest is encoded and kept at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2m_adapters.embeddings.store import Shelf, Store
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models.text_encoder import Progress, encode_texts, piece_by_piece

ATTEMPTS = 4
WINDOW = 2048
"""Sentences that are encoded and stored together. Windows begin at fixed places of a corpus, so
that a run that was killed makes the same batches, hence the same bytes, as one that was not."""


@dataclass
class Speed:
    """What an encoder has done so far. tokens: 0 where it does not tell them."""

    sentences: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """With the rates; tokens only where they are known."""
        told: dict[str, float] = {"sentences": self.sentences, "seconds": self.seconds}
        if self.seconds:
            told["sentences_per_second"] = self.sentences / self.seconds
        if self.tokens and self.seconds:
            told |= {"tokens": self.tokens, "tokens_per_second": self.tokens / self.seconds}
        return told


class StoredEncoder:
    """An encoder with its shelf, or without one where it cannot be filed or none is wanted.

    speed: of what was encoded; what was stored already does not count.
    """

    def __init__(self, encoder: TextEncoder, store: Store | None, what: str = "encoder") -> None:
        self.encoder, self.what = encoder, what
        self.shelf: Shelf | None = store.shelf(encoder) if store is not None else None
        self.speed = Speed()

    def missing(self, texts: Sequence[str]) -> int:
        """How many of the texts would have to be encoded."""
        if self.shelf is None:
            return len(texts)
        return int((self.shelf.find(texts)[:, 0] < 0).sum())

    def embed(
        self, texts: Sequence[str], *, progress: Progress | None = None, **options: Any
    ) -> Vectors:
        """float32 ``[len(texts), dim]``, window by window, each checked before it is trusted."""

        def window(some: list[str]) -> Vectors:
            return self._window(some, options)

        out = piece_by_piece(window, texts, self.encoder.dim, WINDOW, progress)
        if self.shelf is not None:
            self.shelf.touch()
        return out

    def _window(self, texts: list[str], options: dict[str, Any]) -> Vectors:
        if self.shelf is None:
            return self._encoded(texts, options)
        for _ in range(ATTEMPTS):
            places = self.shelf.find(texts)
            absent = np.flatnonzero(places[:, 0] < 0)
            if not len(absent):
                # Read back even what was just encoded: a store of fp16 always gives the same rows.
                return self.shelf.read(places)
            new = list(dict.fromkeys(texts[i] for i in absent))
            self.shelf.add(new, self._encoded(new, options))
        return self._encoded(texts, options)  # another process prunes all the time

    def _encoded(self, texts: list[str], options: dict[str, Any]) -> Vectors:
        before = getattr(self.encoder, "tokens_encoded", 0)
        began = time.perf_counter()
        found = encode_texts(self.encoder, texts, self.what, **options)
        self.speed.seconds += time.perf_counter() - began
        self.speed.sentences += len(texts)
        self.speed.tokens += getattr(self.encoder, "tokens_encoded", 0) - before
        return found
