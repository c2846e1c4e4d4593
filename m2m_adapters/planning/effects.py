"""The effects that make up a figure's logit, and the covariance of figures they imply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m2m_adapters._internal.languages import language as describe
from m2m_adapters.planning.facts import BASE_ONLY, NOT_COVERED, TRAINED, coverage, lineage
from m2m_adapters.planning.facts import text_size as text_size_of

Array = NDArray[np.float64]

LEVEL = 10.0
"""Spread of the overall level: practically free."""

SPREADS = {
    "benchmark": 0.41, "source": 0.21, "target": 0.69, "pair": 0.21, "family": 0.12,
    "script": 0.14, "language": 0.11, "language+benchmark": 0.19, "language+target": 0.12,
    "language+lineage": 0.08, "family+source": 0.08, "coverage+source": 0.56,
    "language+source+benchmark": 0.06, "language, not trained": 0.90,
    "language+source, not trained": 0.45, "language+lineage, not trained": 0.35,
    "base only": 0.70, "not covered": 3.06, "text size": 0.46, "text size+source": 0.16,
    "english": 0.24, "rest": 0.05,
}  # fmt: skip
"""Standard deviations of the effects, in logits: what ``estimate.py`` gives, rounded."""


@dataclass(frozen=True)
class Question:
    """R@10 of one direction, for one language of a benchmark."""

    benchmark: str
    source: str
    target: str
    language: str
    direction: str = "t2i"


def level_of(question: Question) -> int:
    """Documented coverage; a source without a recorded list counts as ``BASE_ONLY``."""
    known = coverage(question.source, question.language)
    return BASE_ONLY if known is None else known


Key = Callable[[Question], Any]

_GROUPS: dict[str, Key] = {
    "benchmark": lambda q: q.benchmark,
    "source": lambda q: q.source,
    "target": lambda q: q.target,
    "pair": lambda q: (q.benchmark, q.source, q.target),
    "family": lambda q: describe(q.language).family,
    "script": lambda q: describe(q.language).script,
    "language": lambda q: q.language,
    "language+benchmark": lambda q: (q.language, q.benchmark),
    "language+target": lambda q: (q.language, q.target),
    "language+lineage": lambda q: (q.language, lineage(q.source)),
    "family+source": lambda q: (describe(q.language).family, q.source),
    "coverage+source": lambda q: (level_of(q), q.source),
    "language+source+benchmark": lambda q: (q.language, q.source, q.benchmark),
}
# The same, only for languages that the source was not trained for.
_UNTRAINED: dict[str, Key] = {
    "language, not trained": lambda q: q.language,
    "language+source, not trained": lambda q: (q.language, q.source),
    "language+lineage, not trained": lambda q: (q.language, lineage(q.source)),
}
UNTRAINED = ("coverage+source", *_UNTRAINED, "base only", "not covered")
"""Effects of languages a source was not trained for: few figures say how large they are."""


def _same(left: Iterable[Any], right: Iterable[Any]) -> Array:
    numbers: dict[Any, int] = {}
    a = np.array([numbers.setdefault(key, len(numbers)) for key in left])
    b = np.array([numbers.setdefault(key, len(numbers)) for key in right])
    same: Array = (a[:, None] == b[None, :]).astype(np.float64)
    return same


def blocks(left: Sequence[Question], right: Sequence[Question]) -> dict[str, Array]:
    """For each effect but "rest", what its variance is multiplied with for every two figures."""

    def product(value: Callable[[Question], float]) -> Array:
        outer: Array = np.outer([float(value(q)) for q in left], [float(value(q)) for q in right])
        return outer

    shared = {name: _same(map(key, left), map(key, right)) for name, key in _GROUPS.items()}
    untrained = product(lambda q: level_of(q) < TRAINED)
    for name, key in _UNTRAINED.items():
        shared[name] = untrained * _same(map(key, left), map(key, right))
    shared["base only"] = product(lambda q: level_of(q) == BASE_ONLY)
    shared["not covered"] = product(lambda q: level_of(q) == NOT_COVERED)
    shared["text size"] = product(lambda q: text_size_of(q.language) - 3.5)
    shared["text size+source"] = shared["text size"] * shared["source"]
    shared["english"] = product(lambda q: q.language == "en")
    return shared


def covariance(
    left: Sequence[Question],
    right: Sequence[Question],
    spreads: Mapping[str, float] = SPREADS,
) -> Array:
    """Covariance of two lists of figures under the model, without "rest"."""
    total = np.full((len(left), len(right)), LEVEL**2)
    for name, block in blocks(left, right).items():
        total += spreads[name] ** 2 * block
    return total
