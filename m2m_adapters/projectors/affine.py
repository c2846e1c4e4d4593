"""The learned map: a stack of affine layers and a head."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from m2m_adapters.errors import UserError

HEADS = ("l2", "layernorm", "none")
ACTIVATIONS = {"none": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Shape:
    """Everything needed to build a projector again.

    d_in -> (hidden ->) * (layers - 1) d_out, an activation between layers, then the head.
    residual: z + Wz + b instead of Wz + b, in layers that keep their width.
    hidden: width between layers; None means d_out, as published.
    """

    d_in: int
    d_out: int
    layers: int = 1
    hidden: int | None = None
    residual: bool = False
    activation: str = "none"
    head: str = "l2"

    def __post_init__(self) -> None:
        for name in ("d_in", "d_out", "layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 20:
                raise UserError(
                    f"projector {name} must be a positive whole number, not {value!r}",
                    "e.g. layers=1",
                )
        if self.hidden is not None and not (type(self.hidden) is int and 0 < self.hidden < 1 << 20):
            raise UserError(
                f"hidden width of a projector: 1 to {(1 << 20) - 1:,}, not {self.hidden!r}",
                "e.g. hidden=768",
            )
        if not isinstance(self.residual, bool):
            raise UserError(f"projector residual must be true or false, not {self.residual!r}")
        if self.layers > 64:
            raise UserError(f"a projector of {self.layers} layers is absurd", "use 1, 2 or 4")
        if self.head not in HEADS:
            raise UserError(f"unknown head '{self.head}'", f"one of {', '.join(HEADS)}")
        if self.activation not in ACTIVATIONS:
            raise UserError(
                f"unknown activation '{self.activation}'", f"one of {', '.join(ACTIVATIONS)}"
            )

    def widths(self) -> list[tuple[int, int]]:
        """(in, out) of every layer."""
        inner = self.hidden or self.d_out
        sizes = [self.d_in, *[inner] * (self.layers - 1), self.d_out]
        return list(pairwise(sizes))

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the projector's tensors, without making any."""
        found: dict[str, tuple[int, ...]] = {}
        for number, (wide, narrow) in enumerate(self.widths()):
            found[f"layers.{number}.weight"] = (narrow, wide)
            found[f"layers.{number}.bias"] = (narrow,)
        if self.head == "layernorm":
            found |= {"norm.weight": (self.d_out,), "norm.bias": (self.d_out,)}
        return found

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Projector(nn.Module):
    """float ``[B, d_in]`` -> float ``[B, d_out]``: source vectors into the target's space."""

    registry_name = "affine-stack"

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in shape.widths())
        self.activation = ACTIVATIONS[shape.activation]()
        self.norm = nn.LayerNorm(shape.d_out) if shape.head == "layernorm" else None

    def _linear(self) -> list[nn.Linear]:
        return cast("list[nn.Linear]", list(self.layers))

    def affine(self, z: Tensor) -> Tensor:
        """The map without its head."""
        last = len(self.layers) - 1
        for number, layer in enumerate(self._linear()):
            moved = layer(z)
            z = z + moved if self.shape.residual and moved.shape == z.shape else moved
            if number < last:
                z = self.activation(z)
        return z

    def forward(self, x: Tensor) -> Tensor:
        z = self.affine(x)
        if self.norm is not None:
            return self.norm(z)  # type: ignore[no-any-return]
        if self.shape.head == "l2":
            return nn.functional.normalize(z, dim=-1)
        return z

    @property
    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def fold(self) -> tuple[Tensor, Tensor]:
        """The one affine map the stack is: float64 W ``[d_out, d_in]`` and b ``[d_out]``.

        Only a stack without activation is an affine map; the head is not part of it.
        """
        if self.shape.activation != "none" and self.shape.layers > 1:
            raise UserError(
                f"a stack with '{self.shape.activation}' between its layers cannot be "
                "folded into one affine map",
                "align with activation none",
            )
        weight = torch.eye(self.shape.d_in, dtype=torch.float64)
        bias = torch.zeros(self.shape.d_in, dtype=torch.float64)
        for layer in self._linear():
            w, b = layer.weight.detach().cpu().double(), layer.bias.detach().cpu().double()
            if self.shape.residual and w.shape[0] == w.shape[1]:
                w = w + torch.eye(w.shape[0], dtype=torch.float64)
            weight, bias = w @ weight, w @ bias + b
        return weight, bias

    @torch.no_grad()
    def set_affine(self, weight: Tensor, bias: Tensor) -> Projector:
        """Make the stack equal to one affine map: one layer takes it, the others pass through.

        Exact, as long as no layer is narrower than both ends and there is no activation.
        """
        inner = min((o for _, o in self.shape.widths()[:-1]), default=self.shape.d_out)
        takes = 0 if inner >= self.shape.d_out else len(self.layers) - 1
        if inner < min(self.shape.d_in, self.shape.d_out):
            raise UserError(
                "the hidden layer is narrower than source and target",
                "use one layer or a wider hidden one",
            )
        for number, layer in enumerate(self._linear()):
            rows, columns = layer.weight.shape
            wanted = torch.eye(rows, columns, dtype=torch.float64)
            layer.bias.zero_()
            if number == takes:
                wanted = torch.zeros(rows, columns, dtype=torch.float64)
                wanted[: weight.shape[0], : weight.shape[1]] = weight
                layer.bias[: len(bias)] = bias.to(layer.bias)
            if self.shape.residual and rows == columns:
                wanted -= torch.eye(rows, dtype=torch.float64)
            layer.weight.copy_(wanted)
        return self

    def orthogonality_deviation(self, x: Tensor | None = None) -> float:
        """How far the folded map is from a scaled rotation, 0 for a perfect one.

        W is compared with its closest multiple of a semi-orthogonal matrix, in Frobenius norm
        relative to W's own: sqrt(1 - (sum of s)^2 / (r * sum of s^2)) over r singular values.
        With vectors x ``[n, d_in]``, only on the directions in which they vary (99 % of their
        variance): elsewhere the map is not determined by anything.
        """
        weight, _ = self.fold()
        if x is not None:
            weight = weight @ _support(x.detach().cpu().double())
        values = torch.linalg.svdvals(weight)
        rank = values.numel()
        share = float(values.sum() ** 2 / (rank * (values**2).sum().clamp_min(1e-300)))
        return float(np.sqrt(max(0.0, 1.0 - share)))


