"""The hooks of m2m-adapters, and what they receive."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pluggy

from m2m_adapters.errors import UserError

GROUP = "m2m_adapters"
INTERFACE = 1
"""Version of the hooks and interfaces. A plugin names the one it was written for in its module
(``M2M_INTERFACE = 1``); one written for another version is skipped with a clear message."""
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


KINDS = ("source", "target", "corpus", "benchmark", "loss")


@dataclass(frozen=True)
class Offer:
    """One name a plugin answers to. ``scheme`` offers answer to ``name:anything``."""

    kind: str
    name: str
    factory: str
    description: str
    distribution: str
    scheme: bool = False
    modality: str | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The factory itself; the only place where a plugin's code is imported for use."""
        module, _, attribute = self.factory.partition(":")
        try:
            value: Any = importlib.import_module(module)
            for part in attribute.split("."):
                value = getattr(value, part)
        except ModuleNotFoundError as error:
            raise UserError(
                f"{self.kind} '{self.name}' of {self.distribution} needs the Python package "
                f"'{error.name}', which is not installed",
                f"pip install {error.name}",
            ) from error
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{self.kind} '{self.name}' of {self.distribution} cannot be loaded from "
                f"'{self.factory}': {error}",
                f"report this to the authors of {self.distribution}",
            ) from error
        return value


class Register:
    """What ``m2m_register`` receives: one method per kind of offer."""

    def __init__(self, distribution: str) -> None:
        self._distribution = distribution
        self.offers: list[Offer] = []

    def _add(
        self,
        kind: str,
        name: str,
        factory: str,
        description: str,
        *,
        scheme: bool = False,
        modality: str | None = None,
        **details: Any,
    ) -> None:
        if not isinstance(name, str) or not name or any(c in name for c in ":+ \t\n"):
            raise ValueError(f"{kind} name {name!r}: use letters, digits, '-', '_' and '.'")
        module, colon, attribute = factory.partition(":") if isinstance(factory, str) else ("",) * 3
        if not (module and colon and attribute):
            raise ValueError(f"{kind} '{name}': factory must be a 'module:factory' string")
        offer = Offer(
            kind, name, factory, description, self._distribution, scheme, modality, details
        )
        self.offers.append(offer)

    def source(self, name: str, factory: str, *, description: str = "", **details: Any) -> None:
        """A :class:`~m2m_adapters.TextEncoder` that understands many languages."""
        self._add("source", name, factory, description, **details)

    def target(
        self,
        name: str,
        factory: str,
        *,
        modality: str | None = None,
        description: str = "",
        **details: Any,
    ) -> None:
        """A :class:`~m2m_adapters.ModalityModel` of one modality.

        modality: shown by ``m2m list``, which loads nothing; the model's own counts in use.
        details: ``texts`` names the corpus that ``m2m align`` uses where the user names none.
        """
        self._add("target", name, factory, description, modality=modality, **details)

    def source_scheme(self, name: str, factory: str, *, description: str = "") -> None:
        """Sources called ``name:MODEL``; the factory is called with ``MODEL``."""
        self._add("source", name, factory, description, scheme=True)

    def target_scheme(
        self, name: str, factory: str, *, modality: str | None = None, description: str = ""
    ) -> None:
        """Targets called ``name:MODEL``; the factory is called with ``MODEL``."""
        self._add("target", name, factory, description, scheme=True, modality=modality)

    def corpus(self, name: str, factory: str, *, description: str = "", **details: Any) -> None:
        """``factory() -> Iterable[str]`` of English sentences."""
        self._add("corpus", name, factory, description, **details)

    def benchmark(
        self, name: str, factory: str, *, modality: str, description: str = "", **details: Any
    ) -> None:
        """``factory() -> m2m_adapters.evaluation.Benchmark``, or ``Prompts`` to generate from."""
        self._add("benchmark", name, factory, description, modality=modality, **details)

    def loss(self, name: str, factory: str, *, description: str = "") -> None:
        """``loss(p, y) -> scalar tensor`` for projected and wanted vectors ``[B, d]``."""
        self._add("loss", name, factory, description)
