"""Is a sentence in two languages closer to English or to the other one, at each layer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from m2m_adapters.analysis.cross_lingual import MEASURES, Layers, Precision
from m2m_adapters.analysis.layers import names_of
from m2m_adapters.analysis.measures import measure
from m2m_adapters.analysis.study import Cell, Chart, Study
from m2m_adapters.analysis.uncertainty import sample_warning
from m2m_adapters.corpus.code_switch import RULE


def switching_study(
    vectors: Mapping[str, Layers],
    mixtures: Mapping[str, Layers],
    *,
    model: str,
    data: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """Similarity to English of each language, and of its sentences half in English, by layer.

    mixtures: language -> layers of the sentences that begin in it and end in English.
    """
    chosen = precision or Precision()
    english = vectors["en"]
    names = names_of(english)
    rows: list[dict[str, Cell]] = []
    for code, mixed in mixtures.items():
        for layer, ours in enumerate(english):
            for what, foreign in (("whole", vectors[code][layer]), ("mixed", mixed[layer])):
                for name in measures:
                    figure = chosen.estimate(measure(name), foreign, ours)
                    rows.append({"language": code, "sentence": what, "layer": names[layer],
                                 "measure": name, **figure.to_dict()})  # fmt: skip
    warning = sample_warning(english[-1], english[-1])
    return Study(
        "codeswitch",
        f"How similar to English are sentences of two languages ({RULE})?",
        model,
        data,
        rows,
        [_chart(rows, names, name) for name in measures],
        [_finding(rows, name) for name in measures],
        [warning] if warning else [],
    )


def _mean(rows: Sequence[dict[str, Cell]], what: str, layer: str, name: str) -> float:
    values = [row["value"] for row in rows if row["sentence"] == what
              and row["layer"] == layer and row["measure"] == name]  # fmt: skip
    return float(np.mean([float(value) for value in values if value is not None]))


def _chart(rows: Sequence[dict[str, Cell]], names: Sequence[str], name: str) -> Chart:
    return Chart(
        f"{name} with English, mean of the languages, by layer",
        "layer",
        [(what, [(float(i), _mean(rows, what, layer, name)) for i, layer in enumerate(names)])
         for what in ("whole", "mixed")],
    )  # fmt: skip


def _finding(rows: Sequence[dict[str, Cell]], name: str) -> str:
    whole, mixed = (_mean(rows, what, "output", name) for what in ("whole", "mixed"))
    return f"{name} at the output: {whole:.3f} whole, {mixed:.3f} half in English"
