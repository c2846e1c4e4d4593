"""Natively multilingual models, which may make an adapter unnecessary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from m2m_adapters.planning.facts import NATIVE, NativeFacts, figures, model_facts

MARGIN = 2.0
"""Points by which a native model must lead before it is recommended."""


@dataclass(frozen=True)
class NativeModel:
    """A natively multilingual model and its R@10.

    exact: the figure is the mean of the languages asked; otherwise the benchmark's average.
    """

    name: str
    model: str
    expected: float | None
    exact: bool
    license: str | None
    cite: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def native_models(languages: Sequence[str], benchmark: str, direction: str) -> list[NativeModel]:
    """Those with figures first, best first."""
    models = []
    for fact in model_facts().native:
        value, exact = _value(fact, languages, benchmark, direction)
        models.append(
            NativeModel(fact.name, fact.model, value, exact, fact.license, fact.cite, fact.note)
        )
    return sorted(models, key=lambda m: -1.0 if m.expected is None else m.expected, reverse=True)


def _value(
    fact: NativeFacts, languages: Sequence[str], benchmark: str, direction: str
) -> tuple[float | None, bool]:
    published = {
        row.language: value
        for row in figures()
        if (row.source, row.target, row.benchmark) == (fact.name, NATIVE, benchmark)
        and (value := row.value(direction)) is not None
    }
    if set(languages) <= set(published):
        return sum(published[tag] for tag in languages) / len(languages), True
    if published:
        return sum(published.values()) / len(published), False
    average = fact.averages.get(benchmark)
    return (average[0 if direction == "t2i" else 1], False) if average else (None, False)


def advice(
    best: str, expected: float, models: Sequence[NativeModel], target: str
) -> tuple[str, bool]:
    """(what to say about the best native model beside the best adapter, whether it is better)."""
    figured = [m for m in models if m.expected is not None]
    if not figured:
        return "No natively multilingual model has figures for this benchmark on record.", False
    top = figured[0]
    reached = top.expected or 0.0
    scope = (
        "for these languages" if top.exact else "on the benchmark's average, not these languages"
    )
    other = [m.name for m in models if m.expected is None]
    more = f" Without a comparable figure: {', '.join(other)}." if other else ""
    if reached - expected > MARGIN:
        return (
            f"A natively multilingual model would be better: {top.name} ({top.model}) has "
            f"{reached:.1f} {scope}, {reached - expected:.1f} points above {best} "
            f"({expected:.1f}). An adapter is right if an index of {target} vectors already "
            f"exists, or if its license or cost decides.{more}"
        ), True
    return (
        f"{best} ({expected:.1f}) is level with or above the best natively multilingual figure: "
        f"{top.name}, {reached:.1f} {scope}.{more}"
    ), False
