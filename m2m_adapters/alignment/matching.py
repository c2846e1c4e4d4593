"""Which tokens of two models belong together, where both read the same text in tokens of their own.

Both go through the text from its beginning to its end, so the match is a path: each step goes on
by one token on one side or on both, and every token is met. The cheapest path is found by dynamic
time warping, for many texts at once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

NEVER = 1e30


def matches(costs: Tensor, lengths: Tensor, others: Tensor) -> Tensor:
    """Shares ``[B, n, m]`` of each of n tokens' matches; those of a real token sum to 1.

    costs: of matching, ``[B, n, m]``; lengths, others: real tokens on both sides, ``[B]`` each.
    """
    met = torch.from_numpy(_paths(costs.numpy(), lengths.numpy(), others.numpy()))
    shares: Tensor = met / met.sum(2, keepdim=True).clamp_min(1)
    return shares


def apart(lengths: Tensor, others: Tensor, n: int, m: int) -> Tensor:
    """Squared distance of two tokens' places in their texts, from 0 to 1: ``[B, n, m]``."""
    here = torch.arange(n) / (lengths[:, None] - 1).clamp_min(1)
    there = torch.arange(m) / (others[:, None] - 1).clamp_min(1)
    return (here[:, :, None] - there[:, None, :]).square()


def _paths(costs: np.ndarray, lengths: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float32 ``[B, n, m]``: 1 where the cheapest path of a text goes."""
    texts, n, m = costs.shape
    came = np.zeros((texts, n + m - 1, n), np.int8)  # of (diagonal, row): from where
    rows = np.arange(n)
    two_back = np.full((texts, n + 1), NEVER)
    one_back = two_back.copy()
    two_back[:, 0] = 0.0  # before the first token of both
    for diagonal in range(n + m - 1):
        columns = diagonal - rows
        inside = (columns >= 0) & (columns < m)
        cost = np.where(inside, costs[:, rows, columns.clip(0, m - 1)], NEVER)
        # On by both, on by one here, on by one there: a step by both counts twice, so that a
        # path is not the cheaper for cutting corners.
        ways = np.stack(
            [two_back[:, :-1] + 2 * cost, one_back[:, :-1] + cost, one_back[:, 1:] + cost]
        )
        came[:, diagonal] = ways.argmin(0)
        reached = np.full((texts, n + 1), NEVER)
        reached[:, 1:] = np.minimum(ways.min(0), NEVER)
        two_back, one_back = one_back, reached
    met = np.zeros((texts, n, m), np.float32)
    every = np.arange(texts)
    row, column = lengths.astype(np.int64) - 1, others.astype(np.int64) - 1
    going = np.ones(texts, bool)
    while going.any():
        met[every[going], row[going], column[going]] = 1
        way = came[every, row + column, row]
        row = np.where(going, row - (way != 2), row)
        column = np.where(going, column - (way != 1), column)
        going &= (row >= 0) & (column >= 0)
        row, column = row.clip(0), column.clip(0)
    return met
