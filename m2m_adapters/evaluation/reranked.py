"""What a joint model changes: recall before and after it has ordered each text's first items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.artifact.record import Json
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.scoring import Evaluation

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

FIRST = 50
PLACES = (1, 5, 10)


def rerank_evaluation(
    evaluation: Evaluation,
    joint: Adapter,
    *,
    first: int = FIRST,
    progress: Callable[[int], object] = lambda done: None,
) -> Json:
    """Language -> ``R@k`` from text to item -> [before, after], in percent.

    evaluation: of the adapter that finds the first items. joint: one whose target scores pairs. A
    model that scores ``first`` items for each caption is slow: choose languages.
    """
    if not joint.target.can("score"):
        raise UserError(
            f"{joint.record.target.name or 'the target'} does not score pairs of texts and items",
            "re-rank with an adapter to a joint model, such as joint:ORG/MODEL",
        )
    scored, benchmark = evaluation.scored[0], evaluation.benchmark
    bias = scored.system.bias
    offset = 0 if bias is None else np.asarray(bias(evaluation.items))
    result: Json = {}
    for number, (code, rows) in enumerate(scored.vectors.items()):
        ranks = []
        for text, row, owner in zip(
            benchmark.captions[code], rows, benchmark.owners[code], strict=True
        ):
            order = np.argsort(-(evaluation.items @ row + offset), kind="stable")[:first]
            reranked = _ordered(joint, text, benchmark.items, order)
            ranks.append([_place(order, owner), _place(reranked, owner)])
        places = np.asarray(ranks)
        result[code] = {
            f"R@{k}": [round(100 * float(value), 2) for value in (places <= k).mean(0)]
            for k in PLACES
        }
        progress(number + 1)
    return result


def _ordered(joint: Adapter, text: str, items: Sequence[Any], order: Any) -> Any:
    scores = joint.score([text] * len(order), [items[int(at)] for at in order])
    return order[np.argsort(-scores, kind="stable")]


def _place(order: Any, owner: int) -> float:
    """The rank of the right item, infinite where it is not among the first."""
    at = np.flatnonzero(order == owner)
    return float(at[0] + 1) if len(at) else float("inf")
