"""Ranks of the right answers: blocked exact search, both directions at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Owners
from m2m_adapters.interfaces import Vectors, normalize

if TYPE_CHECKING:
    from torch import Tensor

TIE = 1e-6
"""Cosines closer than this are equal: float32 products of equal vectors differ by less."""

TOP = 10
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Ranks:
    """Where the right answers came, 1 = first. A wrong answer with the same score as a right
    one counts as ranked before it (ties are pessimistic).

    text: int32 ``[m]``, the rank of each caption's item among the items.
    item: int32 ``[n, p]``, the ranks of each item's captions among all captions, best first;
        0 where an item has fewer than p captions.
    top: int32 ``[m, min(10, n)]``, the items found first for each caption.
    """

    text: Ints
    item: Ints
    top: Ints


@dataclass(frozen=True)
class Penalty:
    """Taken from each item's score when texts are the queries (hubness correction).

    amount: float32 ``[n]``. gate: bool ``[n]`` or None; with a gate only queries whose first
    hit is a gated item are corrected (dynamic inverted softmax).
    """

    amount: npt.NDArray[np.float32]
    gate: npt.NDArray[np.bool_] | None = None


def rank(
    texts: Vectors,
    items: Vectors,
    owners: Owners,
    *,
    penalty: Penalty | None = None,
    device: str = "cpu",
    block: int = 1024,
) -> Ranks:
    """Ranks by cosine of texts ``[m, d]`` and items ``[n, d]``; owners int ``[m]``."""
    import torch

    for what, vectors in (("texts", texts), ("items", items)):
        if not np.isfinite(vectors).all():  # NaN compares false, which would count as found
            raise UserError(f"the vectors of the {what} hold NaN or infinity", "use fp32")
    t = torch.from_numpy(normalize(np.asarray(texts, np.float32))).to(device)
    v = torch.from_numpy(normalize(np.asarray(items, np.float32))).to(device)
    own = torch.from_numpy(np.asarray(owners, np.int64)).to(device)
    n, m = len(v), len(t)
    positive = _positives(t, v, own)
    behind = positive - TIE  # a caption of another item that reaches this far comes first
    ahead = torch.zeros_like(positive, dtype=torch.int64)
    text_rank = torch.empty(m, dtype=torch.int64, device=t.device)
    top = torch.empty((m, min(TOP, n)), dtype=torch.int64, device=t.device)
    amount = None if penalty is None else torch.from_numpy(penalty.amount).to(t)
    gate = None
    if penalty is not None and penalty.gate is not None:
        gate = torch.from_numpy(penalty.gate).to(t.device)
    with torch.inference_mode():
        for start in range(0, m, block):
            rows = slice(start, start + block)
            scores = t[rows] @ v.T
            right = own[rows][:, None]
            asked = scores
            if amount is not None:
                if gate is None:
                    asked = scores - amount
                else:
                    asked = scores - amount * gate[scores.argmax(1)][:, None]
            reached = asked.gather(1, right) - TIE
            text_rank[rows] = (asked >= reached).sum(1, dtype=torch.int32)
            top[rows] = asked.topk(top.shape[1], dim=1).indices
            scores.scatter_(1, right, -torch.inf)
            for place in range(positive.shape[1]):
                ahead[:, place] += (scores >= behind[:, place]).sum(0, dtype=torch.int32)
    places = torch.arange(1, positive.shape[1] + 1, device=t.device)
    item_rank = torch.where(positive.isinf(), 0, ahead + places)

    def out(tensor: Tensor) -> Ints:
        return np.asarray(tensor.to(torch.int32).cpu().numpy())

    return Ranks(out(text_rank), out(item_rank), out(top))


def _positives(t: Tensor, v: Tensor, own: Tensor) -> Tensor:
    """float ``[n, p]``: scores of each item's own captions, best first, -inf where none."""
    import torch

    counts = torch.bincount(own, minlength=len(v))
    scores = torch.full((len(v), max(1, int(counts.max()))), -torch.inf, device=t.device)
    order = torch.argsort(own, stable=True)
    sorted_own = own[order]
    place = torch.arange(len(own), device=t.device) - (counts.cumsum(0) - counts)[sorted_own]
    for start in range(0, len(order), 65536):
        rows = slice(start, start + 65536)
        o, k = sorted_own[rows], place[rows]
        scores[o, k] = (t[order[rows]] * v[o]).sum(1)
    return scores.sort(dim=1, descending=True).values
