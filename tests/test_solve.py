"""The closed form against numpy's least squares, and its streaming."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from m2m_adapters.alignment import closed_form
from m2m_adapters.alignment.closed_form import (
    RIDGES,
    Moments,
    checked_moments,
    procrustes,
    ridge_path,
    stretched,
)
from m2m_adapters.errors import UserError


def pairs(n: int = 400, d_in: int = 7, d_out: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(n, d_in) @ torch.randn(d_in, d_in) + 3
    return x, x @ torch.randn(d_in, d_out) + torch.randn(d_out) + 0.1 * torch.randn(n, d_out)


def test_ridge_zero_is_least_squares() -> None:
    x, y = pairs()
    found = next(ridge_path(Moments.empty(7, 5).add(x, y), [0.0]))
    design = np.hstack([x.numpy(), np.ones((len(x), 1))]).astype(np.float64)
    wanted = np.linalg.lstsq(design, y.double().numpy(), rcond=None)[0]
    np.testing.assert_allclose(found.weight.T, wanted[:-1], atol=1e-8)
    np.testing.assert_allclose(found.bias, wanted[-1], atol=1e-7)


def test_ridge_path_is_the_normal_equations() -> None:
    x, y = pairs()
    centered, wanted = (x - x.mean(0)).double(), (y - y.mean(0)).double()
    gram = centered.T @ centered / len(x)
    for found in ridge_path(Moments.empty(7, 5).add(x, y), [1e-3, 0.1, 10.0]):
        assert found.ridge is not None
        strength = found.ridge * gram.trace() / 7
        direct = torch.linalg.solve(gram + strength * torch.eye(7), centered.T @ wanted / len(x))
        torch.testing.assert_close(found.weight.T, direct, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("near", "structure"), [(0.2, 1.0), (0.4, 2.5)])
def test_stretched_is_the_least_of_the_expected_objective(near: float, structure: float) -> None:
    """Descent on the objective's expectation, all of W and b free, finds nothing lower."""
    torch.manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(4000, 6).double() + 0.5, dim=1)
    noisy = x @ torch.randn(6, 5).double() + 0.3 * torch.randn(4000, 5).double()
    y = torch.nn.functional.normalize(noisy, dim=1)
    moments = Moments.empty(6, 5).add(x, y)
    plain = next(ridge_path(moments, [0.0]))
    design = torch.cat([x, torch.ones(len(x), 1)], 1)

    def expected(p: torch.Tensor) -> torch.Tensor:
        p = p / p.square().sum(1).mean().sqrt()
        pp, py, yy = (a.T @ b / len(x) for a, b in ((p, p), (p, y), (y, y)))
        apart = pp.square().sum() + yy.square().sum() - 2 * py.square().sum()
        return near * (p - y).square().sum(1).mean() + structure * apart

    def of(map_) -> float:
        return float(expected(x @ map_.weight.T + map_.bias))

    free = torch.cat([plain.weight, plain.bias[:, None]], 1).requires_grad_()
    search = torch.optim.LBFGS([free], max_iter=500, tolerance_grad=1e-12, tolerance_change=0,
                               line_search_fn="strong_wolfe")  # fmt: skip

    def step() -> torch.Tensor:
        search.zero_grad()
        value = expected(design @ free.T)
        value.backward()
        return value

    search.step(step)
    lowest = expected(design @ free.T).item()
    found = stretched(plain, moments, near, structure)
    assert lowest < of(plain) - 5e-4
    assert of(found) == pytest.approx(lowest, abs=1e-9)
    produced = x @ found.weight.T + found.bias
    assert float(produced.square().sum(1).mean()) == pytest.approx(1)


def test_nothing_is_stretched_where_nothing_is_missing() -> None:
    x = torch.nn.functional.normalize(torch.randn(400, 6).double(), dim=1)
    moments = Moments.empty(6, 6).add(x, x.flip(1))
    plain = next(ridge_path(moments, [0.0]))
    found = stretched(plain, moments, 0.1, 1.0)
    torch.testing.assert_close(found.weight, plain.weight, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 13, 1000])
def test_moments_are_additive(chunk: int) -> None:
    x, y = pairs()
    whole = Moments.empty(7, 5).add(x, y)
    streamed = Moments.empty(7, 5)
    for start in range(0, len(x), chunk):
        streamed.add(x[start : start + chunk], y[start : start + chunk])
    assert whole.n == streamed.n
    torch.testing.assert_close(whole.xx, streamed.xx)
    torch.testing.assert_close(whole.xy, streamed.xy)