def _support(x: Tensor) -> Tensor:
    """Orthonormal directions ``[d, k]`` that hold 99 % of the variance of the rows of x."""
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    share = values.cumsum(0) / values.sum().clamp_min(1e-300)
    kept: Tensor = vectors[:, : int((share < 0.99).sum()) + 1]
    return kept


def shape_of(name: Any, arguments: Any) -> Shape:
    """The shape an artifact's projector claims to have; checked, nothing allocated."""
    from m2m_adapters.projectors.tokens import TokenProjector, TokenShape

    kinds: dict[Any, Any] = {
        Projector.registry_name: Shape,
        TokenProjector.registry_name: TokenShape,
    }
    if not isinstance(name, str) or name not in kinds:
        raise UserError(f"unknown projector {name!r}", "upgrade m2m-adapters")
    try:
        return cast("Shape", kinds[name](**arguments))
    except TypeError as error:
        raise UserError(
            f"the projector's arguments are wrong ({error})", "make the adapter again"
        ) from error


def build(name: Any, arguments: Any) -> Projector:
    """A fresh projector from its registry name and arguments, as an artifact records them."""
    from m2m_adapters.projectors.tokens import TokenProjector, TokenShape

    shape = shape_of(name, arguments)
    if isinstance(shape, TokenShape):
        return cast("Projector", TokenProjector(shape))
    return Projector(shape)
