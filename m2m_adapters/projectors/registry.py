"""Projectors by the name that an artifact records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from m2m_adapters.errors import UserError
from m2m_adapters.projectors.affine import AffineProjector, AffineShape
from m2m_adapters.projectors.protocol import Projector, Shape
from m2m_adapters.projectors.tokens import TokenProjector, TokenShape
from m2m_adapters.projectors.tokenwise import TokenwiseProjector, TokenwiseShape


class Kind(NamedTuple):
    """How to build the shape from its recorded arguments, and the projector from its shape."""

    shape: Callable[..., Shape]
    projector: Callable[[Any], Projector]
    level: str


KINDS = {
    AffineProjector.registry_name: Kind(AffineShape, AffineProjector, AffineProjector.level),
    TokenProjector.registry_name: Kind(TokenShape, TokenProjector, TokenProjector.level),
    TokenwiseProjector.registry_name: Kind(
        TokenwiseShape, TokenwiseProjector, TokenwiseProjector.level
    ),
}


def kind_of(name: object) -> Kind:
    """The kind of projector called ``name``."""
    if not isinstance(name, str) or name not in KINDS:
        raise UserError(f"unknown projector {name!r}", "upgrade m2m-adapters")
    return KINDS[name]


def shape_of(name: object, arguments: object) -> Shape:
    """The shape an artifact's projector claims to have; checked, nothing allocated."""
    kind = kind_of(name)
    if not isinstance(arguments, dict):
        raise UserError("the projector's arguments are not an object", "create the adapter again")
    try:
        return kind.shape(**arguments)
    except TypeError as error:
        raise UserError(
            f"the projector's arguments are wrong ({error})", "create the adapter again"
        ) from error


def build(name: object, arguments: object) -> Projector:
    """A fresh projector from its registry name and arguments, as an artifact records them."""
    return kind_of(name).projector(shape_of(name, arguments))
