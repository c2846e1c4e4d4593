"""Parallel texts: row i of each language describes item i; and the items."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.languages import is_known, normalize_tag
from m2m_adapters.corpus.files import DELIMITERS, kind_of, text_lines
from m2m_adapters.errors import UserError

FEWEST = 20
"""Rows below which no similarity is worth a figure."""


class Captioned(Protocol):
    """The parts of a benchmark that studies read."""

    @property
    def name(self) -> str: ...
    @property
    def items(self) -> Sequence[Any]: ...
    @property
    def captions(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def owners(self) -> Mapping[str, npt.NDArray[np.int64]]: ...
    @property
    def languages(self) -> list[str]: ...
    def only(self, wanted: Sequence[str]) -> Captioned: ...


@dataclass(frozen=True)
class Parallel:
    """Row i of every language describes item i; English comes first where it is there.

    items: None where only texts are known.
    """

    name: str
    texts: Mapping[str, list[str]]
    items: list[Any] | None = None

    @property
    def rows(self) -> int:
        return len(next(iter(self.texts.values())))

    @property
    def others(self) -> list[str]:
        """Every language but English."""
        return [code for code in self.texts if code != "en"]

    def at(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Parallel:
        """Some of the rows."""
        texts = {code: [lines[i] for i in rows] for code, lines in self.texts.items()}
        items = None if self.items is None else [self.items[i] for i in rows]
        return Parallel(self.name, texts, items)


def parallel_texts(data: Captioned, *, limit: int | None = 1_000, seed: int = 0) -> Parallel:
    """The first caption of each item that has one in every language.

    limit: so many items, drawn at random; None takes all.
    """
    first = {}
    for code in data.languages:
        items, places = np.unique(data.owners[code], return_index=True)
        first[code] = dict(zip(items.tolist(), places.tolist(), strict=True))
    shared = sorted(set.intersection(*(set(places) for places in first.values())))
    if "en" not in first or len(first) < 2:
        raise UserError(
            f"'{data.name}' has captions in {', '.join(first)} only",
            "give data with English and at least one other language",
        )
    if len(shared) < FEWEST:
        raise UserError(
            f"{len(shared)} items of '{data.name}' have captions in all of {', '.join(first)}",
            f"at least {FEWEST} are needed; ask for fewer languages with --langs",
        )
    if limit is not None and len(shared) > limit:
        drawn = np.random.default_rng(seed).choice(len(shared), limit, replace=False)
        shared = [shared[i] for i in np.sort(drawn)]
    texts = {
        code: [data.captions[code][places[i]] for i in shared] for code, places in first.items()
    }
    return Parallel(data.name, texts, [data.items[i] for i in shared])


def parallel_of(name: str, texts: Mapping[str, Sequence[str]]) -> Parallel:
    """Parallel sentences that belong to no items."""
    lengths = {len(lines) for lines in texts.values()}
    if "en" not in texts or len(texts) < 2 or len(lengths) != 1:
        raise UserError(
            f"'{name}' is not parallel text",
            "give as many sentences in English as in each other language",
        )
    if min(lengths) < FEWEST:
        raise UserError(f"{min(lengths)} rows are too few", f"give at least {FEWEST}")
    ordered = sorted(texts, key=lambda code: (code != "en", code))
    return Parallel(name, {code: list(texts[code]) for code in ordered})


def read_parallel(path: str | Path, *, limit: int | None = 1_000) -> Parallel:
    """A table (.tsv, .csv) with a column for each language, named by its tag.

    Rows in which a language is missing are left out; the first ``limit`` others are taken.
    """
    path = Path(path)
    rows = _cells(path)
    tags = [normalize_tag(cell) if is_known(cell) else "" for cell in rows[0]] if rows else []
    columns = {tag: place for place, tag in enumerate(tags) if tag}
    if "en" not in columns or len(columns) < 2:
        raise UserError(
            f"{path} has no header with 'en' and other languages",
            "name each column by its language's tag: en, de, ja, ...",
        )
    whole = [row for row in rows[1:] if len(row) == len(tags)
             and all(row[place].strip() for place in columns.values())]  # fmt: skip
    texts = {tag: [row[place].strip() for row in whole[:limit]] for tag, place in columns.items()}
    return parallel_of(path.name, texts)


def _cells(path: Path) -> list[list[str]]:
    delimiter = DELIMITERS.get(kind_of(path), "\t")
    try:
        if delimiter == ",":
            return list(csv.reader(text_lines(path), strict=True))
        return [line.split(delimiter) for line in text_lines(path)]
    except csv.Error as error:
        raise UserError(f"{path}: {error}", "in csv files a quotation mark is doubled") from error


def parallel_data(
    benchmark: Captioned | None,
    table: str | Path | None,
    *,
    languages: Sequence[str] | None = None,
    limit: int = 1_000,
    seed: int = 0,
) -> Parallel:
    """Parallel texts of a benchmark or of a table, in some languages only where they are named."""
    if limit < FEWEST:
        raise UserError(f"--limit is {limit}", f"give at least {FEWEST}")
    if (benchmark is None) == (table is None):
        raise UserError("no texts are named", "give one of --benchmark and --parallel")
    if benchmark is not None:
        return parallel_texts(
            benchmark.only(languages) if languages else benchmark, limit=limit, seed=seed
        )
    whole = read_parallel(str(table), limit=limit)
    return _only(whole, languages) if languages else whole


def _only(texts: Parallel, languages: Sequence[str]) -> Parallel:
    wanted = ["en", *(normalize_tag(written) for written in languages)]
    if missing := [tag for tag in wanted if tag not in texts.texts]:
        raise UserError(
            f"{texts.name} has no column for '{missing[0]}'", f"it has {', '.join(texts.texts)}"
        )
    return Parallel(texts.name, {tag: texts.texts[tag] for tag in dict.fromkeys(wanted)})
