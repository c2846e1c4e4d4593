"""The syntax of queries: texts, sums and differences of texts.

::

    ein Hund am Strand          one text
    Hund + Schnee               both, to equal parts
    "Strand" - "Menschen"       the first, away from the second
    2:Hund + 0.5:Schnee         weighted; before a digit write 2:"9 dogs", for 16:9 is a text

An operator stands between spaces, so that ``rock-n-roll`` and ``C++`` are texts. What is in
double quotes is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.models.items import item_name

MAX_TERMS = 32
MAX_CHARACTERS = 10_000
WEIGHT = re.compile(r"(\d+(?:\.\d+)?|\.\d+):(?!\d)\s*(?=\S)")
"""Not before a digit: ``16:9`` and ``12:30`` are texts."""
OPERATOR = re.compile(r"\s+([+\-−])(?=\s)\s*")
QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»"}
HELP = 'write texts joined by " + " or " - ", such as: 2:dog + snow - "people"'


@dataclass(frozen=True)
class Term:
    """A text, an item (a path, bytes, ... as the target takes it), a spoken sentence (a sound, for
    the source of an adapter) or a vector; and its weight. A vector beside one of the others is its
    direction: it is not encoded again."""

    weight: float = 1.0
    text: str | None = None
    item: Any = None
    vector: Any = None
    speech: Any = None


@dataclass(frozen=True)
class Query:
    """A sum of terms. name: how it is shown."""

    name: str
    terms: tuple[Term, ...]

    @property
    def of_texts(self) -> bool:
        """Whether every term is a text, written or spoken."""
        return all(term.text is not None or term.speech is not None for term in self.terms)

    @classmethod
    def of_text(cls, text: str) -> Query:
        """``text`` taken literally, operators included."""
        return cls(text, (Term(text=text),))

    @classmethod
    def of_item(cls, item: Any) -> Query:
        """An image or a sound as the query."""
        return cls(item_name(item, 0), (Term(item=item),))

    @classmethod
    def of_speech(cls, sound: Any) -> Query:
        """A spoken sentence as the query."""
        return cls(item_name(sound, 0), (Term(speech=sound),))


def parse(line: str) -> Query:
    """A line as a query, strictly: ambiguous input is refused."""
    if not line.strip():
        raise UserError("a query is empty", "write what to search for")
    if len(line) > MAX_CHARACTERS:
        raise UserError(f"a query has {len(line):,} characters", f"use up to {MAX_CHARACTERS:,}")
    rest, sign = line.strip(), 1.0
    terms: list[Term] = []
    while True:
        term, rest, operator = _term(rest, sign, line)
        terms.append(term)
        if operator is None:
            break
        sign = 1.0 if operator == "+" else -1.0
    if len(terms) > MAX_TERMS:
        raise UserError(f"a query has {len(terms)} terms", f"use up to {MAX_TERMS}")
    return Query(line.strip(), tuple(terms))


def _term(rest: str, sign: float, line: str) -> tuple[Term, str, str | None]:
    """The first term of ``rest``, what follows it, and the operator between."""
    weight = 1.0
    if match := WEIGHT.match(rest):
        weight, rest = float(match[1]), rest[match.end() :]
        if weight == 0:
            raise UserError(f"a term of '{_short(line)}' has weight 0", "leave the term out")
    if not rest or (rest[0] in "+-−" and (len(rest) == 1 or rest[1].isspace())):
        raise UserError(f"a term is missing in '{_short(line)}'", HELP)
    if rest[0] in QUOTES:
        text, rest = _quoted(rest, line)
    else:
        match = OPERATOR.search(rest)
        end = match.start() if match else len(rest)
        text, rest = rest[:end].strip(), rest[end:]
        if text.endswith((" +", " -", " −")):
            raise UserError(f"a term is missing in '{_short(line)}'", HELP)
    if not text.strip():
        raise UserError(f"a term of '{_short(line)}' is empty", HELP)
    term = Term(sign * weight, text=text)
    if not rest.strip():
        return term, "", None
    match = OPERATOR.match(rest)
    if match is None:
        raise UserError(f"'{_short(line)}' has no operator before '{_short(rest.strip())}'", HELP)
    return term, rest[match.end() :], match[1]


def _quoted(rest: str, line: str) -> tuple[str, str]:
    end = rest.find(QUOTES[rest[0]], 1)
    if end < 0:
        raise UserError(f"a quotation mark is not closed in '{_short(line)}'", HELP)
    return rest[1:end], rest[end + 1 :]


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def combined(
    queries: Sequence[Query],
    texts: Callable[[list[str]], Vectors],
    items: Callable[[list[Any]], Vectors],
    dim: int,
    speech: Callable[[list[Any]], Vectors] | None = None,
) -> Vectors:
    """float32 ``[n, dim]``: the weighted sums of the terms' directions, of length 1.

    texts, items, speech: what encodes the terms of each kind; speech is needed for spoken ones.
    """
    terms = [term for query in queries for term in query.terms]
    written = list(dict.fromkeys(t.text for t in terms if t.text is not None))
    directions: dict[Any, Vectors] = {}
    if written:
        directions.update(zip(written, normalize(texts(written))))
    if shown := [t.item for t in terms if t.item is not None]:
        directions.update(zip(map(id, shown), normalize(items(shown))))
    if spoken := [t.speech for t in terms if t.speech is not None and t.vector is None]:
        if speech is None:
            raise AbilityMissing("spoken queries are not taken here", "write the query")
        directions.update(zip(map(id, spoken), normalize(speech(spoken))))
    out = np.zeros((len(queries), dim), np.float32)
    for row, query in enumerate(queries):
        out[row] = _sum(query, directions, dim)
    return normalize(out)


def _sum(query: Query, directions: dict[Any, Vectors], dim: int) -> Vectors:
    """float32 ``[dim]``. directions: of texts, and of items and speech by their ``id``."""
    if not any(term.weight > 0 for term in query.terms):
        raise UserError(
            f"'{_short(query.name)}' has only terms that are subtracted",
            "add something to search for",
        )
    total = np.zeros(dim, np.float32)
    for term in query.terms:
        if term.vector is not None:
            direction = normalize(np.asarray(term.vector, np.float32).reshape(1, -1))[0]
        elif term.text is not None:
            direction = directions[term.text]
        else:
            direction = directions[id(term.item if term.item is not None else term.speech)]
        total += term.weight * direction
    if np.linalg.norm(total) < 1e-3:
        raise UserError(f"the terms of '{_short(query.name)}' cancel out", "change the weights")
    return total
