"""The English bank: what English sentences look like in the target's space, to correct items.

An item that is near to everything comes up for every query. How near it is to English sentences at
large says so, whatever the language of the query. The bank is made of sentences of the corpus,
never of test queries, and is small enough to lie beside the projector.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from m2m_adapters.interfaces import Vectors, normalize

Bank = npt.NDArray[np.float16]

ROWS = 8192
"""Projected sentences the bank is made from, at most."""
CENTROIDS = 1024
NEAR = 1 / 40
"""Share of the bank that an item is compared with: its nearest."""
WEIGHT = 0.25
ROUNDS = 6


def centroids(projected: Vectors, size: int = CENTROIDS, seed: int = 0) -> Bank:
    """Spherical k-means of projected English sentences: fp16 ``[min(size, n), dim]``."""
    rows = normalize(projected[:ROWS])
    if len(rows) <= size:
        whole: Bank = rows.astype(np.float16)
        return whole
    centers = rows[np.random.default_rng(seed).permutation(len(rows))[:size]].copy()
    for _ in range(ROUNDS):
        owner = (rows @ centers.T).argmax(1)
        order = np.argsort(owner, kind="stable")
        used, starts = np.unique(owner[order], return_index=True)
        centers[used] = normalize(np.add.reduceat(rows[order], starts, axis=0))
    bank: Bank = centers.astype(np.float16)
    return bank


def item_bias(items: Vectors, bank: Bank) -> Vectors:
    """What to add to each item's cosine with a text: float32 ``[n]``.

    Minus ``WEIGHT`` times the item's mean cosine with its nearest share of the bank.
    """
    out = np.empty(len(items), np.float32)
    rows = bank.astype(np.float32).T
    nearest = max(1, math.ceil(len(bank) * NEAR))
    for start in range(0, len(items), 4096):
        scores = normalize(items[start : start + 4096]) @ rows
        top = np.partition(scores, -nearest, axis=1)[:, -nearest:]
        out[start : start + 4096] = -WEIGHT * top.mean(1)
    return out
