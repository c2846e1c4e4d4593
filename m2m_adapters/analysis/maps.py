"""What is inside an adapter's map: is it a rotation, what does it stretch, what does it drop?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m2m_adapters.analysis.measures import Matrix
from m2m_adapters.analysis.study import Cell, Chart, Study

SHOWN = 5
SENTENCES = 3


def map_study(
    weight: Matrix,
    source: Matrix,
    target: Matrix,
    texts: Sequence[str],
    *,
    model: str,
    data: str,
    seed: int = 0,
) -> Study:
    """The affine map ``weight`` ``[d_out, d_in]`` beside a rotation and a random matrix.

    source, target: vectors of the same English ``texts`` on both sides; Procrustes is fitted to
    them, and directions are named by the sentences at their ends.
    """
    _, values, right = np.linalg.svd(weight, full_matrices=False)
    generator = np.random.default_rng(seed)
    maps = {
        "the adapter": weight,
        "Procrustes rotation": rotation(source, target),
        "random matrix": generator.standard_normal(weight.shape),
    }
    rows: list[dict[str, Cell]] = [
        {"map": name, "effective rank": effective_rank(matrix),
         "directions with 99 % of the energy": directions(matrix),
         "largest over median": spread(matrix),
         "deviation from a rotation": deviation(matrix),
         "cosine with Procrustes": cosine(matrix, maps["Procrustes rotation"])}
        for name, matrix in maps.items()
    ]  # fmt: skip
    held = np.asarray(source - source.mean(0)) @ right.T
    dropped = 1 - float(np.square(held).sum() / np.square(source - source.mean(0)).sum())
    findings = [
        f"{dropped:.1%} of the source's variance on these texts lies outside what the map reads",
        *(_named(f"stretched most, {values[i]:.2f} times, direction {i + 1}", held[:, i], texts)
          for i in range(min(SHOWN, len(values)))),
        *(_named(f"kept least, {values[-1 - i]:.3f} times", held[:, -1 - i], texts)
          for i in range(min(SHOWN, len(values)))),
    ]  # fmt: skip
    curves = []
    for name, matrix in maps.items():
        singular = np.linalg.svd(matrix, compute_uv=False)
        at = np.unique(np.linspace(0, len(singular) - 1, min(60, len(singular))).astype(int))
        curves.append((name, [(float(i), float(singular[i] / singular[0])) for i in at]))
    return Study(
        "map",
        "What does the map stretch, what does it drop, and how far is it from a rotation?",
        model,
        data,
        rows,
        [Chart("Singular values, as a share of the largest", "direction", curves)],
        findings,
    )


def rotation(source: Matrix, target: Matrix) -> Matrix:
    """The orthogonal map ``[d_out, d_in]`` nearest in square (semi-orthogonal between widths)."""
    product = (target - target.mean(0)).T @ (source - source.mean(0))
    left, _, right = np.linalg.svd(product, full_matrices=False)
    return np.asarray(left @ right)


def effective_rank(matrix: Matrix) -> float:
    """exp of the entropy of the singular values' shares (Roy and Vetterli 2007)."""
    values = np.linalg.svd(matrix, compute_uv=False)
    shares = values[values > 0] / values.sum()
    return round(float(np.exp(-(shares * np.log(shares)).sum())), 1)


def directions(matrix: Matrix, energy: float = 0.99) -> int:
    """The fewest directions that hold ``energy`` of the squared singular values."""
    held = np.cumsum(np.square(np.linalg.svd(matrix, compute_uv=False)))
    return int(np.searchsorted(held, energy * held[-1]) + 1)


def spread(matrix: Matrix) -> float:
    """Largest singular value over the median one."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return round(float(values[0] / np.median(values)), 2)


def deviation(matrix: Matrix) -> float:
    """0 for a scaled rotation: what is left of the map beyond the nearest one, as a share."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return round(float(np.linalg.norm(values - values.mean()) / np.linalg.norm(values)), 4)


def cosine(a: Matrix, b: Matrix) -> float:
    """Of the two maps as vectors."""
    return round(float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b))), 4)


def _named(what: str, places: Matrix, texts: Sequence[str]) -> str:
    order = np.argsort(places)
    low, high = (
        "; ".join(dict.fromkeys(texts[i] for i in ends))
        for ends in (order[:SENTENCES], order[::-1][:SENTENCES])
    )
    return f"{what}: from “{low}” to “{high}”"
