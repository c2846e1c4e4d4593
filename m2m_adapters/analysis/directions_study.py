"""Does retrieval improve when what tells languages apart is removed, and at which layer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from m2m_adapters.analysis.cross_lingual import Layers
from m2m_adapters.analysis.directions import (
    applied,
    language_told,
    methods,
    variance_between,
)
from m2m_adapters.analysis.measures import hits
from m2m_adapters.analysis.paired import Resamples
from m2m_adapters.analysis.study import Bars, Cell, Chart, Figure, Study

BY_LAYER = ("none", "centered", "lir 1", "lsar 1")


def directions_study(
    vectors: Mapping[str, Layers], *, model: str, data: str, seed: int = 0
) -> Study:
    """Retrieval of the English row at the output after each removal, by language.

    vectors: language -> an array ``[n, width]`` for each layer, row i of all for one meaning.
    """
    output = {code: np.asarray(layers[-1]) for code, layers in vectors.items()}
    others = [code for code in output if code != "en"]
    draws = Resamples(len(output["en"]), seed=seed)
    rows: list[dict[str, Cell]] = []
    bars = []
    plain: dict[str, npt.NDArray[np.float64]] = {}
    for method in methods(len(output)):
        after = applied(method, output, seed)
        right = {code: hits(after[code], after["en"]) for code in others}
        plain = plain or right
        accuracy, between = language_told(after, seed), variance_between(after)
        groups = {**{code: [code] for code in others}, "mean": others}
        for name, codes in groups.items():
            gain = draws.mean_of([right[code] - plain[code] for code in codes]).rounded()
            value = draws.mean_of([right[code] for code in codes]).rounded()
            rows.append({
                "removed": method.name, "language": name,
                "retrieval": value[0], "low": value[1], "high": value[2],
                "change": gain[0], "change low": gain[1], "change high": gain[2],
                "language told": round(accuracy, 4) if name == "mean" else None,
                "variance between languages": round(between, 4) if name == "mean" else None,
            })  # fmt: skip
        bars.append((method.name, *value))
    charts: list[Figure] = [Bars("Retrieval of the English row, mean of the languages", bars)]
    if len(vectors["en"]) > 1:
        charts.append(_by_layer(vectors, others, seed))
    return Study(
        "directions",
        "Which directions tell languages apart, and does retrieval improve without them?",
        model,
        data,
        rows,
        charts,
        _findings(rows, len(output)),
        ["each half of the rows is treated with what the other half taught: 'centered', 'lir' and "
         "'lsar' use unlabeled text of every language, which an adapter from English never sees"],
    )  # fmt: skip


def _by_layer(vectors: Mapping[str, Layers], others: Sequence[str], seed: int) -> Chart:
    chosen = [method for method in methods(len(vectors)) if method.name in BY_LAYER]
    series: list[tuple[str, list[tuple[float, float]]]] = []
    for method in chosen:
        points = []
        for layer in range(len(vectors["en"])):
            after = applied(method, {code: v[layer] for code, v in vectors.items()}, seed)
            mean = np.mean([hits(after[code], after["en"]).mean() for code in others])
            points.append((float(layer), float(mean)))
        series.append((method.name, points))
    return Chart("Retrieval of the English row, mean of the languages, by layer", "layer", series)


def _findings(rows: Sequence[dict[str, Cell]], languages: int) -> list[str]:
    means = [row for row in rows if row["language"] == "mean"]
    plain = means[0]
    best = max(means[1:], key=lambda row: float(row["retrieval"] or 0))
    clear = float(best["change low"] or 0) > 0
    return [
        f"retrieval of the English row: {plain['retrieval']:.3f} as it is, highest with "
        f"'{best['removed']}': {best['retrieval']:.3f} (change {best['change']:+.3f}, "
        f"{best['change low']:+.3f} to {best['change high']:+.3f})"
        + ("" if clear else "; the interval of the change includes 0"),
        f"a row's language is told right for {plain['language told']:.1%} of the rows as it is, "
        f"for {best['language told']:.1%} after '{best['removed']}' (chance {1 / languages:.1%})",
        f"{plain['variance between languages']:.1%} of the variance lies between the languages, "
        f"{best['variance between languages']:.1%} after '{best['removed']}'",
    ]
