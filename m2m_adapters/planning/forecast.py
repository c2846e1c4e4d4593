"""Forecast R@10 per language for a source and a target, before either is downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.embeddings.store import Store
from m2m_adapters.planning.answer import Forecast, Pairs
from m2m_adapters.planning.effects import Question
from m2m_adapters.planning.facts import BASE_ONLY, ITEMS, NOT_COVERED, TRAINED, coverage
from m2m_adapters.planning.left_out import quoted_errors
from m2m_adapters.planning.model import Z90, interval, model
from m2m_adapters.planning.names import (
    check_benchmark,
    check_direction,
    check_languages,
    check_name,
    modality_of,
)

ROUTING_LOSS = 0.8
"""Points lost against the oracle when the better of two sources is picked by forecast, not by
published figures (``benchmarks/forecast.py`` measures it). Assumes that the language of a query
is known or detected."""


def forecast(
    source: str,
    target: str,
    languages: str | Iterable[str],
    *,
    benchmark: str | None = None,
    direction: str = "t2i",
    parallel: Mapping[str, str | Path | Pairs] | None = None,
    store: Store | None = None,
    **options: Any,
) -> list[Forecast]:
    """Expected R@10 of an adapter per language, from published figures.

    Args:
        source: A source's name, or ``route(mpnet|labse)``: the better of both for each language.
            A fusion, ``mpnet+labse``, is answered as a route is, and marked as a guess.
        target: A target's name.
        languages: Any spelling of their tags or English names.
        benchmark: xm3600, xtd10, multi30k, audiocaps or clotho; by default the largest one of
            the target's modality.
        direction: ``t2i`` (text to item) or ``i2t``.
        parallel: For some languages at least 100 (English, foreign) pairs, or a file of them:
            the source is loaded and measured on them.
        store: Where vectors of parallel sentences are kept; by default the usual one.
        options: Of the source, e.g. ``device``.
    """
    from m2m_adapters.registry.route import is_route, sources_of

    parts = [check_name("source", part) for part in sources_of(source)]
    check_name("target", target)
    tags = check_languages(languages)
    chosen = check_benchmark(benchmark, modality_of(target))
    check_direction(direction)
    each = [predicted(part, target, tags, chosen, direction) for part in parts]
    if parallel:
        from m2m_adapters.planning.parallel import measure, sharpen

        for index, part in enumerate(parts):
            measured = measure(part, parallel, tags, store=store, **options)
            each[index] = [sharpen(answer, measured) for answer in each[index]]
    if len(parts) == 1:
        return each[0]
    return better_part(each) if is_route(source) else [_fused(one) for one in better_part(each)]


def predicted(
    source: str, target: str, languages: Sequence[str], benchmark: str, direction: str
) -> list[Forecast]:
    """Forecasts of one source; names and languages are checked already."""
    fitted = model(direction)
    questions = [Question(benchmark, source, target, tag, direction) for tag in languages]
    means, spreads = fitted.predict(questions)
    answers = []
    for question, mean, spread in zip(questions, means, spreads, strict=True):
        if question in fitted.published:
            answers.append(_published(question, fitted.published[question]))
            continue
        basis, why, protocol = _basis(question, fitted.questions)
        low, middle, high = interval(float(mean), float(spread))
        quoted = quoted_errors(protocol, direction, benchmark)
        level = coverage(source, question.language)
        answers.append(
            Forecast(
                question,
                middle,
                low,
                high,
                basis,
                why,
                quoted.error_at(level),
                quoted.coverage_at(level),
                quoted.benchmark,
            )
        )
    return answers


def _published(question: Question, value: float) -> Forecast:
    count = ITEMS.get(question.benchmark, 1000)
    half = 100 * Z90 * float(np.sqrt(max(value * (100 - value), 1.0) / 1e4 / count))
    why = "published for this source, target, benchmark and language; interval = sampling error"
    low, high = max(value - half, 0.0), min(value + half, 100.0)
    return Forecast(question, value, low, high, "published", why)


_LISTED = {
    TRAINED: "its documentation lists the language",
    BASE_ONLY: "only its base model was trained on the language",
    NOT_COVERED: "its documentation does not list the language",
    None: "its languages are not on record",
}


def _basis(question: Question, known: Sequence[Question]) -> tuple[str, str, str]:
    """(basis, why, the protocol whose error applies)."""
    listed = _LISTED[coverage(question.source, question.language)]
    source = [q for q in known if q.source == question.source]
    new_target = all(q.target != question.target for q in known)
    if not source and new_target:
        why = f"nothing is published for {question.source} nor for target {question.target}"
        return "guess", f"{why}; {listed}", "source and target"
    if not source:
        return "guess", f"nothing is published for {question.source}; {listed}", "source"
    if new_target:
        return "guess", f"nothing is published for target {question.target}; {listed}", "target"
    if all(q.language != question.language for q in known):
        return "guess", f"nothing is published for the language; {listed}", "language"
    if all(q.target != question.target for q in source):
        why = f"the source's figures with other targets, the target's with others; {listed}"
        return "modeled", why, "pair"
    if any(q.language == question.language for q in source):
        return "modeled", "the source's figures with other targets or benchmarks", "figure"
    return "modeled", f"other sources' figures for the language; {listed}", "source and language"


def better_part(parts: Sequence[Sequence[Forecast]]) -> list[Forecast]:
    """Per language the better part's forecast, less ``ROUTING_LOSS`` unless all are published."""
    joined = []
    for same_language in zip(*parts, strict=True):
        best = max(same_language, key=lambda answer: answer.expected)
        sure = all(answer.basis == "published" for answer in same_language)
        loss = 0.0 if sure else ROUTING_LOSS
        name = f"route({'|'.join(answer.question.source for answer in same_language)})"
        joined.append(
            replace(
                best,
                question=replace(best.question, source=name),
                expected=max(best.expected - loss, 0.0),
                low=max(best.low - loss, 0.0),
                basis="modeled" if best.basis == "published" else best.basis,
                why=f"the better part, {best.question.source}: {best.why}",
            )
        )
    return joined


def _fused(answer: Forecast) -> Forecast:
    """The route's answer for the fusion of the same sources."""
    name = answer.question.source.removeprefix("route(").removesuffix(")").replace("|", "+")
    return replace(
        answer,
        question=replace(answer.question, source=name),
        basis="guess",
        why=f"no fusion has published figures, so the route's: {answer.why}",
    )
