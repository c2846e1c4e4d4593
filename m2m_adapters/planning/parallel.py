"""Sharpen a forecast with parallel sentences: measure how well the source itself matches them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from m2m_adapters._internal.languages import is_known, normalize_tag
from m2m_adapters.corpus.files import DELIMITERS, kind_of, text_lines
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.planning.effects import SPREADS
from m2m_adapters.planning.model import interval, model, to_logit, to_percent

if TYPE_CHECKING:
    from m2m_adapters.planning.answer import Forecast, Pairs

FEWEST = 100
MOST = 2_000
"""Pairs that are measured; more would not narrow the interval."""
LINK = 0.35
"""Spread of a source's R@10 around what its parallel sentences imply, in logits."""


@dataclass(frozen=True)
class Measured:
    """How well a source finds the English sentence of a foreign one.

    share: percent of foreign sentences whose own English sentence is among the nearest 1 %.
    """

    language: str
    pairs: int
    share: float


def read_pairs(path: str | Path, language: str) -> list[tuple[str, str]]:
    """(English, foreign) pairs of a file: two columns, or a table with a column per language.

    A first line that names ``en`` or ``English`` and other languages is a header; without one,
    each line holds English, a TAB (in .csv files a comma) and the foreign sentence.
    """
    path = Path(path)
    delimiter = DELIMITERS.get(kind_of(path), "\t")
    try:
        lines = (line + "\n" for line in text_lines(path))
        rows = (
            list(csv.reader(lines, delimiter=",", strict=True))
            if delimiter == ","
            else [line.rstrip("\n").split(delimiter) for line in lines]
        )
    except csv.Error as error:
        raise UserError(f"{path}: {error}", "in csv files a quotation mark is doubled") from error
    english, foreign, rows = _columns(rows, language, str(path))
    pairs = []
    for row in rows:
        if len(row) > max(english, foreign):
            pair = row[english].strip(), row[foreign].strip()
            if all(pair):
                pairs.append(pair)
    if not pairs:
        raise UserError(
            f"{path} holds no pairs",
            "write English TAB foreign on each line, or a csv with a header",
        )
    return pairs


def _columns(rows: list[list[str]], language: str, where: str) -> tuple[int, int, list[list[str]]]:
    """Columns of English and of the language, and the rows without a header."""
    names = [normalize_tag(cell) if is_known(cell) else "" for cell in rows[0]] if rows else []
    if "en" not in names or not any(name not in ("", "en") for name in names):
        return 0, 1, rows
    if language not in names:
        raise UserError(
            f"{where} has no column for '{language}' (columns: {', '.join(rows[0])})",
            "name the column by the language's tag",
        )
    return names.index("en"), names.index(language), rows[1:]


def languages_of(path: str | Path) -> list[str]:
    """Languages but English that a table's header names; none where there is no header."""
    path = Path(path)
    first = text_lines(path)[:1]
    cells = first[0].split(DELIMITERS.get(kind_of(path), "\t")) if first else []
    names = [normalize_tag(cell) for cell in cells if is_known(cell)]
    return [name for name in names if name != "en"] if "en" in names else []


def assign_files(files: Sequence[str], languages: Sequence[str]) -> dict[str, str]:
    """Which language each ``FILE`` or ``LANG=FILE`` is for."""
    foreign = [tag for tag in map(normalize_tag, languages) if tag != "en"]
    chosen: dict[str, str] = {}
    for written in files:
        head, equals, rest = written.partition("=")
        if equals and rest and not Path(written).exists():
            tag = normalize_tag(head)
            if tag not in foreign:
                raise UserError(
                    f"'{written}' is for '{head}', which is not among the requested languages",
                    f"add {head} to the languages, or leave the file out",
                )
            _assign(chosen, tag, rest)
            continue
        named = [tag for tag in languages_of(written) if tag in foreign]
        if not named and len(foreign) == 1:
            named = foreign
        if not named:
            raise UserError(
                f"the language of {written} is not clear",
                f"write {foreign[0] if foreign else 'sw'}={written}, or name the columns",
            )
        for tag in named:
            _assign(chosen, tag, written)
    return chosen


def _assign(chosen: dict[str, str], tag: str, file: str) -> None:
    if tag in chosen:
        raise UserError(f"both {chosen[tag]} and {file} are for '{tag}'", "join them into one file")
    chosen[tag] = file


