"""Errors of the model on published figures that it does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from m2m_adapters.planning.effects import Question, level_of
from m2m_adapters.planning.facts import BASE_ONLY, NATIVE
from m2m_adapters.planning.model import Model, interval, model

ENOUGH = 20
"""Left-out figures a benchmark needs for errors of its own; else those of XM3600 are quoted."""

_ALIKE: dict[str, Callable[[Question, Question], bool]] = {
    "figure": lambda a, b: a == b,
    "source and language": lambda a, b: (a.source, a.language) == (b.source, b.language),
    "language": lambda a, b: a.language == b.language,
    "pair": lambda a, b: (a.source, a.target) == (b.source, b.target),
    "source": lambda a, b: a.source == b.source,
    "target": lambda a, b: a.target == b.target,
    "source and target": lambda a, b: a.source == b.source or a.target == b.target,
}
PROTOCOLS = tuple(_ALIKE)
"""What is left out with a figure: only itself; all of its source and language; all of its
language from every source; all of its source with its target (only where both have
others); all of its source; all of its target; all of either."""


@dataclass(frozen=True)
class Trial:
    """One figure, predicted without it and all alike."""

    question: Question
    published: float
    expected: float
    low: float
    high: float
    standardized: float
    """Error on the logit scale divided by the predicted spread."""

    @property
    def error(self) -> float:
        return abs(self.expected - self.published)

    @property
    def inside(self) -> bool:
        return self.low <= self.published <= self.high


def trials(fitted: Model, protocol: str, benchmark: str) -> list[Trial]:
    """Every adapter's figure on a benchmark, each left out with all alike."""
    alike = _ALIKE[protocol]
    tried = []
    for index, question in enumerate(fitted.questions):
        if question.benchmark != benchmark or question.target == NATIVE:
            continue
        if protocol == "pair" and not _both_remain(question, fitted.questions):
            continue
        left_out = np.array([i for i, q in enumerate(fitted.questions) if alike(q, question)])
        mean, spread = fitted.predict_without(index, left_out)
        low, middle, high = interval(mean, spread)
        miss = fitted.mean + float(fitted.centered[index]) - mean
        tried.append(
            Trial(question, float(fitted.percent[index]), middle, low, high, miss / spread)
        )
    return tried


def _both_remain(question: Question, known: Sequence[Question]) -> bool:
    """Whether source and target of a pair are still published without the pair."""
    others = [q for q in known if not _ALIKE["pair"](q, question)]
    sources, targets = {q.source for q in others}, {q.target for q in others}
    return question.source in sources and question.target in targets


@dataclass(frozen=True)
class LeftOut:
    """Errors in points of R@10, and the share of figures inside their 90 % interval."""

    protocol: str
    direction: str
    benchmark: str
    count: int
    error: float
    coverage: float
    by_source: dict[str, float]
    by_level: dict[int, float]
    coverage_by_level: dict[int, float]
    count_by_level: dict[int, int]

    def error_at(self, level: int | None) -> float:
        """Error for languages a source covers as well as this (``facts.coverage``)."""
        return self.by_level.get(BASE_ONLY if level is None else level, self.error)

    def coverage_at(self, level: int | None) -> float:
        """Share inside the interval, for the same languages."""
        return self.coverage_by_level.get(BASE_ONLY if level is None else level, self.coverage)


def summary(tried: Sequence[Trial], protocol: str, direction: str, benchmark: str) -> LeftOut:
    """Averages of trials."""
    errors = [trial.error for trial in tried]
    inside = [float(trial.inside) for trial in tried]
    levels = [level_of(trial.question) for trial in tried]
    return LeftOut(
        protocol,
        direction,
        benchmark,
        len(tried),
        float(np.mean(errors)),
        float(np.mean(inside)),
        _means([trial.question.source for trial in tried], errors),
        _means(levels, errors),
        _means(levels, inside),
        {level: levels.count(level) for level in sorted(set(levels))},
    )


@cache
def leave_out_errors(
    protocol: str, direction: str = "t2i", benchmark: str = "xm3600"
) -> LeftOut | None:
    """Errors on a benchmark's adapters; None where it has too few figures to leave any out."""
    tried = trials(model(direction), protocol, benchmark)
    return summary(tried, protocol, direction, benchmark) if len(tried) >= ENOUGH else None


def quoted_errors(protocol: str, direction: str, benchmark: str) -> LeftOut:
    """The errors of the benchmark itself, or of XM3600 where it has too few figures."""
    own = leave_out_errors(protocol, direction, benchmark)
    general = own or leave_out_errors(protocol, direction, "xm3600")
    assert general is not None
    return general


Group = TypeVar("Group", str, int)


def _means(keys: Sequence[Group], values: Sequence[float]) -> dict[Group, float]:
    groups: dict[Group, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        groups.setdefault(key, []).append(value)
    return {key: float(np.mean(groups[key])) for key in sorted(groups)}
