"""The demonstration: align, evaluate, and leave one page to look at."""

from __future__ import annotations

from m2m_adapters.demo.run import Pairing, run_demo

__all__ = ["Pairing", "run_demo"]
