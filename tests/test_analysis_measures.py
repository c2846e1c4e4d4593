"""Similarity measures against independent implementations, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from m2m_adapters.analysis.measures import (
    MEASURES,
    correlations,
    leading,
    linear_cka,
    measure,
    neighbors_in_common,
    procrustes,
    pwcca,
    rbf_cka,
    retrieval,
    rsa,
    span,
    svcca,
)
from m2m_adapters.analysis.uncertainty import estimate, sample_warning
from m2m_adapters.errors import UserError


# Odd numbers of rows: torch's median of an even count is not the usual one.
def _pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    draw = np.random.default_rng(0).standard_normal
    x = draw((201, 12))
    mixed = x @ draw((12, 9)) + 0.5 * draw((201, 9))
    low = draw((201, 3)) @ draw((3, 12))
    rotation = np.linalg.qr(draw((12, 12)))[0]
    return {
        "random": (x, draw((201, 9))),
        "related": (x, mixed),
        "low rank": (low, mixed),
        "rotated": (x, x @ rotation),
        "duplicated columns": (np.hstack([x, x]), mixed),
        "fewer rows than columns": (draw((11, 30)), draw((11, 25))),
    }


PAIRS = _pairs()


@pytest.mark.parametrize("name", PAIRS)
def test_canonical_correlations_agree_with_cca_zoo(name: str) -> None:
    cca = pytest.importorskip("cca_zoo.linear").CCA
    x, y = PAIRS[name]
    ours = correlations(leading(x), leading(y))
    # The library wants views of full rank, so both get the same principal components by sklearn.
    from sklearn.decomposition import PCA

    views = [PCA(n_components=0.99, svd_solver="full").fit_transform(view) for view in (x, y)]
    assert [view.shape[1] for view in views] == [leading(x).shape[1], leading(y).shape[1]]
    count = min(view.shape[1] for view in views)
    if count >= len(x) - 1:  # as many directions as rows: every correlation is 1
        assert svcca(x, y) == pytest.approx(1)
        return
    theirs = cca(n_components=count).fit(views).transform(views)
    reference = [abs(np.corrcoef(theirs[0][:, i], theirs[1][:, i])[0, 1]) for i in range(count)]
    np.testing.assert_allclose(ours, sorted(reference, reverse=True), atol=1e-6)
    assert svcca(x, y) == pytest.approx(np.mean(reference), abs=1e-6)


@pytest.mark.parametrize("name", ["random", "related", "rotated"])
def test_pwcca_agrees_with_the_formula_of_its_paper(name: str) -> None:
    """By inverse square roots of covariances, a path that shares nothing with ours."""
    from scipy.linalg import fractional_matrix_power

    x, y = (view - view.mean(0) for view in PAIRS[name])
    inverse_x, inverse_y = (fractional_matrix_power(v.T @ v, -0.5) for v in (x, y))
    u, rho, _ = np.linalg.svd(inverse_x @ x.T @ y @ inverse_y, full_matrices=False)
    variates = x @ inverse_x @ u
    weights = np.abs(variates.T @ x).sum(1)
    assert pwcca(x, y) == pytest.approx((weights * rho).sum() / weights.sum(), abs=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_cka_agrees_with_ckatorch(name: str) -> None:
    core = pytest.importorskip("ckatorch.core")
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(view) for view in PAIRS[name])
    assert linear_cka(*PAIRS[name]) == pytest.approx(float(core.cka_base(x, y)), abs=1e-6)
    reference = core.cka_base(x, y, kernel="rbf", threshold=0.5)
    assert rbf_cka(*PAIRS[name]) == pytest.approx(float(reference), abs=1e-6)


def test_procrustes_agrees_with_scipy() -> None:
    from scipy.spatial import procrustes as reference

    x = PAIRS["related"][0]
    y = x @ np.random.default_rng(3).standard_normal((12, 12))
    assert procrustes(x, y) == pytest.approx(reference(x, y)[2], abs=1e-9)


def test_retrieval_and_neighbors_agree_with_counting() -> None:
    draw = np.random.default_rng(5).standard_normal
    x = draw((60, 8))
    y = x + 0.8 * draw((60, 8))
    unit = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in (x, y)]
    scores = unit[0] @ unit[1].T
    assert retrieval(x, y) == pytest.approx(np.mean(scores.argmax(1) == np.arange(60)))
    shared = 0
    near = []
    for view in unit:
        inner = view @ view.T - 2 * np.eye(60)
        near.append([set(np.argsort(-row)[:5]) for row in inner])
    for a, b in zip(*near, strict=True):
        shared += len(a & b)
    assert neighbors_in_common(5)(x, y) == pytest.approx(shared / 300)


def test_retrieval_shares_ties() -> None:
    same = np.ones((4, 3))
    assert retrieval(same, same) == pytest.approx(0.25)
    assert np.isnan(retrieval(same, np.ones((4, 2))))


@pytest.mark.parametrize("name", ["svcca", "pwcca", "cka", "rbf-cka", "rsa", "neighbors"])
def test_equal_vectors_are_fully_similar(name: str) -> None:
    x = PAIRS["related"][0]
    assert measure(name)(x, x) == pytest.approx(1)


@pytest.mark.parametrize("name", ["svcca", "pwcca", "cka", "rbf-cka"])
def test_rotation_and_scale_change_nothing(name: str) -> None:
    x, y = PAIRS["related"]
    rotation = np.linalg.qr(np.random.default_rng(8).standard_normal((9, 9)))[0]
    assert measure(name)(x, 3 * y @ rotation + 5) == pytest.approx(measure(name)(x, y), abs=1e-6)


def test_any_invertible_map_leaves_cca_as_it_is_but_not_cka() -> None:
    x, y = PAIRS["related"]
    mixing = np.random.default_rng(9).standard_normal((9, 9))
    ours = correlations(span(x), span(y))
    np.testing.assert_allclose(ours, correlations(span(x), span(y @ mixing)), atol=1e-9)
    assert abs(linear_cka(x, y) - linear_cka(x, y @ mixing)) > 0.01


def test_rsa_reads_the_order_of_distances() -> None:
    x, y = PAIRS["related"]
    assert rsa(x, 2 * y) == pytest.approx(rsa(x, y))
    assert abs(rsa(*PAIRS["random"])) < 0.1


def test_equal_rows_and_unknown_measures_are_refused() -> None:
    with pytest.raises(UserError, match="all vectors are equal"):
        svcca(np.ones((20, 3)), PAIRS["related"][0][:20])
    with pytest.raises(UserError, match="unknown measure 'dcca'"):
        measure("dcca")
    assert set(MEASURES) > {"svcca", "pwcca", "cka", "rsa"}


def test_chance_is_high_where_rows_are_few_and_the_warning_says_so() -> None:
    draw = np.random.default_rng(1).standard_normal
    x, y = draw((40, 20)), draw((40, 20))
    few = estimate(svcca, x, y)
    assert few.chance == pytest.approx(few.value, abs=0.1) and few.value > 0.5
    assert "raised by chance" in (sample_warning(x, y) or "")
    big = draw((2000, 20))
    assert sample_warning(big, big) is None
    assert estimate(svcca, big, draw((2000, 20))).value < 0.1


def test_the_interval_covers_the_value_of_a_large_sample() -> None:
    """Twenty samples of one population: the intervals hold its value about 19 times."""
    draw = np.random.default_rng(2).standard_normal
    mixing = draw((6, 6))
    population = draw((40_000, 6))
    noisy = population @ mixing + 2 * draw((40_000, 6))
    truth = linear_cka(population, noisy)
    inside = 0
    for turn in range(20):
        rows = np.random.default_rng(turn).choice(40_000, 800, replace=False)
        found = estimate(linear_cka, population[rows], noisy[rows], shuffles=0, seed=turn)
        inside += found.low <= truth <= found.high
    assert inside >= 16
    assert found.chance is None and found.rows == 800
