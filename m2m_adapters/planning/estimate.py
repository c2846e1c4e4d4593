"""How large each effect is, by rule: maximum penalized likelihood, then calibration.

1. Maximum marginal likelihood of both directions' figures together. As a floor, every effect has
   a weak prior, worth one more group of spread ``PRIOR_SPREAD``.
2. The effects of languages a source was not trained for rest on few figures, and likelihood
   underestimates them. One common factor, at least 1, widens them until the squared
   standardized errors of such languages, left out with all of their source, average at most 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from m2m_adapters.planning.effects import LEVEL, UNTRAINED, Array, Question, blocks, level_of
from m2m_adapters.planning.facts import TRAINED, Figure
from m2m_adapters.planning.left_out import Trial, trials
from m2m_adapters.planning.model import Model, to_logit

DIRECTIONS = ("t2i", "i2t")
PRIOR_SPREAD = 0.35
STEPS = 60
FACTORS = np.geomspace(1.0, 4.0, 25)


def estimate(figures: Sequence[Figure]) -> dict[str, float]:
    """Spreads of all effects, in logits."""
    return calibrated(most_likely(figures), figures)


def most_likely(figures: Sequence[Figure], steps: int = STEPS) -> dict[str, float]:
    """Penalized maximum likelihood by multiplicative (minorize-maximize) steps."""
    sides = [_side(figures, direction) for direction in DIRECTIONS]
    names = list(sides[0][0])
    variances = np.full(len(names), PRIOR_SPREAD**2)
    for _ in range(steps):
        explained, expected = np.zeros(len(names)), np.zeros(len(names))
        for parts, centered in sides:
            stack = list(parts.values())
            full = np.full(stack[0].shape, LEVEL**2)
            for variance, part in zip(variances, stack, strict=True):
                full += variance * part
            precision = np.linalg.inv(full)
            weights = precision @ centered
            explained += [weights @ part @ weights for part in stack]
            expected += [float(np.vdot(precision, part)) for part in stack]
        explained += PRIOR_SPREAD**2 / variances**2
        expected += 1 / variances
        variances *= np.sqrt(explained / expected)
    return dict(zip(names, np.sqrt(variances).tolist(), strict=True))


def _side(figures: Sequence[Figure], direction: str) -> tuple[dict[str, Array], Array]:
    rows = [f for f in figures if f.value(direction) is not None]
    questions = [Question(f.benchmark, f.source, f.target, f.language, direction) for f in rows]
    logits = to_logit(np.array([f.value(direction) for f in rows], dtype=np.float64))
    parts = blocks(questions, questions)
    parts["rest"] = np.eye(len(rows))
    return parts, logits - logits.mean()


def calibrated(spreads: Mapping[str, float], figures: Sequence[Figure]) -> dict[str, float]:
    """The same with the effects of untrained languages widened by the smallest good factor."""
    wider = dict(spreads)
    for factor in FACTORS:
        wider = {n: s * float(factor) if n in UNTRAINED else s for n, s in spreads.items()}
        squares = [
            trial.standardized**2
            for direction in DIRECTIONS
            for trial in trials(Model(direction, figures, wider), "source and language", "xm3600")
            if level_of(trial.question) < TRAINED
        ]
        if not squares or np.mean(squares) <= 1:
            break
    return wider


def folds(figures: Sequence[Figure], count: int = 6) -> list[set[str]]:
    """XM3600's languages in random parts of equal size."""
    languages = sorted({f.language for f in figures if f.benchmark == "xm3600"})
    np.random.default_rng(0).shuffle(languages)
    return [set(languages[k::count]) for k in range(count)]


def nested_trials(
    figures: Sequence[Figure], protocols: Sequence[str], benchmark: str = "xm3600"
) -> dict[tuple[str, str], list[Trial]]:
    """Trials by (protocol, direction), with spreads estimated without the fold's languages."""
    tried: dict[tuple[str, str], list[Trial]] = {}
    for languages in folds(figures):
        spreads = estimate([f for f in figures if f.language not in languages])
        for direction in DIRECTIONS:
            fitted = Model(direction, figures, spreads)
            for protocol in protocols:
                tried.setdefault((protocol, direction), []).extend(
                    trial
                    for trial in trials(fitted, protocol, benchmark)
                    if trial.question.language in languages
                )
    return tried
