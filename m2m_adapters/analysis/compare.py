"""Two encoders on the same data: how similar their spaces are, and which retrieves better.

Either side may be a source, a target, an adapter, or vectors by language. The spaces need not have
a common width: similarity is measured row by row, and each side ranks candidates in its own space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m2m_adapters._internal.progress import Progress
from m2m_adapters.analysis.cross_lingual import Precision
from m2m_adapters.analysis.measures import Measure, first_hits, measure
from m2m_adapters.analysis.paired import Resamples
from m2m_adapters.analysis.parallel import Parallel
from m2m_adapters.analysis.ranking import Rows, rank_agreement, same_first, scores
from m2m_adapters.analysis.study import Bars, Cell, Figure, Study
from m2m_adapters.analysis.uncertainty import sample_warning
from m2m_adapters.artifact.resolve import NamedEncoder, resolve_encoder
from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

BETWEEN = ("cka", "neighbors")


@dataclass(frozen=True)
class Side:
    """One of the two. vectors: by language; items: vectors of the items, where they are used."""

    name: str
    vectors: Mapping[str, Vectors]
    items: Vectors | None = None


def compare(
    a: NamedEncoder | str | Side,
    b: NamedEncoder | str | Side,
    texts: Parallel | None = None,
    *,
    items: bool = False,
    measures: Sequence[str] = BETWEEN,
    precision: Precision | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Study:
    """Similarity of two encoders, agreement of their rankings, and the difference in retrieval.

    a, b: names, or a :class:`Side` of vectors. texts: from :func:`parallel_texts`; not needed where
    both are vectors. items: rank the benchmark's items instead of the English texts.
    """
    if "retrieval" in measures:
        raise UserError("'retrieval' is always measured for each side", "leave it out")
    between = {name: measure(name) for name in measures}
    sides = [_side(one, texts, items, store or Store(), progress or Progress()) for one in (a, b)]
    rows = _rows(sides, between, precision or Precision())
    warning = sample_warning(sides[0].vectors["en"], sides[1].vectors["en"])
    return Study(
        "compare",
        "How alike are the two spaces, and which one finds more?",
        f"A = {sides[0].name}, B = {sides[1].name}",
        texts.name if texts else "stored vectors",
        rows,
        _charts(rows, measures[0]),
        _findings(rows, "item" if items else "English row"),
        [warning] if warning and {"svcca", "pwcca"} & set(measures) else [],
    )


def _rows(
    sides: Sequence[Side], between: Mapping[str, Measure], chosen: Precision
) -> list[dict[str, Cell]]:
    """A row for each language that both sides have, and the mean of all but English."""
    codes = [code for code in sides[0].vectors if code in sides[1].vectors]
    _check(sides, codes)
    draws = Resamples(len(sides[0].vectors["en"]), seed=chosen.seed)
    languages = {code: _Language(sides, code) for code in codes}
    rows = [_row(code, one, between, chosen, draws) for code, one in languages.items()]
    others = [one for code, one in languages.items() if code != "en"]
    return [*rows, _mean(rows, others, list(between), draws)]


class _Language:
    """What both sides do with the queries of one language.

    right: (A, B), a value for each row; None where English asks for its own texts.
    """

    def __init__(self, sides: Sequence[Side], code: str) -> None:
        self.pair = [side.vectors[code] for side in sides]
        held = [side.vectors["en"] if side.items is None else side.items for side in sides]
        self.scores = [scores(x, y) for x, y in zip(self.pair, held, strict=True)]
        itself = code == "en" and sides[0].items is None
        self.right: list[Rows] | None = None if itself else [first_hits(one) for one in self.scores]


def _side(
    one: NamedEncoder | str | Side, texts: Parallel | None, items: bool, store: Store, bar: Progress
) -> Side:
    if isinstance(one, Side):
        return one
    named = resolve_encoder(one) if isinstance(one, str) else one
    if texts is None:
        raise UserError("no texts are named", "give one of --benchmark and --parallel")
    if items and named.kind == "source":
        raise UserError(
            f"'{named.name}' is a source and does not encode items", "compare targets, adapters"
        )
    encoder = StoredEncoder(named.text, store, named.kind)
    vectors = {}
    for code, said in texts.texts.items():
        with bar.stage(f"{named.name}, {code}", len(said), "texts") as update:
            vectors[code] = encoder.embed(said, progress=lambda done, _: update(done))
    held = named.encode_items(texts.items or []) if items else None
    return Side(named.name, vectors, held)


def _check(sides: Sequence[Side], codes: Sequence[str]) -> None:
    if "en" not in codes or len(codes) < 2:
        raise UserError(
            f"'{sides[0].name}' and '{sides[1].name}' have no common languages with English",
            "give vectors of English and of at least one other language on both sides",
        )
    counts = {len(side.vectors[code]) for side in sides for code in codes}
    if len(counts) > 1:
        raise UserError(
            f"the two sides have {' and '.join(f'{n:,}' for n in sorted(counts))} rows",
            "compare vectors of the same texts in the same order",
        )
    if (sides[0].items is None) != (sides[1].items is None):
        raise UserError("only one side has items", "leave out --items, or give two encoders")


def _row(
    code: str, one: _Language, between: Mapping[str, Measure], chosen: Precision, draws: Resamples
) -> dict[str, Cell]:
    row: dict[str, Cell] = {"language": code}
    for name, how in between.items():
        figure = chosen.estimate(how, *one.pair).to_dict()
        row |= {name: figure["value"], f"{name} low": figure["low"], f"{name} high": figure["high"],
                f"{name} chance": figure["chance"]}  # fmt: skip
    row["agreement of ranks"] = round(float(rank_agreement(*one.scores).mean()), 4)
    row["same first"] = round(float(same_first(*one.scores).mean()), 4)
    return row | _retrieval([one] if one.right else [], draws)


def _retrieval(several: Sequence[_Language], draws: Resamples) -> dict[str, Cell]:
    """Both sides and their difference, paired by row; averaged over languages row by row."""
    keys = ("A finds", "B finds", "B - A", "low", "high")
    if not several:
        return dict.fromkeys(keys)
    both = [one.right for one in several if one.right]
    a, b = (draws.mean_of([right[side] for right in both]).rounded() for side in (0, 1))
    gain = draws.mean_of([right[1] - right[0] for right in both]).rounded()
    return dict(zip(keys, (a[0], b[0], *gain), strict=True))


def _mean(
    rows: Sequence[dict[str, Cell]], asked: Sequence[_Language], measures: Sequence[str],
    draws: Resamples,
) -> dict[str, Cell]:  # fmt: skip
    """The mean of the languages but English; its interval is of the difference only."""
    others = [row for row in rows if row["language"] != "en"]
    mean: dict[str, Cell] = dict.fromkeys(rows[0])
    mean["language"] = "mean"
    for key in (*measures, *(f"{name} chance" for name in measures),
                "agreement of ranks", "same first"):  # fmt: skip
        values = [float(row[key]) for row in others if row[key] is not None]  # type: ignore[arg-type]
        mean[key] = round(float(np.mean(values)), 4) if values else None
    return mean | _retrieval(asked, draws)


def _charts(rows: Sequence[dict[str, Cell]], name: str) -> list[Figure]:
    retrieval: list[tuple[str, float, float, float]] = []
    for row in rows:
        for side in ("A", "B"):
            value: Any = row[f"{side} finds"]
            if value is not None:
                retrieval.append((f"{row['language']}, {side}", value, value, value))
    alike: list[tuple[str, float, float, float]] = []
    for row in rows[:-1]:
        low, value, high = (float(row[key] or 0) for key in (f"{name} low", name, f"{name} high"))
        alike.append((str(row["language"]), value, low, high))
    return [Bars("Found at first rank", retrieval), Bars(f"{name} of A and B", alike)]


def _findings(rows: Sequence[dict[str, Cell]], what: str) -> list[str]:
    mean = rows[-1]
    gains = [row for row in rows[:-1] if row["B - A"] is not None and row["language"] != "en"]
    better = [str(row["language"]) for row in gains if float(row["low"] or 0) > 0]
    worse = [str(row["language"]) for row in gains if float(row["high"] or 0) < 0]
    clear = [f"B finds more in {', '.join(better)}"] if better else []
    clear += [f"A finds more in {', '.join(worse)}"] if worse else []
    return [
        f"mean of the languages but English, {what} first: A {mean['A finds']:.3f}, "
        f"B {mean['B finds']:.3f}, difference {mean['B - A']:+.3f} ({mean['low']:+.3f} to "
        f"{mean['high']:+.3f})",
        "; ".join(clear)
        if clear
        else "in no language does the interval of the difference exclude 0",
        f"rankings agree with a Spearman correlation of {mean['agreement of ranks']:.3f}; both put "
        f"the same candidate first for {mean['same first']:.1%} of the queries",
    ]