@pytest.mark.parametrize(("d_in", "d_out"), [(6, 6), (8, 5)])
def test_procrustes_finds_a_scaled_rotation(d_in: int, d_out: int) -> None:
    torch.manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(d_in, d_in, dtype=torch.float64))[0][:d_out]
    x = torch.randn(500, d_in, dtype=torch.float64)
    y = 2.5 * x @ rotation.T + 1
    found = procrustes(Moments.empty(d_in, d_out).add(x, y))
    singular = torch.linalg.svdvals(found.weight)
    torch.testing.assert_close(singular, singular.mean().expand_as(singular))
    if d_in == d_out:
        torch.testing.assert_close(found.weight, 2.5 * rotation, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(found.bias, torch.ones(d_out, dtype=torch.float64))


def test_degenerate_input() -> None:
    with pytest.raises(UserError, match="too few"):
        next(ridge_path(Moments.empty(3, 3).add(torch.ones(1, 3), torch.ones(1, 3))))
    same = Moments.empty(3, 3).add(torch.ones(50, 3), torch.randn(50, 3))
    with pytest.raises(UserError, match="same vector"):
        next(ridge_path(same))
    with pytest.raises(UserError, match="same vector"):
        procrustes(same)


@pytest.mark.parametrize(("worse", "position"), [(1.0099, 2), (1.0101, 1), (1.4, 1)])
def test_of_ridges_as_good_the_strongest_is_taken_and_no_other(worse: float, position: int) -> None:
    """A loss within one percent of the least is as good; beyond that it is worse."""
    from m2m_adapters.alignment.recipes import recipe
    from m2m_adapters.alignment.solve import _shrunk

    x = torch.randn(200, 6)
    moments = Moments.empty(6, 4)
    moments.add(x, torch.randn(200, 4))
    losses = iter([2.0, 1.0, worse, *[3.0] * len(RIDGES)])
    chosen, loss = _shrunk(moments, recipe("closed-form"), lambda candidate: next(losses))
    assert loss == [2.0, 1.0, worse][position]
    expected = list(ridge_path(moments, RIDGES))[position]
    torch.testing.assert_close(chosen.weight, expected.weight)


def test_ridges_are_tried_from_the_weakest_to_the_strongest() -> None:
    assert list(RIDGES) == sorted(RIDGES) and (RIDGES[0], RIDGES[-1]) == (1e-9, 1)
    assert all(after <= 100 * before for before, after in pairwise(RIDGES))


@pytest.mark.parametrize(("apart", "fits"), [(1e-4, True), (1e-7, False)])
def test_what_counts_as_the_same_vector_does_not_depend_on_their_number(
    apart: float, fits: bool
) -> None:
    x = 1 + apart * torch.randn(3000, 3, dtype=torch.float64)
    moments = Moments.empty(3, 3).add(x, torch.randn(3000, 3, dtype=torch.float64))
    if fits:
        assert len(checked_moments(moments)) == 4
    else:
        with pytest.raises(UserError, match="same vector"):
            checked_moments(moments)


def test_products_in_blocks_of_columns_are_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = pairs()
    monkeypatch.setattr(closed_form, "BLOCK", 3)  # 3, 3 and 1 of 7 columns
    moments = Moments.empty(7, 5).add(x, y)
    x, y = x.double(), y.double()
    torch.testing.assert_close(moments.xx, x.T @ x)
    torch.testing.assert_close(moments.xy, x.T @ y)


def test_a_direction_that_no_target_has_is_left_alone() -> None:
    x = torch.nn.functional.normalize(torch.randn(500, 6).double(), dim=1)
    y = torch.nn.functional.normalize(x + 0.3 * torch.randn(500, 6).double(), dim=1)
    y[:, 2] = 0
    moments = Moments.empty(6, 6).add(x, y)
    plain = next(ridge_path(moments, [0.0]))
    plain.weight[2], plain.bias[2] = 0, 0
    found = stretched(plain, moments, 0.2, 1.0)
    assert bool(found.weight.isfinite().all())
    assert torch.allclose(found.weight[2], torch.zeros(6, dtype=torch.float64), atol=1e-9)
    assert not torch.allclose(found.weight, plain.weight, atol=1e-3)
