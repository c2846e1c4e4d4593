"""The projector as a list of affine steps, which is how other formats hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor, eye, nn, no_grad

if TYPE_CHECKING:
    from m2m_adapters.projectors.affine import Projector


@no_grad()
def stages(projector: Projector) -> list[tuple[Tensor, Tensor, str]]:
    """(W float32 ``[out, in]``, b float32 ``[out]``, activation) of every step.

    Without activations the whole stack folds into one step; a residual layer's identity goes
    into its W.
    """
    shape = projector.shape
    if shape.activation == "none" or shape.layers == 1:
        weight, bias = projector.fold()
        return [(weight.float(), bias.float(), "none")]
    found = []
    layers = cast("list[nn.Linear]", list(projector.layers))
    for number, layer in enumerate(layers):
        weight = layer.weight.detach().clone()
        if shape.residual and weight.shape[0] == weight.shape[1]:
            weight += eye(len(weight))
        last = number == len(layers) - 1
        found.append((weight, layer.bias.detach().clone(), "none" if last else shape.activation))
    return found
