"""Is the gap between modalities larger than the gap between languages?

The language gap is what separates a sentence from its English one; the modality gap separates a
sentence from the picture or sound it describes. Both are 1 minus a similarity, at matching
depths of the towers, and in the joint space where both towers end also a distance: between the
centers of both sets, in units of the mean distance of a set's points from its own center.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from m2m_adapters.analysis.cross_lingual import MEASURES, Layers, Precision
from m2m_adapters.analysis.layers import names_of
from m2m_adapters.analysis.measures import Matrix, comparable, measure
from m2m_adapters.analysis.study import Cell, Chart, Study
from m2m_adapters.analysis.uncertainty import sample_warning


def gaps_study(
    vectors: Mapping[str, Layers],
    items: Layers,
    *,
    model: str,
    data: str,
    modality: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """Both gaps at every layer of the text tower, within English and for every other language.

    vectors: language -> layers of the texts; items: layers of what they describe.
    """
    chosen = precision or Precision()
    english = vectors["en"]
    names = names_of(english)
    rows: list[dict[str, Cell]] = []
    for layer, ours in enumerate(english):
        of_items = items[matching_depth(layer, len(english), len(items))]
        joint = layer == len(english) - 1
        pairs: list[tuple[str, str, Matrix]] = [(modality, f"en and {modality}", of_items)]
        pairs += [("language", f"en and {c}", vectors[c][layer]) for c in vectors if c != "en"]
        for kind, what, other in pairs:
            for name in measures:
                if not comparable(name, ours, other):
                    continue
                figure = chosen.estimate(measure(name), ours, other)
                rows.append(
                    {"layer": names[layer], "gap": kind, "between": what, "measure": name,
                     **figure.to_dict(),
                     "distance of centers": center_distance(ours, other) if joint else None}
                )  # fmt: skip
    warning = sample_warning(english[-1], items[-1])
    return Study(
        "gaps",
        "Is the gap between modalities larger than the gap between languages?",
        model,
        data,
        rows,
        [_chart(rows, names, name, modality) for name in measures],
        [_verdict(rows, name, modality) for name in measures],
        [warning] if warning else [],
    )


def matching_depth(layer: int, count: int, other: int) -> int:
    """The layer of a tower of ``other`` layers at the same share of the way; ends meet ends."""
    return round(layer * (other - 1) / max(count - 1, 1))


def center_distance(x: Matrix, y: Matrix) -> float | None:
    """Distance of the centers over the mean distance of points from their own center."""
    if x.shape[1] != y.shape[1]:
        return None
    inside = [np.linalg.norm(z - z.mean(0), axis=1).mean() for z in (x, y)]
    return round(float(np.linalg.norm(x.mean(0) - y.mean(0)) / np.mean(inside)), 4)


def _gap(rows: Sequence[dict[str, Cell]], layer: str, name: str, kind: str) -> float | None:
    wanted = {"layer": layer, "measure": name, "gap": kind}
    values = [row["value"] for row in rows if wanted.items() <= row.items()]
    numbers = [float(value) for value in values if value is not None]
    return 1 - float(np.mean(numbers)) if numbers else None


def _chart(
    rows: Sequence[dict[str, Cell]], names: Sequence[str], name: str, modality: str
) -> Chart:
    series = []
    for kind in ("language", modality):
        points = [(float(i), _gap(rows, layer, name, kind)) for i, layer in enumerate(names)]
        series.append((f"{kind} gap", [(x, y) for x, y in points if y is not None]))
    return Chart(f"1 - {name}, by layer of the text tower", "layer", series)


def _verdict(rows: Sequence[dict[str, Cell]], name: str, modality: str) -> str:
    across, within = (_gap(rows, "output", name, kind) for kind in (modality, "language"))
    if across is None or within is None:
        return f"{name}: cannot be compared"
    more = "larger" if across > within else "smaller"
    return (
        f"{name} at the output: the {modality} gap ({across:.3f}) is {more} than the mean "
        f"language gap ({within:.3f})"
    )
