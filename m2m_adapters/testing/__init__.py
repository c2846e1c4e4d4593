"""For plugin authors: conformance suites to subclass, and toy encoders to play with."""

from __future__ import annotations

from m2m_adapters.testing.conformance import ModalityModelSuite, TextEncoderSuite
from m2m_adapters.testing.toys import AffineTarget, ToySource, toy_sentences

__all__ = ["AffineTarget", "ModalityModelSuite", "TextEncoderSuite", "ToySource", "toy_sentences"]
