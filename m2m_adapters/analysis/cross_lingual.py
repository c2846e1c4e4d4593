"""By layer: how similar are the vectors of one meaning in English and in each other language?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters.analysis.layers import names_of
from m2m_adapters.analysis.measures import Matrix, Measure, measure
from m2m_adapters.analysis.study import Cell, Chart, Study
from m2m_adapters.analysis.uncertainty import Estimate, estimate, estimates, sample_warning
from m2m_adapters.interfaces import Vectors

Layers = Sequence[Vectors]
Done = Callable[[int, int], object]

MEASURES = ("svcca", "cka", "retrieval")


@dataclass(frozen=True)
class Precision:
    """Number of samples for chance levels and intervals."""

    shuffles: int = 3
    halves: int = 10
    seed: int = 0

    def estimate(self, measure: Measure, x: Matrix, y: Matrix) -> Estimate:
        """The measure of both sides, as precise as this says."""
        return estimate(measure, x, y, shuffles=self.shuffles, halves=self.halves, seed=self.seed)


def layers_study(
    vectors: Mapping[str, Layers],
    *,
    model: str,
    data: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
    progress: Done | None = None,
) -> Study:
    """Similarity of each language to English at every layer.

    vectors: language -> an array ``[n, width]`` for each layer, row i of all for one meaning.
    """
    similarity = similarities(vectors, measures, precision or Precision(), progress)
    names = names_of(vectors["en"])
    rows = [
        _row(code, names[layer], name, similarity[code, layer, name])
        for code in vectors
        if code != "en"
        for layer in range(len(names))
        for name in measures
    ]
    warning = sample_warning(*2 * [vectors["en"][-2:][0]])
    return Study(
        "layers",
        "How similar are translations to their English sentence at each layer?",
        model,
        data,
        rows,
        _charts(similarity, vectors, measures),
        [_peak(similarity, vectors, names, name) for name in measures],
        [warning] if warning else [],
    )


Found = dict[tuple[str, int, str], Estimate]


def similarities(
    vectors: Mapping[str, Layers],
    measures: Sequence[str],
    precision: Precision,
    progress: Done | None = None,
) -> Found:
    """(language, layer, measure) -> similarity to English."""
    english = vectors["en"]
    others = [code for code in vectors if code != "en"]
    by_pair: Found = {}
    total = len(others) * len(english) * len(measures)
    for layer, ours in enumerate(english):
        others_at = {code: vectors[code][layer] for code in others}
        for name in measures:
            figures = estimates(
                measure(name), others_at, ours, shuffles=precision.shuffles,
                halves=precision.halves, seed=precision.seed,
            )  # fmt: skip
            by_pair |= {(code, layer, name): figure for code, figure in figures.items()}
            if progress is not None:
                progress(len(by_pair), total)
    return by_pair


def _row(code: str, layer: str, name: str, figure: Estimate) -> dict[str, Cell]:
    about = language(code)
    return {
        "language": code,
        "script": about.script,
        "family": about.family,
        "layer": layer,
        "measure": name,
        **figure.to_dict(),
    }


def _mean(similarity: Found, codes: Sequence[str], layer: int, name: str) -> float:
    return float(np.mean([similarity[code, layer, name].value for code in codes]))


def _charts(
    similarity: Found, vectors: Mapping[str, Layers], measures: Sequence[str]
) -> list[Chart]:
    codes = [code for code in vectors if code != "en"]
    count = len(vectors["en"])
    over_all: list[tuple[str, list[tuple[float, float]]]] = [
        (name, [(layer, _mean(similarity, codes, layer, name)) for layer in range(count)])
        for name in measures
    ]
    charts = [Chart("Mean of the languages, by layer", "layer", over_all)]
    for name in measures:
        by_language: list[tuple[str, list[tuple[float, float]]]] = [
            (code, [(layer, similarity[code, layer, name].value) for layer in range(count)])
            for code in codes
        ]
        charts.append(Chart(f"{name}, by layer", "layer", by_language))
    return charts


def _peak(similarity: Found, vectors: Mapping[str, Layers], names: Sequence[str], name: str) -> str:
    codes = [code for code in vectors if code != "en"]
    means = [_mean(similarity, codes, layer, name) for layer in range(len(names))]
    best, last = int(np.argmax(means)), means[-1]
    if len(means) == 1:
        return f"{name}: {last:.3f}, mean of the languages"
    return (
        f"{name}: {means[0]:.3f} at the embeddings, highest at {_layer(names[best])} "
        f"({means[best]:.3f}), {last:.3f} at the output"
    )


def _layer(name: str) -> str:
    return f"layer {name}" if name.isdigit() else f"the {name}"
