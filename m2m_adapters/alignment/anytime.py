"""Encode a part, solve, judge: stop as soon as more text no longer helps.

Sentences come in one seeded random order. After each stage, half as large again as the one
before, the closed form is solved and judged on held-out pairs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from m2m_adapters._internal.processes import team
from m2m_adapters._internal.progress import Progress
from m2m_adapters.alignment.encode import Done, PairEncoder
from m2m_adapters.alignment.pairs import Chunk, Pairs
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.rows import TokenStates

if TYPE_CHECKING:
    from m2m_adapters.alignment.closed_form import Moments
    from m2m_adapters.alignment.solve import Solved

ALL_USED = "all sentences used"
FIRST_STAGE = 1024
GROWTH = 1.5
ENOUGH = 64  # with fewer pairs, an interrupted run has no result


@dataclass(frozen=True)
class Stopping:
    """When to stop encoding.

    tolerance: relative fall of the held-out loss that still counts as better.
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
    """Pairs that were encoded, with their moments and closed form where known.

    curve: held-out figures, stage by stage; empty with ``use_all``.
    """

    pairs: Pairs
    moments: Moments | None = None
    solved: Solved | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ALL_USED


def grow(
    encoder: PairEncoder, recipe: Recipe, stopping: Stopping, normalized: bool, progress: Progress
) -> Grown:
    """Stage after stage until nothing improves, everything is used, or Ctrl-C."""
    n = len(encoder.texts)
    # Where everything is stored already, stopping early would save nothing.
    may_stop = team().agreed(encoder.missing > 0)
    with progress.stage("encode", len(encoder.held) + n) as done:
        growth = _Growth(encoder, recipe, normalized, progress, done)
        try:
            for stop in stages(n):
                growth.encode_to(stop)
                if stopping.use_all:
                    continue
                growth.judge()  # also where nothing is left to encode: for the card
                grown_stale = may_stop and stop < n and stale(growth.grown.curve, stopping)
                if team().agreed(grown_stale):
                    growth.grown.stopped = _reason(stopping)
                    break
        except KeyboardInterrupt:
            if (
                growth.used < ENOUGH or team().size > 1
            ):  # other processes may have stopped at another sentence
                raise
            growth.interrupted()
    return growth.finished()


class _Growth:
    """Pairs and moments so far."""

    def __init__(
        self,
        encoder: PairEncoder,
        recipe: Recipe,
        normalized: bool,
        progress: Progress,
        done: Done,
    ) -> None:
        self.encoder, self.recipe, self.normalized = encoder, recipe, normalized
        self.progress, self.done = progress, done
        self.used = 0
        self.held_out: Chunk = encoder.held_out(done)
        self.grown = Grown(encoder.pairs(0, self.held_out))
        if not isinstance(self.held_out[0], TokenStates):
            from m2m_adapters.alignment.closed_form import Moments

            self.grown.moments = Moments.empty(self.grown.pairs.d_in, self.grown.pairs.d_out)

    def encode_to(self, stop: int) -> None:
        import torch

        held = len(self.encoder.held)
        self.encoder.share(self.encoder.texts[self.used : stop], self.done, held + self.used)
        while self.used < stop:
            x, y = self.encoder.window(self.used, stop)
            if self.grown.moments is not None and not isinstance(x, TokenStates):
                self.grown.moments.add(torch.from_numpy(x), torch.from_numpy(y))
            self.used += len(x)
            self.done(held + self.used)
            self._note()

    def judge(self) -> None:
        from m2m_adapters.alignment.held_out import Judge
        from m2m_adapters.alignment.solve import solve

        assert self.grown.moments is not None, "only vectors of sentences have a closed form"
        pairs = self.encoder.pairs(self.used, self.held_out)
        solved = solve(pairs, self.grown.moments, self.recipe, self.normalized)
        self.grown.solved = solved
        self.grown.curve.append(
            {
                "sentences": self.used,
                "held_out_loss": solved.held_out_loss,
                "top1": Judge(pairs).top1(solved.projector),
            }
        )
        self._note()

    def interrupted(self) -> None:
        # A window may be half in the moments: the fit sums them again.
        self.grown.moments = self.grown.solved = None
        self.grown.stopped = "interrupted by the user"

    def finished(self) -> Grown:
        self.grown.pairs = self.encoder.pairs(self.used, self.held_out)
        return self.grown

    def _note(self) -> None:
        notes = [self.encoder.speed()]
        if self.grown.curve:
            notes.append(f"held-out loss {self.grown.curve[-1]['held_out_loss']:.5f}")
        self.progress.note(", ".join(note for note in notes if note))


def _reason(stopping: Stopping) -> str:
    times = f", {stopping.patience} times" if stopping.patience > 1 else ""
    return f"half as many again brought less than {stopping.tolerance:.1%}{times}"


def stages(n: int) -> list[int]:
    """Growing numbers of sentences, the last of them ``n``."""
    sizes, size = [], float(FIRST_STAGE)
    while size < n:
        sizes.append(int(size))
        size *= GROWTH
    return [*sizes, n]


def stale(curve: list[dict[str, float]], stopping: Stopping) -> bool:
    """Whether each of the last ``patience`` stages improved by less than ``tolerance``."""
    losses = [row["held_out_loss"] for row in curve]
    if len(losses) <= stopping.patience:
        return False
    recent = losses[-stopping.patience - 1 :]
    return all(
        after > before * (1 - stopping.tolerance) for before, after in itertools.pairwise(recent)
    )
