"""The recipe that transfers: least squares pulled towards a rotation, chosen from English alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import m2m_adapters as m2m
from m2m_adapters.alignment.closed_form import Moments, stretched
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.alignment.prior import FLOOR, MOST, STRENGTHS, Pulled, choose, rotation
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

LOSS = parse_loss("48*mse + 1*structure")


def loss(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return LOSS(F.normalize(p, dim=-1), y)


def moments_of(x: torch.Tensor, y: torch.Tensor) -> Moments:
    return Moments.empty(x.shape[1], y.shape[1]).add(x, y)


def world(n: int, d: int, *, shared: bool, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources of a falling spectrum; targets are a rotation of them, or a map without geometry."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, d)) * np.geomspace(1, 0.05, d)
    turn, _ = np.linalg.qr(random.normal(size=(d, d)))
    if not shared:
        turn = turn * np.geomspace(1, 60, d)[:, None]
    y = x @ turn + 0.02 * random.normal(size=(n, d))
    return tuple(F.normalize(torch.tensor(v, dtype=torch.float32), dim=-1) for v in (x, y))  # type: ignore[return-value]


def test_the_solution_is_the_formula() -> None:
    x, y = world(500, 12, shared=True)
    moments = moments_of(x, y)
    mean_x, mean_y, cov, cross = (v.numpy() for v in moments.centered())
    turn = rotation(torch.tensor(cov), torch.tensor(cross)).numpy()
    s = np.trace(cov) / 12
    expected = (cross.T + 0.3 * s * turn) @ np.linalg.inv(cov + 0.3 * s * np.eye(12))
    found = Pulled(moments).map(0.3)
    assert np.allclose(found.weight.numpy(), expected, atol=1e-9)
    assert np.allclose(found.bias.numpy(), mean_y - expected @ mean_x, atol=1e-9)


def test_a_strong_pull_ends_at_the_rotation_and_none_at_least_squares() -> None:
    x, y = world(400, 10, shared=True)
    moments = moments_of(x, y)
    pulled = Pulled(moments)
    _, _, cov, cross = moments.centered()
    assert torch.allclose(pulled.map(1e9).weight, rotation(cov, cross), atol=1e-6)
    assert torch.allclose(pulled.map(0).weight, torch.linalg.solve(cov, cross).T, atol=1e-6)


@pytest.mark.parametrize(("d_in", "d_out"), [(16, 8), (8, 16), (12, 12)])
def test_the_rotation_is_semi_orthogonal_up_to_scale(d_in: int, d_out: int) -> None:
    x, y = world(600, 24, shared=True)
    moments = moments_of(x[:, :d_in], y[:, :d_out])
    _, _, cov, cross = moments.centered()
    values = torch.linalg.svdvals(rotation(cov, cross))
    assert torch.allclose(values, values[0].expand_as(values), rtol=1e-9)


def test_the_rotation_has_its_least_squares_scale() -> None:
    x, y = world(600, 12, shared=True)
    _, _, cov, cross = moments_of(2 * x, 3 * y).centered()
    turned = rotation(cov, cross)
    reached = {scale: float(((scale * turned @ cov) * (scale * turned)).sum()
                            - 2 * (scale * turned * cross.T).sum())
               for scale in (0.99, 1.0, 1.01)}  # fmt: skip
    assert min(reached, key=lambda scale: reached[scale]) == 1.0


def test_strengths_lie_close() -> None:
    assert STRENGTHS[0] == pytest.approx(1e-6) and STRENGTHS[-1] == pytest.approx(10**0.5)
    steps = np.diff(np.log10(STRENGTHS))
    np.testing.assert_allclose(steps, 0.25)


@pytest.mark.parametrize(("floor", "losses", "expected"), [
    (0.0, [(0, 1.0), (0.1, 1.09), (9, 1.2)], 0.1),    # the strongest that costs little
    (0.0, [(0, 1.0), (9, 1.09)], MOST),               # but none above MOST for that
    (0.0, [(0.9, 1.2), (1, 1.0), (9, 1.3)], 1.0),     # the best one, above MOST
    (0.3, [(1e-6, 1.0), (0.01, 1.15), (9, 1.24)], 0.3),  # what other languages need
    (0.3, [(1e-6, 1.0), (0.1, 1.24), (9, 1.26)], 0.1),   # as far as English allows it
])  # fmt: skip
def test_the_rule_that_picks_a_strength(
    floor: float, losses: list[tuple[float, float]], expected: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """losses: up to this strength, this held-out loss."""
    x, y = world(400, 8, shared=True)
    monkeypatch.setattr(Pulled, "floor", lambda self, along: floor / FLOOR)
    monkeypatch.setattr(Pulled, "predicted", lambda self, along, strength: torch.tensor(strength))

    def held_out(strength: torch.Tensor, y: torch.Tensor) -> float:
        return next(value for most, value in losses if float(strength) <= most * 1.0001)

    choice = choose(moments_of(x, y), x, y, held_out)  # type: ignore[arg-type]
    assert choice.strength == pytest.approx(expected)


def test_shared_geometry_is_kept_and_absent_geometry_is_not_forced() -> None:
    for shared in (True, False):
        x, y = world(3000, 32, shared=shared)
        choice = choose(moments_of(x[500:], y[500:]), x[:500], y[:500], loss)
        assert choice.floor is not None and choice.given_up is not None
        assert choice.given_up <= 0.25
        if shared:
            assert choice.strength >= max(choice.floor, MOST)
        else:
            strong = Pulled(moments_of(x[500:], y[500:])).map(MOST)
            weak = choice.map
            held = [float(loss(x[:500].double() @ m.weight.T + m.bias, y[:500].double()))
                    for m in (weak, strong)]  # fmt: skip
            assert choice.strength < MOST and held[0] < held[1]


def test_the_rule_sees_no_more_than_it_is_given() -> None:
    """English held-out pairs and moments: the same ones give the same map, to the bit."""
    x, y = world(1000, 16, shared=True)
    moments = moments_of(x[200:], y[200:])
    first, second = (choose(moments, x[:200], y[:200], loss) for _ in range(2))
    assert first.strength == second.strength
    assert torch.equal(first.map.weight, second.map.weight)
    median = Pulled(moments).floor(Pulled(moments).along(x[:200]))
    assert first.floor == pytest.approx(FLOOR * median)


def test_fewer_sentences_than_directions() -> None:
    x, y = world(60, 128, shared=True)
    choice = choose(moments_of(x[20:], y[20:]), x[:20], y[:20], loss)
    assert torch.isfinite(choice.map.weight).all()


def test_a_stretched_map_suits_the_objective_better_than_the_map_itself() -> None:
    x, y = world(4000, 24, shared=True)
    moments = moments_of(x, y)
    plain = Pulled(moments).map(0.5)
    suited = stretched(plain, moments, 48 / 24, 1.0)

    def reached(one: object) -> float:
        return float(loss(x.double() @ one.weight.T + one.bias, y.double()))  # type: ignore[attr-defined]

    assert reached(suited) <= reached(plain) * 1.0001


def test_the_record_and_the_card_say_what_the_rule_saw() -> None:
    from m2m_adapters.artifact.card import card

    adapter = m2m.align(ToySource(), AffineTarget(), list(toy_sentences(600)), progress=False)
    pull = adapter.record.pull
    assert pull is not None and pull.floor is not None
    assert adapter.record.recipe.prior == "rotation"
    assert f"strength {pull.strength:.3g}" in card(adapter.record)
    fixed = m2m.align(
        ToySource(), AffineTarget(), list(toy_sentences(600)), ridge=0.2, progress=False
    )
    assert fixed.record.pull is not None and fixed.record.pull.strength == 0.2
    assert fixed.record.pull.floor is None


def test_training_options_are_not_ignored_in_silence() -> None:
    from m2m_adapters.alignment.recipes import recipe

    with pytest.warns(UserWarning, match="takes no gradient steps"):
        recipe("auto", epochs=3)
