"""Make any English-only multimodal model speak every language, with English text alone.

>>> import m2m_adapters as m2m
>>> adapter = m2m.align("mpnet", "clap", texts="captions.txt")  # doctest: +SKIP
>>> adapter.encode(["ein Hund bellt"])  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Names are imported on first use, so that `m2m --help` never waits for torch.
_HOMES = {
    "AbilityMissing": "errors",
    "Adapter": "artifact.adapter",
    "AdaptedEncoder": "artifact.adapter",
    "ItemTarget": "models.items",
    "M2MError": "errors",
    "ModalityModel": "interfaces",
    "Space": "interfaces",
    "TextEncoder": "interfaces",
    "TokenEncoder": "models.text_encoder",
    "UserError": "errors",
    "align": "alignment.align",
    "hookimpl": "hookspecs",
    "load_adapter": "artifact.load",
    "load_source": "registry.names",
    "load_target": "registry.names",
    "read_corpus": "corpus.sentences",
}

if TYPE_CHECKING:
    from m2m_adapters.alignment.align import align
    from m2m_adapters.artifact.adapter import AdaptedEncoder, Adapter
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.corpus.sentences import read_corpus
    from m2m_adapters.errors import AbilityMissing, M2MError, UserError
    from m2m_adapters.hookspecs import hookimpl
    from m2m_adapters.interfaces import ModalityModel, Space, TextEncoder
    from m2m_adapters.models.items import ItemTarget
    from m2m_adapters.models.text_encoder import TokenEncoder
    from m2m_adapters.registry.names import load_source, load_target

__all__ = [
    "AbilityMissing",
    "AdaptedEncoder",
    "Adapter",
    "ItemTarget",
    "M2MError",
    "ModalityModel",
    "Space",
    "TextEncoder",
    "TokenEncoder",
    "UserError",
    "align",
    "hookimpl",
    "load_adapter",
    "load_source",
    "load_target",
    "read_corpus",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"m2m_adapters.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'm2m_adapters' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
