"""Each loss against a plain double loop that follows its definition word by word."""

from __future__ import annotations

import math

import pytest
import torch

from m2m_adapters.alignment import losses
from m2m_adapters.alignment.losses import parse_loss
from m2m_adapters.errors import UserError

Rows = list[list[float]]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cos(a: list[float], b: list[float]) -> float:
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def slow_mse(p: Rows, y: Rows) -> float:
    return sum((u - v) ** 2 for a, b in zip(p, y) for u, v in zip(a, b)) / (len(p) * len(p[0]))


def slow_l1(p: Rows, y: Rows) -> float:
    return sum(abs(u - v) for a, b in zip(p, y) for u, v in zip(a, b)) / (len(p) * len(p[0]))


def slow_cosine(p: Rows, y: Rows) -> float:
    return sum(1 - cos(a, b) for a, b in zip(p, y)) / len(p)


def slow_structure(p: Rows, y: Rows) -> float:
    n, total = len(p), 0.0
    for i in range(n):
        for j in range(i + 1, n):
            total += (dot(p[i], p[j]) - dot(y[i], y[j])) ** 2
    return total / (n * (n - 1) / 2)


def slow_contrastive(p: Rows, y: Rows) -> float:
    def one_way(a: Rows, b: Rows) -> float:
        total = 0.0
        for i in range(len(a)):
            scores = [cos(a[i], b[j]) / 0.07 for j in range(len(b))]
            total += math.log(sum(math.exp(s - scores[i]) for s in scores))
        return total / len(a)

    return (one_way(p, y) + one_way(y, p)) / 2


@pytest.mark.parametrize("size", [2, 3, 17])
@pytest.mark.parametrize("name", ["mse", "l1", "cosine", "structure", "contrastive"])
def test_against_a_double_loop(name: str, size: int) -> None:
    torch.manual_seed(size)
    p, y = torch.randn(size, 5, dtype=torch.float64), torch.randn(size, 5, dtype=torch.float64)
    slow = globals()[f"slow_{name}"](p.tolist(), y.tolist())
    assert float(losses.LOSSES[name](p, y)) == pytest.approx(slow, rel=1e-10)


def plain_structure(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One B x B matrix, differentiated by autograd."""
    away = torch.triu(p @ p.T - y @ y.T, diagonal=1)
    return away.square().sum() / (len(p) * (len(p) - 1) / 2)


@pytest.mark.parametrize("rows", [1, 4, 16, 32, 33, 1000])
def test_structure_in_blocks_has_the_same_value_and_gradient(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    p, y = torch.randn(33, 4, dtype=torch.float64), torch.randn(33, 4, dtype=torch.float64)
    p.requires_grad_(), y.requires_grad_()
    wanted = plain_structure(p, y)
    slopes = torch.autograd.grad(3 * wanted, (p, y))
    monkeypatch.setattr(losses, "BLOCK", 33 * rows)
    found = losses.structure(p, y)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    for mine, slope in zip(torch.autograd.grad(3 * found, (p, y)), slopes):
        torch.testing.assert_close(mine, slope, rtol=1e-12, atol=1e-14)


def test_structure_keeps_no_matrix_for_its_gradient() -> None:
    kept: list[int] = []
    p, y = torch.randn(600, 4, requires_grad=True), torch.randn(600, 4)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda v: kept.append(v.numel()) or v, lambda v: v
    ):
        losses.structure(p, y)
    assert kept and max(kept) <= p.numel()


@pytest.mark.parametrize("name", losses.LOSSES)
def test_zero_when_equal_and_with_a_gradient(name: str) -> None:
    y = torch.nn.functional.normalize(torch.randn(8, 5), dim=-1)
    if name != "contrastive":
        assert float(losses.LOSSES[name](y, y)) == pytest.approx(0, abs=1e-6)
    p = torch.randn(8, 5, requires_grad=True)
    losses.LOSSES[name](p, y).backward()
    assert p.grad is not None and bool(p.grad.isfinite().all())


def test_expressions() -> None:
    p, y = torch.randn(6, 5), torch.randn(6, 5)
    loss = parse_loss("48*mse + 1*structure")
    assert float(loss(p, y)) == pytest.approx(
        48 * float(losses.mse(p, y)) + float(losses.structure(p, y)), rel=1e-5
    )
    assert str(loss) == "48*mse + 1*structure"
    assert parse_loss("mse").terms == ((1.0, "mse"),)
    assert parse_loss("1e-3*l1+.5 * cosine").terms == ((1e-3, "l1"), (0.5, "cosine"))


@pytest.mark.parametrize("text", ["", "mse +", "48mse", "-1*mse", "0*mse", "mse*3", "nan*mse",
                                  "1..2*mse", "mse structure", "2**mse"])  # fmt: skip
def test_unreadable_expressions(text: str) -> None:
    with pytest.raises(UserError, match="cannot read the loss"):
        parse_loss(text)


def test_unknown_loss_names_a_close_one() -> None:
    with pytest.raises(UserError, match="did you mean 'structure'"):
        parse_loss("structur")


def test_a_scaled_loss_sees_both_sides_by_the_weights_of_the_target() -> None:
    p, y = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.tensor([[0.0, 1.0], [3.0, 0.25]])
    scaled = losses.Scaled(lambda a, b: torch.stack([a, b]), lambda one: one.abs() + 2)
    weights = torch.tensor([[2.0, 3.0], [5.0, 2.25]])
    assert torch.equal(scaled(p, y), torch.stack([p * weights, y * weights]))
