"""One evaluation as a page, and as files by their suffix."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from m2m_adapters._internal.files import whole_file
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.generator_evaluation import GeneratorEvaluation
from m2m_adapters.evaluation.scored import worst_queries
from m2m_adapters.evaluation.scoring import Evaluation
from m2m_adapters.report import generator_page, sections
from m2m_adapters.report.page import document
from m2m_adapters.report.tables import caption_of, latex, markdown

FORMATS = (".html", ".json", ".md", ".tex")


def check_format(path: Path) -> None:
    """Refuse, before the long work, if a report cannot be written in that form."""
    if path.suffix not in FORMATS:
        raise UserError(f"cannot write a report as '{path.name}'", f"use {', '.join(FORMATS)}")


def write_report(evaluation: Evaluation | GeneratorEvaluation, path: str | Path) -> None:
    """The evaluation in the form that the suffix of ``path`` asks for."""
    path = Path(path)
    check_format(path)
    if path.suffix == ".json":
        text = json.dumps(evaluation.to_dict(), indent=2, ensure_ascii=False) + "\n"
    elif isinstance(evaluation, GeneratorEvaluation):
        write = {".html": generator_page.page, ".md": generator_page.markdown}
        text = write.get(path.suffix, generator_page.latex)(evaluation)
    else:
        text = {".html": page, ".md": markdown}.get(path.suffix, latex)(evaluation)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page(evaluation: Evaluation) -> str:
    """Table, bars with intervals, curves, paired differences, and the worst misses."""
    return document(
        f"{evaluation.adapter['name']} on {evaluation.benchmark.name}",
        "\n".join(
            [
                f"<p>{escape(caption_of(evaluation))}</p>",
                sections.results(evaluation),
                sections.left_out(evaluation),
                sections.language_bars(evaluation),
                sections.recall_curves(evaluation),
                sections.compared(evaluation),
                sections.trust(evaluation),
                _misses(evaluation),
                f"<p class='note'>Adapter {escape(str(evaluation.adapter['digest']))}, benchmark "
                f"{escape(evaluation.benchmark.digest)}.</p>",
            ]
        ),
    )


def _misses(evaluation: Evaluation) -> str:
    worst = worst_queries(evaluation["adapter"])
    title = "<h2>Worst results</h2>"
    if not worst:
        return f"{title}<p>None: every caption ranks its item first.</p>"
    return (
        f"{title}<p class='note'>The first hits of each; the right item has a green frame, and "
        "its rank below it where it is not among them.</p>"
        + sections.queries(evaluation, [(code, place) for code, place, _ in worst])
    )
