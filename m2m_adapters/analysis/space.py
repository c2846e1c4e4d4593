"""A map of the space in two dimensions: languages, items and English, before and after.

t-SNE by openTSNE, which keeps neighbors together and says nothing of distances between clusters.
What the eye sees is therefore also counted, in the full space: of a row's nearest neighbors, how
many are of its own language, and how often its nearest row of another language has its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from m2m_adapters.analysis.measures import Matrix, unit
from m2m_adapters.analysis.study import Cell, Figure, Points, Study
from m2m_adapters.errors import UserError

SHOWN = 200
"""Rows of each language that are drawn; more hide each other."""
NEIGHBORS = 10

ByGroup = Mapping[str, Matrix]


def space_study(
    stages: Mapping[str, ByGroup],
    labels: Mapping[str, Sequence[str]],
    *,
    model: str,
    data: str,
    seed: int = 0,
) -> Study:
    """One map for each stage.

    stages: name -> (language or kind of item) -> ``[n, dim]``, row i of all for one meaning.
    labels: what a row says, by group.
    """
    rows: list[dict[str, Cell]] = []
    charts: list[Figure] = []
    for stage, groups in stages.items():
        shown = {name: unit(x)[:SHOWN] for name, x in groups.items()}
        places = tsne(np.concatenate(list(shown.values())), seed=seed)
        names = [name for name, x in shown.items() for _ in x]
        said = [text for name, x in shown.items() for text in _labels(labels.get(name), len(x))]
        charts.append(Points(
            f"{stage}: t-SNE of {len(shown):,} groups with "
            f"{len(next(iter(shown.values()))):,} rows",
            [(float(x), float(y), name, text)
             for (x, y), name, text in zip(places, names, said, strict=True)],
        ))  # fmt: skip
        same, meaning = own_group(shown), same_meaning(shown)
        rows += [{"stage": stage, "group": name, "rows": len(shown[name]),
                  "neighbors of its own group": round(same[name], 4),
                  "nearest of another group has its meaning": round(meaning[name], 4)}
                 for name in shown]  # fmt: skip
    return Study(
        "space",
        "Do languages and items lie apart or together, before the adapter and after?",
        model,
        data,
        rows,
        charts,
        [_finding(rows, stage) for stage in stages],
        ["t-SNE keeps neighbors; sizes of clusters and distances between them mean nothing"],
    )


def _labels(texts: Sequence[str] | None, rows: int) -> Sequence[str]:
    return texts[:rows] if texts else [f"row {i}" for i in range(rows)]


def tsne(rows: Matrix, *, seed: int = 0) -> Matrix:
    """float64 ``[n, 2]``, by cosine."""
    try:
        from openTSNE import TSNE
    except ImportError as error:
        raise UserError(
            "the map needs the package openTSNE", "pip install 'm2m-adapters[analysis]'"
        ) from error
    fitted = TSNE(
        perplexity=min(30, max(2, (len(rows) - 1) // 3)), metric="cosine", initialization="pca",
        random_state=seed, n_jobs=1, negative_gradient_method="bh",
    ).fit(np.asarray(rows, np.float64))  # fmt: skip
    return np.asarray(fitted)


def own_group(groups: ByGroup) -> dict[str, float]:
    """Mean share of a row's ten nearest rows that are of its own group."""
    names = np.repeat(np.arange(len(groups)), [len(x) for x in groups.values()])
    every = np.concatenate([unit(x) for x in groups.values()])
    scores = every @ every.T
    np.fill_diagonal(scores, -np.inf)
    k = min(NEIGHBORS, len(every) - 1)
    nearest = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    shares = (names[nearest] == names[:, None]).mean(axis=1)
    return {name: float(shares[names == i].mean()) for i, name in enumerate(groups)}


def same_meaning(groups: ByGroup) -> dict[str, float]:
    """Share of rows whose nearest row of all other groups has the same number."""
    scores = {}
    for name, x in groups.items():
        others = [unit(y) for other, y in groups.items() if other != name]
        numbers = np.concatenate([np.arange(len(y)) for y in others])
        nearest = (unit(x) @ np.concatenate(others).T).argmax(axis=1)
        scores[name] = float((numbers[nearest] == np.arange(len(x))).mean())
    return scores


def _finding(rows: Sequence[dict[str, Cell]], stage: str) -> str:
    of_stage = [row for row in rows if row["stage"] == stage]
    own, meaning = (
        float(np.mean([float(row[key] or 0) for row in of_stage]))
        for key in ("neighbors of its own group", "nearest of another group has its meaning")
    )
    return (
        f"{stage}: {own:.1%} of the ten nearest rows are of a row's own language or kind (evenly "
        f"mixed: {1 / len(of_stage):.1%}); the nearest row of another one has its meaning in "
        f"{meaning:.1%} of the cases"
    )
