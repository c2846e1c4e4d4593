"""A study as a page, and as files by their suffix."""

from __future__ import annotations

import csv
import io
import json
from html import escape
from pathlib import Path

from m2m_adapters._internal.files import whole_file
from m2m_adapters.analysis.study import Bars, Chart, Figure, Study, shown
from m2m_adapters.errors import UserError
from m2m_adapters.report.charts import bars, lines, points
from m2m_adapters.report.page import document, html_table

FORMATS = (".html", ".json", ".csv")
CHANCE = (
    "<p class='note'>chance: the same measure with the rows of one side shuffled. low and high: "
    "95 % interval from half samples.</p>"
)


def check_format(path: Path) -> None:
    """Refuse, before the long work, if a study cannot be written in that form."""
    if path.suffix not in FORMATS:
        raise UserError(f"cannot write a study as '{path.name}'", f"use {', '.join(FORMATS)}")


def write_study(study: Study, path: str | Path) -> None:
    """The study in the form that the suffix of ``path`` asks for."""
    path = Path(path)
    check_format(path)
    if path.suffix == ".json":
        text = json.dumps(study.to_dict(), indent=2, ensure_ascii=False) + "\n"
    else:
        text = study_page(study) if path.suffix == ".html" else study_csv(study)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def study_page(study: Study) -> str:
    """What it shows, the charts, and every figure in a table that sorts."""
    findings = "".join(f"<li>{escape(line)}</li>" for line in study.findings)
    warnings = "".join(f"<p class='note'>{escape(line)}</p>" for line in study.warnings)
    charts = "".join(
        f"<figure>{_drawn(chart)}<figcaption>{escape(chart.title)}</figcaption></figure>"
        for chart in study.charts
    )
    drawn = f"<h2>Charts (in percent)</h2><div class='pair'>{charts}</div>" if charts else ""
    header = list(study.rows[0]) if study.rows else []
    rows = [[shown(row[key]) for key in header] for row in study.rows]
    return document(
        f"{study.model}: {study.name}",
        f"<p>{escape(study.question)} Data: {escape(study.data)}.</p><ul>{findings}</ul>{warnings}"
        f"{drawn}<h2>Figures</h2>{html_table(header, rows)}{CHANCE if 'chance' in header else ''}",
    )


def study_csv(study: Study) -> str:
    """The rows, with a header."""
    page = io.StringIO()
    if study.rows:
        writer = csv.DictWriter(page, list(study.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(study.rows)
    return page.getvalue()


def _drawn(chart: Figure) -> str:
    if isinstance(chart, Chart):
        return lines(_percent(chart.series), title=chart.title, x_name=chart.x_name)
    if isinstance(chart, Bars):
        rows = [
            (name, *(min(max(100 * v, 0), 100) for v in values)) for name, *values in chart.rows
        ]
        return bars(rows, title=chart.title)  # type: ignore[arg-type]
    return points(chart.points, title=chart.title)


Series = list[tuple[str, list[tuple[float, float]]]]


def _percent(series: Series) -> Series:
    return [(name, [(x, _share(y)) for x, y in line]) for name, line in series]


def _share(value: float) -> float:
    """In percent, as far as a chart reaches."""
    return min(max(100 * value, 0), 100)
