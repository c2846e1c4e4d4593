"""Similarity to English at the output, by family, script and resources of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters.analysis.cross_lingual import (
    MEASURES,
    Done,
    Layers,
    Precision,
    similarities,
)
from m2m_adapters.analysis.resources import resource_class
from m2m_adapters.analysis.study import Cell, Study
from m2m_adapters.analysis.uncertainty import sample_warning


def families_study(
    vectors: Mapping[str, Layers],
    *,
    model: str,
    data: str,
    measures: Sequence[str] = MEASURES,
    precision: Precision | None = None,
    progress: Done | None = None,
) -> Study:
    """Means over the languages of each group, with their spread.

    With one or two languages in a group its figure says more of them than of the group.
    """
    chosen = replace(precision or Precision(), halves=0)
    output = {code: layers[-1:] for code, layers in vectors.items()}
    similarity = similarities(output, measures, chosen, progress)
    codes = [code for code in vectors if code != "en"]
    rows: list[dict[str, Cell]] = []
    for kind, group_of in (
        ("family", lambda code: language(code).family),
        ("script", lambda code: language(code).script),
        ("resources", resource_class),
    ):
        groups: dict[str, list[str]] = {}
        for code in codes:
            groups.setdefault(group_of(code), []).append(code)
        for group, members in sorted(groups.items()):
            row: dict[str, Cell] = {"by": kind, "group": group, "languages": " ".join(members)}
            for name in measures:
                values = [similarity[code, 0, name].value for code in members]
                row[name] = round(float(np.mean(values)), 4)
                row[f"{name} range"] = f"{min(values):.3f} to {max(values):.3f}"
            rows.append(row)
    warning = sample_warning(output["en"][0], output["en"][0])
    return Study(
        "families",
        "Which families, scripts and resource levels are close to English at the output?",
        model,
        data,
        rows,
        findings=[_extremes(rows, kind, measures[0]) for kind in ("family", "script")],
        warnings=[warning] if warning else [],
    )


def _extremes(rows: Sequence[dict[str, Cell]], kind: str, name: str) -> str:
    of_kind = sorted(
        (row for row in rows if row["by"] == kind), key=lambda row: float(row[name] or 0)
    )
    low, high = of_kind[0], of_kind[-1]
    return (
        f"{name} by {kind}: highest {high['group']} ({high[name]}), lowest {low['group']} "
        f"({low[name]})"
    )
