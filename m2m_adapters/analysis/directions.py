"""Directions that tell languages apart, and what is left when they are removed.

Each removal is learned on some rows and applied to others. ``lir``: the first principal directions
of each language's vectors, not centered (Yang et al. 2021). ``lsar``: the subspace in which the
languages' means differ, orthogonal to what the means share (Xie et al. 2022, after Piratla et al.
2020); a strength below 1 takes off only a share of it (Zhao et al. 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from m2m_adapters.analysis.measures import Matrix, unit

ByLanguage = Mapping[str, Matrix]
Removal = Callable[[str, Matrix], Matrix]


@dataclass(frozen=True)
class Method:
    """A removal by name. learn: from rows by language, a function of (language, rows)."""

    name: str
    what: str
    learn: Callable[[ByLanguage], Removal]


def _nothing(rows: ByLanguage) -> Removal:
    return lambda code, x: x


def centers(rows: ByLanguage) -> Removal:
    """Move every language's mean to the mean of all."""
    means = {code: x.mean(axis=0) for code, x in rows.items()}
    overall = np.mean(list(means.values()), axis=0)
    return lambda code, x: x - means[code] + overall


def lir(rows: ByLanguage, k: int) -> Removal:
    """Project out the first ``k`` right singular vectors of each language's own rows."""
    axes = {code: np.linalg.svd(x, full_matrices=False)[2][:k] for code, x in rows.items()}
    return lambda code, x: x - (x @ axes[code].T) @ axes[code]


def lsar(rows: ByLanguage, rank: int | None = None, strength: float = 1.0) -> Removal:
    """Project out, to a share of ``strength``, what tells languages apart."""
    means = np.stack([x.mean(axis=0) for x in rows.values()], axis=1)
    _, own = language_subspace(means, rank or means.shape[1] - 1)
    return lambda code, x: x - strength * (x @ own) @ own.T


def language_subspace(means: Matrix, rank: int) -> tuple[Matrix, Matrix]:
    """(what all share ``[d]``, an orthonormal basis ``[d, rank]`` of their differences).

    means: ``[d, languages]``, of which M = shared 1' + basis G' is the best such approximation
    with the basis orthogonal to what is shared.
    """
    ones = np.ones(means.shape[1])
    first = means.mean(axis=1)
    left, values, right = np.linalg.svd(means - np.outer(first, ones), full_matrices=False)
    near = np.outer(first, ones) + (left[:, :rank] * values[:rank]) @ right[:rank]
    shared = np.linalg.pinv(near).T @ ones
    shared = shared / (shared @ shared)
    left, values, _ = np.linalg.svd(near - np.outer(shared, ones), full_matrices=False)
    kept = values[:rank] > 1e-9 * max(float(values[0]), 1e-12)
    return np.asarray(shared), np.asarray(left[:, :rank][:, kept])


def methods(languages: int) -> list[Method]:
    """What the study compares, for so many languages."""
    results = [
        Method("none", "vectors as they are", _nothing),
        Method("centered", "each language's mean moved to the common mean", centers),
    ]
    for k in (1, 2, 5, 10):
        what = f"the first {k} principal directions of each language removed"
        results.append(Method(f"lir {k}", what, lambda rows, k=k: lir(rows, k)))  # type: ignore[misc]
    for strength in (0.5, 1.0):
        what = f"{strength:.0%} of the subspace of the languages' means removed"
        results.append(Method(
            f"lsar {strength:g}", what,
            lambda rows, strength=strength: lsar(rows, None, strength),  # type: ignore[misc]
        ))  # fmt: skip
    if languages > 3:
        what = "only the strongest direction of that subspace removed"
        results.append(Method("lsar rank 1", what, lambda rows: lsar(rows, 1)))
    return results


def applied(method: Method, rows: ByLanguage, seed: int = 0) -> dict[str, Matrix]:
    """All rows after the removal; each half is treated with what the other half taught."""
    n = len(next(iter(rows.values())))
    units = {code: unit(x) for code, x in rows.items()}
    order = np.random.default_rng(seed).permutation(n)
    after = {code: np.empty_like(x) for code, x in units.items()}
    for learned, used in ((order[: n // 2], order[n // 2 :]), (order[n // 2 :], order[: n // 2])):
        removal = method.learn({code: x[learned] for code, x in units.items()})
        for code, x in units.items():
            after[code][used] = removal(code, x[used])
    return after


def language_told(rows: ByLanguage, seed: int = 0) -> float:
    """Share of rows whose nearest language center, from the other half, is their own language's."""
    codes = list(rows)
    n = len(rows[codes[0]])
    order = np.random.default_rng(seed).permutation(n)
    right = []
    for learned, used in ((order[: n // 2], order[n // 2 :]), (order[n // 2 :], order[: n // 2])):
        means = np.stack([unit(rows[code])[learned].mean(axis=0) for code in codes])
        for place, code in enumerate(codes):
            x = unit(rows[code])[used]
            distances = np.square(means).sum(axis=1) - 2 * x @ means.T
            right.append(float((distances.argmin(axis=1) == place).mean()))
    return float(np.mean(right))


def variance_between(rows: ByLanguage) -> float:
    """Share of all variance that lies between the means of the languages."""
    units = {code: unit(x) for code, x in rows.items()}
    every = np.concatenate(list(units.values()))
    means = np.stack([x.mean(axis=0) for x in units.values()])
    total = float(np.square(every - every.mean(axis=0)).sum(axis=1).mean())
    return float(np.square(means - means.mean(axis=0)).sum(axis=1).mean() / max(total, 1e-12))
