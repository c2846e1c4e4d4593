"""The projector: folding, setting, heads, and the deviation from orthogonality."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m2m_adapters.errors import UserError
from m2m_adapters.projectors.affine import HEADS, AffineProjector, AffineShape
from m2m_adapters.projectors.registry import build


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize(("d_in", "d_out"), [(6, 6), (8, 5), (5, 8)])
def test_fold_is_exact(d_in: int, d_out: int, layers: int, residual: bool) -> None:
    torch.manual_seed(0)
    projector = AffineProjector(
        AffineShape(d_in, d_out, layers, residual=residual, head="none")
    ).double()
    weight, bias = projector.fold()
    x = torch.randn(7, d_in, dtype=torch.float64)
    torch.testing.assert_close(projector(x), x @ weight.T + bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize(("d_in", "d_out", "hidden"), [(6, 6, None), (8, 5, None), (5, 8, None),
                                                       (5, 8, 6), (8, 5, 12)])  # fmt: skip
def test_set_affine_is_exact(
    d_in: int, d_out: int, hidden: int | None, layers: int, residual: bool
) -> None:
    shape = AffineShape(d_in, d_out, layers, hidden=hidden, residual=residual, head="none")
    projector = AffineProjector(shape).double()
    weight = torch.randn(d_out, d_in, dtype=torch.float64)
    bias = torch.randn(d_out, dtype=torch.float64)
    projector.set_affine(weight, bias)
    folded_weight, folded_bias = projector.fold()
    torch.testing.assert_close(folded_weight, weight)
    torch.testing.assert_close(folded_bias, bias)


def test_heads() -> None:
    x = torch.randn(4, 6)
    assert torch.allclose(AffineProjector(AffineShape(6, 5))(x).norm(dim=1), torch.ones(4))
    layernorm = AffineProjector(AffineShape(6, 5, head="layernorm"))(x)
    torch.testing.assert_close(layernorm.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    raw = AffineProjector(AffineShape(6, 5, head="none"))
    torch.testing.assert_close(raw(x), raw.affine(x))


def test_orthogonality_deviation() -> None:
    projector = AffineProjector(AffineShape(8, 8, head="none"))
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    projector.set_affine(3 * rotation, torch.zeros(8))
    assert projector.orthogonality_deviation() < 1e-3
    projector.set_affine(torch.diag(torch.tensor([1.0] + [0.0] * 7)), torch.zeros(8))
    assert projector.orthogonality_deviation() == pytest.approx((7 / 8) ** 0.5, abs=1e-3)


@pytest.mark.parametrize("arguments", [
    {"d_in": 0, "d_out": 3}, {"d_in": 3, "d_out": -1}, {"d_in": 3, "d_out": 3, "layers": 0},
    {"d_in": 3, "d_out": 3, "layers": 65}, {"d_in": 3, "d_out": 3, "head": "softmax"},
    {"d_in": 3, "d_out": 3, "activation": "sine"}, {"d_in": 3, "d_out": 3, "hidden": 0},
    {"d_in": 3.5, "d_out": 3}, {"d_in": True, "d_out": 3},
])  # fmt: skip
def test_absurd_shapes_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UserError):
        AffineProjector(AffineShape(**arguments))  # type: ignore[arg-type]


def test_what_cannot_be() -> None:
    with pytest.raises(UserError, match="cannot be folded"):
        AffineProjector(AffineShape(3, 3, 2, activation="relu")).fold()
    with pytest.raises(UserError, match="narrower"):
        AffineProjector(AffineShape(8, 6, 2, hidden=3)).set_affine(
            torch.zeros(6, 8), torch.zeros(6)
        )
    with pytest.raises(UserError, match="unknown projector"):
        build("pickle", {})
    with pytest.raises(UserError, match="arguments are wrong"):
        build("affine-stack", {"d_in": 3, "d_out": 3, "surprise": 1})


def test_the_activation_stands_between_layers_and_not_behind_the_last() -> None:
    import torch

    from m2m_adapters.projectors.affine import AffineProjector, AffineShape

    torch.manual_seed(0)
    made = AffineProjector(AffineShape(5, 4, layers=3, hidden=6, activation="relu", head="none"))
    x = torch.randn(7, 5)
    one, two, three = made.layers
    torch.testing.assert_close(made(x), three(two(one(x).relu()).relu()))


@pytest.mark.parametrize("activation", ["none", "relu", "gelu", "tanh"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_its_steps_one_after_another_are_the_projector(
    layers: int, residual: bool, activation: str
) -> None:
    """Exports write these steps; the last has no activation."""
    torch.manual_seed(layers)
    projector = AffineProjector(
        AffineShape(6, 6, layers, activation=activation, residual=residual, head="none")
    )
    x = torch.randn(5, 6)
    z, acts = x, {"none": lambda z: z, "relu": torch.relu, "tanh": torch.tanh,
                  "gelu": torch.nn.functional.gelu}  # fmt: skip
    steps = projector.affine_steps()
    for step in steps:
        z = acts[step.activation](z @ step.weight.T + step.bias)
    torch.testing.assert_close(z, projector(x), rtol=1e-4, atol=1e-5)
    assert steps[-1].activation == "none"
    assert len(steps) == (1 if activation == "none" else layers)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("layers", [1, 3])
def test_a_shape_says_what_tensors_its_projector_has(head: str, layers: int) -> None:
    shape = AffineShape(6, 5, layers, head=head)
    state = AffineProjector(shape).state_dict()
    assert shape.tensors() == {name: tuple(value.shape) for name, value in state.items()}


def test_the_widest_hidden_layer_is_named() -> None:
    assert AffineShape(6, 5, 2, hidden=(1 << 20) - 1).hidden == 1_048_575
    with pytest.raises(UserError, match="1 to 1,048,575, not 1048576"):
        AffineShape(6, 5, 2, hidden=1 << 20)


@pytest.mark.parametrize("rows", [np.ones((2, 5)), np.ones(6), np.ones((1, 1, 6))])
def test_rows_of_another_shape_are_refused(rows: np.ndarray) -> None:
    projector = AffineProjector(AffineShape(6, 5, 1))
    assert projector.checked(np.ones((2, 6))).shape == (2, 6)
    with pytest.raises(UserError, match=r"the adapter takes \[n, 6\]"):
        projector.checked(rows)
