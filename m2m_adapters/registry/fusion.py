"""Several sources as one: their vectors side by side.

No single source serves every language. One linear projector over the concatenation of
several lets each contribute where it is strong, at no cost but the encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters._internal.plugin_calls import plugin_code
from m2m_adapters._internal.user_folders import exists
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import SPEECH_SOURCES, TextEncoder, Vectors, normalize
from m2m_adapters.registry.several import SeveralSources


class Fusion(SeveralSources):
    """Concatenation of normalized encoders, each scaled by its weight; rows have length 1."""

    def __init__(self, parts: Sequence[TextEncoder], weights: Sequence[float] | None = None):
        if len(parts) < 2:
            raise UserError("a fusion needs at least two sources", "write e.g. mpnet+labse")
        scale = np.asarray(weights if weights is not None else [1.0] * len(parts), np.float64)
        if len(scale) != len(parts) or not np.all(np.isfinite(scale)) or np.any(scale <= 0):
            raise UserError(
                "fusion weights must be positive, one for each source",
                "write e.g. 0.7*mpnet+0.3*labse",
            )
        super().__init__(parts)
        # Normalized so that scaling all weights alike changes nothing.
        self.weights = (scale / np.linalg.norm(scale)).astype(np.float32)
        self.dim = sum(part.dim for part in parts)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        rows = []
        for part in self.parts:
            with plugin_code(part, "encode"):
                rows.append(part.encode(texts, **options))
        return self._side_by_side(rows)

    def _side_by_side(self, rows: Sequence[Vectors]) -> Vectors:
        columns = [
            normalize(np.asarray(one, np.float32)) * weight
            for one, weight in zip(rows, self.weights, strict=True)
        ]
        return np.concatenate(columns, axis=1).astype(np.float32, copy=False)

    @property
    def item_modality(self) -> str | None:  # type: ignore[override]
        """What every part takes besides texts, if they agree."""
        taken = {part.item_modality for part in self.parts}
        return taken.pop() if len(taken) == 1 else None

    def can(self, ability: str) -> bool:
        return ability == "encode_items" and all(part.can(ability) for part in self.parts)

    def encode_items(self, items: Sequence[object], **options: Any) -> Vectors:
        for part in self.parts:
            if not part.can("encode_items"):
                name = part.origin.name if part.origin else type(part).__name__
                raise AbilityMissing(f"{name}, a part of this source, encodes texts only",
                                     SPEECH_SOURCES)  # fmt: skip
        rows = []
        for part in self.parts:
            with plugin_code(part, "encode_items"):
                rows.append(part.encode_items(items, **options))
            options.pop("skipped", None)  # every part leaves out the same items; say it once
        return self._side_by_side(rows)

    @cached_property
    def fingerprint(self) -> str:
        weighted = zip(self.plain_fingerprints(), self.weights, strict=True)
        written = "+".join(f"{weight:.6f}*{part}" for part, weight in weighted)
        return self.identified("fusion", written)


def terms(expression: str) -> list[str]:
    """``a+b`` -> ``["a", "b"]``; a ``+`` inside the name of an existing folder does not split."""
    pieces = expression.split("+")
    names: list[str] = []
    while pieces:
        # The longest run of pieces that is a folder's name, else one piece.
        for end in range(len(pieces), 1, -1):
            scheme, _, folder = "+".join(pieces[:end]).partition(":")
            if "+" not in scheme and folder and exists(folder):
                break
        else:
            end = 1
        names.append("+".join(pieces[:end]))
        pieces = pieces[end:]
    return names


def fuse(expression: str, load: Callable[..., TextEncoder], **options: Any) -> Fusion:
    """``mpnet+labse``, ``0.7*mpnet+0.3*st:FOLDER`` -> the fusion of these sources."""
    names, weights = [], []
    for term in terms(expression):
        factor, star, name = term.partition("*")
        if not star:
            factor, name = "", term
        try:
            weights.append(float(factor) if star else 1.0)
        except ValueError:
            raise UserError(
                f"'{factor}' in '{expression}' is not a weight", "write e.g. 0.7*mpnet+0.3*labse"
            ) from None
        if not name.strip():
            raise UserError(
                f"'{expression}' has a '+' without a source beside it", "write e.g. mpnet+labse"
            )
        names.append(name.strip())
    return Fusion([load(name, **options) for name in names], weights)
