"""What the vectors of each language have in common, in the target's space, as a small table.

A multilingual source leaves something of the language in every vector. Its mean, less the mean of
English, is learned from unlabeled text of the language (``m2m adapt``) and taken off the vectors
of texts whose language is known. Without a row a language is treated as English is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from m2m_adapters._internal.detection import detect
from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters.artifact.record import AdaptedLanguage
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.registry.route import AUTO

SEEN = "unlabeled foreign text"


@dataclass(frozen=True)
class LanguageTable:
    """Shifts by language.

    shifts: code -> float32 ``[dim]``, what is taken off. share: of the difference of the means
    that they are. english: sentences whose mean they are relative to. about: what the record says
    of each language, in the order of ``shifts``.
    """

    shifts: dict[str, Vectors]
    share: float
    english: int
    about: tuple[AdaptedLanguage, ...]

    def row(self, code: str) -> Vectors | None:
        """The shift of a language, or of the language that a variety such as pt-br belongs to."""
        tag = normalize_tag(code)
        return self.shifts.get(tag, self.shifts.get(tag.partition("-")[0]))

    def applied(self, vectors: Vectors, codes: Sequence[str], *, normalized: bool) -> Vectors:
        """Vectors ``[n, dim]`` without what their languages have in common.

        codes: one for each vector. normalized: vectors of the space have length 1.
        """
        out = np.array(vectors, np.float32)
        for code in set(codes):
            shift = self.row(code)
            if shift is not None:
                rows = [at for at, one in enumerate(codes) if one == code]
                shifted = out[rows] - shift
                out[rows] = normalize(shifted) if normalized else shifted
        return out

    def codes_of(self, texts: Sequence[str], language: str | Sequence[str]) -> list[str]:
        """The code of each text: the one given, those given, or detected (``"auto"``)."""
        if isinstance(language, str):
            if language != AUTO:
                return [language] * len(texts)
            return detect(texts)
        codes = list(language)
        if len(codes) != len(texts) or not all(isinstance(code, str) for code in codes):
            raise UserError(
                f"{len(codes)} languages for {len(texts)} texts",
                "give one code for each text, one for all, or 'auto'",
            )
        return codes
