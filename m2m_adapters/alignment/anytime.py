"""Encode a little, solve, look: stop as soon as more text no longer helps.

Sentences come in one seeded random order. After each stage, half as large again as the one
before, the closed form is solved and judged on held-out pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.processes import team
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.fit import judge_closed_form
from m2m_adapters.alignment.pairs import Chunk, Pairs, held_out_rows
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.embeddings.stored import WINDOW, StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize

if TYPE_CHECKING:
    from m2m_adapters.alignment.closed_form import Moments

FIRST_STAGE = 1024
GROWTH = 1.5
ENOUGH = 64  # pairs below which an interrupted run has nothing to deliver


@dataclass(frozen=True)
class Stopping:
    """tolerance: relative fall of the held-out loss that still counts as better.

    patience: stages in a row without one. use_all: encode everything, whatever the loss does.
    """

    tolerance: float = 0.015
    patience: int = 1
    use_all: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise UserError(f"tolerance must be from 0 to 1, not {self.tolerance}", "e.g. 0.01")
        if self.patience < 1:
            raise UserError(f"patience must be at least 1, not {self.patience}", "e.g. 2")


@dataclass
class Grown:
    """Pairs that were encoded and their moments where known.

    curve: how the held-out figures went, stage by stage; empty with ``use_all``.
    """

    pairs: Pairs
    moments: Moments | None
    curve: list[dict[str, float]] = field(default_factory=list)
    stopped: str = "all sentences used"


class Grower:
    """Embeds a corpus in random order with both towers."""

    def __init__(
        self,
        source: StoredEncoder,
        target: StoredEncoder,
        texts: Sequence[str],
        normalized: bool,
        seed: int,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.source, self.target, self.normalized = source, target, normalized
        rest, held = held_out_rows(len(texts), seed)
        self._texts = [texts[i] for i in rest]
        self._held = [texts[i] for i in held]
        self._options = options or {}
        # Without a shelf nothing can be read again, so rows are kept.
        self._kept: list[Chunk] | None = (
            [] if source.shelf is None or target.shelf is None else None
        )

    def read(self, start: int, stop: int) -> Chunk:
        """Pairs ``start`` to ``stop`` of those that were encoded."""
        if self._kept is not None:
            x = np.concatenate([x for x, _ in self._kept])
            y = np.concatenate([y for _, y in self._kept])
            self._kept = [(x, y)]  # one array from now on
            return x[start:stop], y[start:stop]
        return self._both(self._texts[start:stop])

    def _both(self, texts: list[str]) -> Chunk:
        towers = (self.source, self.target)
        devices = [str(getattr(tower.encoder, "device", "cpu")) for tower in towers]
        if devices[0] != devices[1]:  # two devices: both work at once
            with ThreadPoolExecutor(2) as pool:
                jobs = [pool.submit(tower.embed, texts, **self._options) for tower in towers]
                x, y = (job.result() for job in jobs)
        else:
            x, y = (tower.embed(texts, **self._options) for tower in towers)
        return (
            prepared(x, texts, "source", self.normalized),
            prepared(y, texts, "target", self.normalized),
        )

    def grow(self, recipe: Recipe, stopping: Stopping, progress: Progress) -> Grown:
        """Stage after stage until nothing gets better, everything is used, or Ctrl-C."""
        import torch

        from m2m_adapters.alignment.closed_form import Moments

        n = len(self._texts)
        absent = max(self.source.missing(self._texts), self.target.missing(self._texts))
        patient = team().agreed(absent > 0)
        with progress.stage("encode", len(self._held) + n) as done:
            x_held, y_held = self._windows(self._held, lambda k: done(k))
            moments = Moments.empty(x_held.shape[1], y_held.shape[1])
            grown = Grown(Pairs(0, self.read, x_held, y_held), moments)
            used = 0
            try:
                for stop in stages(n):
                    self._divide(self._texts[used:stop], done, len(self._held) + used)
                    while used < stop:
                        texts = self._texts[used : min(used + WINDOW, stop)]
                        x, y = self._both(texts)
                        if self._kept is not None:
                            self._kept.append((x, y))
                        moments.add(torch.from_numpy(x), torch.from_numpy(y))
                        used += len(texts)
                        done(len(self._held) + used)
                        progress.note(self._told(grown))
                    if not stopping.use_all:  # also where nothing is left to encode: for the card
                        judged = judge_closed_form(moments, grown.pairs, recipe, self.normalized)
                        grown.curve.append({"sentences": used, **judged})
                        progress.note(self._told(grown))
                        enough = patient and used < n and stale(grown.curve, stopping)
                        if team().agreed(enough):
                            grown.stopped = (
                                f"half as many again brought less than {stopping.tolerance:.1%}"
                                + (f", {stopping.patience} times" if stopping.patience > 1 else "")
                            )
                            break
            except KeyboardInterrupt:
                if used < ENOUGH or team().size > 1:  # others may have come to another place
                    raise
                grown.moments = None  # a window may be half in them: the fit sums them again
                grown.stopped = "interrupted by the user"
        grown.pairs = Pairs(used, self.read, x_held, y_held)
        return grown

    def _told(self, grown: Grown) -> str:
        """What is worth a word beside the bar, which tells sentences a second itself."""
        told = []
        for tower in (self.source, self.target):
            if rate := tower.speed.to_dict().get("tokens_per_second"):
                told.append(f"{tower.what} {rate:,.0f} tokens/s")
        if grown.curve:
            told.append(f"held-out loss {grown.curve[-1]['held_out_loss']:.5f}")
        return ", ".join(told)

    def _divide(self, texts: list[str], done: Any, before: int = 0) -> None:
        """Each process of a team encodes some windows; the store brings them together."""
        others = team()
        towers = [tower for tower in (self.source, self.target) if tower.shelf is not None]
        if others.size > 1 and towers:
            for start in range(others.rank * WINDOW, len(texts), others.size * WINDOW):
                for tower in towers:
                    tower.embed(texts[start : start + WINDOW], **self._options)
                done(before + start)
            others.wait()

    def _windows(self, texts: list[str], done: Any) -> Chunk:
        self._divide(texts, done)
        parts = []
        for start in range(0, len(texts), WINDOW):
            parts.append(self._both(texts[start : start + WINDOW]))
            done(min(start + WINDOW, len(texts)))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def stages(n: int) -> list[int]:
    """Growing numbers of sentences, the last of them ``n``."""
    found, size = [], float(FIRST_STAGE)
    while size < n:
        found.append(int(size))
        size *= GROWTH
    return [*found, n]


def stale(curve: list[dict[str, float]], stopping: Stopping) -> bool:
    """Whether the last ``patience`` stages brought less than ``tolerance`` each."""
    losses = [row["held_out_loss"] for row in curve]
    if len(losses) <= stopping.patience:
        return False
    recent = losses[-stopping.patience - 1 :]
    return all(
        after > before * (1 - stopping.tolerance) for before, after in itertools.pairwise(recent)
    )


def prepared(vectors: Vectors, texts: Sequence[str], what: str, normalized: bool) -> Vectors:
    """Rows as the fit wants them: length 1 where the target's space is angular."""
    empty = np.flatnonzero(~vectors.any(axis=1))
    if len(empty):
        raise UserError(
            f"the {what} gave {len(empty)} zero vectors, the first for "
            f"{texts[int(empty[0])][:60]!r}",
            "drop such sentences or check the model",
        )
    return normalize(vectors) if normalized else vectors
