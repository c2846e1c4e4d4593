"""Several sources as one, of which each text is read by the one that is best at its language.

``route(mpnet|labse[sw,te])``: LaBSE reads Swahili and Telugu, the first source all other texts. The
language is detected, text by text; nobody has to name it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters._internal.detection import detect
from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters._internal.plugin_calls import plugin_code
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors, normalize
from m2m_adapters.registry.fusion import terms
from m2m_adapters.registry.several import SeveralSources

HELP = "write e.g. route(mpnet|labse[sw,te]): the first source reads all other languages"
UNIT = float(np.sqrt(0.5))
"""Length of a part's vector, and of the constant beside it, in a row of length 1."""

AUTO = "auto"
Part = tuple[str, tuple[str, ...]]
"""Name of a source, and the languages that it reads."""


class Route(SeveralSources):
    """A block of columns for each source: its vector and a constant, zeros in all other blocks.

    So that one linear map over all columns is a map, and an offset, for each source. Rows have
    length 1.
    """

    def __init__(self, parts: Sequence[TextEncoder], languages: Sequence[Sequence[str]]) -> None:
        if len(parts) < 2 or len(languages) != len(parts):
            raise UserError("a route needs at least two sources and their languages", HELP)
        super().__init__(parts)
        self.reader: dict[str, int] = {}
        for at, codes in enumerate(languages):
            if at and not codes:
                raise UserError(f"source {at + 1} of the route reads no language", HELP)
            for code in map(normalize_tag, codes):
                if code in self.reader:
                    raise UserError(f"two sources of the route read '{code}'", HELP)
                self.reader[code] = at
        self.dim = sum(part.dim + 1 for part in parts)

    def chosen(self, texts: Sequence[str], language: str | None = None) -> list[int]:
        """Which source reads each text. language: of all of them; detected without it."""
        codes = detect(texts) if language is None else [normalize_tag(language)] * len(texts)
        return [self.reader.get(code, self.reader.get(code.partition("-")[0], 0)) for code in codes]

    def block(self, at: int) -> slice:
        """Columns of a source; the last one is the constant."""
        start = sum(part.dim + 1 for part in self.parts[:at])
        return slice(start, start + self.parts[at].dim + 1)

    def encode(self, texts: Sequence[str], language: str | None = None, **options: Any) -> Vectors:
        out = np.zeros((len(texts), self.dim), np.float32)
        readers = self.chosen(texts, language)
        for at, part in enumerate(self.parts):
            rows = [row for row, reader in enumerate(readers) if reader == at]
            if not rows:
                continue
            with plugin_code(part, "encode"):
                vectors = part.encode([texts[row] for row in rows], **options)
            block = np.ones((len(rows), part.dim + 1), np.float32)
            block[:, :-1] = normalize(np.asarray(vectors, np.float32))
            out[rows, self.block(at)] = block * UNIT
        return out

    @cached_property
    def fingerprint(self) -> str:
        readers = sorted(self.reader.items())
        return self.identified("route", "|".join(self.plain_fingerprints()) + repr(readers))


def is_route(expression: str) -> bool:
    """Whether a source's name is a route."""
    return expression.startswith("route(") and expression.endswith(")")


def route_parts(expression: str) -> list[Part]:
    """``route(a|b[sw,te])`` -> ``[("a", ()), ("b", ("sw", "te"))]``."""
    parts: list[Part] = []
    for term in expression.removeprefix("route(").removesuffix(")").split("|"):
        name, bracket, codes = term.strip().partition("[")
        if not name.strip() or (bracket and not codes.endswith("]")):
            raise UserError(
                f"'{term}' in '{expression}' is not of the form SOURCE[LANGUAGES]", HELP
            )
        listed = tuple(code.strip() for code in codes[:-1].split(",") if code.strip())
        parts.append((name.strip(), listed))
    if len(parts) < 2:
        raise UserError(f"'{expression}' has one source", HELP)
    return parts


def sources_of(expression: str) -> list[str]:
    """Plain names of every source in a sum, a route, or on its own."""
    names = [name for name, _ in route_parts(expression)] if is_route(expression) else [expression]
    whole = [(name, terms(name)) for name in names]
    return [
        term.rpartition("*")[2].strip() if len(split) > 1 else term
        for _, split in whole
        for term in split
    ]


def load_route(expression: str, load: Callable[..., TextEncoder], **options: Any) -> Route:
    """The route that an expression names, with languages for every source but the first."""
    parts = route_parts(expression)
    bare = [name for name, codes in parts[1:] if not codes]
    if bare:
        raise UserError(
            f"'{expression}' does not say which languages {bare[0]} reads",
            f"{HELP}; m2m.route('{expression}', target) chooses by published figures",
        )
    return Route([load(name, **options) for name, _ in parts], [codes for _, codes in parts])
