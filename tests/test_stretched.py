"""When the closed form is stretched towards the structure of the targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from m2m_adapters.alignment import solve as module
from m2m_adapters.alignment.closed_form import AffineMap, ridge_path
from m2m_adapters.alignment.pairs import Pairs, in_memory
from m2m_adapters.alignment.recipes import recipe
from m2m_adapters.alignment.solve import Solved, moments_of, solve
from m2m_adapters.interfaces import normalize

LOSS = "48*mse + 1*structure"
DIM = 10


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 16))
    y = x @ rng.normal(size=(16, DIM)) + 0.3 * rng.normal(size=(1500, DIM))
    rows = [normalize(one.astype(np.float32)) for one in (x, y)]
    return in_memory(rows[0][:1300], rows[1][:1300], rows[0][1300:], rows[1][1300:])


def solved(pairs: Pairs, loss: str, normalized: bool = True, **changes: Any) -> Solved:
    chosen = recipe("closed-form", loss=loss, **{"ridge": 0.1, **changes})
    return solve(pairs, moments_of(pairs), chosen, normalized)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The weights (nearness, structure) of every stretch; each leaves the map as it is."""
    weights: list[tuple[float, float]] = []

    def unchanged(chosen: AffineMap, moments: object, near: float, structure: float) -> AffineMap:
        weights.append((near, structure))
        return chosen

    monkeypatch.setattr(module, "stretched", unchanged)
    return weights


@pytest.mark.parametrize(
    ("loss", "near"),
    [
        (LOSS, 48 / DIM),
        ("10*cosine + 1*structure", 5),
        ("48*mse + 10*cosine + 1*structure", 48 / DIM + 5),
    ],
)
def test_what_counts_as_nearness(
    pairs: Pairs, asked: list[tuple[float, float]], loss: str, near: float
) -> None:
    solved(pairs, loss)
    assert asked == [(pytest.approx(near), 1)]


@pytest.mark.parametrize(
    ("loss", "normalized", "changes"),
    [
        ("1*structure", True, {}),
        ("48*mse", True, {}),
        (LOSS, False, {}),  # lengths count
        (LOSS, True, {"procrustes": True, "ridge": None}),  # a rotation stays one
    ],
)
def test_no_stretch(
    pairs: Pairs,
    asked: list[tuple[float, float]],
    loss: str,
    normalized: bool,
    changes: dict[str, Any],
) -> None:
    solved(pairs, loss, normalized, **changes)
    assert asked == []


@pytest.mark.parametrize(("own", "other", "taken"), [(100, 0.01, 0.01), (0.01, 100, 0.01)])
def test_the_better_map_is_taken(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch, own: float, other: float, taken: float
) -> None:
    maps = {ridge: next(iter(ridge_path(moments_of(pairs), [ridge]))) for ridge in (own, other)}
    monkeypatch.setattr(module, "stretched", lambda *_: maps[other])
    weight = solved(pairs, LOSS, ridge=own).map.weight
    np.testing.assert_allclose(weight, maps[taken].weight, atol=1e-6)
