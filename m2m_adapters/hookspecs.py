"""The hooks of m2m-adapters: all there is to plug into, on one screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

if TYPE_CHECKING:
    from m2m_adapters.plugins import Register

GROUP = "m2m_adapters"
F = TypeVar("F", bound=Callable[..., Any])

hookspec: Callable[[F], F] = pluggy.HookspecMarker(GROUP)
hookimpl: Callable[[F], F] = pluggy.HookimplMarker(GROUP)


@hookspec
def m2m_register(register: Register) -> None:
    """Offer sources, targets, corpora, benchmarks and losses by name.

    Every offer is a name and a ``"module:factory"`` string, so that listing imports nothing::

        @m2m.hookimpl
        def m2m_register(register):
            register.source("shouting", "my_package:Shouting", description="counts letters")

    A factory offered under a scheme (``register.source_scheme("st", ...)``) is called with
    what follows the colon in names such as ``st:ORG/MODEL``.
    """


@hookspec
def m2m_commands(app: Any) -> None:
    """Add commands to ``m2m``; ``app`` is a ``typer.Typer`` (``@app.command()``)."""