def measure(
    source: str,
    parallel: Mapping[str, str | Path | Pairs],
    languages: Sequence[str],
    *,
    store: Store | None = None,
    **options: Any,
) -> dict[str, Measured]:
    """Load the source and measure it in each language that has parallel sentences."""
    from m2m_adapters.registry.names import load_source

    wanted = {normalize_tag(tag): value for tag, value in parallel.items()}
    if stray := sorted(set(wanted) - set(languages)):
        raise UserError(
            f"parallel sentences for '{stray[0]}', which is not among the requested languages",
            "add the language, or leave its sentences out",
        )
    pairs = {}
    for tag, value in wanted.items():
        rows = read_pairs(value, tag) if isinstance(value, (str, Path)) else list(value)
        pairs[tag] = _distinct(rows, tag)
    encoder = StoredEncoder(load_source(source, **options), store or Store(), f"source {source}")
    results = {}
    for tag, rows in pairs.items():
        english = encoder.embed([pair[0] for pair in rows])
        foreign = encoder.embed([pair[1] for pair in rows])
        results[tag] = measure_source(foreign, english, tag)
    return results


def _distinct(pairs: Pairs, language: str) -> list[tuple[str, str]]:
    """Pairs whose English and foreign sentences occur once, at most ``MOST``."""
    kept, english, foreign = [], set(), set()
    for left, right in pairs:
        if left not in english and right not in foreign:
            kept.append((left, right))
        english.add(left)
        foreign.add(right)
    _check_count(len(kept), language)
    return kept[:MOST]


def _check_count(count: int, language: str) -> None:
    if count < FEWEST:
        raise UserError(
            f"{count} distinct sentence pairs for '{language}' are too few to measure a source",
            f"give at least {FEWEST}; 300 are better",
        )


def measure_source(foreign: NDArray[Any], english: NDArray[Any], language: str) -> Measured:
    """Text-to-text retrieval of a source on parallel sentences (row i belongs to row i).

    The rank is taken as a share of the candidates, so 300 pairs and 1,000 pairs agree:
    R@10 among 1,000 is the nearest 1 %.
    """
    if foreign.shape != english.shape:
        raise ValueError("as many foreign vectors as English ones are needed, of one width")
    _check_count(len(foreign), language)
    a = foreign / np.linalg.norm(foreign, axis=1, keepdims=True)
    b = english / np.linalg.norm(english, axis=1, keepdims=True)
    scores = a @ b.T
    own = np.diag(scores)[:, None]
    better = (scores > own).sum(axis=1)
    ties = (scores == own).sum(axis=1) - 1
    allowed = len(a) / 100
    # a rank that straddles the limit counts for the part that lies within it
    within = np.clip(allowed - better - ties / 2, 0.0, 1.0)
    return Measured(normalize_tag(language), len(a), 100 * float(within.mean()))


def sharpen(guess: Forecast, measured: Mapping[str, Measured]) -> Forecast:
    """Combine a forecast with a measurement of its source; a published figure stays.

    The measurement implies R@10 = (the pair's English R@10) x share. Its spread: the link's
    own, sampling, and what parallel text cannot see of the benchmark's captions.
    """
    question = guess.question
    seen = measured.get(question.language)
    if seen is None or guess.basis == "published":
        return guess
    fitted = model(question.direction)
    means, spreads = fitted.predict([question, replace(question, language="en")])
    implied = float(to_logit(to_percent(means[1]) * seen.share / 100))
    least = 0.5 / seen.pairs
    share = min(max(seen.share / 100, least), 1 - least)
    sampling = share / (seen.pairs * (1 - share))
    noise = LINK**2 + sampling + SPREADS["language+benchmark"] ** 2 + spreads[1] ** 2
    weight = 1 / spreads[0] ** 2
    total = weight + 1 / noise
    mean = (means[0] * weight + implied / noise) / total
    low, middle, high = interval(float(mean), float(np.sqrt(1 / total)))
    why = (
        f"{seen.pairs} parallel pairs: {seen.share:.0f} % of the sentences find their English "
        f"one among the nearest 1 %; before: {guess.expected:.0f} ({guess.basis})"
    )
    return replace(
        guess, expected=middle, low=low, high=high, basis="measured", why=why,
        error=None, covered=None, error_on=None,
    )  # fmt: skip
