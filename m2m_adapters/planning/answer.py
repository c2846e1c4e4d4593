"""What a forecast says, and the parallel sentences that sharpen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from m2m_adapters.planning.effects import Question


@dataclass(frozen=True)
class Forecast:
    """Expected R@10 in percent with a 90 % interval.

    basis: ``published``, ``modeled`` (the source is published, this figure is not),
    ``measured`` (sharpened with parallel sentences) or ``guess`` (nothing is published for the
    source, the target or the language).
    error: mean absolute error, in points, of the model on left-out figures of the same kind and
    of languages that their source covers as well; covered: the share of them inside their
    interval; error_on: the benchmark they are of. None for what is not modeled.
    """

    question: Question
    expected: float
    low: float
    high: float
    basis: str
    why: str
    error: float | None = None
    covered: float | None = None
    error_on: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Flat, for machines."""
        asked = self.question
        return {
            "source": asked.source,
            "target": asked.target,
            "benchmark": asked.benchmark,
            "direction": asked.direction,
            "language": asked.language,
            "expected": round(self.expected, 2),
            "low": round(self.low, 2),
            "high": round(self.high, 2),
            "basis": self.basis,
            "left_out_benchmark": self.error_on,
            "left_out_error": None if self.error is None else round(self.error, 2),
            "left_out_covered": None if self.covered is None else round(self.covered, 3),
            "why": self.why,
        }


Pairs = Sequence[tuple[str, str]]
"""(English, foreign) sentences."""
