"""The item bias of an adapter's English bank: computed once for an index, applied to its answers.

An index belongs to a target and an adapter brings a bank, so each adapter has a bias of its own.
It is one number for each row, kept beside the index, and it is added to the scores of texts that
this adapter encoded: not to those of the target's own tower, of items, or of vectors.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.engine import Engine, Rows, best, padded
from m2m_adapters.search.format import BIASES
from m2m_adapters.search.place import BIAS_NAME

if TYPE_CHECKING:
    from m2m_adapters.artifact.bank import Bank

BLOCK = 16_384
CANDIDATES = 128
"""Rows that are fetched at first, for each query, to be ordered anew."""
MOST = 4096
"""Rows that are fetched at most. So many have been enough wherever it was measured."""
VERSION = "1"
"""Of the formula: a bias that was kept is only used under the same."""


@dataclass(frozen=True, eq=False)
class RowBias:
    """What is added to the score of each row. values: float32 ``[rows]``."""

    values: Vectors

    @cached_property
    def largest(self) -> float:
        return float(self.values.max(initial=-np.inf))

    def largest_of(self, kept: Rows | None) -> float:
        """Of the rows that a filter keeps; of all without a filter."""
        return self.largest if kept is None else float(self.values[kept].max())


def name_of(bank: Bank) -> str:
    """Identifies a bank, and how it is used."""
    digest = hashlib.sha256(f"{VERSION} {bank.weight!r} {bank.near!r}".encode())
    digest.update(np.ascontiguousarray(bank.rows, dtype="<f2").tobytes())
    return digest.hexdigest()[:16]


class Biases:
    """Of a generation of an index, by bank: each computed once and kept in a file."""

    def __init__(self, folder: Path, generation: str, engine: Engine, dim: int) -> None:
        self._folder, self._generation, self._engine, self._dim = folder, generation, engine, dim
        self._held: dict[str, RowBias] = {}
        # Banks by identity, so that no query waits for a digest; each is held, so no id is reused.
        self._known: dict[int, tuple[Bank, RowBias]] = {}

    def of(self, bank: Bank) -> RowBias:
        """The bias of each row, memory-mapped where it could be kept."""
        if id(bank) not in self._known:
            self._known[id(bank)] = bank, self._of_name(name_of(bank), bank)
        return self._known[id(bank)][1]

    def _of_name(self, name: str, bank: Bank) -> RowBias:
        if name not in self._held:
            path = self._folder / BIASES / f"{self._generation}-{name}.npy"
            kept = self._read(path)
            self._held[name] = RowBias(kept if kept is not None else self._written(path, bank))
        return self._held[name]

    def _read(self, path: Path) -> Vectors | None:
        try:
            kept: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        return kept if kept.shape == (self._engine.rows,) and kept.dtype == np.float32 else None

    def _written(self, path: Path, bank: Bank) -> Vectors:
        bias = _computed(self._engine, self._dim, bank)
        try:
            with whole_file(path) as temporary, open(temporary, "wb") as file:
                np.save(file, bias, allow_pickle=False)
        except (OSError, UserError):  # a folder that is only read
            pass
        return bias


def _computed(engine: Engine, dim: int, bank: Bank) -> Vectors:
    from m2m_adapters.artifact.bank import item_bias

    bias = np.zeros(engine.rows, np.float32)
    for start in range(0, engine.rows, BLOCK):
        rows = np.arange(start, min(start + BLOCK, engine.rows))
        bias[rows] = item_bias(engine.vectors(rows)[:, :dim], bank)
    return bias


def sweep(folder: Path, generation: str) -> None:
    """Remove the biases of other generations."""
    for path in (folder / BIASES).glob("*.npy"):
        if BIAS_NAME.fullmatch(path.name) and not path.name.startswith(f"{generation}-"):
            path.unlink(missing_ok=True)


def search_with(
    engine: Engine, queries: Vectors, k: int, kept: Rows | None, bias: RowBias
) -> tuple[Vectors, Rows]:
    """The ``k`` best rows by score plus bias, as :meth:`Engine.search` gives them.

    More rows are fetched until none that was left out could be among the best: its score is at
    most that of the last row fetched, its bias at most the largest.
    """
    there = engine.rows if kept is None else len(kept)
    if there == 0 or not len(queries):
        return engine.search(queries, k, kept)
    largest = bias.largest_of(kept)
    wanted = min(there, max(CANDIDATES, 4 * k))
    while True:
        scores, rows = engine.search(queries, wanted, kept)
        last = scores[:, -1] + largest
        corrected = np.where(rows < 0, -np.inf, scores + bias.values[rows])
        scored, chosen = best([(corrected, rows)], min(k, wanted))
        if wanted >= min(there, max(MOST, k)) or (scored[:, -1] >= last).all():
            break
        wanted = min(there, 4 * wanted)
    return padded(scored, chosen, k)
