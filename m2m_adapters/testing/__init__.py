"""For plugin authors: conformance suites to subclass, and toy encoders for experiments."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from m2m_adapters.testing.conformance import ModalityModelSuite, TextEncoderSuite
    from m2m_adapters.testing.toys import AffineTarget, ToySource, toy_sentences

__all__ = ["AffineTarget", "ModalityModelSuite", "TextEncoderSuite", "ToySource", "toy_sentences"]

# The suites need pytest, the toys do not; the toys' plugin is loaded on every listing.
_HOMES = {
    "AffineTarget": "toys",
    "ModalityModelSuite": "conformance",
    "TextEncoderSuite": "conformance",
    "ToySource": "toys",
    "toy_sentences": "toys",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'm2m_adapters.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"m2m_adapters.testing.{_HOMES[name]}"), name)
