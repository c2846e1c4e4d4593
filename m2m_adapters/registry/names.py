"""Resolves a name to a model, corpus, benchmark or loss.

A name is looked up in this order: a plugin's own names, ``scheme:MODEL`` (``st:ORG/MODEL``),
the registry's entries, and for sources the fusion of several (``mpnet+labse``).
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from m2m_adapters._internal.plugin_calls import plugin_code
from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters.errors import UnknownName, UserError
from m2m_adapters.hookspecs import Offer
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.plugins import catalogue

if TYPE_CHECKING:
    from m2m_adapters.interfaces import ModalityModel, TextEncoder


def known_names(kind: str) -> list[str]:
    """Every plain name of a kind, from plugins and registry."""
    return sorted({*catalogue().names(kind, scheme=False), *registry().names(kind)})


def unknown(kind: str, name: str) -> UnknownName:
    known = known_names(kind)
    schemes = [f"{s}:MODEL" for s in catalogue().names(kind, scheme=True)]
    plural = {"corpus": "corpora"}.get(kind, f"{kind}s")
    also = f", or write {' or '.join(schemes)}" if schemes else ""
    return UnknownName(
        f"no {kind} is called '{name}'{did_you_mean(name, known)}",
        f"see the names with `m2m list --{plural}`{also}",
    )


@dataclass(frozen=True)
class Resolved:
    """An offer with what its factory is to be called with."""

    offer: Offer
    arguments: tuple[str, ...]
    options: dict[str, Any]

    def takes(self, option: str) -> bool:
        """Whether the factory has a parameter of that name."""
        with plugin_code(Offer.load, "", self.offer.distribution):
            factory = self.offer.load()
        with contextlib.suppress(TypeError, ValueError):  # builtins have no signature
            return option in inspect.signature(factory).parameters
        return False

    def call(self) -> Any:
        """The factory's result; options it has no parameter for are left out."""
        with plugin_code(Offer.load, "", self.offer.distribution):
            factory = self.offer.load()
        options = self.options
        with contextlib.suppress(TypeError, ValueError):  # builtins have no signature
            parameters = inspect.signature(factory).parameters.values()
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                usable = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                names = {p.name for p in parameters if p.kind in usable}
                options = {k: v for k, v in options.items() if k in names}
        with plugin_code(factory, "", self.offer.distribution):
            return factory(*self.arguments, **options)


def find(kind: str, name: str, **options: Any) -> Resolved:
    """The factory behind ``name``, without calling it; unknown names raise."""
    if not name or not isinstance(name, str):
        raise UserError(f"a {kind} is loaded by its name, not {name!r}", f"e.g. m2m list --{kind}s")
    if ":" in name:
        return _by_scheme(kind, name, options)
    offer = catalogue().find(kind, name)
    if offer is not None and not offer.scheme:
        return Resolved(offer, (), options)
    entry = registry().find(kind, name)
    if entry is None:
        raise unknown(kind, name)
    offer = catalogue().find(kind, entry.plugin)
    if offer is None or not offer.scheme:
        raise UserError(
            f"the {kind} '{name}' needs a plugin that is not installed",
            registry().install_line(entry),
        )
    merged = {**entry.options, **{k: v for k, v in options.items() if v is not None}}
    if entry.revision is not None:
        merged.setdefault("revision", entry.revision)
    return Resolved(offer, (entry.model,), merged)


def _by_scheme(kind: str, name: str, options: dict[str, object]) -> Resolved:
    """``SCHEME:MODEL``, with a plugin that takes any model of its kind."""
    scheme, _, model = name.partition(":")
    offer = catalogue().find(kind, scheme)
    if offer is not None and offer.scheme:
        if not model:
            raise UserError(f"'{name}' names no model", f"write {scheme}:ORG/MODEL or a folder")
        return Resolved(offer, (model,), options)
    if scheme in registry().plugins:
        line = registry().plugins[scheme].install
        raise UserError(f"the plugin for '{scheme}:' is not installed", line)
    raise unknown(kind, name)


def check_name(kind: str, name: str) -> None:
    """Refuse an unknown name, or one whose plugin is missing, without loading anything.

    A fusion and a route are checked part by part.
    """
    from m2m_adapters.registry.route import sources_of

    for plain in sources_of(name) if kind == "source" and isinstance(name, str) else [name]:
        if plain:
            find(kind, plain)


def resolve(kind: str, name: str, **options: Any) -> Any:
    """The object called ``name``: a source, target, corpus, benchmark or loss, ready for use.

    ``options`` (device, precision, trust_remote_code, ...) are passed to the factory as far
    as it knows them.
    """
    return find(kind, name, **options).call()


def load_source(name: str, **options: Any) -> TextEncoder:
    """The source called ``name``; ``a+b`` is the fusion of several,
    ``route(a|b[sw])`` reads each text with one of them.

    options: ``device``, ``precision``, ``backend``, ... of its factory; ``compile=True`` for
    torch.compile.
    """
    from m2m_adapters.interfaces import Origin, TextEncoder
    from m2m_adapters.registry.fusion import fuse, terms
    from m2m_adapters.registry.route import is_route, load_route

    if isinstance(name, str) and is_route(name):
        route = load_route(name, load_source, **options)
        route.origin = Origin(name, _recorded(options))
        return route
    if isinstance(name, str) and len(terms(name)) > 1:
        fusion = fuse(name, load_source, **options)
        fusion.origin = Origin(name, _recorded(options))
        return fusion
    compiled = options.pop("compile", False)
    resolved = find("source", name, **options)
    if options.get("backend") not in (None, "torch") and not resolved.takes("backend"):
        raise UserError(
            f"the source '{name}' cannot compute with {options['backend']}",
            "leave the backend out; sources of sentence-transformers have several",
        )
    source = resolved.call()
    if not isinstance(source, TextEncoder):
        raise UserError(
            f"the source '{name}' of {resolved.offer.distribution} gave a "
            f"{type(source).__name__}, not a TextEncoder",
            "its factory must return an m2m_adapters.TextEncoder",
        )
    source.origin = Origin(name, _recorded(options), resolved.offer.distribution)
    if compiled:
        source.compile()
    return source


def load_target(name: str, **options: Any) -> ModalityModel:
    """The target called ``name``; options as those of a source, ``compile`` for its text tower."""
    from m2m_adapters.interfaces import ModalityModel, Origin, TextEncoder

    compiled = options.pop("compile", False)
    resolved = find("target", name, **options)
    target = resolved.call()
    distribution = resolved.offer.distribution
    called = f"{type(target).__name__}, the target '{name}' of {distribution},"
    if not isinstance(target, ModalityModel):
        raise UserError(
            f"the target '{name}' of {distribution} gave a {type(target).__name__}, not a "
            "ModalityModel",
            "its factory must return an m2m_adapters.ModalityModel",
        )
    target.origin = Origin(name, _recorded(options), distribution)
    if not isinstance(getattr(target, "modality", None), str):
        raise UserError(
            f"{called} has no modality", 'set modality = "image" (or another) in the class'
        )
    with plugin_code(target, "text"):
        text = target.text
    if not isinstance(text, TextEncoder):
        raise UserError(
            f"{called} has a {type(text).__name__} as its text tower, not a TextEncoder",
            "assign an m2m_adapters.TextEncoder to self.text",
        )
    if compiled:
        text.compile()
    return target


def _recorded(options: dict[str, object]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}
