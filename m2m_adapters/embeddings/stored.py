"""Embedding through the store: stored rows are read, the rest is encoded and stored at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from m2m_adapters.embeddings.store import Rows as Places
from m2m_adapters.embeddings.store import Section, Store
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models.text_encoder import Progress, encode_texts, piece_by_piece
from m2m_adapters.models.token_states import embed_tokens
from m2m_adapters.projectors.rows import TokenStates, concatenate

ATTEMPTS = 4
WINDOW = 2048
"""Sentences that are encoded and stored together. Windows begin at fixed places of a corpus, so
that a run that was killed makes the same batches, hence the same bytes, as one that was not."""


@dataclass
class Speed:
    """What an encoder has done so far. tokens: 0 where it does not count them."""

    sentences: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """With the rates; tokens only where they are known."""
        figures: dict[str, float] = {"sentences": self.sentences, "seconds": self.seconds}
        if self.seconds:
            figures["sentences_per_second"] = self.sentences / self.seconds
        if self.tokens and self.seconds:
            figures |= {"tokens": self.tokens, "tokens_per_second": self.tokens / self.seconds}
        return figures


R = TypeVar("R", Vectors, TokenStates)


class _Stored(Generic[R]):
    """Rows of an encoder: read from its section, or encoded and put there at once.

    section: None where the encoder cannot be filed or nothing is to be kept.
    speed: of what was encoded; rows that were stored already do not count.
    """

    def __init__(self, encoder: TextEncoder, section: Section | None, what: str) -> None:
        self.encoder, self.section, self.what = encoder, section, what
        self.speed = Speed()

    def missing(self, texts: Sequence[str]) -> int:
        """How many of the texts are not stored yet."""
        if self.section is None:
            return len(texts)
        return int((self.section.find(texts)[:, 0] < 0).sum())

    def _window(self, texts: list[str], options: dict[str, Any]) -> R:
        if self.section is None:
            return self._encoded(texts, options)
        for _ in range(ATTEMPTS):
            places = self.section.find(texts)
            absent = np.flatnonzero(places[:, 0] < 0)
            if not len(absent):
                # Read new rows back too, so that a store in fp16 always returns the same values.
                return self._read(self.section, places)
            new = list(dict.fromkeys(texts[i] for i in absent))
            self.section.add(new, self._encoded(new, options))
        return self._encoded(texts, options)  # another process keeps deleting sections

    def _encoded(self, texts: list[str], options: dict[str, Any]) -> R:
        began = time.perf_counter()
        rows, tokens = self._encode(texts, options)
        self.speed.seconds += time.perf_counter() - began
        self.speed.sentences += len(texts)
        self.speed.tokens += tokens
        return rows

    def _encode(self, texts: list[str], options: dict[str, Any]) -> tuple[R, int]:
        """The rows of ``texts``, and how many tokens the encoder says they have."""
        raise NotImplementedError

    def _read(self, section: Section, places: Places) -> R:
        raise NotImplementedError


class StoredEncoder(_Stored[Vectors]):
    """The vectors of an encoder, stored.

    half: vectors are rounded to fp16, in the store or without one.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        store: Store | None,
        what: str = "encoder",
        *,
        half: bool = False,
    ) -> None:
        section = None
        if store is not None:
            dtype = "fp16" if half else None
            section = store.section_of(encoder.fingerprint, encoder.dim, dtype=dtype)
        super().__init__(encoder, section, what)
        self.half = half

    def embed(
        self, texts: Sequence[str], *, progress: Progress | None = None, **options: Any
    ) -> Vectors:
        """float32 ``[len(texts), dim]``, window by window, each checked."""

        def window(block: list[str]) -> Vectors:
            return self._window(block, options)

        out = piece_by_piece(window, texts, self.encoder.dim, WINDOW, progress)
        if self.section is not None:
            self.section.touch()
        return out

    def _encode(self, texts: list[str], options: dict[str, Any]) -> tuple[Vectors, int]:
        before = getattr(self.encoder, "tokens_encoded", 0)
        rows = encode_texts(self.encoder, texts, self.what, **options)
        if self.half:
            rows = rows.astype(np.float16).astype(np.float32)
        return rows, getattr(self.encoder, "tokens_encoded", 0) - before

    def _read(self, section: Section, places: Places) -> Vectors:
        return section.read(places)


class StoredStates(_Stored[TokenStates]):
    """The token states of an encoder in fp16, stored."""

    def __init__(self, encoder: TextEncoder, store: Store | None, what: str = "encoder") -> None:
        self.width = embed_tokens(encoder, ["a dog barks"], what=what).width
        section = None
        if store is not None:
            section = store.section_of(encoder.fingerprint, self.width, dtype="fp16", states=True)
        super().__init__(encoder, section, what)

    def embed(self, texts: Sequence[str]) -> TokenStates:
        """The states of every text's tokens, window by window."""
        windows = [
            self._window(list(texts[start : start + WINDOW]), {})
            for start in range(0, len(texts), WINDOW)
        ]
        if self.section is not None:
            self.section.touch()
        states = concatenate(windows)
        assert isinstance(states, TokenStates)
        return states

    def _encode(self, texts: list[str], options: dict[str, Any]) -> tuple[TokenStates, int]:
        states = embed_tokens(self.encoder, texts, what=self.what)
        return TokenStates(states.values.astype(np.float16), states.ends), len(states.values)

    def _read(self, section: Section, places: Places) -> TokenStates:
        return section.read_states(places)
