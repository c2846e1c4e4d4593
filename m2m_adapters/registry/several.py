"""What every source that is made of other sources has: their limits, names and identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from m2m_adapters.interfaces import TextEncoder, at_precision, precision_of, without_precision


class SeveralSources(TextEncoder):
    """parts: the sources. How their vectors become one row is up to the subclass."""

    def __init__(self, parts: Sequence[TextEncoder]) -> None:
        self.parts = list(parts)
        limits = [part.max_tokens for part in parts if part.max_tokens is not None]
        self.max_tokens = min(limits) if limits else None

    def identified(self, kind: str, written: str) -> str:
        """The fingerprint of all parts together, at the precision that some of them compute in.

        written: the parts' fingerprints without precision, and how they are put together.
        """
        reduced = {precision_of(part.fingerprint) for part in self.parts} - {"fp32"}
        name = f"{kind}:{hashlib.sha256(written.encode()).hexdigest()[:32]}"
        return at_precision(name, reduced.pop() if len(reduced) == 1 else "fp32")

    def plain_fingerprints(self) -> list[str]:
        """Those of the parts, without precision."""
        return [without_precision(part.fingerprint) for part in self.parts]

    @property
    def provenance(self) -> dict[str, Any]:
        return {"parts": [part.provenance for part in self.parts]}
