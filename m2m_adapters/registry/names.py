"""Resolves a name to a model, corpus, benchmark or loss.

A name is looked up in this order: a plugin's own names, ``scheme:MODEL`` (``st:ORG/MODEL``),
the registry's entries, and for sources the sum of several (``mpnet+labse``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UnknownName, UserError
from m2m_adapters.hookspecs import Offer
from m2m_adapters.registry.entries import close, registry
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
        f"no {kind} is called '{name}'{close(name, known)}",
        f"see the names with `m2m list --{plural}`{also}",
    )


def _call(factory: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a factory with those options it has parameters for; simple ones take none."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return factory(*args)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        names = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        options = {k: v for k, v in options.items() if k in names}
    return factory(*args, **options)


def resolve(kind: str, name: str, **options: Any) -> Any:
    """Whatever goes by ``name``: a source, target, corpus, benchmark or loss, made ready.

    ``options`` (device, precision, trust_remote_code, ...) are handed to the factory as far
    as it knows them.
    """
    if not name or not isinstance(name, str):
        raise UserError(f"a {kind} is given by its name, not {name!r}", f"e.g. m2m list --{kind}s")
    found = catalogue()
    scheme, colon, rest = name.partition(":")
    offer: Offer | None
    if colon:
        offer = found.find(kind, scheme)
        if offer is not None and offer.scheme:
            if not rest:
                raise UserError(f"'{name}' lacks a model", f"write {scheme}:ORG/MODEL or a folder")
            return _call(offer.load(), rest, **options)
        if scheme in registry().plugins:
            line = registry().plugins[scheme].get("install", "")
            raise UserError(f"the plugin for '{scheme}:' is not installed", line)
        raise unknown(kind, name)
    offer = found.find(kind, name)
    if offer is not None and not offer.scheme:
        return _call(offer.load(), **options)
    entry = registry().find(kind, name)
    if entry is not None:
        offer = found.find(kind, entry.plugin)
        if offer is None or not offer.scheme:
            raise UserError(
                f"the {kind} '{name}' needs a plugin that is not installed",
                registry().install_line(entry),
            )
        given = {**entry.options, **{k: v for k, v in options.items() if v is not None}}
        if entry.revision is not None:
            given.setdefault("revision", entry.revision)
        return _call(offer.load(), entry.model, **given)
    raise unknown(kind, name)


def load_source(name: str, **options: Any) -> TextEncoder:
    """The source called ``name``; ``a+b`` is the fusion of several.

    options: ``device``, ``precision``, ... of its factory; ``compile=True`` for torch.compile.
    """
    from m2m_adapters.interfaces import TextEncoder
    from m2m_adapters.registry.fusion import fuse, terms

    if isinstance(name, str) and len(terms(name)) > 1:
        return fuse(name, load_source, **options)
    compiled = options.pop("compile", False)
    made = resolve("source", name, **options)
    if not isinstance(made, TextEncoder):
        raise UserError(
            f"the source '{name}' gave a {type(made).__name__}, not a TextEncoder",
            "its factory must return an m2m_adapters.TextEncoder",
        )
    if compiled:
        made.compile()
    return made


def load_target(name: str, **options: Any) -> ModalityModel:
    """The target called ``name``; options as those of a source, ``compile`` for its text tower."""
    from m2m_adapters.interfaces import ModalityModel

    compiled = options.pop("compile", False)
    made = resolve("target", name, **options)
    if not isinstance(made, ModalityModel):
        raise UserError(
            f"the target '{name}' gave a {type(made).__name__}, not a ModalityModel",
            "its factory must return an m2m_adapters.ModalityModel",
        )
    if compiled:
        made.text.compile()
    return made
