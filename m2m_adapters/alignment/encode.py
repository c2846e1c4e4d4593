"""A corpus -> pairs: both sides of every sentence, encoded once and in a fixed random order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from m2m_adapters._internal.processes import team
from m2m_adapters.alignment.pairs import Chunk, Pairs, held_out_rows
from m2m_adapters.embeddings.stored import WINDOW, StoredEncoder, StoredStates
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.projectors.rows import Rows, TokenStates, between, concatenate

Source = StoredEncoder | StoredStates
Done = Callable[[int], None]
"""Called with how many sentences are encoded."""


class PairEncoder:
    """Encodes held-out sentences and the rest of a corpus, window by window.

    unit: whether rows of both sides are scaled to length 1.
    """

    def __init__(
        self, source: Source, target: StoredEncoder, texts: Sequence[str], unit: bool, seed: int
    ) -> None:
        self.source, self.target, self.unit = source, target, unit
        rest, held = held_out_rows(len(texts), seed)
        self.texts = [texts[i] for i in rest]
        self.held = [texts[i] for i in held]
        # Without a store nothing can be read again, so rows are kept.
        self._kept: list[Chunk] | None = (
            [] if source.section is None or target.section is None else None
        )

    def __len__(self) -> int:
        return len(self.texts) + len(self.held)

    @property
    def missing(self) -> int:
        """How many sentences are not stored yet."""
        return max(self.source.missing(self.texts), self.target.missing(self.texts))

    def read(self, start: int, stop: int) -> Chunk:
        """Pairs ``start`` to ``stop`` of those that were encoded."""
        if self._kept is None:
            return self._both(self.texts[start:stop])
        x = concatenate([x for x, _ in self._kept])
        y = np.concatenate([y for _, y in self._kept])
        self._kept = [(x, y)]  # one array from now on
        return between(x, start, stop), y[start:stop]

    def window(self, start: int, stop: int) -> Chunk:
        """Encode the window that begins at sentence ``start`` and ends by ``stop``."""
        x, y = self._both(self.texts[start : min(start + WINDOW, stop)])
        if self._kept is not None:
            self._kept.append((x, y))
        return x, y

    def held_out(self, done: Done) -> Chunk:
        """Encode the held-out sentences."""
        self.share(self.held, done)
        parts = []
        for start in range(0, len(self.held), WINDOW):
            parts.append(self._both(self.held[start : start + WINDOW]))
            done(min(start + WINDOW, len(self.held)))
        return concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    def pairs(self, n: int, held_out: Chunk) -> Pairs:
        """The first ``n`` sentences as pairs to fit on."""
        return Pairs(n, self.read, *held_out)

    def share(self, texts: list[str], done: Done, before: int = 0) -> None:
        """Each process of a team encodes some windows; the store brings them together."""
        others = team()
        sides = [side for side in (self.source, self.target) if side.section is not None]
        if others.size > 1 and sides:
            for start in range(others.rank * WINDOW, len(texts), others.size * WINDOW):
                for side in sides:
                    side.embed(texts[start : start + WINDOW])
                done(before + start)
            others.wait()

    def speed(self) -> str:
        """Tokens per second of both sides, where they are known."""
        rates = ((s.what, s.speed.to_dict().get("tokens_per_second")) for s in self._sides())
        return ", ".join(f"{what} {rate:,.0f} tokens/s" for what, rate in rates if rate)

    def _sides(self) -> tuple[Source, StoredEncoder]:
        return self.source, self.target

    def _both(self, texts: list[str]) -> Chunk:
        devices = {str(getattr(side.encoder, "device", "cpu")) for side in self._sides()}
        if len(devices) > 1:  # both work at once
            with ThreadPoolExecutor(2) as pool:
                other = pool.submit(self.target.embed, texts)
                x: Rows = self.source.embed(texts)
                y = other.result()
        else:
            x, y = self.source.embed(texts), self.target.embed(texts)
        if not isinstance(x, TokenStates):
            x = self._prepared(x, texts, "source")
        return x, self._prepared(y, texts, "target")

    def _prepared(self, vectors: Vectors, texts: Sequence[str], what: str) -> Vectors:
        empty = np.flatnonzero(~vectors.any(axis=1))
        if len(empty):
            raise UserError(
                f"the {what} gave {len(empty)} zero vectors, the first for "
                f"{texts[int(empty[0])][:60]!r}",
                "drop such sentences or check the model",
            )
        return normalize(vectors) if self.unit else vectors
