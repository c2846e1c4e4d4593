"""Which source of a route reads which language, by published or measured figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from m2m_adapters._internal.languages import normalize_tag
from m2m_adapters.planning.answer import Pairs
from m2m_adapters.planning.facts import figures
from m2m_adapters.planning.forecast import forecast
from m2m_adapters.registry.route import Part, is_route, route_parts

ENGLISH = "en"


def route(
    expression: str,
    target: str,
    *,
    languages: Iterable[str] | None = None,
    parallel: Mapping[str, str | Path | Pairs] | None = None,
    **options: Any,
) -> str:
    """A route with the languages of each source written out, as ``align`` takes it.

    expression: such as ``route(mpnet|labse)``; languages that it writes out stay as they are.
    target: a target's name. languages: those to choose for; by default all with published
    figures. parallel: sentence pairs by language, to measure the sources on, as ``forecast``
    takes them. options: those of ``forecast``.

    Each language goes to the source of the highest forecast R@10; the first source keeps
    English, ties and all other languages.
    """
    parts = route_parts(expression if is_route(expression) else f"route({expression})")
    asked = _open(parts, languages)
    if not asked:
        return expression
    each = [forecast(name, target, asked, parallel=parallel, **options) for name, _ in parts]
    read: list[list[str]] = [list(codes) for _, codes in parts]
    for at, answers in enumerate(zip(*each, strict=True)):
        best = max(range(len(parts)), key=lambda part: (answers[part].expected, -part))
        if best:
            read[best].append(asked[at])
    return _written([name for name, _ in parts], read)


def _open(parts: Sequence[Part], languages: Iterable[str] | None) -> list[str]:
    """Languages to choose for: those asked for or published, less English and those written out."""
    written = {normalize_tag(code) for _, codes in parts for code in codes} | {ENGLISH}
    if languages is None:
        return sorted({figure.language for figure in figures()} - written)
    return [code for code in map(normalize_tag, languages) if code not in written]


def _written(names: Sequence[str], read: Sequence[Sequence[str]]) -> str:
    """The expression; a source that reads nothing is left out, a single source is no route."""
    terms = [name + (f"[{','.join(codes)}]" if codes else "") for name, codes in zip(names, read)]
    kept = [term for at, term in enumerate(terms) if not at or read[at]]
    return f"route({'|'.join(kept)})" if len(kept) > 1 else kept[0]
