"""Does length matter? Long and short sentences apart, and sentences cut to a share of their words.

Thirds hold as many rows each, by the length of the English sentence; the figures are of equal
numbers of rows, so that CCA's dependence on their number does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from m2m_adapters.analysis.cross_lingual import MEASURES, Precision
from m2m_adapters.analysis.measures import Matrix, measure
from m2m_adapters.analysis.parallel import Parallel
from m2m_adapters.analysis.study import Cell, Chart, Study
from m2m_adapters.analysis.uncertainty import sample_warning
from m2m_adapters.corpus.code_switch import positions

SHARES = (0.25, 0.5, 0.75, 1.0)


def length_study(
    encode: Callable[[list[str]], Matrix],
    texts: Parallel,
    *,
    model: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """Similarity to English at the output, by length. ``encode``: texts -> ``[n, dim]``."""
    chosen = precision or Precision()
    words = np.array([len(positions(text)) for text in texts.texts["en"]])
    order = np.argsort(words, kind="stable")
    third = len(order) // 3
    parts = [order[:third], order[third : 2 * third], order[-third:]]
    names = [f"{words[part].min()} to {words[part].max()} words" for part in parts]
    shortened = {share: {code: encode([cut(text, share) for text in lines])
                         for code, lines in texts.texts.items()} for share in SHARES}  # fmt: skip
    rows: list[dict[str, Cell]] = []
    for code in texts.others:
        for name in measures:
            for what, part in zip(names, parts, strict=True):
                pair = shortened[1.0][code][part], shortened[1.0]["en"][part]
                rows.append(_row(code, "third", what, name, pair, chosen))
            for share, vectors in shortened.items():
                pair = vectors[code], vectors["en"]
                rows.append(_row(code, "cut", f"{share:.0%} of the words", name, pair, chosen))
    shortest = shortened[1.0]["en"][parts[0]]
    warning = sample_warning(shortest, shortest)
    return Study(
        "length",
        "Does the similarity of translations depend on length?",
        model,
        texts.name,
        rows,
        [_chart(rows, measures)],
        [_finding(rows, name, names) for name in measures],
        [warning] if warning else [],
    )


def cut(text: str, share: float) -> str:
    """The first ``share`` of a text's words, at least one."""
    starts = positions(text)
    kept = max(round(len(starts) * share), 1)
    return text if kept >= len(starts) else text[: starts[kept]].rstrip()


def _row(
    code: str, by: str, what: str, name: str, pair: tuple[Matrix, Matrix], chosen: Precision
) -> dict[str, Cell]:
    figure = chosen.estimate(measure(name), *pair)
    return {"language": code, "by": by, "length": what, "measure": name, **figure.to_dict()}


def _mean(rows: Sequence[dict[str, Cell]], what: str, name: str) -> float:
    values = [row["value"] for row in rows if row["length"] == what and row["measure"] == name]
    return float(np.mean([float(value) for value in values if value is not None]))


def _chart(rows: Sequence[dict[str, Cell]], measures: Sequence[str]) -> Chart:
    return Chart(
        "Sentences cut to a share of their words, mean of the languages",
        "percent of words",
        [(name, [(100 * share, _mean(rows, f"{share:.0%} of the words", name)) for share in SHARES])
         for name in measures],
    )  # fmt: skip


def _finding(rows: Sequence[dict[str, Cell]], name: str, thirds: Sequence[str]) -> str:
    figures = ", ".join(f"{_mean(rows, what, name):.3f} ({what})" for what in thirds)
    return f"{name} by length of the English sentence: {figures}"
