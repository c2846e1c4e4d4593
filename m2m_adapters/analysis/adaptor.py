"""What does a length adaptor do to speech: does it bring speech nearer to text?

A length adaptor shortens speech to about the length of text after the last layer of a speech
encoder. The states before and after it are compared with every layer of text of the same sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from m2m_adapters.analysis.cross_lingual import MEASURES, Layers, Precision
from m2m_adapters.analysis.layers import names_of
from m2m_adapters.analysis.measures import comparable, measure
from m2m_adapters.analysis.study import Cell, Chart, Study
from m2m_adapters.analysis.uncertainty import Estimate, sample_warning

WHERE = ("before the adaptor", "after the adaptor")


def adaptor_study(
    text: Layers,
    speech: Layers,
    *,
    model: str,
    data: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
) -> Study:
    """Similarity of both states of speech with every layer of text.

    text, speech: layers of the same sentences, written and spoken. Of speech the last but one is
    what leaves the adaptor, and the one before it what enters it; the output comes last.
    """
    chosen = precision or Precision()
    names = names_of(text)
    states = dict(zip(WHERE, (speech[-3], speech[-2]), strict=True))
    rows: list[dict[str, Cell]] = []
    series: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {}
    ends: dict[tuple[str, str], Estimate] = {}
    for name in measures:
        for where, state in states.items():
            points = []
            for layer, ours in enumerate(text):
                if not comparable(name, ours, state):
                    continue
                figure = chosen.estimate(measure(name), ours, state)
                rows.append({"speech": where, "layer of text": names[layer], "measure": name,
                             **figure.to_dict()})  # fmt: skip
                points.append((float(layer), figure.value))
                ends[name, where] = figure
            series.setdefault(name, []).append((where, points))
    warning = sample_warning(text[-1], speech[-2])
    return Study(
        "adaptor",
        "Does the length adaptor bring speech nearer to text?",
        model,
        data,
        rows,
        [Chart(f"{name} of speech with text, by layer of text", "layer", means)
         for name, means in series.items()],
        [_finding(name, ends) for name in measures if (name, WHERE[0]) in ends],
        [warning] if warning else [],
    )  # fmt: skip


def _finding(name: str, ends: dict[tuple[str, str], Estimate]) -> str:
    before, after = (ends[name, where] for where in WHERE)
    apart = after.low > before.high or before.low > after.high
    return (
        f"{name} with the output of text: {before.value:.3f} ({before.low:.3f} to "
        f"{before.high:.3f}) before the adaptor, {after.value:.3f} ({after.low:.3f} to "
        f"{after.high:.3f}) after it" + ("" if apart else "; the intervals overlap")
    )
