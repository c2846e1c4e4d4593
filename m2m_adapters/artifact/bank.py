"""The English bank: what English sentences look like in the target's space, to correct items.

An item that is near to everything comes up for every query. How near it is to English sentences at
large says so, whatever the language of the query. The bank is made of sentences of the corpus,
never of test queries, and is small enough to lie beside the projector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from m2m_adapters.interfaces import Vectors, normalize

ROWS = 8192
"""Projected sentences the bank is made from, at most."""
CENTROIDS = 1024
NEAR = 1 / 40
WEIGHT = 0.25
ROUNDS = 6
BLOCK = 4096
"""Items that are compared with the bank together."""


@dataclass(frozen=True)
class Bank:
    """Centroids of projected English sentences.

    rows: ``[n, dim]``, of length 1. near: the share of them that an item is compared with, its
    nearest. weight: of their mean cosine, which is taken off the item's score.
    """

    rows: npt.NDArray[np.float16]
    weight: float = WEIGHT
    near: float = NEAR


def make_bank(projected: Vectors, size: int = CENTROIDS, seed: int = 0) -> Bank:
    """Spherical k-means of projected English sentences: ``min(size, n)`` rows."""
    rows = normalize(projected[:ROWS])
    if len(rows) <= size:
        return Bank(rows.astype(np.float16))
    centers = rows[np.random.default_rng(seed).permutation(len(rows))[:size]].copy()
    for _ in range(ROUNDS):
        owner = (rows @ centers.T).argmax(1)
        order = np.argsort(owner, kind="stable")
        used, starts = np.unique(owner[order], return_index=True)
        centers[used] = normalize(np.add.reduceat(rows[order], starts, axis=0))
    return Bank(centers.astype(np.float16))


def item_bias(items: Vectors, bank: Bank) -> Vectors:
    """What to add to each item's cosine with a text: float32 ``[n]``."""
    out = np.empty(len(items), np.float32)
    rows = bank.rows.astype(np.float32).T
    nearest = min(len(bank.rows), max(1, math.ceil(len(bank.rows) * bank.near)))
    for start in range(0, len(items), BLOCK):
        scores = normalize(items[start : start + BLOCK]) @ rows
        top = np.partition(scores, -nearest, axis=1)[:, -nearest:]
        out[start : start + BLOCK] = -bank.weight * top.mean(1)
    return out
