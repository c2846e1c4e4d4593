"""Rank sources, targets and routes for a set of languages, by forecast R@10."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.planning.answer import Forecast
from m2m_adapters.planning.facts import model_facts, sources
from m2m_adapters.planning.forecast import better_part, predicted
from m2m_adapters.planning.names import (
    check_benchmark,
    check_direction,
    check_languages,
    check_name,
    modality_of,
)
from m2m_adapters.planning.native import NativeModel, advice, native_models
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.route import is_route, sources_of

TARGETS = {"image": ("jina-clip", "clip-l14", "align"), "audio": ("clap",)}
"""Targets with published figures."""
ROUTE_GAIN = 0.5
"""Points that a route of two sources must gain over the better one before it is listed."""
FAST_MS, SLOW_MS = 25, 80


@dataclass(frozen=True)
class Candidate:
    """A source (or a route of two) with a target, and what it costs.

    query_ms: estimated milliseconds of one short query on one CPU thread. parameters_m and
    query_ms count the text side only: queries never run the target's encoder.
    """

    source: str
    target: str
    expected: float
    forecasts: tuple[Forecast, ...]
    parameters_m: int | None
    query_ms: float | None
    licenses: tuple[str, ...]

    @property
    def route(self) -> bool:
        """Whether each language is read by one of two sources, the better one."""
        return is_route(self.source)

    @property
    def guessed(self) -> bool:
        return any(answer.basis == "guess" for answer in self.forecasts)

    @property
    def worst(self) -> Forecast:
        return min(self.forecasts, key=lambda answer: answer.expected)

    @property
    def speed(self) -> str:
        if self.query_ms is None:
            return "unknown"
        return (
            "fast" if self.query_ms < FAST_MS else "medium" if self.query_ms < SLOW_MS else "slow"
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "expected": round(self.expected, 2),
            "guess": self.guessed,
            "route": self.route,
            "parameters_m": self.parameters_m,
            "query_ms_estimate": None if self.query_ms is None else round(self.query_ms, 1),
            "speed_estimate": self.speed,
            "licenses": list(self.licenses),
            "languages": [answer.to_dict() for answer in self.forecasts],
        }


@dataclass(frozen=True)
class Recommendation:
    """Candidates, best first, beside natively multilingual models, and what follows from both."""

    languages: tuple[str, ...]
    benchmark: str
    direction: str
    candidates: tuple[Candidate, ...]
    natives: tuple[NativeModel, ...]
    native_is_better: bool
    advice: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "languages": list(self.languages),
            "benchmark": self.benchmark,
            "direction": self.direction,
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "natives": [native.to_dict() for native in self.natives],
            "native_is_better": self.native_is_better,
            "advice": self.advice,
        }


def recommend(
    languages: str | Iterable[str],
    *,
    modality: str = "image",
    cpu_budget_ms: float | None = None,
    targets: Sequence[str] | None = None,
    benchmark: str | None = None,
    direction: str = "t2i",
    limit: int = 10,
) -> Recommendation:
    """Rank sources and targets for the languages; say when a native model would be better.

    Args:
        languages: Any spelling of their tags or English names.
        modality: ``image`` or ``audio``.
        cpu_budget_ms: Leave out sources whose estimated milliseconds for a short query on one
            CPU thread are more, or not on record.
        targets: Only these; by default the targets with published figures.
        benchmark: By default the largest one of the modality.
        direction: ``t2i`` (text to item) or ``i2t``.
        limit: How many candidates at most.
    """
    if modality not in TARGETS:
        raise UserError(
            f"'{modality}' is not a modality with published figures",
            f"choose {' or '.join(TARGETS)}",
        )
    tags = check_languages(languages)
    chosen = check_benchmark(benchmark, modality)
    check_direction(direction)
    for target in targets or ():
        if modality_of(check_name("target", target)) not in (modality, None):
            raise UserError(
                f"the target '{target}' is not of modality {modality}",
                "see the modalities with `m2m list --targets`",
            )
    ranked = candidates(tags, targets or TARGETS[modality], chosen, direction)
    if cpu_budget_ms is not None:
        ranked = [c for c in ranked if c.query_ms is not None and c.query_ms <= cpu_budget_ms]
    natives = native_models(tags, chosen, direction) if modality == "image" else []
    better = False
    if ranked:
        best = ranked[0]
        name = f"{best.source} -> {best.target}"
        said, better = advice(name, best.expected, natives, best.target)
    else:
        said = "No source with known size fits the budget; raise --cpu-budget."
    return Recommendation(
        tuple(tags), chosen, direction, tuple(ranked[:limit]), tuple(natives), better, said
    )


def candidates(
    languages: Sequence[str], targets: Sequence[str], benchmark: str, direction: str
) -> list[Candidate]:
    """Every source and every route of two that gains, with every target; best first."""
    listed = []
    for target in targets:
        single = {s: predicted(s, target, languages, benchmark, direction) for s in sources()}
        listed += [_candidate(name, target, answers) for name, answers in single.items()]
        sure = [n for n, answers in single.items() if all(a.basis != "guess" for a in answers)]
        for i, first in enumerate(sure):
            for second in sure[i + 1 :]:
                both = better_part([single[first], single[second]])
                alone = max(_mean(single[first]), _mean(single[second]))
                if _mean(both) > alone + ROUTE_GAIN:
                    listed.append(_candidate(f"route({first}|{second})", target, both))
    return sorted(listed, key=_rank, reverse=True)


def _rank(candidate: Candidate) -> float:
    """Mean R@10; a guess counts halfway to its lower end."""
    cautious = [
        (f.expected + f.low) / 2 if f.basis == "guess" else f.expected for f in candidate.forecasts
    ]
    return sum(cautious) / len(cautious)


def _mean(answers: Sequence[Forecast]) -> float:
    return sum(answer.expected for answer in answers) / len(answers)


def _candidate(source: str, target: str, answers: Sequence[Forecast]) -> Candidate:
    parts = sources_of(source)
    licenses = {_license("source", part) for part in parts} | {_license("target", target)}
    return Candidate(
        source,
        target,
        _mean(answers),
        tuple(answers),
        sum(model_facts().sources[part].parameters_m for part in parts),
        query_ms(source),
        tuple(sorted(license or "not on record" for license in licenses)),
    )


def _license(kind: str, name: str) -> str | None:
    entry = registry().find(kind, name)
    if entry is not None:
        return entry.license
    fact = model_facts().sources.get(name) if kind == "source" else None
    return fact.license if fact else None


def query_ms(source: str) -> float | None:
    """Estimated milliseconds of a short query on one CPU thread; None where sizes are unknown."""
    facts = model_facts()
    total = 0.0
    for part in sources_of(source):
        fact = facts.sources.get(part)
        if fact is None:
            return None
        operations = 2e6 * fact.encoder_m * facts.speed.tokens
        total += 1e3 * operations / (1e9 * facts.speed.gflop_per_second)
    return total
