"""The learned map at sentence level: a stack of affine layers and a head."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.projectors.protocol import AffineStep, Projector, Scalar
from m2m_adapters.projectors.rows import Rows, TokenStates

HEADS = ("l2", "layernorm", "none")
MOST_PARAMETERS = 1 << 30
"""4 GiB of fp32; published projectors have about a million."""
ACTIVATIONS = {"none": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class AffineShape:
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
            raise UserError(
                f"{self.layers} layers are more than a projector may have", "use 1, 2 or 4"
            )
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
        """Names and shapes of the projector's tensors, without allocating any."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (wide, narrow) in enumerate(self.widths()):
            shapes[f"layers.{number}.weight"] = (narrow, wide)
            shapes[f"layers.{number}.bias"] = (narrow,)
        if self.head == "layernorm":
            shapes |= {"norm.weight": (self.d_out,), "norm.bias": (self.d_out,)}
        return shapes

    def to_dict(self) -> dict[str, Scalar]:
        return asdict(self)


class AffineProjector(Projector):
    """float ``[B, d_in]`` -> float ``[B, d_out]``: source vectors into the target's space."""

    registry_name = "affine-stack"
    level = "sentence"
    shape: AffineShape

    def __init__(self, shape: AffineShape) -> None:
        super().__init__()
        if (size := sum(i * o for i, o in shape.widths())) > MOST_PARAMETERS:
            raise UserError(
                f"a projector of {size:,} weights exceeds the limit of {MOST_PARAMETERS:,}",
                "use fewer or narrower layers (hidden=768)",
            )
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

    def checked(self, rows: Rows) -> Rows:
        if isinstance(rows, TokenStates):
            raise UserError(
                "this adapter maps vectors of sentences, not token states", "use encode"
            )
        x = np.ascontiguousarray(rows, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.shape.d_in:
            raise UserError(
                f"these vectors have shape {list(x.shape)}; the adapter takes "
                f"[n, {self.shape.d_in}]",
                "encode with its source",
            )
        return x

    def encode(self, rows: Rows) -> Vectors:
        assert not isinstance(rows, TokenStates)
        with torch.inference_mode():
            return np.asarray(self(torch.from_numpy(rows)).numpy(), dtype=np.float32)

    @property
    def head_norm(self) -> nn.LayerNorm | None:
        return self.norm

    @property
    def is_affine(self) -> bool:
        return self.shape.activation == "none" or self.shape.layers == 1

    @torch.no_grad()
    def affine_steps(self) -> list[AffineStep]:
        """Without activations one step; a residual layer's identity goes into its W."""
        if self.is_affine:
            weight, bias = self.fold()
            return [AffineStep(weight.float(), bias.float(), "none")]
        steps = []
        for number, layer in enumerate(self._linear()):
            weight = layer.weight.detach().clone()
            if self.shape.residual and weight.shape[0] == weight.shape[1]:
                weight += torch.eye(len(weight))
            last = number == len(self.layers) - 1
            activation = "none" if last else self.shape.activation
            steps.append(AffineStep(weight, layer.bias.detach().clone(), activation))
        return steps

    @torch.no_grad()
    def fold(self) -> tuple[Tensor, Tensor]:
        """The one affine map the stack is: float64 W ``[d_out, d_in]`` and b ``[d_out]``.

        Only a stack without activation is an affine map; the head is not part of it.
        """
        if not self.is_affine:
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
    def set_affine(self, weight: Tensor, bias: Tensor) -> AffineProjector:
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
        With vectors x ``[n, d_in]``, only in the directions in which they vary (99 % of their
        variance): nothing determines the map elsewhere.
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
    centered = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centered.T @ centered)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    share = values.cumsum(0) / values.sum().clamp_min(1e-300)
    kept: Tensor = vectors[:, : int((share < 0.99).sum()) + 1]
    return kept
